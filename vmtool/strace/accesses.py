"""Access traces on the machine: lackey's text, lists, page-fault events.

What is modelled: loads, stores and instruction fetches of one process, in their order, through the machine's access stream; nothing
of what the program computed. A lackey log comes from a program that is not on the machine: without a process given, a fresh one
stands for it, and the pages that the log names are mapped before they are accessed.
Simplified: all of a lackey log's pages are private, anonymous and rwx.
Invariant: an access that ends in a signal stops the replay with that signal.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from vmtool.errors import Signal
from vmtool.strace.faults import FAULT, access_of, parse
from vmtool.strace.lexer import LogError

MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS = 2, 0x10, 0x20
RWX = 7
PAGE = 4096
USER_END = 1 << 47


class Totals(NamedTuple):
    """What a trace came to."""

    accesses: int
    reads: int
    writes: int
    fetches: int
    minor: int
    major: int


def replay_text(machine: Any, pid: int | None, blocks: Iterable[bytes], form: int) -> Totals:
    """A lackey log or a list. LogError: a line that is no access."""
    from vmtool.strace.scan import Scanner, pages

    scanner = Scanner(form)
    known: set[int] | None = None
    if pid is None:
        pid, known = machine.spawn("lackey", None, [b"lackey"], []), set()
        for vma in machine.maps(pid):
            if vma.end < USER_END:
                machine.munmap(pid, vma.start, vma.end - vma.start)
    minor = major = nr = 0
    pending: bytes | None = None
    for block in blocks:
        if pending is not None:
            a, b, c = _feed(machine, pid, scanner, pending, False, known, pages)
            minor, major, nr = minor + a, major + b, nr + c
        pending = block
    a, b, c = _feed(machine, pid, scanner, pending or b"", True, known, pages)
    return Totals(nr + c, scanner.nr_reads, scanner.nr_writes, scanner.nr_fetches, minor + a, major + b)


def _feed(machine: Any, pid: int, scanner: Any, block: bytes, is_last: bool, known: set[int] | None, pages: Any) -> tuple[int, int, int]:
    records = scanner.feed(block, is_last)
    if known is not None:
        for first, last in runs(pages(records, known)):
            machine.mmap(pid, first * PAGE, (last + 1 - first) * PAGE, RWX, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS)
    touched = machine.access_stream(pid, records) if records else (0, 0)
    if scanner.bad_line:
        text = scanner.bad_text.decode("latin-1")
        raise LogError(scanner.bad_line, f"not an access: {''.join(c if ' ' <= c <= '~' else '?' for c in text)}")
    return touched[0], touched[1], len(records) // 16


def runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Sorted numbers as (first, last) of each run without a gap."""
    found: list[tuple[int, int]] = []
    for n in numbers:
        if found and found[-1][1] == n - 1:
            found[-1] = (found[-1][0], n)
        else:
            found.append((n, n))
    return found


def replay_faults(machine: Any, pid: int | None, lines: Iterable[str]) -> Totals:
    """Page-fault events as accesses: each thread's by the process of its number, or all by `pid`."""
    reads = writes = fetches = minor = major = 0
    for event in parse(lines):
        if event.kind != FAULT:
            continue
        access = access_of(event.code)
        try:
            touched = machine.touch(pid if pid is not None else event.tid, event.value, 1, access, True)
        except Signal:
            continue  # the real kernel sent one, too; the trace goes on
        minor, major = minor + touched[0], major + touched[1]
        reads, writes, fetches = reads + (access == "r"), writes + (access == "w"), fetches + (access == "x")
    return Totals(reads + writes + fetches, reads, writes, fetches, minor, major)


def guess_form(head: bytes) -> str:
    """Which kind of trace a file is, by its beginning: strace, lackey, faults or list."""
    import re

    lines = [line for line in head.split(b"\n")[:50] if line.strip()]
    if any(b"page_fault_" in line or b"tracer: nop" in line for line in lines) or re.search(
            rb"(?m)^\d+ (?:k?fault [0-9a-f]+|enter \d+|alloc \d|exit \d+) ", head):
        return "faults"
    if any(line.startswith(b"==") and b"Lackey" in line for line in lines) or re.match(rb"(?:I  | [LSM] )[0-9a-f]{6,16},\d+$",
                                                                                       lines[0] if lines else b""):
        return "lackey"
    if lines and all(re.match(rb"\s*(?:#|(?:[rwxRWX][ \t]+)?(?:0[xX])?[0-9a-fA-F]+(?:[ \t]+(?:0x)?[0-9a-fA-F]+)?\s*(?:#.*)?$)", line)
                     for line in lines[:-1] or lines):
        return "list"
    return "strace"
