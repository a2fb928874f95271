"""The TLB against a plain model of it, on random traces: the same level answers each access, and every counter is the same."""

import random

import pytest
from vmtool.mm._probe_tlb import TlbProbe as Probe

from .tlb_model import PRESETS, Model

BASE, LARGE, HUGE = 0x7F0000000000, 0x600000000000, 0x500000000000
NR_PAGES, NR_LARGE = 4096, 96
SPECS = [*PRESETS, "l1d=12x4,l2=60x5", "l1d=48x6:plru,l2=96x3:random", "plru,l1d=64x4,l1d2m=32x4,l1i=7x7,l2=1536x12",
         "random,l1d=8x8:all,l1i=4x2,l2=40x8,l2i=12x6", "l1d=16x4,l2=128x8,pde=8x4,pdpte=4x4,pml4e=2x2",
         "l1d=16x4,pde=12x3:plru", "l1d=8x8,l2=64x4,l21g=4x4,pde=6x2:random,pdpte=3x3,pml4e=1x1", "l1d=4x4:all,l2=8x8:all",
         "l1d=1x1,l2=3x3:plru", "l1i=8x4", "l1d=128x128:plru"]


@pytest.fixture(scope="module")
def mapped():
    """Machines by their spec: 4096 pages, 96 of 2M, 3 of 1G, which all translate."""
    def make(spec, pcid):
        p = Probe()
        assert p.boot(1 << 30, tlb=spec, pcid=pcid) == 0
        for i in range(NR_PAGES):
            p.map(BASE + i * 4096, 0x4000 + i, 1 | 2 | 4)
        for i in range(NR_LARGE):
            p.map(LARGE + (i << 21), 0x8000 + (i % 8 << 9), 1 | 2 | 4, level=1)
        for i in range(3):
            p.map(HUGE + (i << 30), 0, 1 | 2 | 4, level=2)
        return p
    return make


def address(rng, hot):
    """(address, shift): few pages again and again, now and then any."""
    what = rng.random()
    if what < 0.75:
        n = rng.choice(hot) if rng.random() < 0.7 else rng.randrange(NR_PAGES)
        return BASE + n * 4096 + rng.randrange(4096), 12
    if what < 0.95:
        return LARGE + (int(rng.random() ** 3 * NR_LARGE) << 21) + rng.randrange(1 << 21), 21
    return HUGE + rng.randrange(3 << 30), 30


def trace(rng, nr, has_pcids):
    hot = [rng.randrange(NR_PAGES) for _ in range(rng.choice((8, 60, 400)))]
    for _ in range(nr):
        what = rng.random()
        if what < 0.004:
            yield "cr3", rng.randrange(1, 4) if has_pcids else 0, has_pcids and rng.random() < 0.7
        elif what < 0.02:
            yield "invlpg", address(rng, hot)[0]
        else:
            yield ("access", *address(rng, hot), "rwx"[rng.choice((0, 0, 1, 2))])


@pytest.mark.parametrize("has_pcids", [False, True])
@pytest.mark.parametrize("spec", SPECS)
def test_each_access_is_answered_alike(mapped, spec, has_pcids):
    p, model, rng = mapped(spec, has_pcids), Model(spec, has_pcids=has_pcids), random.Random(f"{spec} {has_pcids}")
    for step, (what, *args) in enumerate(trace(rng, 6000, has_pcids)):
        if what == "access":
            addr, shift, kind = args
            model.access(addr, kind, shift)
            assert p.access(addr, kind)[0] == 0
        elif what == "invlpg":
            model.invlpg(*args)
            p.invlpg(*args)
        else:
            model.load_cr3(*args)
            p.load_cr3(*args)
        told = p.tlb_stats()
        assert {name: told[name] for name in model.counts} == model.counts, (step, what, args)


