"""Each invariant of swap: one field is damaged, fsck says which in a line of its own. The sentences are written here by hand."""

import pytest

from .story import PAGE, Cases, Story

NR_SWAPCACHE, MADV_PAGEOUT = 20, 21  # node_stat_item; advice
SLOT_CONT, LARGE_AT = 32, 0x60000000
CASES = Cases()
case = CASES.case


def swapped(s):
    """Switch an area on and let the parent's second page go to it. Returns its slot."""
    s.m.swapon(4 << 20)
    s.m.touch(s.pid, s.heap + PAGE, 1, "w")
    s.m.madvise(s.pid, s.heap + PAGE, PAGE, MADV_PAGEOUT)
    return s.m.peek("machine", 0, "swap.base[0]") + 1


@case("swap-count")
def _(s):
    slot = swapped(s)
    s.change("swap", slot, "count")
    return f"swap slot {slot} counts its entries wrongly: 1 name it"


@case("swap-outside")
def _(s):
    swapped(s)
    s.m.poke("machine", 0, "swap.max[0]", 1)
    return f"address {s.heap + PAGE:#x} of address space {s.mm} names a slot that no swap area has"


@case("swap-cache")
def _(s):
    slot = swapped(s)
    head = s.m.peek("swap", slot, "folio")
    s.m.poke("folio_x", head, "swap", 0)
    return f"swap slot {slot} has frame {head} in the swap cache, which does not say so"


@case("swap-cached")
def _(s):
    swapped(s)
    s.m.poke("machine", 0, f"node_stat[{NR_SWAPCACHE}]", 5)
    return "nr_swapcached is 5, 1 slots have a cached folio"


@case("swap-cluster")
def _(s):
    cluster = swapped(s) // 512
    s.change("cluster", cluster, "count")
    return f"cluster {cluster} counts its slots wrongly: 1 are in use"


@case("swap-cluster-list")
def _(s):
    cluster = swapped(s) // 512
    s.m.poke("cluster", cluster, "state", 3)
    return f"cluster {cluster} is not where the lists of swap area 0 have it"


@case("swap-table")
def _(s):
    cluster = swapped(s) // 512
    table = s.m.peek("cluster", cluster, "table")
    s.m.poke("frame", table, "flags", 0)
    return f"cluster {cluster} has frame {table} for its table, which is not the kernel's, or that it should not have"


@case("swap-used")
def _(s):
    swapped(s)
    s.m.poke("machine", 0, "swap.inuse_pages[0]", 9)
    return "swap area 0 counts its slots wrongly: 1 are in use"


@case("swap-free")
def _(s):
    swapped(s)
    n = s.change("machine", 0, "nr_swap_pages")
    return f"{n + 1} slots are counted as free, the areas have {n}"


def swapped_large(s, flags):
    """The same with a folio of 64 kB. Returns its first slot."""
    s.m.set_sysctl("transparent_hugepage/hugepages-64kB/" + ("shmem_enabled" if flags & 1 else "enabled"), "always")
    s.m.swapon(4 << 20)
    s.m.mmap(s.pid, LARGE_AT, 65536, 3, 0x30 | flags)
    s.m.store(s.pid, LARGE_AT, b"x")
    s.m.madvise(s.pid, LARGE_AT, 65536, MADV_PAGEOUT)
    return s.m.peek("machine", 0, "swap.base[0]") + 512


@case("swap-order")
def _(s):
    cluster = swapped_large(s, 2) // 512
    s.m.poke("cluster", cluster, "order", 10)
    return f"cluster {cluster} is for folios of order 10, and not on a list of theirs"


@case("swap-large")
def _(s):
    slot = swapped_large(s, 2)
    head = s.m.peek("swap", slot, "folio")
    s.m.poke("folio_x", head, "swap", slot + 1)
    return f"the slots of folio {head} in the swap cache begin at {slot + 1}, which is no multiple of their number"


@case("swap-cont")
def _(s):
    slot = swapped(s)
    s.m.poke("swap", slot, "flags", s.m.peek("swap", slot, "flags") | SLOT_CONT)
    return f"swap slot {slot} goes on with an entry of shared memory, which names 1 of it and the slot before"


@case("shmem-swapped")
def _(s):
    inode = s.m.peek("file", s.m.peek("vma", s.area(s.shm), "vm_file"), "inode")
    s.m.poke("inode", inode, "nr_swapped", 3)
    return f"inode {inode} counts its swapped pages wrongly: 0 are out"


@pytest.mark.parametrize("name", CASES)
def test_damage_is_told_in_a_line_of_its_own(name):
    story = Story()
    line = f"{name}: {CASES[name](story)}"
    assert line in story.m.fsck()
