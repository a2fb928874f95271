"""Sets, ways, replacement and flushes of the TLB."""

import pytest
from vmtool.mm._probe_tlb import TlbProbe as Probe

BASE = 0x7F0000000000
MIB = 1 << 20
RW = 2


def mapped(pages, **boot):
    p = Probe()
    assert p.boot(256 * MIB, **boot) == 0
    for i in range(pages):
        p.map(BASE + i * 4096, 0x4000 + i)
    return p


def stats(p, *names):
    s = p.tlb_stats()
    return tuple(s[n] for n in names)


def addresses(p, structure):
    return sorted(a for name, _, _, a, _ in p.tlb_entries() if name == structure)


def test_the_second_access_hits():
    p = mapped(1)
    p.access(BASE)
    p.access(BASE + 8)
    assert stats(p, "misses", "l1_hits", "walks", "walk_reads") == (1, 1, 1, 4)


def test_a_fifth_page_of_one_set_evicts_the_one_used_longest_ago():
    """64 x 4: sixteen sets; the second level keeps what the first loses."""
    p = mapped(80)
    pages = [BASE + i * 16 * 4096 for i in range(5)]
    for addr in pages[:4]:
        p.access(addr)
    p.access(pages[0])
    p.access(pages[4])
    assert addresses(p, "l1d") == sorted([pages[0], pages[2], pages[3], pages[4]])
    p.access(pages[1])
    assert stats(p, "l2_hits", "misses") == (1, 5)


def test_the_first_level_holds_64_pages_and_the_second_1536():
    p = mapped(1536)
    for _ in range(2):
        for i in range(1536):
            p.access(BASE + i * 4096)
    assert len(addresses(p, "l1d")) == 64
    assert len(addresses(p, "l2")) == 1536
    assert stats(p, "misses", "l2_hits", "evictions") == (1536, 1536, 0)


def test_one_page_more_than_the_second_level_holds_evicts():
    p = mapped(1537)
    for i in range(1537):
        p.access(BASE + i * 4096)
    assert stats(p, "evictions") == (1,)


def test_instructions_have_a_first_level_of_their_own():
    p = mapped(0)
    p.map(BASE, 0x4000, 1 | 4, write=False)
    p.access(BASE, "x")
    p.access(BASE, "r")
    assert addresses(p, "l1i") == addresses(p, "l1d") == [BASE]
    assert stats(p, "misses", "l2_hits") == (1, 1)


def test_a_large_page_takes_one_entry():
    p = mapped(0)
    p.map(BASE, 0x4000, level=1)
    for i in range(0, 512, 7):
        p.access(BASE + i * 4096)
    assert stats(p, "misses") == (1,)
    assert [(n, s) for n, _, _, _, s in p.tlb_entries()] == [("l1d2m", 21), ("l2", 21)]


def test_a_stale_right_lasts_until_the_page_is_flushed():
    p = mapped(1)
    p.access(BASE, "w")
    p.set_entry(BASE, p.entry(BASE) & ~RW)
    assert p.access(BASE, "w")[0] == 0
    assert [name for name, _, _ in p.fsck() if name == "tlb-stale"]
    p.flush_page(BASE)
    assert p.access(BASE, "w")[0] != 0


def test_a_raised_right_needs_no_flush():
    p = mapped(1)
    p.set_entry(BASE, p.entry(BASE) & ~RW)
    p.access(BASE)
    p.set_entry(BASE, p.entry(BASE) | RW)
    assert p.access(BASE, "w")[0] == 0


def test_loading_cr3_empties_it_without_pcids():
    p = mapped(10)
    for i in range(10):
        p.access(BASE + i * 4096)
    p.load_cr3()
    assert p.tlb_entries() == []
    p.access(BASE)
    assert stats(p, "misses") == (11,)


def test_pcids_keep_entries_apart_and_alive():
    p = mapped(1, pcid=1)
    p.load_cr3(pcid=1)
    p.access(BASE)
    p.load_cr3(pcid=2, noflush=True)
    p.access(BASE)
    assert stats(p, "misses") == (2,)
    p.load_cr3(pcid=1, noflush=True)
    p.access(BASE)
    assert stats(p, "misses", "l1_hits") == (2, 1)
    p.load_cr3(pcid=1)  # without bit 63 what has the PCID goes
    p.access(BASE)
    assert stats(p, "misses") == (3,)


def test_a_range_up_to_33_pages_is_flushed_page_by_page():
    """tlb_single_page_flush_ceiling."""
    p = mapped(40)
    p.access(BASE + 39 * 4096)
    p.flush_range(BASE, BASE + 33 * 4096)
    assert stats(p, "flushes_page") == (33,)
    assert addresses(p, "l1d") == [BASE + 39 * 4096]
    p.flush_range(BASE, BASE + 34 * 4096)
    assert p.tlb_entries() == []


def test_none_means_a_walk_for_each_access():
    p = mapped(1, tlb="none")
    for _ in range(3):
        p.access(BASE)
    assert stats(p, "walks", "l1_hits") == (3, 0)


def test_a_spec_names_entries_and_ways():
    p = mapped(8, tlb="l1d=4x4")
    for i in range(8):
        p.access(BASE + i * 4096)
    assert addresses(p, "l1d") == [BASE + i * 4096 for i in range(4, 8)]
    assert stats(p, "evictions") == (4,)


@pytest.mark.parametrize("spec", ["l1d", "l1d=", "l1d=64", "l1d=64x", "l1d=64x5", "l9=64x4", "l1d=64x4;", "l1d=0x4", "l1d=64x0",
                                  "l1d=4294967360x4"])
def test_a_bad_spec_is_refused(spec):
    assert Probe().boot(64 * MIB, tlb=spec) == -22
