"""Huge pages where free memory is fragmented, step for step as a real 6.18 was driven (fixtures/compaction); compaction's rules by hand.

Frames of that kernel lie where they happen to lie: counts of pages moved are of its order, what becomes of each attempt is as there.
"""

import re
from pathlib import Path

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from vmtool.views import explain  # noqa: E402

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "compaction"
MIB, PAGE, HUGE = 1 << 20, 4096, 2 << 20
RW, PRIVATE, SHARED = 3, 0x22, 0x21
DONTNEED, HUGEPAGE = 4, 14
MEMLOCK = 8
ON_LISTS = 2298  # pages on that kernel's per-CPU lists at rest, which boot has left there: zoneinfo's count
STEPS = dict(re.findall(r"^\| `(\w+)\.txt` \| `([^`]+)` \|$", (RECORDED / "README.md").read_text("ascii"), re.MULTILINE))
WATCHED = ("thp_fault_", "compact_", "pgmigrate_", "allocstall_", "pageoutrun", "pgsteal_")


def recorded(name):
    """Mark -> (counters, free blocks of two megabytes)."""
    marks = re.split(r"^== (\w+)\n", (RECORDED / f"{name}.txt").read_text("ascii"), flags=re.MULTILINE)[1:]
    found = {}
    for mark, text in zip(marks[::2], marks[1::2], strict=True):
        counters = {key: int(n) for key, n in re.findall(r"^(\w+) (\d+)$", text, re.MULTILINE)}
        blocks = [row.split() for row in re.findall(r"^Node 0, zone +\w+ +(.*)$", text, re.MULTILINE)]
        found[mark] = (counters, sum(int(row[9]) + 2 * int(row[10]) for row in blocks))
    return found


def look(machine):
    return machine.vmstat(), sum(zone.free_area[9] + 2 * zone.free_area[10] for zone in machine.zones())


