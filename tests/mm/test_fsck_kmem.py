"""Each invariant of the kernel's own memory: one field is damaged, fsck says which in a line. The sentences are written here by hand."""

import pytest

from .story import PAGE, Cases, Story

TASK_STRUCT, VM_AREA_STRUCT, ANON_VMA, MAPLE_NODE, PID = 1, 3, 4, 6, 10  # kmem_cache records
NR_CPUS = 2
NR_SLAB_UNRECLAIMABLE_B = 6
CASES = Cases()
case = CASES.case


def cpu_slab(s, cache):
    """The slab that CPU 0 allocates from."""
    return s.m.peek("kmem_cache_cpu", (cache - 1) * NR_CPUS, "slab")


# --- slabs ----------------------------------------------------------------------------------------------------------

@case("slab-objects")
def _(s):
    n = s.change("slab", 1, "inuse")
    return f"slab 1 has {n} objects in use, which is not its count"


@case("slab-state")
def _(s):
    slab = cpu_slab(s, ANON_VMA)
    s.m.poke("slab", slab, "state", 0)
    return f"slab {slab} is in state 0, which its objects or the lists do not show"


@case("slab-frame")
def _(s):
    pfn = s.m.peek("slab", 1, "pfn")
    s.m.poke("frame", pfn, "mapping", 0)
    return f"frame {pfn} of slab 1 does not say so"


@case("slab-partial")
def _(s):
    slab = s.m.peek("kmem_cache", TASK_STRUCT, "partial_tail")  # boot left partial slabs on the node
    s.change("kmem_cache", TASK_STRUCT, "nr_partial")
    return f"the node's partial list of cache {TASK_STRUCT} is not linked both ways, or not as long as it says, at slab {slab}"


@case("slab-cpu")
def _(s):
    s.m.poke("kmem_cache_cpu", (ANON_VMA - 1) * NR_CPUS, "slab", 0)
    return f"slabs that a CPU keeps of cache {ANON_VMA} are not marked so, or not as many as it says, at slab 0"


@case("sheaf-objects")
def _(s):
    sheaf = s.m.peek("kmem_cache_cpu", (VM_AREA_STRUCT - 1) * NR_CPUS, "main")
    s.m.poke("slab_sheaf", sheaf, "objects[0]", 0x1000)
    return f"sheaf {sheaf} holds object 0x1000, which is not in use in a slab of its cache, or more than it can"


@case("sheaf-barn")
def _(s):
    n = s.m.peek("kmem_cache", MAPLE_NODE, "nr_full_sheaves")
    s.m.poke("kmem_cache", MAPLE_NODE, "nr_full_sheaves", n + 5)
    return f"the barn of cache {MAPLE_NODE} counts its sheaves wrongly: {n} are in it"


@case("slab-cache")
def _(s):
    s.change("kmem_cache", PID, "nr_slabs")
    in_use = s.m.peek("kmem_cache", PID, "nr_objs") + s.m.peek("kmem_cache", PID, "boot_objs")
    return f"cache {PID} counts its objects or slabs wrongly: {in_use} objects are in use"


@case("slab-boot")
def _(s):
    s.m.poke("kmem_cache", PID, "boot_pfn", 1)
    return f"the 3 slabs that boot filled of cache {PID} do not lie where the kernel kept memory for them"


@case("slab-count")
def _(s):
    n = s.change("machine", 0, f"node_stat[{NR_SLAB_UNRECLAIMABLE_B}]", PAGE)
    return f"slab counter {NR_SLAB_UNRECLAIMABLE_B} is wrong: slabs take {n} bytes"


# --- maple trees ----------------------------------------------------------------------------------------------------

@case("maple-node")
def _(s):
    root = s.m.peek("mm", s.mm, "maple")
    s.m.poke("maple_node", root, "nr", 0)
    return f"maple node {root} of address space {s.mm} has too few or too many ranges, or they are out of order"


@case("maple-areas")
def _(s):
    leaf = s.m.peek("maple_node", s.m.peek("mm", s.mm, "maple"), "slot[0]")
    first = s.m.peek("mm", s.mm, "vma_first")
    slot = next(i for i in range(16) if s.m.peek("maple_node", leaf, f"slot[{i}]") == first)
    s.m.poke("maple_node", leaf, f"slot[{slot}]", 0)
    return f"the maple tree of address space {s.mm} does not have its areas, first at address {s.m.peek('vma', first, 'vm_start'):#x}"


@case("maple-count")
def _(s):
    n = s.change("kmem_cache", MAPLE_NODE, "nr_objs")
    return f"{n + 1} maple nodes are allocated, {n} are in trees"


# --- vmalloc, credentials, numbers ------------------------------------------------------------------------------------

@case("vmap-order")
def _(s):
    area = s.m.peek("machine", 0, "vmap_first")
    start = s.m.peek("vmap_area", area, "va_start")
    s.m.poke("vmap_area", area, "va_start", start + (64 << 10))
    return f"vmalloc area {area} is not where the list has it, or overlaps the one before (address {start + (64 << 10):#x})"


@case("vmap-frame")
def _(s):
    area = s.m.peek("machine", 0, "vmap_first")
    s.m.poke("vmap_area", area, "pfn[1]", 0)
    return f"frame 0 of vmalloc area {area} is not the kernel's, or free"


@case("vmap-count")
def _(s):
    s.change("machine", 0, "nr_vmalloc_pages")
    return "areas or pages of vmalloc are counted wrongly: 2 areas with 8 pages are there"


@case("cred-usage")
def _(s):
    n = s.change("cred", 1, "usage")
    return f"credentials 1 have {n} users, which is not their count"


@case("pid-idr")
def _(s):
    s.m.poke("machine", 0, "pid_idr", 0)
    return "the PIDs in use are not those of the tasks: 2 tasks, 0 numbers"


@case("task-stack")
def _(s):
    task = s.m.peek("pid", s.pid, "task")
    s.m.poke("task", task, "stack", 0)
    return f"the kernel stack of task {task}, area 0, is not one in use"


# --- who pays ---------------------------------------------------------------------------------------------------------

def charged(s):
    """A group that pays for a child's objects; a slab with one of them, and which one that is."""
    s.m.cgroup_create("g")
    s.m.cgroup_move("g", s.pid)
    s.m.fork(s.pid)
    slab = next(n for n in range(1, 4000) if s.m.peek("slab", n, "obj_exts"))
    return slab, s.m.peek("slab", slab, "obj_exts")


@case("slab-charge")
def _(s):
    slab, exts = charged(s)
    n = next(n for n in range(512) if s.m.peek("slab_obj_exts", exts, f"memcg[{n}]"))
    s.m.poke("slab_obj_exts", exts, f"memcg[{n}]", 9)
    return f"slab {slab} says that a group pays for object {n}, which is free, or the group is not there"


@case("memcg-objects")
def _(s):
    charged(s)
    n = s.change("memcg", 1, "obj_bytes", 8)
    return f"group 1 counts the bytes of its objects wrongly: {n} are charged to it"


@pytest.mark.parametrize("name", CASES)
def test_damage_is_told_in_a_line_of_its_own(name):
    story = Story()
    line = f"{name}: {CASES[name](story)}"
    assert line in story.m.fsck()


def test_the_story_itself_is_sound():
    assert Story().m.fsck() == []
