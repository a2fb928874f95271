"""Every recorded trace gives the recorded answers: addresses, usable sizes, breaks, totals, chunks, system calls and minor faults."""

import re
from collections import Counter

import pytest

from tests.libc.heaps import FIXTURES, Run, as_in, recorded

NAMES = sorted(path.name.removesuffix(".txt.gz") for path in FIXTURES.glob("*.txt.gz"))
FAULTS = dict(line.split("\t") for line in (FIXTURES / "faults.tsv").read_text().splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_gives_what_the_library_gave(name):
    run = Run(recorded(name, "txt"))
    expected = as_in(recorded(name, "exp").decode())
    assert run.log.splitlines() == [line for line in expected if line[0] not in "@="]
    totals = [line for line in expected if line[0] == "@"]
    assert [line for line in run.final.splitlines() if line[0] == "@"][:len(totals)] == totals  # replayer.c ends before malloc_stats()
    chunks = [line for line in expected if line[0] == "="]
    if chunks:  # none where the program moved the break itself
        assert [line for line in run.final.splitlines() if line[0] == "="] == chunks
    assert run.faults == int(FAULTS[name])
    assert run.machine.fsck() == []


@pytest.mark.parametrize("name", sorted(path.name.removesuffix(".sys.gz") for path in FIXTURES.glob("*.sys.gz")))
def test_a_trace_makes_the_system_calls_that_strace_saw(name):
    assert Run(recorded(name, "txt")).calls.splitlines() == as_in(recorded(name, "sys").decode())


def test_a_real_programs_log_is_the_trace_that_it_holds():
    """perl's, as valgrind writes it: read here, it does what the operations do that another program read in it."""
    from vmtool.strace.heaplogs import Heaplog, guess_form

    log = recorded("real_perl", "log")
    assert guess_form(log) == "ltrace"
    form = Heaplog()
    operations = [line for line in recorded("real_perl", "txt").decode().splitlines() if not line.startswith("#")]
    assert list(form.lines("ltrace", log.decode().splitlines())) == operations
    assert form.nr_unknown == 0
    said = re.search(rb"total heap usage: ([\d,]+) allocs, ([\d,]+) frees", log)  # valgrind's own count
    allocs, frees = (int(group.replace(b",", b"")) for group in said.groups())
    nr = Counter(operation[0] for operation in operations)
    assert (nr["m"] + nr["c"] + nr["r"], nr["f"] + nr["r"]) == (allocs, frees)