class Driven:
    """The steps of fixtures/compaction/init.c."""

    def __init__(self, machine):
        self.machine, self.pid = machine, machine.spawn("init", None, [b"init"], [])
        self.marks = {}
        machine.set_sysctl("transparent_hugepage/enabled", "madvise")

    def fill(self, nr_mb):
        self.nr_bytes = int(nr_mb) * MIB
        self.area = self.machine.mmap(self.pid, 0, self.nr_bytes, RW, PRIVATE)
        self.machine.touch(self.pid, self.area, self.nr_bytes, "w")

    def keep(self, of):
        """Those that stay lie at even frames, as there."""
        odd = self.machine.walk(self.pid, self.area).phys >> 12 & 1
        for page in range(self.nr_bytes // PAGE):
            if (page + odd) % int(of):
                self.machine.madvise(self.pid, self.area + page * PAGE, PAGE, DONTNEED)

    def lock(self):
        self.machine.setrlimit(self.pid, MEMLOCK, 1 << 30)
        self.machine.mlock(self.pid, self.area, self.nr_bytes, True)

    def huge(self, nr_mb):
        nr_bytes = int(nr_mb) * MIB
        at = -(-self.machine.mmap(self.pid, 0, nr_bytes + HUGE, RW, PRIVATE) // HUGE) * HUGE
        self.machine.madvise(self.pid, at, nr_bytes, HUGEPAGE)
        for page in range(at, at + nr_bytes, HUGE):
            self.machine.touch(self.pid, page, 1, "w")

    def defrag(self, word):
        self.machine.set_sysctl("transparent_hugepage/defrag", word)

    def vm(self, name, value):
        self.machine.set_sysctl(f"vm.{name}", value)

    def sleep(self, milliseconds):
        self.machine.sleep(int(milliseconds) * 1000)

    def mark(self, name):
        assert self.machine.fsck() == []
        self.marks[name] = look(self.machine)


def machine_with(nr_free):
    """The steps to come, on a machine whose process begins with as many pages free as that kernel's had: with those on the CPU's
    lists."""
    ram_kb = 256 << 10
    while True:
        machine = core.Machine()
        machine.boot(ram_bytes=ram_kb << 10)
        run = Driven(machine)
        missing = nr_free + ON_LISTS - machine.vmstat()["nr_free_pages"] - sum(cpu[0] for zone in machine.zones() for cpu in zone.pcp)
        if abs(missing) < 32:
            return run
        ram_kb += missing * 4


def driven(name):
    run = machine_with(recorded(name)["rest"][0]["nr_free_pages"])
    steps = STEPS[name]
    if name == "sparse":  # it took as long to give so many pages back
        steps = steps.replace("mark:holes", "sleep:3000,mark:holes")
    for step in steps.split(","):
        operation, *arguments = step.split(":")
        getattr(run, operation)(*arguments)
    return run.marks


def between(marks, first, last):
    """What was counted, and the huge pages that lay ready at the first."""
    before, after = marks[first][0], marks[last][0]
    return {key: after[key] - before[key] for key in after if key.startswith(WATCHED)} | {"ready": marks[first][1]}


BOTH = pytest.mark.parametrize("measure", [recorded, driven], ids=["6.18", "here"])


@BOTH
def test_what_kcompactd_has_put_together_lies_ready(measure):
    """One page of 64 stays, so no free block is of use for huge pages: until the mark kcompactd sees to that by itself."""
    marks = measure("sparse")
    n = between(marks, "rest", "holes")
    assert n["compact_daemon_migrate_scanned"] == n["compact_migrate_scanned"] > 10000
    assert n["compact_stall"] == 0
    assert 300 < n["pgmigrate_success"] < 3000 and n["compact_isolated"] >= 2 * n["pgmigrate_success"] > 100 * n["pgmigrate_fail"]


@pytest.mark.parametrize("measure", [
    pytest.param(recorded, id="6.18"),
    pytest.param(driven, id="here", marks=pytest.mark.xfail(strict=True, reason=(
        "there kcompactd began while pages were still given back, and they pushed what it freed off the per-CPU list; here it begins "
        "when all are, and that waits there")))])
def test_and_faults_take_it_without_a_stall(measure):
    n = between(measure("sparse"), "holes", "huge")
    assert n["ready"] > 32
    assert (n["thp_fault_alloc"], n["thp_fault_fallback"], n["compact_stall"]) == (32, 0, 0)


@BOTH
def test_without_defrag_a_fault_takes_what_lies_ready(measure):
    n = between(measure("never"), "holes", "huge")
    assert n["thp_fault_alloc"] in (n["ready"], n["ready"] + 1)  # one may lie on a per-CPU list
    assert n["thp_fault_alloc"] + n["thp_fault_fallback"] == 8
    assert n["compact_stall"] == n["compact_migrate_scanned"] == n["pageoutrun"] == 0


@BOTH
def test_what_is_locked_stays_where_it_is_when_it_shall(measure):
    """Async and sync, for this node and for any: about three attempts for each huge page, each in vain."""
    n = between(measure("locked"), "holes", "huge")
    assert n["thp_fault_alloc"] in (n["ready"], n["ready"] + 1)
    assert n["thp_fault_alloc"] + n["thp_fault_fallback"] == 16
    assert n["compact_fail"] == n["compact_stall"] > 2.5 * n["thp_fault_fallback"]
    assert n["pgmigrate_success"] <= 8 and n["compact_isolated"] <= 16  # the program itself is not locked
    assert n["allocstall_movable"] >= n["thp_fault_fallback"] - 2
    assert n["pgsteal_direct"] == 0  # there is enough that is free: reclaim would not help


@pytest.mark.parametrize(("name", "faults"), [("half", 16), ("always", 32)])
@BOTH
def test_most_attempts_fail_where_every_second_page_is_in_use(measure, name, faults):
    n = between(measure(name), "holes", "huge")
    assert n["thp_fault_alloc"] + n["thp_fault_fallback"] == faults
    made = n["thp_fault_alloc"] - n["ready"]
    assert -1 <= made <= 8 and n["thp_fault_fallback"] >= faults / 3
    assert n["compact_stall"] == n["compact_success"] + n["compact_fail"]
    assert abs(n["compact_success"] - made) <= 1  # what compaction makes is taken
    assert 2.5 <= n["compact_fail"] / n["thp_fault_fallback"] <= 3.5
    assert n["compact_isolated"] >= 2 * n["pgmigrate_success"] > 100 * n["pgmigrate_fail"]
    assert n["allocstall_movable"] >= n["thp_fault_fallback"] - 2
    assert n["pgsteal_direct"] == 0


@BOTH
def test_defer_wakes_kswapd_and_goes_on_with_small_pages(measure):
    marks = measure("defer")
    n = between(marks, "holes", "huge")
    assert n["thp_fault_alloc"] in (n["ready"], n["ready"] + 1)
    assert n["thp_fault_fallback"] == 8 - n["thp_fault_alloc"]
    assert n["compact_stall"] == n["allocstall_movable"] == 0 < n["pageoutrun"]


@BOTH
def test_as_time_passes_memory_that_is_of_no_use_for_huge_pages_is_compacted(measure):
    """More than 90 of 100 are not: proactive compaction, which is no wake of kcompactd's."""
    n = between(measure("defer"), "huge", "slept")
    assert n["compact_daemon_migrate_scanned"] > 1000  # khugepaged's own attempts apart: here it has woken, too
    assert n["pgmigrate_success"] > 200


# --- rules ---------------------------------------------------------------------------------------------------------------


def fragmented(ram=256 * MIB, **more):
    machine = core.Machine()
    machine.boot(ram_bytes=ram, **more)
    run = Driven(machine)
    run.defrag("madvise")
    run.fill(int(machine.vmstat()["nr_free_pages"] * PAGE / MIB) - 14)
    run.keep(2)
    return run


def tally(machine, before):
    return {key: n - before[key] for key, n in machine.vmstat().items() if n != before[key] and key.startswith(WATCHED)}


def test_pages_keep_their_bytes_when_they_make_way():
    machine = core.Machine()
    machine.boot(ram_bytes=256 * MIB)
    run = Driven(machine)
    run.defrag("madvise")
    run.fill(150)
    for page in range(0, run.nr_bytes, PAGE):
        machine.store(run.pid, run.area + page, b"%012x" % page)
    for page in range(0, run.nr_bytes, PAGE):
        if machine.walk(run.pid, run.area + page).phys >> 12 & 1 == 0:
            machine.madvise(run.pid, run.area + page, PAGE, DONTNEED)
    kept = [page for page in range(0, run.nr_bytes, PAGE) if machine.load(run.pid, run.area + page, 12) == b"%012x" % page]
    run.fill(24)
    before = machine.vmstat()
    run.huge(16)
    assert machine.fsck() == []
    assert tally(machine, before).get("thp_fault_alloc") == 8
    for page in kept[::7]:
        assert machine.load(run.pid, run.area + page, 1) is not None
    assert kept


def test_compaction_that_fails_is_put_off_and_tried_again_less_and_less():
    """defer_compaction(): 1, 3, 7 ... of the next attempts are left out; 64 at most."""
    run = fragmented()
    machine = run.machine
    run.vm("compact_unevictable_allowed", "0")
    run.lock()
    machine.set_trace(True)
    left_out = []
    for _ in range(40):
        machine.trace_reset()
        run.huge(2)
        left_out += [record.args["limit"] for record in machine.trace() if record.event == "compact_defer" and record.args["zone"] == 1]
    assert left_out and set(left_out) <= {2, 4, 8, 16, 32, 64}
    assert left_out == sorted(left_out)
    assert machine.fsck() == []


def test_skip_bits_spare_the_second_look():
    run = fragmented()
    machine = run.machine
    run.vm("compact_unevictable_allowed", "0")
    run.lock()
    run.huge(2 * (look(machine)[1] + 1))  # what lies ready
    scanned = []
    for _ in range(2):
        before = machine.vmstat()
        run.huge(2)
        scanned.append(tally(machine, before).get("compact_migrate_scanned", 0))
    assert scanned[0] > scanned[1]


def test_with_too_little_free_it_is_left_alone():
    """Without room to move to there is no stall, and nothing is reclaimed for a huge page that NORETRY asks for."""
    machine = core.Machine()
    machine.boot(ram_bytes=256 * MIB)
    run = Driven(machine)
    run.defrag("madvise")
    run.vm("min_free_kbytes", "2000")
    run.fill(int(machine.vmstat()["nr_free_pages"] * PAGE / MIB) - 4)
    before = machine.vmstat()
    run.huge(4)
    n = tally(machine, before)
    assert n["thp_fault_fallback"] == 2 and "thp_fault_alloc" not in n
    assert n.get("compact_success", 0) == n.get("pgmigrate_success", 0) == 0


@pytest.mark.parametrize(("threshold", "stalls"), [("500", True), ("1000", False)])
def test_the_threshold_of_the_fragmentation_index(threshold, stalls):
    """At 1000 a failure is never for fragmentation's sake: reclaim is to help."""
    run = fragmented()
    run.vm("extfrag_threshold", threshold)
    before = run.machine.vmstat()
    run.huge(8)
    n = tally(run.machine, before)
    assert bool(n.get("compact_stall")) == stalls


def test_a_block_that_comes_up_is_its_makers():
    """Captured: it is counted for no zone, and nobody else gets it."""
    run = fragmented()
    machine = run.machine
    run.huge(2 * (look(machine)[1] + 1))  # what lies ready
    for _ in range(8):
        before = machine.vmstat()
        run.huge(2)
        now = machine.vmstat()
        if now["compact_success"] > before["compact_success"]:
            allocated = sum(now[key] - before[key] for key in now if key.startswith("pgalloc_"))
            assert allocated < 512 and now["thp_fault_alloc"] == before["thp_fault_alloc"] + 1
            assert machine.fsck() == []
            return
    pytest.fail("no attempt made a block")


def test_settings_have_the_kernels_ranges():
    machine = core.Machine()
    machine.boot(ram_bytes=256 * MIB)
    for name, default, most in (("vm.compaction_proactiveness", "20", 100), ("vm.extfrag_threshold", "500", 1000),
                                ("vm.compact_unevictable_allowed", "1", 1)):
        assert machine.sysctl(name) == default
        with pytest.raises(Exception):  # noqa: B017
            machine.set_sysctl(name, str(most + 1))


def test_proactive_compaction_can_be_switched_off():
    run = fragmented()
    run.vm("compaction_proactiveness", "0")
    before = run.machine.vmstat()
    run.sleep(5000)
    assert "compact_daemon_migrate_scanned" not in tally(run.machine, before)
    run.vm("compaction_proactiveness", "100")  # a write wakes kcompactd at once
    assert tally(run.machine, before)["compact_daemon_migrate_scanned"] > 0
    assert run.machine.fsck() == []


def test_a_state_that_was_saved_in_between_goes_on_the_same():
    """Positions, skip bits and deferring are part of the machine: two runs in one process, and one that was read back between them."""
    one, other = fragmented(), fragmented()
    for run in (one, other):
        run.huge(8)
    one.huge(8)
    other.huge(8)
    assert one.machine.vmstat() == other.machine.vmstat()


# --- what is told ------------------------------------------------------------------------------------------------------------


def told(run, nr_mb):
    run.machine.trace_reset()
    run.machine.set_trace(True)
    run.huge(nr_mb)
    run.machine.set_trace(False)
    return run.machine.trace()


def test_each_page_that_moves_is_told_and_each_zone_ends():
    run = fragmented()
    run.huge(2 * (look(run.machine)[1] + 1))
    before = run.machine.vmstat()
    records = told(run, 16)
    n = tally(run.machine, before)
    events = [record.event for record in records]
    assert sum(record.args["nr_pages"] for record in records if record.event == "migrate") == n["pgmigrate_success"]
    assert events.count("compact_begin") <= events.count("compact_end")
    scanned = sum(record.args["nr_scanned"] for record in records if record.event == "compact_end")
    assert scanned == n["compact_migrate_scanned"]
    assert events.count("compact_try") >= n["compact_stall"]


def test_the_reserve_is_told_when_it_grows():
    machine = core.Machine()
    machine.boot(ram_bytes=512 * MIB)
    machine.set_sysctl("vm.watermark_boost_factor", "0")
    pid = machine.spawn("a", None, [b"a"], [])
    at = machine.mmap(pid, 0, 512 * MIB, RW, 0x4022)
    while any(zone.free > zone.low + zone.protection[2] for zone in machine.zones() if zone.present):
        machine.touch(pid, at, 32 * PAGE, "w")
        at += 32 * PAGE
    machine.trace_reset()
    machine.set_trace(True)
    machine.alloc_pages(2, "GFP_ATOMIC")
    machine.set_trace(False)
    (record,) = [record for record in machine.trace() if record.event == "highatomic"]
    assert record.args["nr_pages"] == 512 and record.args["reserved"] == 1


@pytest.mark.parametrize(("names", "count"), [(explain.COMPACTED, 9), (explain.MODES, 3), (explain.PRIORITIES, 3)])
def test_every_outcome_has_its_words(names, count):
    assert len(names) == count
