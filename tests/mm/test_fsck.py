"""Each invariant of tasks, address spaces, areas and entries: one record is damaged, and fsck says which, in a line of its own.

The expected sentences are written here by hand, with numbers read before the damage.
"""

import re

import pytest

from .story import PAGE, Cases, Story

PG_ANON_EXCLUSIVE = 1 << 11
NR_KERNEL_STACK_KB = 18  # node_stat_item
FILEPAGES, ANONPAGES, SWAPENTS, SHMEMPAGES = 0, 1, 2, 3  # rss_kind
VM_AREA_STRUCT = 3
ANON_VMA_CHAIN = 5  # record of its cache
CASES = Cases()
case = CASES.case


def pages_of(s, wanted):
    return sum((v.end - v.start) // PAGE for v in s.m.maps(s.pid) if v.name != "[vsyscall]" and wanted(v.flags))


# --- areas -----------------------------------------------------------------------------------------------------------

@case("vma-order")
def _(s):
    v = s.area(s.heap)
    s.m.poke("vma", s.m.peek("vma", v, "vm_prev"), "vm_end", s.heap + PAGE)
    return f"areas of address space {s.mm} overlap or stand in the wrong order"


@case("vma-list")
def _(s):
    s.m.poke("vma", s.area(s.heap), "vm_prev", 0)
    return f"areas of address space {s.mm} are not linked both ways"


@case("vma-gap")
def _(s):
    s.change("vma", s.m.peek("mm", s.mm, "vma_root"), "subtree_gap", PAGE)
    return f"the tree of areas of address space {s.mm} knows a wrong gap"


@case("vma-count")
def _(s):
    n = s.change("mm", s.mm, "map_count")
    return f"address space {s.mm} counts {n + 1} areas, which are not those in its list and tree"


@case("vma-lost")
def _(s):
    s.m.poke("vma", s.area(s.heap, s.child_mm), "vm_mm", s.mm)
    return f"address space {s.mm} lists {s.m.peek('mm', s.mm, 'map_count')} areas, which is not how many say they are its"


@case("mm-pkeys")
def _(s):
    s.m.poke("mm", s.mm, "pkey_allocation_map", 6)
    return f"address space {s.mm} has protection keys 0x6 in use (a mask), its execute-only key or an area's is none that can be"


@case("mm-total-vm")
def _(s):
    s.change("mm", s.mm, "total_vm")
    return f"total_vm of address space {s.mm} is wrong: its areas have {pages_of(s, lambda flags: True)} pages"


@case("mm-data-vm")
def _(s):
    n = pages_of(s, lambda flags: flags & 0x10A == 0x2)  # writable, not shared, does not grow down
    s.change("mm", s.mm, "data_vm")
    return f"data_vm of address space {s.mm} is wrong: its private writable areas have {n} pages"


@case("mm-exec-vm")
def _(s):
    n = pages_of(s, lambda flags: flags & 0x106 == 0x4)
    s.change("mm", s.mm, "exec_vm")
    return f"exec_vm of address space {s.mm} is wrong: its executable areas have {n} pages"


@case("mm-stack-vm")
def _(s):
    n = pages_of(s, lambda flags: flags & 0x100)
    s.change("mm", s.mm, "stack_vm")
    return f"stack_vm of address space {s.mm} is wrong: its areas that grow down have {n} pages"


@case("mm-locked-vm")
def _(s):
    s.m.mlock(s.pid, s.heap, 3 * PAGE)
    s.change("mm", s.mm, "locked_vm", -1)
    return f"locked_vm of address space {s.mm} is too small: its locked areas have 3 pages"


@case("mm-users")
def _(s):
    s.change("mm", s.mm, "users")
    return f"address space {s.mm} has 1 tasks, which is not its count of users"


@case("mm-slots")
def _(s):
    s.m.poke("mm", s.child_mm, "mm_slot_prev", 0)
    return (f"khugepaged's list of address spaces is not linked both ways, or its cursor is off it, at address space {s.child_mm}; "
            "1 say that they are on it and were not met")


@case("file-areas")
def _(s):
    inode = s.m.peek("file", s.m.peek("vma", s.area(s.lib), "vm_file"), "inode")
    s.m.poke("inode", inode, "i_mmap", 0)
    return f"the list of areas of file {inode} is not linked both ways, or not those 2 that map it"


@case("vma-file")
def _(s):
    v = s.area(s.lib)
    s.m.poke("vma", v, "vm_file", 9999)
    return f"area {v} maps open file 9999, which is not there"


@case("record-range")
def _(s):
    s.m.poke("vma", s.area(s.lib), "vm_file", 9999)
    return "file record 9999 is referred to, but not there"


@case("record-loop")
def _(s):
    s.m.mkfile("/large", 100 * PAGE, b"x" * 100 * PAGE)
    inode = next(i for i in range(1, 100) if s.m.peek("inode", i, "size") == 100 * PAGE)
    root = s.m.peek("inode", inode, "blocks")
    s.m.poke("xnode", root, "shift", 12)
    return f"xnode record {s.m.peek('xnode', root, 'slot[0]')} does not lead where it stands in its list or tree"


# --- anon_vma --------------------------------------------------------------------------------------------------------

@case("vma-anon-vma")
def _(s):
    v, other = s.area(s.heap), s.m.peek("vma", s.area(s.thp, s.child_mm), "anon_vma")
    s.m.poke("vma", v, "anon_vma", other)
    return f"area {v} has anon_vma {other}, which is not there or not in its chain"


@case("avc-area")
def _(s):
    v = s.area(s.heap)
    c = s.m.peek("vma", v, "avc_head")
    s.m.poke("avc", c, "vma", s.area(s.thp))
    return f"the chain of area {v} is broken at anon_vma_chain {c}"


@case("avc-anon-vma")
def _(s):
    anon = s.m.peek("vma", s.area(s.heap), "anon_vma")
    c = s.m.peek("anon_vma", anon, "avc_head")
    s.m.poke("avc", c, "same_av_prev", c)
    return f"the areas of anon_vma {anon} are broken at anon_vma_chain {c}"


@case("avc-lost")
def _(s):
    n = s.m.peek("kmem_cache", ANON_VMA_CHAIN, "nr_objs") - 2  # of which two are fs_cache's, merged with them
    s.m.poke("vma", s.area(s.heap), "avc_head", 0)
    return f"of {n} anon_vma_chains in use, {n - 1} hang in an area's chain and in an anon_vma's list"


@case("anon-vma-refcount")
def _(s):
    anon = s.m.peek("vma", s.area(s.heap), "anon_vma")
    s.change("anon_vma", anon, "refcount")
    return f"the refcount of anon_vma {anon} is wrong: 2 refer to it"  # itself, and the child's


@case("anon-vma-children")
def _(s):
    anon = s.m.peek("vma", s.area(s.heap), "anon_vma")
    s.change("anon_vma", anon, "num_children")
    return f"num_children of anon_vma {anon} is wrong: it has 2"


@case("anon-vma-active")
def _(s):
    anon = s.m.peek("vma", s.area(s.heap), "anon_vma")
    s.change("anon_vma", anon, "num_active_vmas")
    return f"num_active_vmas of anon_vma {anon} is wrong: 1 areas have it"


# --- tasks and CPUs --------------------------------------------------------------------------------------------------

@case("committed-as")
def _(s):
    n = s.change("machine", 0, "vm_committed_as", 5)
    return f"{n + 5} pages are committed; areas, shared memory and what nobody gives back account for {n}"


@case("task-pid")
def _(s):
    t = s.m.peek("pid", s.pid, "task")
    s.m.poke("pid", s.pid, "task", s.m.peek("pid", s.child, "task"))
    return f"task {t} is not what the PID table has under {s.pid}"


@case("task-count")
def _(s):
    s.change("machine", 0, "nr_tasks")
    return "3 tasks are counted, 2 are there, or the PID table has others"


@case("task-mm")
def _(s):
    t = s.m.peek("pid", s.child, "task")
    s.m.poke("task", t, "mm", 999)
    return f"task {t} has address space 999, which is not there"


@case("task-state")
def _(s):
    t = s.m.peek("pid", s.child, "task")
    s.m.poke("task", t, "shared_pending", 1 << 14)
    return f"task {t} has signals that wait (16384, a mask), though it is not stopped, or runs though it is"


@case("task-leader")
def _(s):
    t = s.m.peek("pid", s.child, "task")
    s.m.poke("task", t, "tgid", s.pid)
    return f"thread {s.child} has {s.pid} for a leader, which is none, or is in another space"


@case("task-threads")
def _(s):
    t = s.m.peek("pid", s.child, "task")
    s.m.poke("task", t, "nr_threads", 2)
    return f"process {s.child} counts its threads wrongly: there are 1"


@case("cpu-task")
def _(s):
    s.m.poke("cpu", 1, "task", 77)
    return "CPU 0 runs task 77, which is not there or not marked running"


@case("cpu-mm")
def _(s):
    s.m.poke("cpu", 1, "active_mm", s.child_mm)
    return f"CPU 0 has address space {s.child_mm}, which is not there or not its task's"


@case("cpu-cr3")
def _(s):
    pgd = s.m.peek("mm", s.child_mm, "pgd")
    s.m.poke("cpu", 1, "cr3", pgd * PAGE)
    return f"CR3 of CPU 0 names frame {pgd:#x}, which is not its address space's top table"


@case("kernel-stacks")
def _(s):
    s.change("machine", 0, f"node_stat[{NR_KERNEL_STACK_KB}]")
    return "kernel stacks are counted as 849 kB, 53 tasks have 16 each"  # with the 51 of the kernel's threads


@case("slab-owners")
def _(s):
    n = s.change("kmem_cache", VM_AREA_STRUCT, "nr_objs")
    return f"cache 3 has not as many objects in use as its {n} records"


# --- entries ---------------------------------------------------------------------------------------------------------

@case("pte-outside")
def _(s):
    content, field, value = s.entry(s.heap)
    end = next(v.end for v in s.m.maps(s.pid) if v.start == s.heap)
    while any(v.start <= end < v.end for v in s.m.maps(s.pid)):
        end += PAGE
    s.m.poke("content", content, f"entry[{end // PAGE % 512}]", value)
    return f"address {end:#x} of address space {s.mm} has an entry, but no area"


@case("pte-write")
def _(s):
    content, field, value = s.entry(s.lib)
    s.m.poke("content", content, field, value | 2)
    return f"address {s.lib:#x} of address space {s.mm} is writable, its area is not"


@case("pte-pkey")
def _(s):
    content, field, value = s.entry(s.lib)
    s.m.poke("content", content, field, value | 3 << 59)
    return f"address {s.lib:#x} of address space {s.mm} has another protection key than its area"


@case("pte-soft-dirty")
def _(s):
    content, field, value = s.entry(s.lib)
    s.m.poke("content", content, field, value | 0x800)
    return f"address {s.lib:#x} of address space {s.mm} is soft-dirty, which this machine keeps no track of"


@case("vma-soft-dirty")
def _(s):
    area = s.area(s.lib)
    s.m.poke("vma", area, "vm_flags", s.m.peek("vma", area, "vm_flags") | 0x8000000)
    return f"area {area} of address space {s.mm} is soft-dirty, which this machine keeps no track of"


@case("pte-frame")
def _(s):
    content, field, value = s.entry(s.lib)
    free = next(f.pfn for f in s.m.frames(range(0x4000, 0x8000)) if f.kind == "free")
    s.m.poke("content", content, field, value & 0xFFF | free << 12)
    return f"address {s.lib:#x} of address space {s.mm} maps a frame that is free or no user page"


@case("pte-shared-write")
def _(s):
    s.change("frame", s.frame(s.heap), "flags", -PG_ANON_EXCLUSIVE)
    return f"address {s.heap:#x} of address space {s.mm} is writable and private, its page is shared"


@case("pte-file-page")
def _(s):
    content, field, value = s.entry(s.lib)
    s.m.poke("content", content, field, s.entry(s.lib + PAGE)[2])
    return f"address {s.lib:#x} of address space {s.mm} maps another page than its file has there"


@case("pte-anon-vma")
def _(s):
    s.m.poke("frame", s.frame(s.heap), "mapping", s.m.peek("vma", s.area(s.thp), "anon_vma"))
    return f"address {s.heap:#x} of address space {s.mm} maps a page whose anon_vma is not in its area's chain"


@case("pte-anon-index")
def _(s):
    s.change("frame", s.frame(s.heap), "index_lo")
    return f"address {s.heap:#x} of address space {s.mm} maps a page that stands elsewhere by its index"


@case("mm-rss-file")
def _(s):
    n = s.m.mm(s.pid).rss_file
    s.change("mm", s.mm, f"rss_cpu[{FILEPAGES}]")
    return f"rss counter of file pages of address space {s.mm} is wrong: its tables map {n}"


@case("mm-rss-anon")
def _(s):
    n = s.m.mm(s.pid).rss_anon
    s.change("mm", s.mm, f"rss[{ANONPAGES}]", 32)
    return f"rss counter of anonymous pages of address space {s.mm} is wrong: its tables map {n}"


@case("mm-rss-shmem")
def _(s):
    s.change("mm", s.mm, f"rss_cpu[{SHMEMPAGES}]", -1)
    return f"rss counter of shared memory of address space {s.mm} is wrong: its tables map 4"


@case("mm-rss-swap")
def _(s):
    s.change("mm", s.mm, f"rss[{SWAPENTS}]", 3)
    return f"the counter of swapped out pages of address space {s.mm} is wrong: its tables name 0 slots"


@case("pte-kind")
def _(s):
    content, field, _ = s.entry(s.heap)
    s.m.poke("content", content, field, 26 << 59)  # SWP_MIGRATION_READ_EXCLUSIVE
    return f"address {s.heap:#x} of address space {s.mm} has an entry of no kind that is left behind"


@case("mm-thp-mapped")
def _(s):
    s.change("mm", s.mm, "thp_mapped")
    return f"address space {s.mm} counts its huge entries wrongly: its tables have 2"


# --- the tests -------------------------------------------------------------------------------------------------------

def test_a_sound_machine_has_nothing_to_report():
    assert Story().m.fsck() == []


@pytest.mark.parametrize("name", CASES)
def test_damage_is_told_in_a_line_of_its_own(name):
    story = Story()
    line = f"{name}: {CASES[name](story)}"
    assert line in story.m.fsck()


def test_fsck_changes_nothing():
    story = Story()
    story.m.clean()
    story.m.fsck()
    assert story.m.dirty() == []


def test_every_line_names_a_check():
    story = Story()
    story.m.poke("mm", story.mm, "vma_first", story.area(story.lib))
    lines = story.m.fsck()
    assert lines and all(re.match(r"[a-z-]+: .*\d", line) and line.partition(":")[0] in story.m.fsck_names() for line in lines)


def test_of_a_thousand_alike_the_rest_is_counted():
    story = Story()
    many = story.m.mmap(story.pid, 0, 1500 * PAGE, 3, 0x22)  # readable, writable; private, anonymous
    story.m.touch(story.pid, many, 1500 * PAGE, "w")
    story.m.poke("vma", story.area(many), "vm_end", many + PAGE)
    lines = [line for line in story.m.fsck() if line.startswith("pte-outside: ")]
    assert len(lines) == 1001
    assert lines[-1] == "pte-outside: and 499 more"
