"""Each invariant of free memory, LRU lists, tables, TLBs, files and the page cache: one field is damaged, fsck says which in a line.

The checks that a process is needed for are in test_fsck.py; the sentences are written here by hand.
"""

import pytest

from .story import PAGE, Cases, Story

PG_DIRTY, PG_LRU, PG_SWAPBACKED, PG_BUDDY, PG_TABLE = 1 << 4, 1 << 5, 1 << 15, 1 << 21, 1 << 23
NR_INACTIVE_ANON, NR_FILE_PAGES, NR_FILE_DIRTY, NR_SHMEM, NR_PAGETABLE = 0, 9, 10, 12, 19  # node_stat_item
NR_MLOCK = 6
INACTIVE_ANON = 0  # lru_list
DMA, DMA32 = 0, 1
DMA_FREE = 3840  # pages, never used here: the zone is the last resort
NR_ZONE_WRITE_PENDING = 5
PCP_WORDS = 32  # of one pcp_t
CASES = Cases()
case = CASES.case


def free_block(s, first=1, end=0x1000, is_lower=False):
    """(head, order) of the first block on a free list in a range; `is_lower`: whose buddy is the one above it."""
    frames = s.m.frames(range(first, end))
    heads = [f for f in frames if f.kind == "free" and s.m.peek("frame", f.pfn, "flags") & PG_BUDDY]
    return next((f.pfn, f.order) for f in heads if not is_lower or (f.order < 10 and f.pfn >> f.order & 1 == 0))


def listed(s, zone):
    """Frames on a zone's free lists: what was never given out is on none."""
    never_used = s.m.peek("machine", 0, f"zone.unseen_end[{zone}]") - s.m.peek("machine", 0, f"zone.unseen_pfn[{zone}]")
    return s.m.peek("machine", 0, f"zone.free_pages[{zone}]") - never_used


def table_of(s):
    """The frame of the table whose entries map the heap."""
    return s.m.walk(s.pid, s.heap).steps[-1].table // PAGE


def lib(s):
    """The record of the file's inode."""
    return s.m.peek("file", s.m.peek("vma", s.area(s.lib), "vm_file"), "inode")


# --- free memory -----------------------------------------------------------------------------------------------------

@case("buddy-block")
def _(s):
    head, order = free_block(s)
    s.m.poke("frame", head, "index_lo", order + 1)
    return f"frame {head} heads no proper free block of order {order}: flag, order, alignment or type"


@case("buddy-list")
def _(s):
    head, order = free_block(s)
    s.m.poke("frame", head, "lru_prev", 5)
    return f"the free list of order {order} is not linked both ways, or not as long as it says, at frame {head}"


@case("buddy-merge")
def _(s):
    head, order = free_block(s, 0x1000, 0x8000, is_lower=True)
    buddy = head ^ 1 << order
    s.m.poke("frame", buddy, "flags", PG_BUDDY)
    s.m.poke("frame", buddy, "index_lo", order)
    return f"frames {head} and {buddy} are free buddies that were not merged"


@case("buddy-unlisted")
def _(s):
    head, order = free_block(s)
    s.m.poke("frame", head, "flags", 0)
    return f"{listed(s, DMA) - (1 << order)} frames stand in free blocks, the free lists hold {listed(s, DMA)}"


@case("zone-unseen")
def _(s):
    first = s.change("machine", 0, f"zone.unseen_pfn[{DMA32}]")
    end = s.m.peek("machine", 0, f"zone.unseen_end[{DMA32}]")
    return f"the never used frames {first + 1} to {end} are not whole blocks within their zone"


@case("zone-free")
def _(s):
    s.change("machine", 0, f"zone.free_pages[{DMA}]")
    return f"nr_free_pages is {DMA_FREE + 1}, the free lists hold {DMA_FREE}"


