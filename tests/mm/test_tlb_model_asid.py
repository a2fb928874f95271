"""arm64's TLB and riscv64's against the plain model of it, on random traces: pages, blocks, contiguous ones, ASIDs, TLBI and SFENCE.VMA;
and a few traces by hand."""

import contextlib
import random

import pytest
from vmtool.mm._probe_tlb import TlbProbe

from vmtool.errors import Signal

from .tlb_model import Model

BASE, CONT, LARGE, HUGE = 0x400000000000, 0x300000000000, 0x200000000000, 0x100000000000
WITH_1G = ("arm64", "riscv64", "riscv64-sv57")
DIRTY = 0x40  # of an entry as mm computes with it
NR_PAGES, NR_CONT, NR_LARGE = 2048, 48, 24
FORMATS = {  # what an entry of each level spans, and a contiguous block of pages: shifts
    "arm64": ((12, 21, 30, 39), 16),
    "arm64-16k": ((14, 25, 36), 21),
    "arm64-64k": ((16, 29, 42), 21),
    "riscv64": ((12, 21, 30, 39), 12),  # no hint: a page
    "riscv64-sv57": ((12, 21, 30, 39, 48), 12),
}
SPECS = [("arm64", "cortex-a72"), ("arm64", "neoverse-n1"), ("arm64-16k", "neoverse-n1"), ("arm64-64k", "cortex-a72"),
         ("arm64-64k", "neoverse-n1"), ("arm64", "l1d=8x8:4K+64K,l2=64x4:4K,pde=4x2,pdpte=2x2"),
         ("arm64", "l1d=12x4,l2=60x5:all,pde=6x3:plru"), ("arm64", ""),
         ("arm64-16k", "l1d=16x16:2M,l2=48x3:random:16K+2M+32M"),
         ("arm64", "plru,l1d=7x7:4K+1M,l1i=4x2:64K,l2=40x8:4K+64K,l2i=6x3"),
         ("riscv64", ""), ("riscv64", "l1d=12x4,l2=60x5:all,pde=6x3:plru"),
         ("riscv64-sv57", "l1d=8x8:all,l1i=4x2,l2=40x8,l2i=6x3")]  # a spec has 63 characters


def folio(p, order):
    """Frames that one folio holds, aligned to its size."""
    pfn = p.alloc(order)
    assert pfn and pfn % (1 << order) == 0
    return pfn


@pytest.fixture(scope="module")
def mapped():
    """Machines by format and spec: pages, contiguous blocks of them, larger entries, all written before."""
    def put(p, addr, pfn, level=0):
        assert p.map(addr, pfn, 1 | 2 | 4, level=level)
        p.set_entry(addr, p.entry(addr, level) | DIRTY, level)

    def make(arch, spec):
        shifts, block = FORMATS[arch]
        p = TlbProbe()
        assert p.boot(2 << 30, arch=arch, tlb=spec) == 0
        for i in range(NR_PAGES):
            put(p, BASE + (i << shifts[0]), 0x1001 + 2 * i)
        nr = 1 << (block - shifts[0])
        first = folio(p, (block - shifts[0]))
        for i in range(NR_CONT):
            for j in range(nr):
                put(p, CONT + (i << block) + (j << shifts[0]), first + j)
        assert arch.startswith("riscv") or p.walk(CONT)["steps"][-1][2] >> 52 & 1  # the hint is there
        for i in range(NR_LARGE):
            put(p, LARGE + (i << shifts[1]), 0, level=1)
        if arch in WITH_1G:
            for i in range(3):
                put(p, HUGE + (i << 30), 0, level=2)
        return p
    return make


def address(rng, arch, hot):
    """(address, shift): few pages again and again, now and then any."""
    shifts, block = FORMATS[arch]
    what = rng.random()
    if what < 0.55:
        n = rng.choice(hot) if rng.random() < 0.7 else rng.randrange(NR_PAGES)
        return BASE + (n << shifts[0]) + rng.randrange(1 << shifts[0]), shifts[0]
    if what < 0.8:
        return CONT + rng.randrange(NR_CONT << block), block
    if what < 0.95 or arch not in WITH_1G:
        return LARGE + (int(rng.random() ** 3 * NR_LARGE) << shifts[1]) + rng.randrange(1 << shifts[1]), shifts[1]
    return HUGE + rng.randrange(3 << 30), 30


def trace(rng, arch, nr):
    hot = [rng.randrange(NR_PAGES) for _ in range(rng.choice((8, 60, 400)))]
    for _ in range(nr):
        what = rng.random()
        if what < 0.01:
            yield "load_ttbr0", rng.choice((1, 2, 300, 65535))
        elif what < 0.012:
            yield "tlbi", rng.choice((1, 2, 300, 65535))
        elif what < 0.03:
            yield "tlbi", rng.choice((1, 2, 300, 65535)), address(rng, arch, hot)[0], rng.random() < 0.5
        else:
            yield ("access", *address(rng, arch, hot), "rwx"[rng.choice((0, 0, 1, 2))])


@pytest.mark.parametrize("arch, spec", SPECS)
def test_each_access_is_answered_alike(mapped, arch, spec):
    p, rng = mapped(arch, spec), random.Random(f"{arch} {spec}")
    text = spec or "l1d=64x4,l1d2m=32x4,l1d1g=4x4,l1i=128x8,l1i2m=8x8,l2=1536x12"
    model = Model(text, shifts=FORMATS[arch][0], all_dirty=True)
    p.load_ttbr0(1)
    model.load_ttbr0(1)
    for step, (what, *args) in enumerate(trace(rng, arch, 6000)):
        if what == "access":
            addr, shift, kind = args
            model.access(addr, kind, shift)
            assert p.access(addr, kind)[0] == 0
        else:
            getattr(model, what)(*args)
            getattr(p, what)(*args)
        told = p.tlb_stats()
        assert {name: told[name] for name in model.counts} == model.counts, (step, what, args)


