"""What a look at a heap shows: every byte once, the lists as malloc has them, and nothing touched by looking."""

import json

import pytest

from tests.libc.heaps import HEAP_START, Run
from vmtool.errors import KernelError, Signal

STATES = ("live", "free", "top", "tcache", "fastbin", "table", "fence")


def new():
    run = Run(b"")
    return run.machine, run.pid


def chunks(machine, pid):
    return json.loads(b"[" + machine.heap_chunks(pid, True) + b"]")


def test_a_process_that_never_allocated_has_no_heap():
    machine, pid = new()
    fresh = machine.fork(pid)
    assert machine.heap_figures(fresh).system_bytes == 0
    assert chunks(machine, fresh) == [] and machine.heap_bins(fresh) == [] and machine.heap_map(fresh, 100) == []


def test_the_chunks_are_the_whole_heap():
    machine, pid = new()
    kept = [machine.malloc(pid, size) for size in (24, 100, 5000, 40, 40)]
    machine.free(pid, kept[1])
    machine.free(pid, kept[2])
    found = chunks(machine, pid)
    assert found[0]["address"] == f"0x{HEAP_START:x}" and found[0]["state"] == "table"
    assert sum(chunk["size_bytes"] for chunk in found) == machine.heap_figures(pid).system_bytes == machine.brk(pid) - HEAP_START
    assert [chunk["state"] for chunk in found] == ["table", "live", "tcache", "free", "live", "live", "top"]
    assert [(b.kind, b.nr_chunks, b.size_bytes) for b in machine.heap_bins(pid)] == [("tcache", 1, 112), ("unsorted", 1, 5008)]


def test_a_binned_chunk_is_in_the_bin_of_its_size():
    machine, pid = new()
    block = machine.malloc(pid, 5000)
    machine.malloc(pid, 24)
    machine.free(pid, block)
    machine.malloc(pid, 20000)  # the scan puts what it does not want where it belongs
    assert [(b.kind, b.nr_chunks) for b in machine.heap_bins(pid)] == [("large", 1)]


def test_what_lies_below_a_live_chunk_cannot_be_returned():
    machine, pid = new()
    block = machine.malloc(pid, 100000)
    machine.malloc(pid, 24)
    machine.free(pid, block)
    figures = machine.heap_figures(pid)
    assert figures.pinned_bytes == figures.hole_bytes == figures.largest_hole_bytes == 100016
    first = (block - 16 + 48 + 4095) // 4096 * 4096
    assert figures.droppable_bytes == (block - 16 + 100016) // 4096 * 4096 - first
    before = machine.mm(pid).rss_anon
    assert machine.malloc_trim(pid) == 1 and machine.mm(pid).rss_anon <= before


def test_looking_touches_nothing():
    machine, pid = new()
    machine.malloc(pid, 100)
    before = machine.task(pid).min_flt, machine.mm(pid).rss_anon
    machine.heap_figures(pid), machine.heap_chunks(pid), machine.heap_bins(pid), machine.heap_map(pid, 64)
    assert (machine.task(pid).min_flt, machine.mm(pid).rss_anon) == before


def test_every_cell_of_the_map_holds_something():
    machine, pid = new()
    for size in (100, 3000, 100):
        machine.malloc(pid, size)
    ((start, end, unit, cells),) = machine.heap_map(pid, 64)
    assert (start, end) == (HEAP_START, machine.brk(pid)) and len(cells) == -(-(end - start) // unit) <= 64
    assert all(cells) and cells[-1] == 1 << STATES.index("top")


def test_an_overwritten_header_is_told():
    machine, pid = new()
    block = machine.malloc(pid, 100)
    machine.store(pid, block - 8, (1 << 40).to_bytes(8, "little"))
    assert machine.heap_figures(pid).broken_address == block - 16


def test_a_ring_of_free_chunks_ends_a_look_and_is_no_hang():
    machine, pid = new()
    block = machine.malloc(pid, 24)
    machine.free(pid, block)
    machine.store(pid, block, (block ^ block >> 12).to_bytes(8, "little"))  # its own successor
    assert machine.heap_figures(pid).nr_tcache >= 1


def test_a_child_has_a_heap_of_its_own():
    machine, pid = new()
    block = machine.malloc(pid, 24)
    child = machine.fork(pid)
    machine.free(child, block)
    assert machine.malloc(child, 24) == block
    assert machine.malloc(pid, 24) != block
    machine.exit(child)
    assert machine.fsck() == []


def test_exec_drops_the_heap():
    machine, pid = new()
    machine.malloc(pid, 24)
    machine.exec(pid, "demo", None, [b"demo"], [])
    assert machine.heap_figures(pid).system_bytes == 0
    assert machine.fsck() == []


@pytest.mark.parametrize(("damage", "message"), [
    (lambda m, p, b: (m.free(p, b[0]), m.free(p, b[0])), "free(): double free detected in tcache 2"),
    (lambda m, p, b: m.free(p, b[0] + 8), "free(): invalid pointer"),
    (lambda m, p, b: (m.store(p, b[0] - 8, b"\x11" + bytes(7)), m.free(p, b[0])), "free(): invalid size"),
    (lambda m, p, b: (m.free(p, b[2]), m.free(p, b[2])), "double free or corruption (!prev)"),
    (lambda m, p, b: (m.store(p, b[2] + 5000, b"\x41" * 8), m.free(p, b[2])), "free(): invalid next size (normal)"),
    (lambda m, p, b: (m.free(p, b[0]), m.store(p, b[0], b"\x01" * 8), m.malloc(p, 24), m.malloc(p, 24)),
     None),
])  # fmt: skip
def test_corruption_ends_the_process_with_the_librarys_words(damage, message):
    machine, pid = new()
    blocks = [machine.malloc(pid, size) for size in (24, 24, 5000, 24)]
    try:
        damage(machine, pid, blocks)
    except Signal as signal:
        assert message is None or (signal.signo == 6 and signal.code == message)
        with pytest.raises(KernelError):
            machine.task(pid)
    else:
        assert message is None
    assert machine.fsck() == []


def test_a_thread_that_ends_leaves_what_it_cached():
    """Its blocks go back to their arenas, and the arena to the next thread."""
    machine, pid = new()
    machine.malloc(pid, 100)
    thread = machine.clone(pid)
    mine = [machine.malloc(thread, 100) for _ in range(3)]
    assert machine.heap_figures(pid).nr_arenas == 2
    for block in mine:
        machine.free(thread, block)
    cached = sum(b.nr_chunks for b in machine.heap_bins(pid) if b.kind == "tcache")
    machine.thread_exit(thread)
    assert sum(b.nr_chunks for b in machine.heap_bins(pid) if b.kind == "tcache") == cached - 3
    machine.exit(thread)
    other = machine.clone(pid)
    assert machine.malloc(other, 100) >> 26 == mine[0] >> 26  # of the same heap
    assert machine.heap_figures(pid).nr_arenas == 2 and machine.fsck() == []