@case("zone-pageblocks")
def _(s):
    s.m.poke("machine", 0, "zone.pageblocks[0]", 1)
    return "pageblocks of type 0 are counted wrongly: 0 are there"


@case("zone-highatomic")
def _(s):
    s.m.poke("machine", 0, f"zone.nr_free_highatomic[{DMA32}]", 7)
    return "pages of the reserve for atomic allocations are counted wrongly: 0 are free, 0 reserved"


@case("zone-woken")
def _(s):
    s.m.poke("machine", 0, f"zone.flags[{DMA32}]", 8)
    return f"zone {DMA32} has flags 0x8: kswapd was woken and has not run, or did not end"


@case("zone-compaction")
def _(s):
    s.m.poke("machine", 0, f"compaction.defer_shift[{DMA32}]", 7)
    return f"what compaction remembers of zone {DMA32} cannot be: 7"


@case("pcp-count")
def _(s):
    n = s.change("cpu", 1, f"pcp.count[{DMA32}]")
    return f"per-CPU lists of CPU 0 hold {n} frames, which is not their count"


@case("pcp-block")
def _(s):
    heads = [s.m.peek("cpu", 1, f"pcp.head[{DMA32 * PCP_WORDS + i}]") for i in range(14)]
    which = next(i for i, head in enumerate(heads) if head)
    s.m.poke("frame", heads[which], "flags", 0)
    return f"frame {heads[which]} is on a per-CPU list of order {which // 3 if which < 12 else 9} and is not marked so"


@case("free-frame")
def _(s):
    head, _ = free_block(s)
    s.m.poke("frame", head, "mapcount", 1)
    return f"frame {head} is free and has references, mappings or contents (flags {PG_BUDDY})"


@case("frame-lost")
def _(s):
    pfn = s.m.peek("mm", s.mm, "pgd")
    s.m.poke("frame", pfn, "extra_refs", 0)
    return f"frame {pfn} is neither free nor referenced nor mapped (flags {s.m.peek('frame', pfn, 'flags')})"


@case("folio-tail")
def _(s):
    head = s.frame(s.thp)
    s.m.poke("frame", head + 5, "flags", 0)
    return f"frame {head} is a tail without its head, or a head without its tails: {head + 5}"


@case("frame-content")
def _(s):
    first, second = sorted(s.m.peek("mm", mm, "pgd") for mm in (s.mm, s.child_mm))
    content = s.m.peek("frame", first, "content")
    s.m.poke("frame", second, "content", content)
    return f"frame {second} has contents {content}, which are not in use or another's"


@case("contents-count")
def _(s):
    n = s.change("machine", 0, "nr_contents")
    return f"{n + 1} contents are counted, {n} are in use"


# --- LRU lists -------------------------------------------------------------------------------------------------------

@case("lru-list")
def _(s):
    s.change("machine", 0, f"lru.nr_free[{INACTIVE_ANON}]")
    tail = s.m.peek("machine", 0, f"lru.tail[{INACTIVE_ANON}]")
    return f"LRU list {INACTIVE_ANON} is not linked both ways, or not as long as it says, at frame {tail}"


@case("lru-flag")
def _(s):
    pfn = s.frame(s.heap)
    s.change("frame", pfn, "flags", -PG_LRU)
    return f"frame {pfn} is on LRU list {INACTIVE_ANON}, where its flags do not put it"


@case("lru-count")
def _(s):
    n = s.change("machine", 0, f"node_stat[{NR_INACTIVE_ANON}]", -1)
    return f"the counters of LRU list {INACTIVE_ANON} are wrong: {n} pages are on it"


@case("lru-batch")
def _(s):
    s.m.touch(s.pid, s.heap + PAGE, 1, "w")  # its own copy, which waits
    pfn = s.frame(s.heap + PAGE)
    s.m.poke("frame", pfn, "extra_refs", 0)
    return f"frame {pfn} waits in a batch of CPU 0 without a reference for it, or the batch is too long"


