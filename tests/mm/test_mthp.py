"""Huge pages of sizes between a page and a PMD's, by hugepages-*kB/enabled: rules of mm/memory.c and mm/huge_memory.c one by one.

The live kernel judges drawn scripts of the same calls: `python -m tests.differential --category thp/mthp`.
"""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

from vmtool.errors import KernelError  # noqa: E402

PAGE, KB64, HUGE = 4096, 65536, 2 << 20
RW, PRIVATE_ANON, FIXED = 3, 0x22, 0x10
HUGEPAGE, NOHUGEPAGE, DONTNEED, FREE, COLD, PAGEOUT = 14, 15, 4, 8, 20, 21
AT = 0x40000000
EXCLUSIVE = 1 << 56
THP, HEAD, TAIL = 22, 15, 16  # KPF_


@pytest.fixture
def machine():
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30)
    machine.spawn("a", None, [b"a"], [])
    enabled(machine, 64, "always")
    yield machine
    assert machine.fsck() == []


def enabled(machine, kb, how):
    machine.set_sysctl(f"transparent_hugepage/hugepages-{kb}kB/enabled", how)


def area(machine, length=1 << 20, at=AT, advice=None):
    machine.mmap(1, at, length, RW, PRIVATE_ANON | FIXED)
    if advice is not None:
        machine.madvise(1, at, length, advice)
    return at


def touch(machine, at, pid=1, kind="w", length=1):
    return machine.touch(pid, at, length, kind).minor


def entries(machine, at, length, pid=1):
    return [int.from_bytes(machine.pagemap_bytes(pid, at + n, PAGE), "little") for n in range(0, length, PAGE)]


def there(machine, at, length, pid=1):
    """A digit a page."""
    return "".join(str(entry >> 63) for entry in entries(machine, at, length, pid))


def pfns(machine, at, length, pid=1):
    return [entry & (1 << 55) - 1 for entry in entries(machine, at, length, pid)]


def counts(machine, kb=64):
    """(anon_fault_alloc, nr_anon, nr_anon_partially_mapped, split, split_deferred)"""
    s = machine.mthp_stats(kb)
    return tuple(s[name] for name in ("anon_fault_alloc", "nr_anon", "nr_anon_partially_mapped", "split", "split_deferred"))


def test_a_write_maps_the_aligned_block_around_it(machine):
    at = area(machine)
    assert touch(machine, at + 5 * PAGE) == 1
    assert there(machine, at, 2 * KB64) == "1" * 16 + "0" * 16
    first, *more = pfns(machine, at, KB64)
    assert first % 16 == 0 and more == list(range(first + 1, first + 16))
    assert all(entry & EXCLUSIVE for entry in entries(machine, at, KB64))
    assert counts(machine) == (1, 1, 0, 0, 0)
    flags = [machine.frames([pfn])[0].kpageflags for pfn in (first, first + 15)]
    assert [[flag >> bit & 1 for bit in (THP, HEAD, TAIL)] for flag in flags] == [[1, 1, 0], [1, 0, 1]]


def test_a_page_that_is_there_already_forbids_the_block_around_it(machine):
    """A read mapped the zero page: of the sizes that are on, the largest without it."""
    enabled(machine, 16, "always")
    at = area(machine)
    touch(machine, at, kind="r")
    touch(machine, at + 4 * PAGE)
    assert there(machine, at, KB64) == "10001111" + "0" * 8
    touch(machine, at)  # a copy of the zero page is a page
    assert (counts(machine)[0], counts(machine, 16)[0]) == (0, 1)


def test_a_block_must_lie_in_the_area(machine):
    at = area(machine, 9 * PAGE, AT + 8 * PAGE)
    touch(machine, at)
    touch(machine, at + 8 * PAGE)
    assert there(machine, at, 9 * PAGE) == "1" + "0" * 7 + "1"
    assert counts(machine) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("size, whole, advice, expected", [
    ("always", "never", None, 16), ("always", "never", NOHUGEPAGE, 1), ("madvise", "never", None, 1),
    ("madvise", "never", HUGEPAGE, 16),     ("inherit", "madvise", None, 1), ("inherit", "madvise", HUGEPAGE, 16),
    ("inherit", "always", None, 16), ("inherit", "never", HUGEPAGE, 1),
    ("never", "always", HUGEPAGE, 1)])
def test_what_the_modes_and_the_advice_say(machine, size, whole, advice, expected):
    enabled(machine, 64, size)
    machine.set_sysctl("transparent_hugepage/enabled", whole)
    at = area(machine, advice=advice)
    touch(machine, at)
    assert there(machine, at, KB64).count("1") == expected
    assert machine.smaps(1)[[vma.start for vma in machine.maps(1)].index(at)].thp_eligible == (expected == 16)


