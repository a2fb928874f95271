r"""Lines of an strace log: who, which call, and the rest of the line as text.

What is modelled: the text of strace 3 to 6 in all its forms (strace(1): -f, -ff, -o, -i, -n, -k, -r, -t,
-tt, -ttt, -T, -X, -a, -q, -z, -c). A line is, after optional columns (PID, time, call number, instruction pointer),
    name(arguments) = result               a whole call
    name(arguments <unfinished ...>        its first half;  <... name resumed>arguments) = result  its second
    name(arguments <detached ...>          strace let the process go;  <pid changed to N ...>  execve of a thread: its second half is N's
    --- SIGNAL {...} ---                   +++ exited with N +++     +++ killed by SIGNAL +++     +++ superseded by execve in pid N +++
    strace: …   Process N attached   [ Process PID=N runs in 32 bit mode. ]      messages;  ` > frame` and ` | dump` of -k and -e read=
Without -o the log, the program's own output and strace's messages share one stream, and may break a line in two: the two parts are joined
(broken.py). A line that is none of these is searched for a call behind other text (a prompt, a build system's columns); one without any
is the program's output, a shell's or a mail's text: passed over and counted in a Tally. A log of which most is such text is none.
Simplified: columns are recognized, not kept, but for the time where several files must be merged.
Speed: `lines` finds the name in plain lines; a call that nobody asked for costs a dictionary look-up, and its arguments are
never looked at. Lines of any other shape are matched here.
Invariant: every line is an event, a call counted as skipped, a known message, part of a broken call, or counted as strange.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from vmtool.strace.broken import MOST_PARTS, is_whole, joined
from vmtool.strace.clean import uncoloured, unquoted
from vmtool.strace.columns import COLUMNS, ENDS, LINE, OTHER
from vmtool.strace.lines import FIRST_HALF, SECOND_HALF, WHOLE, Lines
from vmtool.strace.tally import LogError, Tally, shown

TIME = re.compile(r"(?:\[pid +\d+\] |\d+ +)?( *)(?:(\d+):(\d+):(\d+(?:\.\d+)?)|(\d+\.\d+))")

_EXITED = re.compile(r" exited with (\d+) ")
_KILLED = re.compile(r" killed by (SIG\w+)")
_SUPERSEDED = re.compile(r" superseded by execve in pid (\d+) ")
_PROCESS = re.compile(r"(?:strace: )?Process (\d+) (attached|detached|suspended|resumed)\b[^\n]*$")
_PERSONALITY = re.compile(r"(?:\[ Process )?(?:PID=)?(\d+) runs in (\d+ bit|x32) mode\. \]")
_MESSAGE = re.compile(r" [>|] ?|\) += |strace: |\[ (?:Process|Detached|stopped)|% time|------ ----|System call usage summary"
                      r"|\s*\d+\.\d\d +\d|\s*<unfinished \.\.\.>|\s*$")
_REST = re.compile(r"[^\x00-\x08\x0e-\x1f]*\) += (?:-?\d+|0x[0-9a-f]+|\?)(?: |$)")  # -z: a second half without its beginning
_DETACHED = re.compile(r" *<detached \.\.\.>\)?\s*$")
_CHANGED = re.compile(r"<pid changed to \d+ \.\.\.>\s*$")
_WHOLE_END = re.compile(r"(?:\+\+\+|---|= \?|= -1 E[A-Z0-9]+ \(.*\)|<\d+\.\d+>|<unfinished \.\.\.>)$")
_MAY_BE_CUT = re.compile(COLUMNS + r"(?:[a-z_]\w*(?:$|\()|<\.\.\. |\+\+|--|$)|\[p")
_NUMBER_END = re.compile(r"\) += \d+$")
_NO_RETURN = re.compile(r"\d+\)?\s*$")

UNFINISHED = " <unfinished ...>"
CHILD_STARTS = frozenset({"clone", "clone3", "fork", "vfork"})
ENDS_OF_THREADS = frozenset({"exit_group", "exit", "_exit"})
ANSWER_ADDRESSES = frozenset({"mmap", "mmap2", "old_mmap", "mremap", "brk", "shmat"})  # cut short, one is another address
SEARCHED = 300  # characters of a strange line that may stand before a call
HOPELESS = 10_000  # strange lines without a call among them
BLANK = 1 << 20  # blank ones


Event = tuple[int, int, str, str, int]
"""One line that matters: its number; the thread (0: the log has no PID here); the call's name, or +exited +killed +superseded
+attached +bits; all after `name(`, all after `resumed>`, or the end's number or signal; WHOLE, FIRST_HALF or SECOND_HALF."""