@case("mlock-count")
def _(s):
    s.m.mlock(s.pid, s.heap, PAGE)
    s.m.drop_caches(1)
    s.m.poke("machine", 0, f"zone_stat[{8 * DMA32 + NR_MLOCK}]", 7)
    return f"zone {DMA32} counts its mlocked pages wrongly: 1 are there"


@case("hugetlb-list")
def _(s):
    s.m.set_sysctl("vm.nr_hugepages", "3")
    s.m.poke("machine", 0, "hstate.free_huge_pages", 2)
    return "2 huge pages are counted as free, 3 are on the pool's list"


@case("hugetlb-count")
def _(s):
    s.m.set_sysctl("vm.nr_hugepages", "3")
    s.m.poke("machine", 0, "hstate.nr_huge_pages", 4)
    return "the pool counts 4 huge pages, 3 are there"


@case("hugetlb-reserved")
def _(s):
    s.m.set_sysctl("vm.nr_hugepages", "3")
    s.m.mmap(s.pid, 0, 2 * (2 << 20), 3, 0x40022)
    s.m.poke("machine", 0, "hstate.resv_huge_pages", 1)
    return "the pool counts 1 huge pages as promised, areas and files are owed 2"


@case("hugetlb-order")
def _(s):
    s.m.poke("machine", 0, "hstate.order", 5)
    return "a pool of huge pages says that they have order 5, it is 9"


# --- tables, TLBs ---------------------------------------------------------------------------------------------------

@case("table-entries")
def _(s):
    n = s.change("frame", table_of(s), "index_lo")
    return f"the page table in frame {table_of(s)} has {n} entries, which is not its count"


@case("table-count")
def _(s):
    n = s.change("machine", 0, f"node_stat[{NR_PAGETABLE}]")
    return f"nr_page_table_pages is {n + 1}, {n} frames are page tables"


@case("mm-tables")
def _(s):
    n = s.change("mm", s.mm, "pgtables_bytes", PAGE)
    return f"the tables of address space {s.mm} take {n} bytes, which is not its count"


@case("table-flag")
def _(s):
    table = table_of(s)
    s.change("frame", table, "flags", -PG_TABLE)
    return f"frame {table} is used as a page table of level 0 and is none"


@case("tlb-stale")
def _(s):
    s.m.touch(s.pid, s.heap, 1, "w")
    content, field, value = s.entry(s.heap)
    s.m.poke("content", content, field, value & ~2)
    return f"the TLB of CPU 0 holds address {s.heap:#x}, which the page tables translate otherwise"


# --- files and the page cache ----------------------------------------------------------------------------------------

@case("inode-life")
def _(s):
    s.m.mkfile("/other", 1)
    inode = lib(s)
    s.m.poke("inode", inode, "nlink", 0)
    s.m.poke("inode", inode, "nr_open", 0)
    return f"inode {inode} has neither a link nor an open file (nlink 0), yet is there"


@case("inode-count")
def _(s):
    n = s.change("machine", 0, "nr_inodes")
    return f"{n} inodes are there, {n + 1} are counted"


@case("inode-nrpages")
def _(s):
    s.change("inode", lib(s), "nrpages")
    return f"nrpages of inode {lib(s)} is wrong: its cache holds 5 pages"


@case("inode-nr-dirty")
def _(s):
    s.m.write(s.pid, "/lib", 0, b"new")
    s.change("inode", lib(s), "nr_dirty")
    dirty = s.m.meminfo()["Dirty"] // 4
    return f"inode {lib(s)} has {dirty} dirty pages, which is not its count"


@case("inode-nr-blocks")
def _(s):
    n = s.change("inode", lib(s), "nr_blocks")
    return f"inode {lib(s)} has {n} blocks with contents, which is not its count"


@case("inode-nr-open")
def _(s):
    n = s.change("inode", lib(s), "nr_open")
    return f"inode {lib(s)} is opened {n} times, which is not its count"