def test_a_pmd_s_size_can_be_switched_off_alone(machine):
    enabled(machine, 2048, "never")
    at = area(machine, HUGE, advice=HUGEPAGE)
    touch(machine, at)
    assert there(machine, at, 2 * KB64) == "1" * 16 + "0" * 16
    assert machine.mthp_stats(2048)["anon_fault_alloc"] == 0


def test_after_fork_pages_are_copied_one_by_one_and_the_last_owner_reuses_the_rest(machine):
    at = area(machine)
    touch(machine, at)
    child = machine.fork(1)
    assert touch(machine, at, child) == 1
    assert touch(machine, at + PAGE) == 1
    assert not entries(machine, at + 2 * PAGE, PAGE)[0] & EXCLUSIVE
    machine.exit(child, 0)
    before = pfns(machine, at, KB64)
    assert touch(machine, at, length=KB64) == 15
    assert pfns(machine, at, KB64) == before  # nothing was copied: nobody else maps any of it
    assert counts(machine) == (1, 1, 1, 0, 1)  # the copy of its second page is none of it


def test_the_last_page_of_a_folio_is_copied_so_that_the_folio_goes(machine):
    at = area(machine)
    touch(machine, at)
    child = machine.fork(1)
    machine.exit(child, 0)
    machine.munmap(1, at + PAGE, KB64 - PAGE)
    before = pfns(machine, at, PAGE)
    touch(machine, at)
    assert pfns(machine, at, PAGE) != before
    assert counts(machine)[1:3] == (0, 0)


def test_of_three_processes_the_third_has_no_slot(machine):
    """folio_add_return_large_mapcount(): who maps a folio third is not told apart, and it stays shared until one of two owns all."""
    at = area(machine)
    touch(machine, at)
    second = machine.fork(1)
    third = machine.fork(1)
    before = pfns(machine, at, KB64)
    machine.exit(second, 0)
    touch(machine, at)
    machine.exit(third, 0)
    touch(machine, at + PAGE)
    after = pfns(machine, at, KB64)
    assert after[0] != before[0]
    assert after[1:] == before[1:]


@pytest.mark.parametrize("advice, expected", [(COLD, (1, 0, 0, 1, 1)), (FREE, (1, 0, 0, 1, 1)), (DONTNEED, (1, 1, 1, 0, 1))])
def test_advice_on_a_part_of_a_folio(machine, advice, expected):
    """A split unmaps the folio page by page: for a moment it is partly mapped, and counted so."""
    at = area(machine)
    touch(machine, at)
    machine.madvise(1, at + PAGE, 2 * PAGE, advice)
    assert counts(machine) == expected


@pytest.mark.parametrize("advice", [COLD, FREE])
def test_advice_on_a_whole_folio_leaves_it_in_one_piece(machine, advice):
    at = area(machine)
    touch(machine, at)
    machine.madvise(1, at, KB64, advice)
    assert counts(machine) == (1, 1, 0, 0, 0)


def test_advice_on_a_part_that_two_processes_map_leaves_it(machine):
    at = area(machine)
    touch(machine, at)
    machine.fork(1)
    machine.madvise(1, at + PAGE, PAGE, COLD)
    assert counts(machine) == (1, 1, 0, 0, 0)


def test_a_whole_folio_unmapped_is_free_at_once(machine):
    at = area(machine)
    touch(machine, at)
    machine.munmap(1, at, KB64)
    assert counts(machine) == (1, 0, 0, 0, 0)


def test_mlock_locks_what_it_covers_as_a_whole(machine):
    at = area(machine)
    touch(machine, at)
    machine.mlock(1, at, 4 * PAGE)
    assert machine.vmstat()["nr_mlock"] == 0
    machine.mlock(1, at, KB64)
    assert machine.vmstat()["nr_mlock"] == 0  # the other twelve pages are no whole folio either
    touch(machine, at + KB64)
    machine.mlock(1, at + KB64, KB64)
    assert machine.vmstat()["nr_mlock"] == 16


def test_memory_short_splits_what_is_partly_mapped(machine):
    """deferred_split_scan(): the pages that nothing maps are free again unwritten, those that hold zeros become the zero page."""
    at = area(machine)
    for n in range(8):
        machine.store(1, at + n * KB64 + 12 * PAGE, b"x")
        machine.madvise(1, at + n * KB64, 12 * PAGE, DONTNEED)
    assert counts(machine) == (8, 8, 8, 0, 8)
    anon = dict(machine.frames_summary())["anon"]
    machine.set_sysctl("vm.drop_caches", "2")
    assert counts(machine) == (8, 0, 0, 8, 8)
    assert dict(machine.frames_summary())["anon"] == anon - 8 * 15


