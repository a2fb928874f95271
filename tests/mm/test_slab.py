"""Caches against a captured /proc/slabinfo; slabs fill, empty and go."""

from pathlib import Path

import pytest

from vmtool.mm import _probe as probe

SLABINFO = Path(__file__).resolve().parents[2] / "fixtures/proc/6.18.15-debian"
TASK, MM, VMA = 0, 1, 2
NR_SLAB_RECLAIMABLE_B, NR_SLAB_UNRECLAIMABLE_B = 5, 6
PG_SLAB = 1 << 22


def captured(name):
    """name: (object size, objects a slab, pages a slab)."""
    rows = (line.split() for line in (SLABINFO / name).read_text().splitlines()[2:])
    return {row[0]: tuple(int(n) for n in row[3:6]) for row in rows}


@pytest.mark.parametrize(("nr_cpus", "name"), [(1, "slabinfo-1cpu"), (4, "slabinfo-4cpus")])
def test_sizes_and_orders_are_the_captured_kernels(nr_cpus, name):
    """The order of a slab follows the number of CPUs."""
    theirs = captured("slabinfo-1cpu-nomerge") | captured(name)
    machine = probe.Probe()
    assert machine.boot(1 << 28, nr_cpus) == 0
    ours = {name: row[2:5] for name, row in machine.slab_caches().items()}
    assert ours == {name: theirs[name] for name in ours}


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


def test_five_empty_slabs_are_kept(machine):
    """min_partial: slabs of one node that stay though empty."""
    objects = [machine.slab_alloc(VMA) for _ in range(21 * 12)]
    for obj in objects:
        machine.slab_free(VMA, obj)
    assert machine.slab_caches()["vm_area_struct"][:2] == (0, 21 * 5)


def test_freeing_nothing_is_allowed(machine):
    machine.slab_free(MM, 0)


def test_freeing_twice_spoils_the_image_and_is_told(empty):
    assert empty.boot(256 << 20) == 0
    obj = empty.slab_alloc(MM)
    empty.slab_free(MM, obj)
    assert empty.err == 0
    empty.slab_free(MM, obj)
    assert empty.err != 0


@pytest.mark.parametrize("cache", range(31))
def test_every_cache_gives_distinct_objects_within_its_slabs(machine, cache):
    rows = {row[5]: row for row in machine.slab_caches().values()}
    size, per_slab = rows[cache][2], rows[cache][3]
    objects = sorted(machine.slab_alloc(cache) for _ in range(per_slab + 3))
    assert all(b - a >= size for a, b in zip(objects, objects[1:], strict=False))
    for obj in objects:
        machine.slab_free(cache, obj)
    assert machine.slab_caches()[next(n for n, r in machine.slab_caches().items() if r[5] == cache)][0] == 0
