"""Caches against a captured /proc/slabinfo; slabs fill, empty and go, by way of CPUs' and node's partial lists and of sheaves."""

from pathlib import Path

import pytest

from vmtool.mm import _probe as probe

SLABINFO = Path(__file__).resolve().parents[2] / "fixtures/proc/6.18.15-debian"
TASK, MM, VMA, PID, FILP = 0, 1, 2, 9, 10
PER_PID = 21  # objects of 192 bytes in a page
NR_SLAB_RECLAIMABLE_B, NR_SLAB_UNRECLAIMABLE_B = 5, 6
PG_SLAB = 1 << 22


def captured(name):
    """name: (object size, objects a slab, pages a slab)."""
    rows = (line.split() for line in (SLABINFO / name).read_text().splitlines()[2:])
    return {row[0]: tuple(int(n) for n in row[3:6]) for row in rows}


def slabs_of(machine, cache, count):
    """Objects that fill so many slabs, slab by slab."""
    objects = [machine.slab_alloc(cache) for _ in range(PER_PID * count)]
    return [objects[i:i + PER_PID] for i in range(0, len(objects), PER_PID)]


@pytest.mark.parametrize(("nr_cpus", "name"), [(1, "slabinfo-1cpu"), (4, "slabinfo-4cpus")])
def test_caches_are_the_captured_kernels(nr_cpus, name):
    """Names after merging, sizes, and the order of a slab, which follows the number of CPUs."""
    machine = probe.Probe()
    assert machine.boot(1 << 28, nr_cpus) == 0
    assert {name: row[2:5] for name, row in machine.slab_caches().items()} == captured(name)


def test_a_slab_fills_before_the_next_one_begins(machine):
    objects = [machine.slab_alloc(TASK) for _ in range(6)]  # five to a slab of 8 pages
    assert len({o >> 15 for o in objects}) == 2
    assert [o - objects[0] for o in objects[:5]] == [i * 6528 for i in range(5)]
    assert machine.slab_caches()["task_struct"][:2] == (6, 10)


def test_slab_frames_say_so_and_are_counted(machine):
    before = machine.node_stat(NR_SLAB_UNRECLAIMABLE_B)
    obj = machine.slab_alloc(TASK)
    assert machine.frame(obj >> 12)["flags"] & PG_SLAB
    assert machine.node_stat(NR_SLAB_UNRECLAIMABLE_B) == before + 8 * 4096


def test_reclaimable_caches_count_as_such(machine):
    dentry = machine.slab_caches()["dentry"][5]
    machine.slab_alloc(dentry)
    assert machine.node_stat(NR_SLAB_RECLAIMABLE_B) == 4096


def test_a_freed_object_is_the_next_one_given(machine):
    objects = [machine.slab_alloc(VMA) for _ in range(10)]
    machine.slab_free(VMA, objects[3])
    assert machine.slab_alloc(VMA) == objects[3]


# --- the lists --------------------------------------------------------------------------------------------------------

def test_the_first_free_of_a_full_slab_puts_it_on_the_cpus_list(machine):
    for objects in slabs_of(machine, PID, 12):
        machine.slab_free(PID, objects[0])
    state = machine.slab_state(PID)
    assert (state["cpu"], state["node"], state["cpu_partial"]) == (12, 0, 12)  # 240 objects in slabs of 21


def test_the_list_that_is_full_goes_to_the_node(machine):
    for objects in slabs_of(machine, PID, 13):
        machine.slab_free(PID, objects[0])
    state = machine.slab_state(PID)
    assert (state["cpu"], state["node"], state["free_on_node"]) == (1, 12, 12)


def test_empty_slabs_go_when_the_node_has_five_partial_ones(machine):
    slabs = slabs_of(machine, PID, 30)
    for obj in sum(slabs, []):
        machine.slab_free(PID, obj)
    state = machine.slab_state(PID)
    # 30 = two lists of twelve that went to the node, which kept five, and six on the CPU
    assert (state["cpu"], state["node"], state["nr_slabs"]) == (6, 5, 11)


def test_the_cpu_takes_back_half_a_list_from_the_node(machine):
    for objects in slabs_of(machine, PID, 26):
        machine.slab_free(PID, objects[0])
    state = machine.slab_state(PID)
    assert (state["cpu"], state["node"]) == (2, 24)
    for _ in range(3):  # the two of the CPU, then the node's first
        machine.slab_alloc(PID)
    state = machine.slab_state(PID)
    assert (state["cpu"], state["node"]) == (7, 16)  # it, and one more than half of twelve


def test_another_cpu_has_a_slab_of_its_own(machine):
    two = probe.Probe()
    assert two.boot(1 << 28, 2) == 0
    first = two.slab_alloc(PID)
    two.run_on(1)
    second = two.slab_alloc(PID)
    assert first >> 12 != second >> 12
    two.slab_free(PID, first)  # by the other CPU: the slab stays that of the first
    assert two.slab_state(PID, 1)["cpu"] == 0
    assert two.fsck() == []


def test_shrinking_leaves_no_empty_slab(machine):
    slabs = slabs_of(machine, PID, 30)
    for obj in sum(slabs, [])[1:]:
        machine.slab_free(PID, obj)
    machine.slab_shrink(PID)
    assert machine.slab_state(PID)["nr_slabs"] == 1


# --- sheaves -------------------------------------------------------------------------------------------------------------

def test_a_sheaf_is_filled_with_32_objects(machine):
    machine.slab_alloc(VMA)
    assert machine.slab_state(VMA)["in_sheaves"] == 31
    assert machine.slab_caches()["vm_area_struct"][:2] == (1, 42)  # two slabs of 21


def test_freed_objects_stay_in_sheaves_up_to_ten_full_ones_and_the_cpus_two(machine):
    objects = [machine.slab_alloc(VMA) for _ in range(32 * 20)]
    for obj in objects:
        machine.slab_free(VMA, obj)
    state = machine.slab_state(VMA)
    assert state["full_sheaves"] == 10
    assert state["in_sheaves"] == 12 * 32
    assert machine.slab_caches()["vm_area_struct"][0] == 0


def test_sheaves_are_objects_themselves(machine):
    machine.slab_alloc(VMA)
    assert machine.slab_caches()["kmalloc-512"][0] == 1
    machine.slab_shrink(VMA)
    assert machine.slab_caches()["kmalloc-512"][0] == 0


# --- mistakes --------------------------------------------------------------------------------------------------------------

def test_freeing_nothing_is_allowed(machine):
    machine.slab_free(MM, 0)


def test_freeing_twice_spoils_the_image_and_is_told(empty):
    assert empty.boot(256 << 20) == 0
    obj = empty.slab_alloc(MM)
    empty.slab_free(MM, obj)
    assert empty.err == 0
    empty.slab_free(MM, obj)
    assert empty.err != 0


@pytest.mark.parametrize("cache", range(47))
def test_every_cache_gives_distinct_objects_within_its_slabs(machine, cache):
    rows = {row[5]: row for row in machine.slab_caches().values()}
    size, per_slab = rows[cache][2], rows[cache][3]
    objects = sorted(machine.slab_alloc(cache) for _ in range(per_slab + 3))
    assert all(b - a >= size for a, b in zip(objects, objects[1:], strict=False))
    for obj in objects:
        machine.slab_free(cache, obj)
    assert machine.slab_caches()[next(n for n, r in machine.slab_caches().items() if r[5] == cache)][0] == 0
