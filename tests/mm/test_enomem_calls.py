"""Every allocation of every call refused, the first, the second, …: what the call says, what it leaves, and that the next attempt succeeds.

A call that fails leaves the machine as it was, record by record, but for what a line of LEAVES says that Linux leaves too, with the
function that does. One that does without gives the areas that it would have given. After a refusal by the host (a record that a pool
does not have yet) nothing is looked at: the image is lost, and put back.
"""

import re
from fnmatch import fnmatch

import pytest

from tests.mm.enomem import MM, attempts
from tests.mm.enomem_calls import CALLS, TABLES, World

DENSE = 60  # every allocation of them; of later ones ever fewer
EVERY = 1 << 20


def changed(words):
    return set(words.split(", "))


SPLIT = changed(
    "anon_vma.avc_head, anon_vma.num_active_vmas, avc new, avc.same_av_next, avc.same_av_prev, file.refcount, inode.i_mmap, "
    "mm.map_count, mm.vma_root, name new, vma new, vma.i_mmap_next, vma.i_mmap_prev, vma.left, vma.right, vma.subtree_gap, vma.vm_end, "
    "vma.vm_next, vma.vm_pgoff, vma.vm_prev, vma.vm_start"
)  # fmt: skip
HALVES = changed(
    "AnonHugePages, anon frame lost, anon frame new, anon frame.flags, anon frame.mapcount, mm.thp_mapped, table bytes, table "
    "frame.content, table frame.index_lo, table frame.mapping, tail frame lost, tail frame new, tail frame.extra_refs, tail "
    "frame.flags, tail frame.mapcount, tail frame.mapping"
)  # fmt: skip
GONE = changed(
    "AnonPages, Committed_AS, HugePages_Rsvd, SwapCached, SwapFree, anon frame lost, avc lost, cluster.value, folio_x.swap, mm.data_vm, "
    "mm.hiwater_vm, mm.total_vm, swap.count, swap.flags, swap.folio, table bytes, table frame.index_lo, vma lost"
)  # fmt: skip
COME = changed(
    "AnonPages, Cached, Mlocked, SwapCached, anon frame new, cache frame new, file.mmap_miss, inode.nrpages, table bytes, table "
    "frame.index_lo, task.maj_flt, task.min_flt, xnode.mark_shadow, xnode.nr_shadows, xnode.slot"
)  # fmt: skip
STACK = changed(
    "VmallocUsed, kernel frame new, table bytes, table frame.index_lo, vmap_area new, vmap_area.next"
)  # fmt: skip
HOLE = changed(
    "Cached, Dirty, cache frame new, inode.nr_dirty, inode.nrpages, task.nr_dirtied, xnode new, xnode.count, xnode.mark_dirty, "
    "xnode.mark_shadow, xnode.nr_shadows, xnode.slot"
)  # fmt: skip
BACK = changed(
    "AnonPages, SwapCached, SwapFree, anon frame new, cluster.value, folio_x.swap, swap.content, swap.count, swap.flags, swap.folio, "
    "table bytes, vma.swap_readahead_info"
)  # fmt: skip
LEAVES = [
    ("mm/vma.c:vms_gather_munmap_vmas(), vma_modify(): what was split stays so",
     ("sys_munmap*", "sys_brk: less", "sys_mmap:*over*", "sys_mremap: shrunk", "sys_mremap: moved over another", "sys_mremap: moved back",
      "sys_mprotect*", "sys_mseal*", "sys_madvise*", "set_anon_vma_name*", "sys_mlock:*", "sys_munlock*"), SPLIT),
    ("mm/huge_memory.c:vma_adjust_trans_huge(), mm/mremap.c:move_page_tables(): so does a huge entry",
     ("sys_munmap: half*", "sys_mprotect: half*", "sys_madvise: NOHUGEPAGE", "sys_mlock: half*", "sys_mremap: half*"), HALVES),
    ("mm/vma.c:vms_abort_munmap_vmas(): what MAP_FIXED was to replace is gone", ("sys_mmap:*over*",), GONE),
    ("mm/mremap.c:mremap_to(): what was at the new place is gone", ("sys_mremap: moved over another",), {"mm.hiwater_vm", "mm.total_vm"}),
    ("mm/mremap.c:move_vma(): what the growth was charged nobody gives back",
     ("sys_mremap: moved", "sys_mremap: locked and grown"), {"Committed_AS"}),
    ("mm/hugetlb.c:fixup_hugetlb_reservations(): the source has no reservation any more",
     ("sys_mremap: huge pages of the pool moved",), {"HugePages_Rsvd", "vma.swap_readahead_info"}),
    ("arch/x86/mm/pkeys.c:__execute_only_pkey(): the process has its key",
     ("sys_mprotect: execute only",), {"mm.execute_only_pkey", "mm.pkey_allocation_map"}),
    ("mm/gup.c:populate_vma_page_range(), faultin_page_range(): pages that came stay", ("sys_madvise: POPULATE*", "sys_mlock:*"), COME),
    ("mm/mlock.c:do_mlock(): areas are locked before their pages are there",
     ("sys_mlock:*",), {"Mlocked", "anon frame.flags", "mm.locked_vm", "vma.vm_flags"}),
    ("mm/madvise.c:madvise_guard_install(): an area may have guards before it has",
     ("sys_madvise: GUARD_INSTALL where*",), {"vma.vm_flags"}),
    ("mm/khugepaged.c:madvise_collapse(): the batches are emptied first", ("sys_madvise: COLLAPSE",), {"anon frame.extra_refs"}),
    ("fs/inode.c:iget_locked(): an inode that was read in stays", ("read: from*", "write: a new*"), {"inode.lsm_obj", "inode.obj"}),
    ("fs/open.c: the file was opened before", ("write: tmpfs",), {"cred.usage", "file new", "inode.nr_open", "task.files"}),
    ("fs/ext4/inode.c:ext4_punch_hole(): pages go, and one edge is zeroed, before the other", ("punch_hole",), HOLE),
    ("kernel/fork.c:try_release_thread_stack_to_cache(), mm/vmalloc.c:free_vmap_area_noflush(): stacks and areas are kept for the next one",
     ("fork*", "clone", "sys_swapon", "vmalloc"), STACK),
    ("mm/memory.c:copy_present_ptes(): pages are no longer this process's alone", ("fork*",), {"anon frame.flags", "table bytes"}),
    ("mm/swap.c:lru_add(): a page that is in a batch goes when that is emptied", ("spawn",), {"anon frame new"}),
    ("kernel/sched/core.c: another process ran", ("spawn",), {"task.state"}),
    ("mm/rmap.c:__anon_vma_prepare(): the area has an anon_vma",
     ("access_remote_vm: write",), {"anon_vma new", "avc new", "vma.anon_vma", "vma.avc_head"}),
    ("mm/swapfile.c:free_cluster_info(): nobody clears what is given back", ("sys_swapon",), {"cluster.value"}),
    ("mm/swapfile.c:try_to_unuse(): what came back stays", ("sys_swapoff",), BACK),
]  # fmt: skip
SAYS = [
    ("mm/madvise.c:madvise_vma_behavior(): a split that fails is EAGAIN", ("sys_madvise*", "set_anon_vma_name*"), "EAGAIN"),
    ("mm/mlock.c:__mlock_posix_error_return()", ("sys_mlock:*",), "EAGAIN"),
    ("fs/proc/base.c:mem_rw(): not one byte", ("access_remote_vm: write",), "EIO"),
    ("fs/exec.c:bprm_execve(): past the point of no return", ("do_execve",), "signal 11"),
    ("mm/oom_kill.c:pagefault_out_of_memory(): the access is tried again", ("fault*", "malloc", "do_execve", "spawn"), "ok"),
    ("mm/readahead.c, mm/filemap.c:filemap_map_pages(), mm/swap_state.c: pages that nobody waits for",
     ("read*", "write*", "access_remote_vm*", "sys_madvise: WILLNEED*", "sys_madvise: POPULATE*", "sys_mlock:*", "sys_swapoff",
      "sys_mprotect: locked*"), "ok"),
    ("mm/rmap.c:anon_vma_clone(): a chain is asked for twice",
     ("sys_munmap*", "sys_mmap:*over*", "sys_mremap*", "sys_mprotect*", "sys_mseal*", "sys_madvise*", "set_anon_vma_name*",
      "sys_mlock:*", "sys_munlock*", "fork*"), "ok"),
    ("mm/gup.c:__mm_populate(): mmap(), brk() and mremap() do not ask whether it came to anything", ("sys_mmap*", "do_brk_flags*"), "ok"),
    ("mm/vma.c:vma_merge_new_range(): what cannot merge is an area of its own", ("sys_mmap*",), "ok"),
    ("mm/mremap.c:unmap_source_vma(): what cannot be unmapped stays", ("sys_mremap*",), "ok"),
    ("mm/mlock.c:apply_mlockall_flags(): errors are passed over", ("sys_mlockall*",), "ok"),
    ("mm/slub.c:allocate_slab(), alloc_empty_sheaf(); mm/khugepaged.c:__khugepaged_enter(): one goes on with less",
     ("fork*", "sys_swapoff"), "ok"),
    ("mm/vmscan.c:shrink_folio_list(): a huge page is not swapped as one", ("reclaim",), "ok"),
    ("fs/ext4/inode.c:ext4_truncate(): does not ask whether the rest of the last block became zeros", ("truncate",), "ok"),
    ("mm/hugetlb.c:set_max_huge_pages(): the pool is as large as it could be made", ("sysctl*",), "ok"),
]  # fmt: skip
OTHER_AREAS = [
    ("mm/mremap.c:unmap_source_vma(): the range is at both places", ("sys_mremap*",)),
    ("mm/vma.c:vma_merge_new_range()", ("sys_mmap: merged with both", "sys_mmap: over*")),
    ("glibc's sysmalloc(): brk() failed, so mmap()", ("malloc",)),
]  # fmt: skip
FEWER = ("write*", "access_remote_vm*", "reclaim", "malloc")  # what they return says how far they came, or where


