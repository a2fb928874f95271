"""Lines of an strace log: who, which call, and the rest of the line as text.

What is modelled: the text of strace 5 and 6 in all its forms (strace(1): -f, -ff, -o, -i, -n, -k, -r, -t,
-tt, -ttt, -T, -X, -a, -q, -z). A line is, after optional columns (PID, time, call number, instruction pointer),
    name(arguments) = result               a whole call
    name(arguments <unfinished ...>        its first half;  <... name resumed>arguments) = result  its second
    --- SIGNAL {...} ---                   +++ exited with N +++     +++ killed by SIGNAL +++     +++ superseded by execve in pid N +++
    strace: …   [ Process PID=N runs in 32 bit mode. ]      messages;  ` > frame` and ` | dump` of -k and -e read=
Without -o the log, the program's own output and `strace: Process N attached` share one stream, and
may break a line in two: the two parts are joined.
Simplified: columns are recognized, not kept, but for the time where several files must be merged.
Speed: `lines` finds the name in plain lines; a call that nobody asked for costs a dictionary look-up, and its arguments are
never looked at. Lines of any other shape are matched here.
Invariant: every line is an event, a call counted as skipped, a known message, or LogError with its number.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from vmtool.errors import HostError
from vmtool.strace.lines import FIRST_HALF, SECOND_HALF, WHOLE, Lines

_TIME = r"(?:(?:\(\+ *)?\d[\d:]*[:.][\d.]+\)? +)"
_COLUMNS = rf"(?:\[pid +(\d+)(?:<[^\n]*?>)?\] |(\d+)(?:<[^\n]*?>)? +)? *{_TIME}*(?:\[ *[0-9a-f?]+\] )*"
LINE = re.compile(_COLUMNS + r"(?:([a-z_]\w*)\(|<\.\.\. (\w+) resumed>)")
OTHER = re.compile(_COLUMNS + r"(\+\+\+|---|\?+\(|\[ Process |strace: )(.*)")
TIME = re.compile(r"(?:\[pid +\d+\] |\d+ +)?( *)(?:(\d+):(\d+):(\d+(?:\.\d+)?)|(\d+\.\d+))")

_EXITED = re.compile(r" exited with (\d+) ")
_KILLED = re.compile(r" killed by (SIG\w+)")
_SUPERSEDED = re.compile(r" superseded by execve in pid (\d+) ")
_ATTACHED = re.compile(r"strace: Process (\d+) attached(?: with \d+ threads?)?$")
_PERSONALITY = re.compile(r"(?:\[ Process )?(?:PID=)?(\d+) runs in (\d+) bit mode\. \]")
_MESSAGE = re.compile(r" [>|] ?|\) += |strace: |\[ (?:Process|Detached|stopped)|% time|------ ----|\s*\d+\.\d\d +\d|$")
_REST = re.compile(r"[^\x00-\x08\x0e-\x1f]*\) += (?:-?\d+|0x[0-9a-f]+|\?)(?: |$)")  # -z: a second half without its beginning
_ENDS = re.compile(r"\) += .*$|<unfinished \.\.\.>\)?$|<detached \.\.\.>$")

UNFINISHED = " <unfinished ...>"
CHILD_STARTS = frozenset({"clone", "clone3", "fork", "vfork"})


class LogError(HostError):
    """A line of a trace that cannot be read: `line` counts from 1."""

    def __init__(self, line: int, detail: str) -> None:
        self.line, self.detail = line, detail
        super().__init__(line, detail)

    def __str__(self) -> str:
        return f"line {self.line}: {self.detail}"


Event = tuple[int, int, str, str, int]
"""One line that matters: its number; the thread (0: the log has no PID here); the call's name, or +exited +killed +superseded
+attached +bits; all after `name(`, all after `resumed>`, or the end's number or signal; WHOLE, FIRST_HALF or SECOND_HALF."""


def shown(line: str) -> str:
    """The start of a line for a message, in printable characters."""
    return "".join(c if " " <= c <= "~" else "?" for c in line.rstrip("\n")[:60])


def lex(lines: Iterable[str], wanted: frozenset[str], counts: defaultdict[str, int]) -> Iterator[Event]:
    """The events of the wanted calls, and of every process's end, in the order of the log.

    `counts` gets the number of calls by name, wanted or not. LogError: a line that strace does not write; the last line cut short.
    """
    slow = _Slow(wanted, counts)
    slow.events = Lines(lines, wanted, slow.line, slow.finish)
    return slow.events


