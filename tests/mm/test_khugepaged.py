"""khugepaged: the list of spaces, the scan's progress, its limits, time. The rules are mm/khugepaged.c's of 6.18.

The live kernel judges what it leaves of drawn scripts: `python -m tests.differential --category khugepaged`.
"""

import pytest

from vmtool.errors import KernelError

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE, HUGE, SECOND = 4096, 2 << 20, 1000000
RW, FIXED_ANON, SHARED_ANON = 3, 0x32, 0x31
HUGEPAGE, NOHUGEPAGE, PAGEOUT, COLLAPSE = 14, 15, 21, 25
BASE = 0x40000000
ROOM = "transparent_hugepage/khugepaged/"


@pytest.fixture
def machine(one_process):
    return one_process


def get(machine, name):
    return int(machine.sysctl(ROOM + name))


def put(machine, name, value):
    machine.set_sysctl(ROOM + name, str(value))


def area(machine, nr_huge, pages, pid=1, base=BASE, access="w"):
    """So many huge pages' room, of which `pages` of each are there, small, and the wish for huge ones comes after."""
    machine.mmap(pid, base, nr_huge * HUGE, RW, FIXED_ANON)
    for i in range(nr_huge if pages else 0):
        machine.touch(pid, base + i * HUGE, pages * PAGE, access)
    machine.madvise(pid, base, nr_huge * HUGE, HUGEPAGE)


def huge_kb(machine):
    return machine.meminfo()["AnonHugePages"]


def events(machine):
    vmstat = machine.vmstat()
    names = ("thp_collapse_alloc", "thp_scan_exceed_none_pte", "thp_scan_exceed_swap_pte", "thp_scan_exceed_share_pte")
    return {name: vmstat[name] for name in names if vmstat[name]}


@pytest.mark.parametrize(("name", "value"), [
    ("defrag", 1), ("pages_to_scan", 4096), ("scan_sleep_millisecs", 10000), ("alloc_sleep_millisecs", 60000), ("max_ptes_none", 511),
    ("max_ptes_swap", 64), ("max_ptes_shared", 256), ("full_scans", 0), ("pages_collapsed", 0)])
def test_the_settings_of_boot(machine, name, value):
    assert get(machine, name) == value


@pytest.mark.parametrize(("name", "value"), [("pages_to_scan", 0), ("max_ptes_none", 512), ("max_ptes_swap", 512), ("max_ptes_shared", 512),
                                             ("defrag", 2), ("full_scans", 7), ("pages_collapsed", 1), ("scan_sleep_millisecs", 1 << 32)])
def test_what_a_setting_does_not_take(machine, name, value):
    with pytest.raises(KernelError):
        put(machine, name, value)


def test_nothing_but_time_makes_it_run(machine):
    area(machine, 1, 512)
    machine.touch(1, BASE, HUGE, "w")
    assert huge_kb(machine) == 0
    machine.sleep(0)  # it was woken by the first space on its list
    assert (huge_kb(machine), get(machine, "pages_collapsed"), events(machine)) == (2048, 1, {"thp_collapse_alloc": 1})
    assert machine.walk(1, BASE).page_bytes == HUGE


def test_a_process_keeps_its_bytes(machine):
    area(machine, 1, 300)
    machine.store(1, BASE + 7 * PAGE, b"seven")
    machine.store(1, BASE + 299 * PAGE, b"last")
    machine.sleep(0)
    assert huge_kb(machine) == 2048
    assert machine.load(1, BASE + 7 * PAGE, 5) == b"seven" and machine.load(1, BASE + 299 * PAGE, 4) == b"last"
    assert machine.load(1, BASE + 400 * PAGE, 4) == bytes(4)


