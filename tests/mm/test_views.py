"""The door's looking half: walks, flags by name, fields by name."""

import mmap
import resource

import pytest

from vmtool.errors import KernelError

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096


@pytest.fixture
def machine():
    m = core.Machine()
    m.boot(ram_bytes=256 << 20)
    assert m.spawn("a", None, [b"a"], []) == 1
    return m


def test_a_walk_shows_every_level(machine):
    addr = machine.mmap(1, 0, PAGE, 3, 0x22)
    machine.touch(1, addr, PAGE, "w")
    walk = machine.walk(1, addr + 5)
    assert [step.level for step in walk.steps] == ["pgd", "pud", "pmd", "pte"]
    assert [step.index for step in walk.steps] == [addr >> shift & 511 for shift in (39, 30, 21, 12)]
    assert walk.root == walk.steps[0].table == machine.mm(1).pgd
    for step, below in zip(walk.steps, walk.steps[1:], strict=False):
        assert below.table == step.entry & 0x000FFFFFFFFFF000 and step.entry_addr == step.table + 8 * step.index
    leaf = walk.steps[-1]
    assert leaf.leaf and leaf.flags == ("P", "RW", "US", "A", "D", "NX")
    assert (walk.phys, walk.page_bytes, walk.reason) == (machine.translate(1, addr + 5), PAGE, "")


def test_a_walk_that_ends_early(machine):
    addr = machine.mmap(1, 0, PAGE, 3, 0x22)
    walk = machine.walk(1, addr)
    assert walk.phys is None and walk.reason == "not present" and not walk.steps[-1].present
    assert machine.walk(1, 1 << 62)[2:6] == ((), None, 0, "non-canonical")
    assert machine.walk(1, 1 << 47).reason == "non-canonical"


def test_a_walk_in_the_kernels_half(machine):
    """The direct map: physical address 0x1234567 at 0xffff888000000000 + itself, for the kernel alone."""
    walk = machine.walk(1, 0xFFFF888001234567)
    assert walk.phys == 0x1234567 and "US" not in walk.steps[-1].flags and walk.page_bytes == 2 << 20


def test_an_entry_without_access_is_not_present(machine):
    addr = machine.mmap(1, 0, PAGE, 3, 0x22)
    machine.touch(1, addr, PAGE, "w")
    machine.mprotect(1, addr, PAGE, 0)
    step = machine.walk(1, addr).steps[-1]
    assert not step.present and step.flags == ("PROTNONE",) and step.entry & 0x101 == 0x100


def test_a_process_that_is_not_there(machine):
    with pytest.raises(KernelError) as gone:
        machine.walk(7, 0)
    assert gone.value.name == "ESRCH"


def test_flags_have_the_kernels_values():
    constants = core.constants()
    maps = ("MAP_SHARED", "MAP_PRIVATE", "MAP_ANONYMOUS", "MAP_POPULATE", "MAP_STACK", "MAP_NORESERVE")
    for name in (*maps, "PROT_READ", "PROT_WRITE", "PROT_EXEC"):
        if hasattr(mmap, name):  # some came with later Pythons
            assert constants[name] == getattr(mmap, name), name
    for name in ("RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_MEMLOCK", "RLIMIT_AS"):
        assert constants[name] == getattr(resource, name)
    assert (constants["VM_GROWSDOWN"], constants["VM_LOCKED"], constants["VM_ACCOUNT"]) == (0x100, 0x2000, 0x100000)


def test_what_is_traced_stays_readable(machine):
    assert not machine.tracing() and machine.trace() == []
    machine.set_trace(True)
    machine.trace_reset()
    addr = machine.mmap(1, 0, PAGE, 3, 0x22)
    machine.touch(1, addr, PAGE, "w")
    events = machine.trace()
    assert {"vma_new", "page_fault", "anon_map"} <= {event.event for event in events}
    assert next(e.args["addr"] for e in events if e.event == "page_fault") == addr
    assert [e.seq for e in events] == list(range(1, len(events) + 1)) and {e.pid for e in events} == {1}
    machine.trace_reset()
    assert machine.trace() == []


def test_fields_by_name(machine):
    task = machine.peek("pid", 1, "task")
    assert machine.peek("task", task, "pid") == 1
    mm = machine.peek("task", task, "mm")
    machine.poke("mm", mm, "rss_cpu[1]", -3)
    assert machine.peek("mm", mm, "rss_cpu[1]") == -3
    machine.poke("machine", 0, "lru.nr_free[4]", 2)
    assert machine.peek("machine", 0, "lru.nr_free[4]") == 2


@pytest.mark.parametrize(("pool", "record", "field"), [
    ("mm", 1, "nothing"), ("nothing", 1, "pgd"), ("mm", 10**6, "pgd"), ("mm", 1, "rss[4]"),
])  # fmt: skip
def test_a_field_that_is_not_there(machine, pool, record, field):
    with pytest.raises(KernelError):
        machine.peek(pool, record, field)


def test_the_tlb_holds_what_was_walked(machine):
    addr = machine.mmap(1, 0, PAGE, 3, 0x22)
    machine.touch(1, addr, PAGE, "w")
    entries = [e for e in machine.tlb() if e.vpn == addr >> 12]
    assert [(e.kind, e.pfn, e.writable, e.user, e.nx, e.dirty) for e in entries if e.level == 1] == [
        ("d", machine.translate(1, addr) >> 12, True, True, True, True)]
    assert machine.tlb_stats()[0].misses > 0


@pytest.mark.parametrize("advice", [8, 20])  # MADV_FREE, MADV_COLD
def test_a_huge_page_that_aged_is_walked_again(advice):
    """The TLB may not keep the entry as it was: the next store must set accessed and dirty in memory."""
    m = core.Machine()
    m.boot(ram_bytes=1 << 30)
    pid = m.spawn("a", None, [b"a"], [])
    m.set_sysctl("transparent_hugepage/enabled", "always")
    addr = m.mmap(pid, 0, 4 << 20, 3, 0x22)
    m.touch(pid, addr, 4 << 20, "w")
    m.madvise(pid, addr, 4 << 20, advice)
    assert "A" not in m.walk(pid, addr).steps[-1].flags and m.fsck() == []
    m.touch(pid, addr, 1, "w")
    assert {"A", "D"} <= set(m.walk(pid, addr).steps[-1].flags)
