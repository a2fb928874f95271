"""What a line of a script costs beside the machine's own work, against Python's bare split of it with three int()."""

import time

from vmtool import records
from vmtool.cli.execute import Settings
from vmtool.cli.script import Script

LIMIT = 30  # measured 18 plain, 21 with --jsonl; what is left is the machine's
LINES = ["touch $p 0x555555559000 0x8000 -w --probe", "mmap $p 0x4000 --prot rw --addr 0x10090000 --fixed", "munmap $p 0x10090000 0x4000",
         "touch $p 0x401000 -x"] * 250
TOUCHED = records.Touched(1, 0)


class NoMachine:
    """Answers at once, so that the time is the command line's."""

    def tick(self):
        return 1

    trace_reset = tick

    def spawn(self, *args):
        return 1

    def touch(self, *args):
        return TOUCHED

    def mmap(self, *args):
        return 0x7FFFF7FEF000

    munmap = touch


class NoSession:
    machine = NoMachine()
    is_new = False


def seconds_of(action):
    """The least of some runs, as CPU time: other programs on the machine only add."""
    times = []
    for _ in range(7):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def bare():
    for line in LINES:
        line.split()
        int("4096")
        int("65536")
        int("555555559000", 16)


def lines_through(jsonl):
    settings = Settings("none")
    settings.open = lambda *args: NoSession()
    script = Script(settings, "none", echo=False, keep_going=True, jsonl=jsonl)
    script.run_line(1, "p = spawn x")

    def run():
        script.printed.clear()
        for number, line in enumerate(LINES, 2):
            script.run_line(number, line)
    run()
    assert script.status == 0
    return run


def test_a_plain_line():
    assert seconds_of(lines_through(jsonl=False)) < LIMIT * seconds_of(bare)


def test_a_line_with_jsonl():
    assert seconds_of(lines_through(jsonl=True)) < LIMIT * seconds_of(bare)
