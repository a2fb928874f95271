"""What reclaim tells of each page: why it goes, or why it stays; counted against what the kernel counts (vmstat)."""

from collections import Counter

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.test_reclaim import MIB, PAGE, area, machine_of  # noqa: E402
from vmtool.errors import KernelError  # noqa: E402
from vmtool.views import explain  # noqa: E402

USED_ONCE, USED, NO_SLOT, DIRTY, WRITING = 5, 6, 7, 9, 10
GOES = 0
JUDGED_BEFORE = frozenset(range(1, 7))  # before reclaim tries to free it: never together with GOES


def reasons(machine, nr_pages):
    """How many pages stayed for each reason (GOES: went on), and what vmstat counted."""
    before = machine.vmstat()
    machine.trace_reset()
    machine.set_trace(True)
    try:
        machine.reclaim(nr_pages)
    except KernelError:
        pass  # fewer than that could be had
    machine.set_trace(False)
    after = machine.vmstat()
    told = Counter()
    for record in machine.trace():
        if record.event in ("reclaim_take", "reclaim_keep"):
            told[record.args.get("why", GOES)] += record.args["nr_pages"]
    return told, {name: after[name] - before[name] for name in ("pgscan_proactive", "pgsteal_proactive", "pgactivate")}


def held_to_counters(told, counted):
    stays_at_once = sum(nr for why, nr in told.items() if why in JUDGED_BEFORE)
    fails_later = sum(nr for why, nr in told.items() if why > max(JUDGED_BEFORE))
    assert told[GOES] + stays_at_once == counted["pgscan_proactive"]
    assert told[GOES] - fails_later == counted["pgsteal_proactive"]


def test_every_page_that_is_scanned_is_told_once():
    machine, pid = machine_of(96 * MIB, 64 * MIB)
    base = area(machine, pid, 4 * MIB)
    machine.touch(pid, base, 4 * MIB, "w")
    machine.drop_caches(1)
    told, counted = reasons(machine, 200)
    assert told[USED_ONCE] >= 1024  # each has been touched since it came
    assert told[GOES] > told[WRITING] > 0
    held_to_counters(told, counted)
    machine.touch(pid, base, 4 * MIB, "r")
    told, counted = reasons(machine, 200)
    held_to_counters(told, counted)
    assert machine.fsck() == []


def test_where_swap_is_full_pages_become_active():
    machine, pid = machine_of(96 * MIB, 64 * PAGE)
    base = area(machine, pid, 4 * MIB)
    machine.touch(pid, base, 4 * MIB, "w")
    machine.drop_caches(1)
    told, counted = reasons(machine, 200)
    assert told[NO_SLOT] > 0
    assert told[NO_SLOT] + told[USED] == counted["pgactivate"]
    held_to_counters(told, counted)


def test_a_dirty_page_of_a_file_is_left_to_the_flusher():
    machine, pid = machine_of(96 * MIB)
    machine.mkfile("/log", MIB)
    machine.write(pid, "/log", 0, b"x" * MIB)
    told, counted = reasons(machine, 100)
    assert told[DIRTY] > 0
    held_to_counters(told, counted)


@pytest.mark.parametrize("why", range(1, 12))
def test_every_reason_has_its_words(why):
    assert len(explain.KEPT) == 12
    assert explain.KEPT[why]
