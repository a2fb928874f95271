"""status, statm, stat: the kernel's lines of a process that runs, one that sleeps and one that is dead."""

import pytest

from procfs.captured import CAPTURES, NO_MM, PROCESSES, mm, stat_fields, task, text
from vmtool.procfs import pid_stat, pid_statm, pid_status

ALL = PROCESSES + [f"{capture}/zombie" for capture in CAPTURES]
# what depends on who made the capture: its shell, its descriptors, its limits, signals, scheduling
UNMODELLED = (
    ["FDSize", "NSpgid", "NSsid", "SigQ", "SigIgn", "SigCgt", "CapBnd"]
    + ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches", "Cpus_allowed", "Cpus_allowed_list"]
)  # fmt: skip
UNMODELLED_STAT = {5: "pgrp", 6: "session", 9: "flags", 14: "utime", 15: "stime", 33: "sigignore", 34: "sigcatch"}


def records(process):
    status, stat = text(f"{process}/status"), text(f"{process}/stat")
    return task(status, stat), mm(status, stat)


def same_reader(process):
    """In cat/ every file is of another process: the reader itself."""
    return not process.endswith("/cat")


@pytest.mark.parametrize("process", ALL)
def test_captured_status_comes_back(process):
    got = pid_status.render(*records(process), 1, 12).splitlines()
    want = text(f"{process}/status").splitlines()
    assert [line.split(":")[0] for line in got] == [line.split(":")[0] for line in want]
    assert [x for x in got if x.split(":")[0] not in UNMODELLED] == [x for x in want if x.split(":")[0] not in UNMODELLED]


@pytest.mark.parametrize("process", ALL)
def test_captured_stat_comes_back(process):
    source = text(f"{process}/stat")
    facts, memory = records(process)
    if not same_reader(process):
        facts = facts._replace(pid=int(stat_fields(source)[1]), tgid=int(stat_fields(source)[1]), ppid=int(stat_fields(source)[4]))
        memory = memory._replace(total_vm=int(stat_fields(source)[23]) >> 12)
    got, want = stat_fields(pid_stat.render(facts, memory, 12)), stat_fields(source)
    assert len(got) == 52
    assert {n: v for n, v in got.items() if n not in UNMODELLED_STAT} == {n: v for n, v in want.items() if n not in UNMODELLED_STAT}


@pytest.mark.parametrize("process", [p for p in ALL if same_reader(p)])
def test_captured_statm_comes_back(process):
    assert pid_statm.render(records(process)[1], 12) == text(f"{process}/statm")


def lines_of(memory, **changes):
    facts, _ = records(PROCESSES[0])
    out = pid_status.render(facts._replace(**changes), memory, 1, 12)
    return dict(line.split(":\t", 1) for line in out.splitlines())


def test_high_water_marks_are_at_least_the_present_value():
    low = lines_of(NO_MM._replace(total_vm=10, hiwater_vm=4, rss_anon=3, hiwater_rss=2))
    assert (low["VmPeak"], low["VmHWM"]) == ("      40 kB", "      12 kB")
    high = lines_of(NO_MM._replace(total_vm=10, hiwater_vm=40, rss_anon=3, hiwater_rss=20))
    assert (high["VmPeak"], high["VmHWM"]) == ("     160 kB", "      80 kB")


def test_executable_areas_split_into_text_and_libraries():
    # code from the middle of one page to the middle of the fourth: four pages, of seven executable ones
    memory = NO_MM._replace(start_code=0x401800, end_code=0x404800, exec_vm=7)
    assert (lines_of(memory)["VmExe"], lines_of(memory)["VmLib"]) == ("      16 kB", "      12 kB")
    # text that was unmapped or made non-executable is no longer counted
    assert lines_of(memory._replace(exec_vm=3))["VmExe"] == "      12 kB"


def test_name_is_escaped_in_status_and_raw_in_stat():
    assert lines_of(NO_MM, comm="a\\b\nc")["Name"] == "a\\\\b\\nc"
    facts, _ = records(PROCESSES[0])
    assert "(a) b)" in pid_stat.render(facts._replace(comm="a) b"), None, 12)


@pytest.mark.parametrize("nr_cpus, mask, cpus", [(1, "1", "0"), (2, "3", "0-1"), (6, "3f", "0-5"), (32, "ffffffff", "0-31"),
                                                 (33, "1,ffffffff", "0-32"), (64, "ffffffff,ffffffff", "0-63")])  # fmt: skip
def test_cpu_masks(nr_cpus, mask, cpus):
    assert (pid_status.cpu_mask(nr_cpus), pid_status.cpu_list(nr_cpus)) == (mask, cpus)


def test_stat_reads_the_unspilled_counter():
    facts, memory = records(PROCESSES[0])
    memory = memory._replace(rss_approx=64, rss_anon=50, rss_file=30)
    assert stat_fields(pid_stat.render(facts, memory, 12))[24] == "64"
    assert pid_statm.render(memory, 12).split()[1] == "80"