def lex(lines: Iterable[str], wanted: frozenset[str], counts: defaultdict[str, int], tally: Tally | None = None,
        on_name: Callable[[int, str], None] | None = None) -> Iterator[Event]:
    """The events of the wanted calls, and of every process's end, in the order of the log.

    `counts` gets the number of calls by name, wanted or not; `tally` the lines that are none; `on_name` (line, name) is called once for
    each name. LogError: there are too many lines of no log.
    """
    slow = _Slow(wanted, counts, tally or Tally())
    slow.events = Lines(lines, wanted, slow.line, slow.finish, on_name)
    return slow.events


class _Slow:
    """The lines that are no plain calls."""

    LONGEST = 1000  # lines of a program's own output inside one call

    def __init__(self, wanted: frozenset[str], counts: defaultdict[str, int], tally: Tally) -> None:
        self.wanted, self.counts, self.tally = wanted, counts, tally
        self.open: _Open | None = None
        self.events: Lines

    def line(self, line: str, number: int) -> list[Event]:
        """The events of one line: none, one, or two where a broken one is joined."""
        if line[-1:] != "\n" and line:
            if line.strip() and _MAY_BE_CUT.match(line) and not self._is_complete(line):
                self.tally.cut.append((number, shown(line)))
                return []
            line += "\n"
        if self.open is not None:
            return self._follows(self.open, line, number)
        found = LINE.match(line)
        return self._call(line, number, found) if found else self._no_call(line, number)

    def _call(self, line: str, number: int, found: re.Match[str]) -> list[Event]:
        pid_b, pid, name, resumed = found.groups()
        tid, text = int(pid or pid_b or 0), line[found.end():]
        if name is None:
            return [(number, tid, resumed, text, SECOND_HALF)] if resumed in self.wanted else []
        self.counts[name] += 1
        message = _PROCESS.search(text.rstrip())
        if message is not None:  # strace's own, in the middle of a call
            text = text[: message.start()] + "\n"
        if name not in self.wanted:
            if message is not None:
                return [_attached(number, message)]
            if ENDS.search(text) is None:
                self.tally.strange(number, line)
            return []
        if ENDS.search(text, text.rfind('"') + 1) or is_whole(text):
            return [_event(number, tid, name, text)]
        if name in ENDS_OF_THREADS and _NO_RETURN.match(text):
            return [(number, tid, name, text.rstrip().rstrip(")") + ") = ?\n", WHOLE)]
        self._wait(_Open(number, tid, name, text.rstrip("\n")))
        return [_attached(number, message)] if message is not None else []

    def _wait(self, opened: "_Open | None") -> None:
        self.open = opened
        self.events.is_waiting = opened is not None

    def _follows(self, opened: "_Open", line: str, number: int) -> list[Event]:
        """A line while a call is without its end: the rest of it, what was written into it, or the next call, when the rest is lost."""
        text = line.rstrip("\n")
        is_output = opened.room > 0 and UNFINISHED not in line and not (ENDS.search(text) and text.rfind(")") + 2 >= opened.room)
        if not is_output:
            found = LINE.match(line)
            if found is not None:
                return self._give_up(opened, found) + self._call(line, number, found)
            whole = joined(opened.text, [*opened.parts[-MOST_PARTS:], text])
            if whole is not None:
                self._wait(None)
                self.tally.nr_apart += len(opened.parts)
                return [_event(opened.number, opened.tid, opened.name, whole + "\n")]
            if OTHER.match(line):
                return _message(line, number) or []
        opened.room -= len(text) + 1
        opened.parts.append(text)
        if len(opened.parts) > self.LONGEST and opened.room <= 0:
            self._give_up(opened, None)
        return []

    def _give_up(self, opened: "_Open", following: re.Match[str] | None) -> list[Event]:
        """A call whose rest does not come on the next lines: another thread's line may have interrupted it."""
        self._wait(None)
        for part in opened.parts:
            self.tally.strange(opened.number + 1, part)
        if following is not None and (following[4] == opened.name or int(following[1] or following[2] or 0) != opened.tid):
            return [(opened.number, opened.tid, opened.name, opened.text + UNFINISHED + "\n", FIRST_HALF)]
        self.tally.strange(opened.number, f"{opened.name}({opened.text}")
        return []

    def _no_call(self, line: str, number: int) -> list[Event]:
        """A message of strace, a process's end, a call behind other text; else it is strange."""
        if not line.strip():
            self.tally.nr_apart += 1
            if self.tally.nr_apart == BLANK and not self.counts:
                self.events.flush(self.counts)
                if not self.counts:
                    raise LogError(number, f"no call in {number} lines")
            return []
        events = _message(line, number)
        if events is not None:
            return events
        plain = unquoted(uncoloured(line))
        if plain != line:
            found = LINE.match(plain)
            return self._call(plain, number, found) if found else self._no_call(plain, number)
        found = LINE.search(line, 0, SEARCHED)
        if found is not None and (found[4] or is_whole(line[found.end():].rstrip())):
            known = max((name for name in self.wanted if (found[3] or "").endswith(name)), key=len, default="")
            if known and found[3] not in self.wanted and found[3] not in self.counts:  # `Hello worldbrk(`
                line = line[found.end() - len(known) - 1 :]
                found = LINE.match(line)
            return self._call(line, number, found) if found else []
        end = _END_BEHIND.search(line, 0, SEARCHED)
        if end is not None:
            return _message(line[end.start():], number) or []
        if _REST.match(line) is None or found is not None and found[3] in self.wanted:
            self.tally.strange(number, line)
            if self.tally.nr_strange >= HOPELESS and not self.counts:
                self.events.flush(self.counts)
                if not self.counts:
                    self.tally.refuse()
        return []

    @staticmethod
    def _is_complete(line: str) -> bool:
        """Whether the last line, that has no end of line, lacks nothing: more digits of an answer are known not to follow."""
        if _WHOLE_END.search(line):
            return True
        found = LINE.match(line)
        return _NUMBER_END.search(line) is not None and found is not None and found[3] not in ANSWER_ADDRESSES

    def finish(self, events: Lines) -> None:
        """The log is over: what is open was cut."""
        events.flush(self.counts)
        if self.open is not None:
            self.tally.cut.append((self.open.number, f"{self.open.name}({self.open.text}"[:60]))
            self.tally.nr_apart += len(self.open.parts)
            self.open = None
        self.tally.nr_lines += events.number