def test_sizes_of_the_machine(machine):
    assert machine.thp_sizes() == [16, 32, 64, 128, 256, 512, 1024, 2048]
    assert machine.sysctl("transparent_hugepage/hugepages-64kB/enabled") == "[always] inherit madvise never"
    assert machine.sysctl("transparent_hugepage/hugepages-2048kB/enabled") == "always [inherit] madvise never"
    with pytest.raises(KernelError):
        machine.sysctl("transparent_hugepage/hugepages-4096kB/enabled")
    with pytest.raises(KernelError):
        machine.set_sysctl("transparent_hugepage/hugepages-64kB/enabled", "sometimes")
    with pytest.raises(KernelError):
        machine.mthp_stats(8)


def test_a_huge_page_full_of_zeros_is_split_when_khugepaged_would_not_make_one(machine):
    """thp_underused(): more of its pages hold zeros than max_ptes_none; they become the zero page."""
    at = machine.mmap(1, AT, HUGE, RW, PRIVATE_ANON | FIXED)
    machine.madvise(1, at, HUGE, HUGEPAGE)
    machine.store(1, at, b"x")
    machine.set_sysctl("vm.drop_caches", "2")
    assert machine.mthp_stats(2048)["split"] == 0
    machine.madvise(1, at, HUGE, DONTNEED)
    machine.set_sysctl("transparent_hugepage/khugepaged/max_ptes_none", "510")
    machine.store(1, at, b"x")
    machine.set_sysctl("vm.drop_caches", "2")
    assert (machine.mthp_stats(2048)["split"], machine.vmstat()["thp_underused_split_page"]) == (1, 1)
    assert machine.load(1, at, 2) == b"x\0"
    assert machine.mm(1).rss_anon < 512


def test_a_process_that_wants_none(machine):
    at = area(machine, advice=HUGEPAGE)
    machine.set_thp_disable(1, True, 2)
    touch(machine, at)
    assert there(machine, at, KB64) == "1" * 16  # it asked for them here
    other = area(machine, KB64, AT + (4 << 20))
    touch(machine, other)
    assert there(machine, other, KB64) == "1" + "0" * 15
    machine.set_thp_disable(1, True)
    touch(machine, at + KB64)
    assert there(machine, at + KB64, KB64) == "1" + "0" * 15
    child = machine.fork(1)
    assert machine.thp_disable(child) == 1
    machine.set_thp_disable(child, False)
    assert (machine.thp_disable(1), machine.thp_disable(child)) == (1, 0)
    for disable, flags in ((False, 2), (True, 4)):
        with pytest.raises(KernelError):
            machine.set_thp_disable(1, disable, flags)


@pytest.mark.parametrize("before", ["whole", "a page gone", "shared", "paged out"])
def test_folios_that_became_a_huge_page_are_free(machine, before):
    at = -(-AT // HUGE) * HUGE
    machine.mmap(1, at, HUGE, RW, PRIVATE_ANON | FIXED)
    free = sum(zone.free + sum(cpu[0] for cpu in zone.pcp) for zone in machine.zones())
    touch(machine, at, length=4 * KB64)
    child = None
    if before == "a page gone":
        machine.madvise(1, at + PAGE, PAGE, DONTNEED)
    elif before == "shared":
        child = machine.fork(1)
        touch(machine, at, pid=child, length=KB64)
    elif before == "paged out":
        machine.swapon(64 << 20)
        machine.madvise(1, at, PAGE, PAGEOUT)
    machine.madvise(1, at, HUGE, 25)  # MADV_COLLAPSE
    assert machine.fsck() == []
    if before in ("whole", "a page gone"):
        machine.munmap(1, at, HUGE)
        machine.set_sysctl("vm.drop_caches", "3")
        now = sum(zone.free + sum(cpu[0] for cpu in zone.pcp) for zone in machine.zones())
        assert now >= free


def test_a_slot_taken_late_does_not_know_earlier_mappings(machine):
    """folio_add_return_large_mapcount(): it may have mappings already, and the folio counts as shared then."""
    machine.set_sysctl("transparent_hugepage/enabled", "always")
    at = -(-AT // HUGE) * HUGE
    machine.mmap(1, at, HUGE, RW, PRIVATE_ANON | FIXED)
    touch(machine, at)
    first, second, third = machine.fork(1), machine.fork(1), machine.fork(1)
    machine.munmap(1, at, HUGE)
    machine.munmap(third, at, PAGE)  # splits its entry: 511 of 512 are new
    assert machine.fsck() == []
    machine.munmap(third, at, HUGE)
    assert machine.fsck() == []
    machine.munmap(first, at, HUGE)
    machine.munmap(second, at, HUGE)
    assert machine.meminfo()["AnonHugePages"] == 0