def matches(name, patterns):
    return any(fnmatch(name, pattern) for pattern in patterns)


@pytest.fixture(scope="module")
def world():
    return World()


def wrong_with(name, attempt, last, used):
    """What no line explains, in words."""
    if attempt.said == "host":
        return [] if "no memory" in attempt.value else [attempt.value]
    wrong = list(attempt.damage)
    if attempt.said != "ENOMEM":
        lines = [line for line in SAYS if matches(name, line[1]) and line[2] == attempt.said]
        used.update(line[0] for line in lines)
        wrong += [] if lines else [f"says {attempt.said}"]
    if attempt.said == "ok":
        wrong += [] if attempt.value == last.value or matches(name, FEWER) else [f"returns {attempt.value!r:.40}, not {last.value!r:.40}"]
        lines = [line for line in OTHER_AREAS if matches(name, line[1])] if attempt.areas != last.areas else [True]
        wrong += [] if lines else ["other areas than without a refusal"]
        used.update(line[0] for line in lines if line is not True)
    if attempt.said == "ok" or attempt.said.startswith("signal"):
        return wrong
    left = set(attempt.changes)
    for why, calls, these in LEAVES:
        if left & these and matches(name, calls):
            used.add(why)
            left -= these
    wrong += [f"left otherwise: {', '.join(sorted(left))}"] if left else []
    return wrong + ([f"the next attempt says {attempt.again}"] if attempt.again != "ok" else [])