def bucket_of(s, inode):
    return next(b for b in range(1, 1 << 16) if s.m.peek("hash", b, "inode") == inode)


@case("path-lost")
def _(s):
    s.m.poke("hash", bucket_of(s, lib(s)), "inode", 0)
    return f"the path table has inode {lib(s)} 0 times instead of once"


@case("path-stray")
def _(s):
    right = bucket_of(s, lib(s))
    wrong = next(b for b in range(1, 1 << 16) if b != right and s.m.peek("hash", b, "inode") == 0)
    s.m.poke("hash", wrong, "inode", lib(s))
    return f"bucket {wrong} of the path table has inode {lib(s)}, which does not belong there"


@case("file-inode")
def _(s):
    f = s.m.peek("vma", s.area(s.lib), "vm_file")
    s.m.poke("file", f, "inode", 9999)
    return f"open file {f} is of inode 9999, which is not there"


@case("file-refcount")
def _(s):
    f = s.m.peek("vma", s.area(s.lib), "vm_file")
    n = s.change("file", f, "refcount")
    return f"the refcount of open file {f} is wrong: {n} refer to it"


@case("cache-page-mapping")
def _(s):
    s.m.poke("frame", s.frame(s.lib), "mapping", 1 if lib(s) != 1 else 2)
    return f"the frame that inode {lib(s)} has as page 0 says it is another's"


@case("cache-page-index")
def _(s):
    s.change("frame", s.frame(s.lib), "index_lo")
    return f"the frame that inode {lib(s)} has as page 0 says it is another page, or its folio is not whole"


@case("cache-page-reference")
def _(s):
    s.m.poke("frame", s.frame(s.lib), "extra_refs", 0)
    return f"the page cache holds no reference to page 0 of inode {lib(s)}"


@case("cache-page-lru")
def _(s):
    s.change("frame", s.frame(s.lib), "flags", -PG_LRU)
    return f"page 0 of inode {lib(s)} is on no LRU list"


@case("cache-dirty-mark")
def _(s):
    s.change("frame", s.frame(s.lib), "flags", PG_DIRTY)
    return f"page 0 of inode {lib(s)} is dirty by its frame or by its mark in the index, not by both"


@case("cache-page-kind")
def _(s):
    s.change("frame", s.frame(s.lib), "flags", PG_SWAPBACKED)
    return f"page 0 of inode {lib(s)} is swap-backed in a file on disk, or the reverse"


@case("cache-past-end")
def _(s):
    s.m.poke("inode", lib(s), "size", 0)
    return f"page 0 of inode {lib(s)} lies behind the end of the file"


@case("lru-stray")
def _(s):
    pfn = s.frame(s.lib)
    s.m.poke("inode", lib(s), "i_pages", 0)
    return f"frame {pfn} is on an LRU list as a page of inode {lib(s)}, which does not have it"


@case("sum-file-pages")
def _(s):
    n = s.change("machine", 0, f"node_stat[{NR_FILE_PAGES}]")
    return f"nr_file_pages is {n + 1}, the caches hold {n}"


@case("sum-shmem")
def _(s):
    s.change("machine", 0, f"node_stat[{NR_SHMEM}]")
    return "nr_shmem is 5, shared memory has 4 pages"


@case("sum-file-dirty")
def _(s):
    s.change("machine", 0, f"node_stat[{NR_FILE_DIRTY}]")
    return "nr_dirty is 1, inodes count 0 dirty pages"


@case("sum-write-pending")
def _(s):
    s.m.poke("machine", 0, f"zone_stat[{8 * DMA32 + NR_ZONE_WRITE_PENDING}]", 3)
    return "nr_zone_write_pending is 3, nr_dirty is 0"


# --- the tests -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", CASES)
def test_damage_is_told_in_a_line_of_its_own(name):
    story = Story()
    line = f"{name}: {CASES[name](story)}"
    assert line in story.m.fsck()