def test_a_tree_passes_by_the_ways_that_are_not_there():
    """l1d=3x3:plru. Leaves 0 1 2 -; the tree points to the upper half after a use of 0 or 1, and there, to way 2, the only one.

    access  A B C   fill ways 0, 1, 2; C in the upper half: the root points down, node 2 to way 0 (B was used after A)
    access  D       takes way 0, A's; the root points up
    access  E       takes way 2, C's
    access  B       hits in way 1
    access  A C     A takes way 2 (the root points up since B), then C the way 0 (D's): node 2 points away from B
    """
    p = Probe()
    assert p.boot(256 << 20, tlb="l1d=3x3:plru") == 0
    for i in range(5):
        p.map(BASE + i * 4096, 0x4000 + i)
    a, b, c, d, e = (BASE + i * 4096 for i in range(5))
    held = lambda: {way: addr for _, _, way, addr, _ in p.tlb_entries()}  # noqa: E731
    for addr in (a, b, c, d, e):
        p.access(addr)
    assert held() == {0: d, 1: b, 2: e}
    p.access(b)
    assert p.tlb_stats()["l1_hits"] == 1
    for addr in (a, c):
        p.access(addr)
    assert held() == {0: c, 1: b, 2: a}


def test_a_cached_directory_entry_saves_three_reads_and_invlpg_of_any_page_voids_it():
    """pde=1x1: the first walk reads 4 entries, the next one in its 2M reads 1; an INVLPG elsewhere voids the cache, as the manual warns."""
    p = Probe()
    assert p.boot(256 << 20, tlb="pde=1x1") == 0
    for i in range(4):
        p.map(BASE + i * 4096, 0x4000 + i)
    reads = []
    for i, flush in enumerate((False, False, True, False)):
        if flush:
            p.invlpg(LARGE)
        p.access(BASE + i * 4096)
        reads.append(p.tlb_stats()["walk_reads"])
    assert reads == [4, 5, 9, 10]


def test_random_replacement_is_the_seeds_and_the_same_again():
    from vmtool._core import Machine
    def left(seed):
        m = Machine()
        m.boot(ram_bytes=64 << 20, tlb="random,l1d=16x16,l2=64x64", aslr_seed=seed)
        pid = m.spawn("demo", None, [b"/demo"], [])
        start = m.mmap(pid, 0x20000000, 400 * 4096, 3, 0x32)
        m.touch(pid, start, 400 * 4096, "w")
        return sorted(e.vpn for e in m.tlb() if e.level == 2 and e.vpn >> 9 == 0x20000000 >> 21)
    assert left(1) == left(1) != left(2)


@pytest.mark.parametrize("spec", ["plru,", "lru:all", "l1d=64x4:", "l1d=64x4:mru", "l1d=64x4:all:", "l1d=258x129", "l1d=8194x2", "pde",
                                  "fifo,l1d=64x4"])
def test_a_bad_spec_is_refused(spec):
    accepted = Probe().boot(64 << 20, tlb=spec) == 0
    assert accepted == (spec == "plru,")  # nothing is wrong with a comma at the end


@pytest.mark.parametrize("spec", ["zen4", "l1d=12x4,l2=60x5:plru,pde=8x4"])
def test_a_machine_with_such_a_tlb_works_and_is_consistent(spec):
    from vmtool._core import Machine
    m = Machine()
    m.boot(ram_bytes=256 << 20, tlb=spec)
    pid = m.spawn("demo", None, [b"/demo"], [])
    a = m.mmap(pid, 0, 8 << 20, 3, 0x22)
    m.touch(pid, a, 8 << 20, "w")
    child = m.fork(pid)
    for p in (child, pid):
        m.touch(p, a, 2 << 20, "w")
    m.mprotect(pid, a, 1 << 20, 1)
    m.munmap(pid, a + (4 << 20), 4 << 20)
    m.touch(pid, a, 4 << 20, "r")
    assert m.fsck() == []
    m.exit(child)
    assert m.fsck() == [] and m.tlb_stats()[0].psc_hits > 0 or "pde" not in spec