def judge(world, table, dense):
    used, wrong, nr_refused = set(), {}, 0
    for name in TABLES[table]:
        *refused, last = attempts(world.m, CALLS[name](world.back()), dense)
        assert last.said == "ok" and not last.damage, (name, last.said, last.damage)
        nr_refused += len(refused)
        for attempt in refused:
            for what in wrong_with(name, attempt, last, used):
                wrong.setdefault(f"{name}: {what}", []).append(attempt.nth)
    assert not wrong, "\n" + "\n".join(f"{what}  {where}" for what, where in wrong.items())
    lines = [*LEAVES, *SAYS, *OTHER_AREAS]
    idle = [why for why, calls, *_ in lines if why not in used and all(matches_only(call, table) for call in calls)]
    assert idle == [], "lines that explain nothing"
    assert nr_refused


@pytest.mark.parametrize("table", TABLES)
def test_each_refusal_is_undone_or_done_without(world, table):
    judge(world, table, DENSE)


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_the_latest_refusals_are_too(world, table):
    judge(world, table, EVERY)


def matches_only(pattern, table):
    """The pattern matches calls of this table alone."""
    return {name for name in CALLS if fnmatch(name, pattern)} <= set(TABLES[table])


def test_every_function_of_a_system_call_has_a_call():
    declared = {name for path in MM.glob("sys_*.pxd") for name in re.findall(r"^cdef \w+ (\w+)\(arena_t", path.read_text(), re.MULTILINE)}
    covered = {name.partition(":")[0] for name in CALLS}
    assert declared - covered == set(), "a function of sys_*.pxd without a call in enomem_calls.py"