def held(p):
    return sorted((name, addr, shift) for name, _, _, addr, shift in p.tlb_entries())


def test_a_cortex_a72_takes_a_contiguous_block_at_once_and_a_larger_one_by_1m(mapped):
    """One access to each: a page, the third page of a block of 64K, the second MiB of one of 2M (TRM 5.2: the first level: 4K, 64K, 1M)."""
    p = mapped("arm64", "cortex-a72")
    p.load_ttbr0(1)
    for addr in (BASE, CONT + 2 * 4096, LARGE + (1 << 20) + 5):
        assert p.access(addr)[0] == 0
    assert held(p) == sorted([("l1d", BASE, 12), ("l1d", CONT, 16), ("l1d", LARGE + (1 << 20), 20),
                              ("l2", BASE, 12), ("l2", CONT, 16), ("l2", LARGE, 21)])
    for page in range(16):  # all of the block's pages hit, each at its own address
        assert p.access(CONT + page * 4096 + 7)[1] == p.walk(CONT + page * 4096 + 7)["phys"]
    assert p.tlb_stats()["misses"] == 3
    p.access(LARGE)  # the first MiB: the second level has it
    assert (p.tlb_stats()["misses"], p.tlb_stats()["l2_hits"]) == (3, 1)


def test_without_named_sizes_the_hint_is_no_more_than_a_hint(mapped):
    """Four pages of a block: four entries."""
    p = mapped("arm64", "l1d=16x16")
    p.load_ttbr0(1)
    for page in range(4):
        p.access(CONT + page * 4096)
    assert held(p) == [("l1d", CONT + page * 4096, 12) for page in range(4)]


def test_two_asids_share_no_entry_and_a_flush_by_one_leaves_the_others(mapped):
    """Same tables, ASIDs 7 and 9: a miss each; back to 7: a hit; ASIDE1 of 9: 7 hits, 9 misses."""
    p = mapped("arm64", "l1d=16x16")
    seen = []
    for asid, flush in ((7, None), (9, None), (7, None), (7, 9), (9, None)):
        if flush:
            p.tlbi(flush)
        p.load_ttbr0(asid)
        p.access(BASE)
        seen.append(p.tlb_stats()["misses"])
    assert seen == [1, 2, 2, 2, 3]


def test_vae1_of_any_page_of_a_block_drops_the_block_and_vale1_leaves_the_tables_entry(mapped):
    """pde=4x4. First walk: 4 reads. VALE1: the page is gone, the entry that leads to its table is not: 1 read. VAE1: both are: 4 reads."""
    p = mapped("arm64", "l1d=4x4:4K+64K,pde=4x4")
    p.load_ttbr0(1)
    reads = []
    for last_level in (None, True, False):
        if last_level is not None:
            p.tlbi(1, CONT + 9 * 4096, last_level)
        p.access(CONT)
        reads.append(p.tlb_stats()["walk_reads"])
    assert reads == [4, 5, 9]


@pytest.mark.parametrize("arch, tlb, kb", [("arm64", "cortex-a72", 64), ("arm64", "asid=8,l1d=24x24:4K+64K+2M,l2=64x4:4K+64K,pde=4x4", 64),
                                           ("arm64-16k", "neoverse-n1", 2048), ("arm64-64k", "neoverse-n1", 2048)])
def test_what_is_held_is_always_what_the_tables_say(arch, tlb, kb):
    """Spaces that fork, share, lose pages and rights, by blocks and by pages; after each step fsck walks for every entry of every ASID."""
    from vmtool._core import Machine
    m, rng, at, blocks = Machine(), random.Random(f"{arch} {tlb}"), 0x40000000, 0
    m.boot(ram_bytes=512 << 20, arch=arch, tlb=tlb, nr_cpus=2)
    m.set_sysctl(f"transparent_hugepage/hugepages-{kb}kB/enabled", "always")
    page, block = 1 << m.info().page_shift, kb << 10
    pids = [m.spawn("a", None, [b"a"], [])]
    m.mmap(pids[0], at, 4 * block, 3, 0x32)

    def part(size):
        start = rng.randrange(4 * block // size) * size
        return at + start, min(rng.randrange(1, 5) * size, 4 * block - start)

    for _ in range(250):
        pid, (start, length) = rng.choice(pids), part(rng.choice((page, page, block)))
        what = rng.random()
        if what < 0.5:
            with contextlib.suppress(Signal):  # what mprotect() took
                m.touch(pid, start, length, rng.choice("rw"), probe=True)
        elif what < 0.6:
            m.mprotect(pid, start, length, rng.choice((1, 3)))
        elif what < 0.7:
            m.madvise(pid, start, length, rng.choice((4, 8, 20)))
        elif what < 0.8:
            m.munmap(pid, start, length)
            m.mmap(pid, start, length, 3, 0x32)
        elif what < 0.9 and len(pids) < 6:
            pids.append(m.fork(pid))
        elif what < 0.95:
            m.switch(pid, rng.randrange(2))
        elif len(pids) > 1:
            m.exit(pid)
            pids.remove(pid)
        assert m.fsck() == []
        blocks += any(entry.page_shift > m.info().page_shift for entry in m.tlb())
    assert blocks > 20 and m.tlb_stats()[0].shootdowns == 0
