"""Accesses that perf saw, a line an event: page faults, samples of memory instructions, `perf trace -F all`.

What is modelled: the text of perf script and perf trace, and the short and tracefs forms of faults (fault_lines.py):
    cat 1234 [001] 100.1: exceptions:page_fault_user: address=0x7fda3ea48290 ip=0x… error_code=0x14
    cat 1234 100.1:      1 page-faults:u:      7fda3ea48290 7fda3ea48290 _start+0x0 (/lib/ld.so)      address and instruction (-F +addr)
    cat 1234 100.1:      1 page-faults:u:      7fda3ea48290 _start+0x0 (/lib/ld.so)                   the instruction alone
    cat 1234 100.1:         30 cpu/mem-loads,ldlat=30/P:     7ffdf1391b0c      10268100142 |OP LOAD|LVL L1 hit|…
    0.084 ( 0.000 ms): cat/1234 minfault [_start+0x0] => /usr/lib/ld.so@0x1ab70 (d.)     without `cat/1234` where there is one thread
Call chains, headings, other events and the program's output are passed over.
Simplified: page-faults events do not tell writes from reads: what may be written counts as written, else it is read or executed. An event
without an address of data is an access to its instruction, or none when that is not there either (address 0).
Invariant: a line is an access, a line of a call chain or a heading, or counted as strange.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vmtool.strace.fault_lines import FAULT, PASSED, access_of, event_of
from vmtool.strace.tally import Tally

_EVENT = re.compile(r"\s*(?P<comm>.*?)\s+(?P<pid>\d+)(?:/\d+)?\s+(?:\[\d+\]\s+)?(?:\d+\.\d+:\s+)?(?:\d+\s+)?"
                    r"(?P<event>[^\s:]\S*?):(?:\s+(?P<rest>.*)|\s*$)")
_SOFTWARE = re.compile(r"(?:page-faults|faults|minor-faults|major-faults|cs:page-faults)(?::\w+)?$")
_FIRST = re.compile(r"([0-9a-f]+)(?=\s|$)(.*)")
_ADDRESS = re.compile(r"(?:^|\s)([0-9a-f]{6,16})(?=\s|$)")  # shorter ones may be names
_OPERATION = re.compile(r"\|OP ([A-Z]+)")
_MEMORY = re.compile(r"mem-loads|mem-stores|mem_load|mem_store|mem_inst|mem_uops|load_latency|store_sample|ibs_op|l1d-|llc-|tlb-access"
                     r"|memory", re.IGNORECASE)
_TRACED = re.compile(r"\s*\d+\.\d+ \([^)]*\): (?:(?:(?P<comm>.*?)/)?(?P<pid>\d+) )?(?:min|maj)fault \[[^\]]*\] => (?P<where>.*?) \(..\)")
_SYSCALL = re.compile(r"\s*\d+\.\d+ \([^)]*\): ")
_CHAIN = re.compile(r"\s+([0-9a-f]{3,16}) (?:\S|$)")
_COMM = re.compile(r"\s*(.*?)[- ]\d+(?:/\d+)?\s")
READ, WRITE, EXEC, ANY = "r", "w", "x", "?"
ABSOLUTE = 1 << 22  # a smaller one of a call chain is an offset in its file


class Sample(NamedTuple):
    """One access: its line, who made it, how, and where: an address, or an offset in `file`."""

    line: int
    pid: int
    comm: str
    access: str
    addr: int
    file: str


def parse(lines: Iterable[str], tally: Tally) -> Iterator[Sample]:
    """The accesses of a trace in any of its forms."""
    number = 0
    waiting: Sample | None = None  # an event whose address may be that of its first caller
    for number, line in enumerate(lines, 1):
        sample = _sample(number, line)
        if waiting is not None:
            chain = _CHAIN.match(line) if sample is None else None
            yield waiting._replace(addr=int(chain[1], 16)) if chain and int(chain[1], 16) >= ABSOLUTE else waiting
            waiting = None
        if sample is not None and not sample.addr and not sample.file:
            waiting = sample
        elif sample is not None:
            yield sample
        elif not line.strip():
            tally.nr_apart += 1
        elif _CHAIN.match(line) is None and _SYSCALL.match(line) is None and PASSED.match(line) is None:
            tally.strange(number, line)
    if waiting is not None:
        yield waiting
    tally.nr_lines += number


def _sample(number: int, line: str) -> Sample | None:
    fault = event_of(line)
    if fault is not None:
        comm = _COMM.match(line) if not line[:1].isdigit() else None
        return Sample(number, fault.tid, comm[1] if comm else "", access_of(fault.code), fault.value, "") if fault.kind == FAULT else None
    found = _EVENT.match(line)
    if found is not None:
        return _of_event(number, found)
    traced = _TRACED.match(line)
    return _of_trace(number, traced) if traced is not None else None


def _of_event(number: int, found: re.Match[str]) -> Sample | None:
    """A line of perf script."""
    event, rest = found["event"], found["rest"] or ""
    pid, comm = int(found["pid"]), found["comm"]
    first = _FIRST.match(rest)
    if first is None:
        return Sample(number, pid, comm, EXEC, 0, "") if _SOFTWARE.match(event) else None  # its instruction begins the call chain
    addr = int(first[1], 16)
    operation = _OPERATION.search(rest)
    if operation is not None or _MEMORY.search(event):
        is_write = operation[1] == "STORE" if operation is not None else "store" in event.lower()
        return Sample(number, pid, comm, WRITE if is_write else READ, addr, "") if addr and _has_address(rest) else None
    if _SOFTWARE.match(event) is None:
        return None
    others = _ADDRESS.findall(first[2])
    if others:  # of data, then of the instruction
        return Sample(number, pid, comm, EXEC if int(others[-1], 16) == addr else ANY, addr, "")
    return Sample(number, pid, comm, EXEC if first[2].strip() else ANY, addr, "")


def _has_address(rest: str) -> bool:
    """Whether the first number is an address: before `|OP …` stand the address and the data source, or the latter alone."""
    before, bar, _ = rest.partition("|")
    return not bar or len(before.split()) > 1


def _of_trace(number: int, found: re.Match[str]) -> Sample | None:
    """A line of perf trace: where is an address, or an offset of a file; anonymous memory, heap and stack have addresses."""
    name, _, text = found["where"].rpartition("@")
    try:
        addr = int(text, 16)
    except ValueError:
        return None  # a symbol of the kernel
    return Sample(number, int(found["pid"] or 0), found["comm"] or "", ANY, addr, name if name[:1] == "/" and name[:2] != "//" else "")