class _Slow:
    """The lines that are no plain calls."""

    def __init__(self, wanted: frozenset[str], counts: defaultdict[str, int]) -> None:
        self.wanted, self.counts = wanted, counts
        self.joiner = _Joiner()
        self.events: Lines

    def line(self, line: str, number: int) -> list[Event]:
        """The events of one line: none, one, or two where a broken one is joined."""
        found = LINE.match(line)
        if found is None or self.joiner.open:
            joined = self.joiner.line(line, number, found is not None)
            self.events.is_waiting = bool(self.joiner.open)
            if joined is None:
                return []
            line = joined
            found = LINE.match(line)
            if found is None:
                other = _other(line, number)
                return [other] if other is not None else []
        return self._call(line, number, found)

    def _call(self, line: str, number: int, found: re.Match[str]) -> list[Event]:
        pid_b, pid, name, resumed = found.groups()
        tid, text = int(pid or pid_b or 0), line[found.end():]
        if name is None:
            return [(number, tid, resumed, text, SECOND_HALF)] if resumed in self.wanted else []
        if self.joiner.is_broken(line, name, name in self.wanted):
            attached = self.joiner.keep(line, number)
            self.events.is_waiting = True
            return [attached] if attached else []
        self.counts[name] += 1
        if name not in self.wanted:
            return []
        return [(number, tid, name, text, FIRST_HALF if UNFINISHED in text[-20:] else WHOLE)]

    def finish(self, events: Lines) -> None:
        """The log is over: nothing may be open."""
        events.flush(self.counts)
        self.joiner.finish(events.number)
        if events.last_line[-1] != "\n":
            raise LogError(events.number, f"the log ends in the middle of a line: {shown(events.last_line)}")


class _Joiner:
    """Lines that another writer to the same stream has broken."""

    LONGEST = 1000  # lines of a program's own output inside one write() of it

    def __init__(self) -> None:
        self.open = ""  # the first part of a broken line
        self.since = 0
        self.own_output = False

    @staticmethod
    def is_broken(line: str, name: str, is_wanted: bool) -> bool:
        """Whether a call does not end on its line; of one that nobody wants only strace's own message tells."""
        if "strace: Process" in line and line.rstrip().endswith("attached"):
            return True
        return is_wanted and name[:5] == "write" and _ENDS.search(line) is None

    def keep(self, line: str, number: int) -> Event | None:
        """Hold the first part of a broken call; what broke it may be an event of its own."""
        cut = line.rfind("strace: Process")
        self.since = number
        if cut >= 0:
            self.open, self.own_output = line[:cut], False
            found = _ATTACHED.match(line[cut:].rstrip())
            return (number, int(found[1]), "+attached", found[1], WHOLE) if found else None
        self.open, self.own_output = line.rstrip("\n"), True
        return None

    def line(self, line: str, number: int, is_call: bool) -> str | None:
        """The line to go on with, or None when it belongs to what is kept."""
        if not self.open:
            return line
        if not self.own_output:
            whole, self.open = self.open + line, ""
            return whole
        if _ENDS.search(line) and not is_call:
            cut = line.rfind(")")
            whole, self.open = self.open[: self.open.rfind(" ") + 1] + "0" + line[line.rfind(")", 0, line.rfind(" = ")):], ""
            return whole if cut >= 0 else None
        if number - self.since > self.LONGEST:
            raise LogError(self.since, f"a call without an end: {shown(self.open)}")
        return None

    def finish(self, number: int) -> None:
        if self.open:
            raise LogError(number, f"the log ends within the call of line {self.since}")


def _other(line: str, number: int) -> Event | None:
    """A line that is no call: a process's end, a message of strace; LogError when it is neither."""
    found = OTHER.match(line)
    if found is None:
        if _MESSAGE.match(line) or _REST.match(line):
            return None
        raise LogError(number, f"not a line of strace: {shown(line)}")
    pid_b, pid, what, text = found.groups()
    tid = int(pid or pid_b or 0)
    if what == "strace: " or what == "[ Process ":
        attached = _ATTACHED.match((what + text).rstrip())
        if attached:
            return (number, int(attached[1]), "+attached", attached[1], WHOLE)
        bits = _PERSONALITY.match(text)
        return (number, int(bits[1]), "+bits", bits[2], WHOLE) if bits else None
    if what != "+++":
        return None
    for name, pattern in (("+exited", _EXITED), ("+killed", _KILLED), ("+superseded", _SUPERSEDED)):
        end = pattern.match(text)
        if end:
            return (number, tid, name, end[1], WHOLE)
    raise LogError(number, f"not a line of strace: {shown(line)}")


def seconds(line: str) -> tuple[float, bool] | None:
    """(time of a line, whether it is relative to the line before), None without a time column."""
    found = TIME.match(line)
    if found is None:
        return None
    spaces, hours, minutes, secs, plain = found.groups()
    if plain is None:
        return int(hours) * 3600 + int(minutes) * 60 + float(secs), False
    return float(plain), bool(spaces) or float(plain) < 1e6