_END_BEHIND = re.compile(r"(?:\[pid +\d+\] |\b\d+ +)?(?:\+\+\+ (?:exited with|killed by|superseded by)|--- (?:SIG[A-Z0-9]+|stopped) )")


class _Open:
    """A call that has begun: its first part, what followed, and the bytes that the program may still write into it."""

    __slots__ = ("number", "tid", "name", "text", "parts", "room")

    def __init__(self, number: int, tid: int, name: str, text: str) -> None:
        self.number, self.tid, self.name, self.text = number, tid, name, text
        self.parts: list[str] = []
        found = _TO_TERMINAL.match(text) if name == "write" else None
        self.room = min(int(found[1]), 1 << 20) - (len(text) - found.end() + 1) if found else 0


_TO_TERMINAL = re.compile(r'[12](?:</dev/[^>]*>+)?, (?:"(?:[^"\\]|\\.)*"(?:\.\.\.)?|0x[0-9a-f]+), (\d+)')


def _event(number: int, tid: int, name: str, text: str) -> Event:
    """The event of a call that has an end, of whatever kind."""
    if UNFINISHED[1:] in text[-24:] or _CHANGED.search(text):
        return (number, tid, name, text, FIRST_HALF)
    detached = _DETACHED.search(text)
    if detached is not None:  # strace -b execve lets go of what it has seen to succeed
        text = text[: detached.start()].rstrip(", ") + f") = {'0' if name[:4] == 'exec' else '?'}\n"
    return (number, tid, name, text, WHOLE)


def _attached(number: int, message: re.Match[str]) -> Event:
    return (number, int(message[1]), "+attached", message[1], WHOLE)


def _message(line: str, number: int) -> list[Event] | None:
    """What a line that is no call tells: a process's end, a message of strace (no event); None when it is neither."""
    found = OTHER.match(line)
    if found is None:
        return [] if _MESSAGE.match(line) else None
    pid_b, pid, what, text = found.groups()
    tid = int(pid or pid_b or 0)
    if what in ("strace: ", "[ Process ", "Process "):
        message = _PROCESS.match((what + text).rstrip())
        if message:
            return [_attached(number, message)] if message[2] == "attached" else []
        bits = _PERSONALITY.match(text)
        if bits:
            return [(number, int(bits[1]), "+bits", bits[2].split(" ")[0], WHOLE)]
        return None if what == "Process " else []
    if what != "+++":
        return []
    for name, pattern in (("+exited", _EXITED), ("+killed", _KILLED), ("+superseded", _SUPERSEDED)):
        end = pattern.match(text)
        if end:
            return [(number, tid, name, end[1], WHOLE)]
    return None


def seconds(line: str) -> tuple[float, bool] | None:
    """(time of a line, whether it is relative to the line before), None without a time column."""
    found = TIME.match(line)
    if found is None:
        return None
    spaces, hours, minutes, secs, plain = found.groups()
    if plain is None:
        return int(hours) * 3600 + int(minutes) * 60 + float(secs), False
    return float(plain), bool(spaces) or float(plain) < 1e6


__all__ = ["Event", "LogError", "Tally", "lex", "seconds", "shown"]
