"""Access traces on the machine: lackey, lists, pin, dinero, DynamoRIO, and what perf saw.

What is modelled: loads, stores and instruction fetches of processes, in their order, through the machine's access stream; nothing
of what the program computed. A lackey log, and what pin, dinero's or DynamoRIO's tools wrote, come from a program that is not on the
machine: without a process given, a fresh one stands for it, and the pages that the trace names are mapped before they are accessed, but for
those that no program can map (page 0, the kernel's). Events of perf have the number of their process; one that is not on the machine is
made, for samples of memory instructions with the pages that they name.
Simplified: the pages of a program that is not there are private, anonymous and rwx.
Invariant: an access that ends in a signal stops the replay with that signal, or is counted and reported where the rest is asked for.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from vmtool.errors import KernelError, Signal
from vmtool.strace.tally import LogError, Tally, shown
from vmtool.uapi import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE

if TYPE_CHECKING:
    from vmtool.strace.samples import Sample

RWX = 7
SIGNALS_SAID = 100
HOPELESS = 10_000  # lines without an access among them


class Totals(NamedTuple):
    """What a trace came to."""

    accesses: int
    reads: int
    writes: int
    fetches: int
    minor: int
    major: int
    signals: int  # accesses that ended in one, counted as accesses, too
    passed_over: int  # lines that are no access
    first_passed: tuple[int, str]
    notes: tuple[str, ...]


class _Count:
    """The sums of a trace, and the signals that it says."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.minor = self.major = self.signals = self.accesses = 0
        self.say = say

    def touched(self, touched: Any) -> None:
        self.minor, self.major = self.minor + touched[0], self.major + touched[1]

    def signal(self, where: str, stopped: Signal) -> None:
        self.signals += 1
        self.touched((stopped.minor, stopped.major))
        if self.signals <= SIGNALS_SAID:
            self.say(f"{where}: {stopped}")
        elif self.signals == SIGNALS_SAID + 1:
            self.say("more signals: only counted from here on")


def replay_text(machine: Any, pid: int | None, blocks: Iterable[bytes], form: str, say: Callable[[str], None], goes_on: bool) -> Totals:
    """A trace with a line an access. LogError: a line of a list that is none, a file without any. Signal: the first, unless it goes on."""
    from vmtool.strace import scan

    scanner = scan.Scanner(getattr(scan, form.upper()))
    known: set[int] | None = None
    if pid is None:
        pid, known = _fresh(machine, form, 0), set()
    count = _Count(say)
    pending: bytes | None = None
    for block in blocks:
        if pending is not None:
            _feed(machine, pid, scanner, pending, False, known, count, goes_on)
        pending = block
    _feed(machine, pid, scanner, pending or b"", True, known, count, goes_on)
    if scanner.nr_other - scanner.is_cut > count.accesses:
        _refuse(scanner)
    if scanner.is_cut:
        say(f"line {scanner.line}: the trace ends in this line")
    return Totals(count.accesses, scanner.nr_reads, scanner.nr_writes, scanner.nr_fetches, count.minor, count.major, count.signals,
                  scanner.nr_other, (scanner.first_other, shown(scanner.other_text.decode("latin-1"))), ())


def _fresh(machine: Any, name: str, pid: int) -> int:
    """A process without any memory but its stack and the vdso."""
    made: int = machine.spawn(name, None, [name.encode("utf-8", "replace")], [], pid=pid)
    end = machine.mm(made).task_size
    for vma in machine.maps(made):
        if vma.end <= end:
            machine.munmap(made, vma.start, vma.end - vma.start)
    return made