def test_a_scan_goes_on_where_the_last_one_stopped(machine):
    """8 huge pages' worth a scan, less what counts 1: the first scan reaches the seventh and goes over its budget with the eighth."""
    area(machine, 20, 1)
    machine.sleep(0)
    first = huge_kb(machine) // 2048
    assert first == 8
    machine.sleep(9 * SECOND)
    assert huge_kb(machine) // 2048 == first
    machine.sleep(SECOND)
    assert huge_kb(machine) // 2048 == 2 * first
    assert get(machine, "full_scans") == 0
    machine.sleep(10 * SECOND)
    assert (huge_kb(machine) // 2048, get(machine, "full_scans")) == (20, 1)


def test_one_huge_page_at_a_time_when_it_may_look_at_few(machine):
    put(machine, "pages_to_scan", 1)
    put(machine, "scan_sleep_millisecs", 1000)
    area(machine, 3, 1)
    for nr in (1, 2, 3):
        machine.sleep(0 if nr == 1 else SECOND)
        # the program's areas before it count 1 each and come first: every scan of one page ends with the first huge page that it meets
        assert huge_kb(machine) == nr * 2048


def test_spaces_in_the_order_of_their_coming(machine):
    put(machine, "pages_to_scan", 600)
    pids = [1, machine.spawn("b", None, [b"b"], []), machine.spawn("c", None, [b"c"], [])]
    for pid in (pids[2], pids[0], pids[1]):
        area(machine, 2, 1, pid)
    order = []
    for step in range(8):
        before = {pid: machine.walk(pid, BASE + HUGE).page_bytes for pid in pids}
        machine.sleep(10 * SECOND if step else 0)
        order += [pid for pid in pids if machine.walk(pid, BASE + HUGE).page_bytes != before[pid]]
    assert order == [pids[2], pids[0], pids[1]]


def test_a_child_of_a_space_on_the_list_is_on_it(machine):
    area(machine, 1, 512)
    child = machine.fork(1)
    machine.touch(child, BASE, HUGE, "w")  # no longer shared
    machine.exit(1, 0)
    machine.sleep(0)
    assert machine.walk(child, BASE).page_bytes == HUGE


def test_the_end_of_the_space_under_the_cursor(machine):
    put(machine, "pages_to_scan", 600)
    area(machine, 5, 1)
    other = machine.spawn("b", None, [b"b"], [])
    area(machine, 2, 1, other)
    machine.sleep(0)
    assert machine.walk(1, BASE).page_bytes == HUGE
    machine.exit(1, 0)
    assert machine.fsck() == []
    machine.sleep(40 * SECOND)
    assert machine.walk(other, BASE + HUGE).page_bytes == HUGE
    assert get(machine, "full_scans") >= 1
    machine.exit(other, 0)
    rounds = get(machine, "full_scans")
    machine.sleep(100 * SECOND)
    assert get(machine, "full_scans") <= rounds + 1  # it has nothing left to look at


@pytest.mark.parametrize(("pages", "most_none", "collapsed"), [(1, 511, True), (1, 510, False), (512, 0, True), (511, 0, False),
                                                              (412, 100, True), (411, 100, False)])
def test_max_ptes_none(machine, pages, most_none, collapsed):
    put(machine, "max_ptes_none", most_none)
    area(machine, 1, pages)
    machine.sleep(0)
    assert huge_kb(machine) == 2048 * collapsed
    assert events(machine) == ({"thp_collapse_alloc": 1} if collapsed else {"thp_scan_exceed_none_pte": 1})


def test_pages_of_the_zero_page_count_as_none(machine):
    put(machine, "max_ptes_none", 100)
    area(machine, 1, 400)
    machine.touch(1, BASE + 400 * PAGE, 112 * PAGE, "r")
    machine.sleep(0)
    assert (events(machine), huge_kb(machine)) == ({"thp_scan_exceed_none_pte": 1}, 0)


@pytest.mark.parametrize(("written", "most_shared", "collapsed"), [(0, 256, False), (256, 256, True), (255, 256, False),
                                                                  (512, 0, True), (511, 0, False)])
def test_max_ptes_shared(machine, written, most_shared, collapsed):
    """Pages that a child has, too; `written` of them the parent has for itself again."""
    put(machine, "max_ptes_shared", most_shared)
    machine.mmap(1, BASE, HUGE, RW, FIXED_ANON)
    machine.touch(1, BASE, HUGE, "w")
    machine.fork(1)
    if written:
        machine.touch(1, BASE, written * PAGE, "w")
    machine.madvise(1, BASE, HUGE, HUGEPAGE)
    machine.sleep(0)
    assert huge_kb(machine) == 2048 * collapsed
    assert events(machine) == ({"thp_collapse_alloc": 1} if collapsed else {"thp_scan_exceed_share_pte": 1})


@pytest.mark.parametrize(("swapped", "collapsed"), [(64, True), (65, False), (1, True)])
def test_max_ptes_swap(machine, swapped, collapsed):
    """What is in swap is read when there is little of it, and most of the rest was used lately."""
    machine.swapon(64 << 20)
    machine.mmap(1, BASE, HUGE, RW, FIXED_ANON)
    machine.store(1, BASE + 5 * PAGE, b"five")
    machine.touch(1, BASE, HUGE, "w")
    machine.madvise(1, BASE, swapped * PAGE, PAGEOUT)
    machine.sync()
    machine.madvise(1, BASE, HUGE, HUGEPAGE)
    machine.sleep(0)
    assert huge_kb(machine) == 2048 * collapsed
    assert machine.load(1, BASE + 5 * PAGE, 4) == b"five"
    assert events(machine) == ({"thp_collapse_alloc": 1} if collapsed else {"thp_scan_exceed_swap_pte": 1})


def test_pages_that_nobody_used_are_left_alone(machine):
    area(machine, 1, 0)
    machine.touch(1, BASE, PAGE, "w")
    machine.madvise(1, BASE, HUGE, NOHUGEPAGE)
    machine.madvise(1, BASE, HUGE, 4)
    for page in range(4):
        machine.touch(1, BASE + page * PAGE, PAGE, "w")
    machine.madvise(1, BASE, HUGE, 20)  # cold
    machine.madvise(1, BASE, HUGE, HUGEPAGE)
    machine.sleep(0)
    assert events(machine) == {}
    machine.touch(1, BASE, PAGE, "r")
    machine.sleep(10 * SECOND)
    assert huge_kb(machine) == 2048


def test_without_huge_pages_it_rests_a_minute_and_goes_on(machine):
    """alloc_sleep_millisecs; hit again in the same scan, it waits for the next one."""
    area(machine, 4, 512)
    blocks = []
    try:
        while True:
            blocks.append(machine.alloc_pages(9))
    except KernelError:
        pass
    machine.sleep(0)
    assert (huge_kb(machine), machine.vmstat()["thp_collapse_alloc_failed"]) == (0, 1)
    machine.sleep(59 * SECOND)
    assert machine.vmstat()["thp_collapse_alloc_failed"] == 1
    machine.sleep(SECOND)
    assert machine.vmstat()["thp_collapse_alloc_failed"] == 2
    for pfn in blocks:
        machine.free_pages(pfn)
    machine.sleep(10 * SECOND)
    assert huge_kb(machine) > 0


def test_a_long_sleep_counts_what_many_short_ones_would():
    """A year of rounds is not made one by one when nothing changes; every counter is as if it had been."""
    def run(steps):
        machine = core.Machine()
        machine.boot(ram_bytes=1 << 30)
        for base, pages in ((BASE, 1), (BASE + (64 << 20), 2)):
            pid = machine.spawn("a", None, [b"a"], [])
            area(machine, 3, pages, pid, base)
            machine.set_sysctl(ROOM + "max_ptes_none", "510")
        machine.set_sysctl(ROOM + "pages_to_scan", "700")
        for microseconds in steps:
            machine.sleep(microseconds)
        return machine.vmstat(), [machine.sysctl(ROOM + name) for name in ("full_scans", "pages_collapsed")], machine.fsck()
    long, short = run([7000 * SECOND]), run([7 * SECOND] * 1000)
    assert long == short and long[2] == []
    assert int(long[1][0]) > 200


def test_a_year_takes_no_time(machine):
    area(machine, 3, 512)
    put(machine, "scan_sleep_millisecs", 0)
    machine.sleep(365 * 86400 * SECOND)
    assert huge_kb(machine) == 3 * 2048 and get(machine, "full_scans") > 10**9


def test_a_setting_wakes_it(machine):
    area(machine, 1, 512)
    machine.sleep(0)
    area(machine, 1, 512, base=BASE + (64 << 20))
    machine.sleep(0)
    assert huge_kb(machine) == 2048
    put(machine, "scan_sleep_millisecs", 10000)
    machine.sleep(0)
    assert huge_kb(machine) == 4096


def test_never_stops_it(machine):
    area(machine, 1, 512)
    machine.set_sysctl("transparent_hugepage/enabled", "never")
    machine.sleep(100 * SECOND)
    assert huge_kb(machine) == 0
    machine.set_sysctl("transparent_hugepage/enabled", "madvise")
    machine.sleep(0)
    assert huge_kb(machine) == 2048


def test_an_area_that_was_never_touched_brings_no_space_on_the_list(machine):
    area(machine, 1, 0)  # khugepaged_enter_vma() wants an anon_vma
    machine.sleep(100 * SECOND)
    assert get(machine, "full_scans") == 0
    machine.touch(1, BASE, PAGE, "w")  # the fault brings it
    machine.sleep(0)
    assert get(machine, "full_scans") == 1