def _feed(machine: Any, pid: int, scanner: Any, block: bytes, is_last: bool, known: set[int] | None, count: _Count, goes_on: bool) -> None:
    from vmtool.strace.scan import pages

    records = scanner.feed(block, is_last)
    if known is not None:
        for first, last in runs(pages(records, known, machine.info().page_shift)):
            _map(machine, pid, first, last)
    at = 0
    while at < len(records):
        try:
            count.touched(machine.access_stream(pid, records[at:] if at else records, goes_on))
            break
        except Signal as stopped:
            if not goes_on:
                raise
            at += 16 * (stopped.nr_done + 1)
            count.signal(f"access {count.accesses + at // 16}", stopped)
    count.accesses += len(records) // 16
    if scanner.bad_line:
        raise LogError(scanner.bad_line, f"not an access: {shown(scanner.bad_text.decode('latin-1'))}")
    if scanner.nr_other > HOPELESS and not count.accesses:
        _refuse(scanner)


def _refuse(scanner: Any) -> None:
    """Most lines are none."""
    text = shown(scanner.other_text.decode("latin-1"))
    raise LogError(scanner.first_other, f"not an access: {text} (nor are {scanner.nr_other - 1} others)")


def _map(machine: Any, pid: int, first: int, last: int) -> None:
    """Pages first to last, but for those that no program can have."""
    shift = machine.info().page_shift
    first = max(first, 1)
    last = min(last, (machine.mm(pid).task_size >> shift) - 1)
    if first <= last:
        try:
            machine.mmap(pid, first << shift, last + 1 - first << shift, RWX, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS)
        except KernelError:
            return  # an access faults there, as it does where nobody may map


def runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Sorted numbers as (first, last) of each run without a gap."""
    found: list[tuple[int, int]] = []
    for n in numbers:
        if found and found[-1][1] == n - 1:
            found[-1] = (found[-1][0], n)
        else:
            found.append((n, n))
    return found


# --- what perf saw ---------------------------------------------------------------------------------------


class _Processes:
    """The processes of a trace: those of the machine by their numbers, all as `pid`, or fresh ones."""

    def __init__(self, machine: Any, pid: int | None, maps_named: bool) -> None:
        self.machine, self.pid, self.maps_named = machine, pid, maps_named
        self.page_shift = machine.info().page_shift
        self.known: dict[int, int] = {}
        self.fresh: dict[int, set[int]] = {}  # by number of the machine: the pages that were mapped

    def of(self, sample: "Sample") -> int:
        if self.pid is not None:
            return self.pid
        found = self.known.get(sample.pid)
        if found is None:
            try:
                self.machine.task(sample.pid)
                found = sample.pid
            except KernelError:
                found = _fresh(self.machine, sample.comm or f"pid{sample.pid}", sample.pid)
                self.fresh[found] = set()
            self.known[sample.pid] = found
        page = sample.addr >> self.page_shift
        if self.maps_named and found in self.fresh and page not in self.fresh[found]:
            self.fresh[found].add(page)
            _map(self.machine, found, page, page)
        return found


def replay_samples(machine: Any, pid: int | None, lines: Iterable[str], form: str, say: Callable[[str], None]) -> Totals:
    """Events of perf as accesses. LogError: most lines are none. A signal is counted: the real kernel sent one, too, or handled it."""
    from vmtool.strace.samples import ANY, parse

    tally, count = Tally("an access"), _Count(say)
    processes = _Processes(machine, pid, form == "perf-mem")
    made = {"r": 0, "w": 0, "x": 0}
    unplaced = unknown = without = 0
    kernel = machine.info().task_size  # begins behind the programs'
    for sample in parse(lines, tally):
        if sample.addr >= kernel or not sample.addr and not sample.file:
            unplaced += sample.addr > 0
            without += sample.addr == 0
            continue
        its = processes.of(sample)
        addr = sample.addr if not sample.file else _place(machine, its, sample)
        if addr is None:
            unplaced += 1
            continue
        unknown += sample.access == ANY
        access, touched = _touch(machine, its, addr, sample.access)
        made[access] += 1
        if isinstance(touched, Signal):
            count.signal(f"line {sample.line}: process {sample.pid}", touched)
        else:
            count.touched(touched)
    tally.judge()
    notes = [f"process {number or '?'} is not on the machine: a fresh one stands for it" for number, its in processes.known.items()
             if its in processes.fresh]
    if unknown:
        notes.append(f"{unknown} page faults do not tell writes from reads: what may be written counts as written")
    if without:
        notes.append(f"{without} events have no address: perf script -F +addr prints it")
    if unplaced:
        notes.append(f"{unplaced} accesses are the kernel's, or of files that their process has not mapped: not made")
    return Totals(sum(made.values()), made["r"], made["w"], made["x"], count.minor, count.major, count.signals, tally.nr_strange,
                  tally.first, tuple(notes))


def _touch(machine: Any, pid: int, addr: int, access: str) -> tuple[str, Any]:
    """(the access that was made, its counts or its signal); one of unknown kind is the strongest that the area allows."""
    stopped: Any = None
    for kind in ("w", "r", "x") if access == "?" else (access,):
        try:
            return kind, machine.touch(pid, addr, 1, kind, True)
        except Signal as failed:
            stopped = failed
            if failed.code != "SEGV_ACCERR":
                return kind, failed
    return kind, stopped


def _place(machine: Any, pid: int, sample: "Sample") -> int | None:
    """The address of an offset in a file that a process has mapped."""
    shift = machine.info().page_shift
    for vma in machine.maps(pid):
        start = vma.pgoff << shift
        if vma.name == sample.file and start <= sample.addr < start + vma.end - vma.start:
            found: int = vma.start + sample.addr - start
            return found
    return None


# --- which kind a trace is -----------------------------------------------------------------------------------

FORMS = ("lackey", "list", "pinatrace", "dinero", "memtrace")  # read by scan
SAMPLED = ("faults", "perf-mem", "perf-trace")  # read by samples
_SIGNS = (  # a line that only this kind has; where several kinds have some, the one with the most
    ("faults", rb"[^(]*\b(?:page_fault_(?:user|kernel): |(?:page|minor|major)-faults(?::\w+)?: )|# tracer: nop"
               rb"|\d+ (?:k?fault [0-9a-f]+|enter \d+|alloc \d|exit \d+) "),
    ("perf-mem", rb"\s*\S.*\d+\.\d+:\s.*(?:\|OP [A-Z]|\bmem-(?:loads|stores))"),
    ("perf-trace", rb"\s*\d+\.\d+ \([^)]*\): (?:\S+ )?(?:min|maj)fault \["),
    ("lackey", rb"==\d+== Lackey|(?:I  ?| [LSM] )[0-9a-fA-F]+,\d+\s*$"),
    ("pinatrace", rb"\s*0x[0-9a-f]+: [RW] +0x[0-9a-f]+"),
    ("memtrace", rb"Format: <|Output format:|\s*0x[0-9a-f]+: +\d+, \w+\s*$|0x[0-9a-f]+,[rw],\d+,0x[0-9a-f]+|.* \d+ byte\(s\) @ 0x"),
    ("dinero", rb"[0-4] [0-9a-fA-F]+(?: [0-9a-fA-F]+)?\s*$"),
    ("list", rb"\s*(?:(?:[rwxRWX][ \t]+)?(?:0[xX])?[0-9a-fA-F]+(?:[ \t]+(?:0x)?[0-9a-fA-F]+)?\s*(?:#.*)?$)"))
_WHOLLY = frozenset({"dinero", "list"})  # of these every line must be one: numbers alone say little


HEAD_BYTES = 1 << 12  # of a file that are looked at


def guess_form(head: bytes) -> str:
    """Which kind of trace a file is, by its beginning; strace where no other is seen."""
    import re

    lines = [line for line in head.split(b"\n")[:50] if line.strip()]
    lines = lines[:-1] if len(lines) > 1 and len(head) >= HEAD_BYTES else lines  # the last one may be cut
    lines = [line for line in lines if not re.match(rb"\s*#(?! tracer)", line)]  # comments tell nothing
    best, most = "strace", 0
    for name, sign in _SIGNS:
        pattern = re.compile(sign)
        found = sum(pattern.match(line) is not None for line in lines)
        if found > most and (name not in _WHOLLY or found == len(lines)):
            best, most = name, found
    return best
