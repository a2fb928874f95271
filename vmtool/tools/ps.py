"""What procps' `ps` prints from the text of /proc/PID/{stat,status,cmdline}, meminfo, uptime and stat.

Counterpart: procps-ng 4.0.2 src/ps/{display,output,select}.c, ps(1). A column that outgrows its width takes from the room of those to
its right until one of them has some to spare. Clock times are UTC. Without a terminal the screen has no right edge, as for a pipe.
"""

from __future__ import annotations

from vmtool.tools.process import Process, processes, threads
from vmtool.tools.ps_fields import FIELDS, PID, RIGHT, SIGNAL, STAT_ALONE, UNLIMITED, USER, WCHAN
from vmtool.tools.ps_options import Column, Options, PsError, parse
from vmtool.tools.source import escaped, fields, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.tools.source import Source

SIGNAL_ROOM = 7
UNLIMITED_LEAST = 3
WIDE_SIGNALS = 16


class Listing:
    """What the columns ask of the machine and of the options."""

    def __init__(self, source: Source, options: Options) -> None:
        self.source = source
        self.options = options
        self.now = source.now
        self.is_full = options.is_full
        self.memory_total = number(fields(source.read("meminfo")).get("MemTotal"))
        uptime = (source.read("uptime") or "0").split()
        self.uptime_ticks = round(float(uptime[0]) * 100) if uptime else 0
        stat = [line.split() for line in (source.read("stat") or "").splitlines()]
        self.boot_time = next((int(words[1]) for words in stat if words[:1] == ["btime"]), 0)
        self.room = 0  # columns that the field being shown may fill
        pid_max = number(source.read("sys/kernel/pid_max")) or 32768
        self.pid_width = len(str(pid_max - 1))
        self.widths = [self._width_of(column) for column in options.columns]
        needed = self._needed()  # the same for every row
        self.plan = [
            (column.field.show, column.field.just, width, column.field.just in (UNLIMITED, WCHAN) or column.name == "fname")
            for column, width in zip(options.columns, self.widths, strict=True)
        ]
        """Of each column: who shows it, how it stands, its width, whether it is cut."""
        self.screen = options.width * max(-(-needed // options.width), 1)  # as many whole lines of the terminal as a row needs
        self.has_wide_signals = needed + SIGNAL_ROOM * sum(column.field.just == SIGNAL for column in options.columns) <= self.screen

    def began(self, p: Process) -> int:
        """When a process started, in seconds since the epoch."""
        return self.boot_time + p.start_time // 100

    def elapsed(self, p: Process) -> int:
        return self.elapsed_ticks(p) // 100

    def elapsed_ticks(self, p: Process) -> int:
        return max(self.uptime_ticks - p.start_time, 0)

    def rollup(self, p: Process, label: str) -> int:
        return number(fields(self.source.read(f"{p.pid}/smaps_rollup")).get(label))

    def file_number(self, p: Process, name: str) -> str:
        return str(number(self.source.read(f"{p.pid}/{name}")))

    def name_in_column(self, name: str, number_: int) -> str:
        """A user's or a group's name: cut with a `+` where it does not fit."""
        if self.options.numeric_users:
            return str(number_)
        text = escaped(name)
        if len(text) <= self.room:
            return text
        return text[: self.room - 1] + "+" if self.room > 0 else str(number_)

    def signals(self, mask: str) -> str:
        """A mask: all of it where the screen is wide enough, else its last eight digits."""
        if self.has_wide_signals:
            return mask if len(mask) > 8 else "00000000" + mask
        digits = mask.lstrip("0")
        return "<" + mask[-8:] if len(digits) > 8 else mask[-8:].rjust(8, "0")

    def _needed(self) -> int:
        """Columns of text without the last one's overhang."""
        widths = list(self.widths)
        if self.options.columns[-1].field.just == UNLIMITED:
            widths[-1] = UNLIMITED_LEAST
        return sum(widths) + len(widths) - 1

    def _width_of(self, column: Column) -> int:
        if column.field.just != PID or column.width != column.field.width:
            return column.width
        return max(self.pid_width, len(column.field.heading), len(column.heading))


def asks_status(options: Options) -> bool:
    """Whether a column, an order or a choice of users and groups is of status: else nobody has to make one for each process."""
    shown = [column.field.show for column in options.columns] + [FIELDS[name].show for name, _ in options.sort]
    return not STAT_ALONE.issuperset(shown) or any(what.endswith("id") and what not in ("pid", "ppid") for what, _ in options.chosen)


STATUS_OF_NONE = 1
"""The exit status when no process was selected."""


def run(source: Source, words: list[str]) -> tuple[str, int]:
    """The output and the exit status. PsError."""
    options = parse(words)
    found = chosen(source, options)
    return render(source, options, found), 0 if found else STATUS_OF_NONE


def chosen(source: Source, options: Options) -> list[Process]:
    """The processes that the options name, in their order."""
    listing = Listing(source, options)
    found = select(listing, processes(source))
    if options.bsd_threads or options.threads and not options.sort:  # -L and -T forget the threads where they sort
        found = [thread for p in found for thread in threads(source, p)]
    for name, is_down in reversed(options.sort):
        key = FIELDS[name].key
        assert key is not None, name  # parse() refuses such
        found.sort(key=lambda p, key=key: key(listing, p), reverse=is_down)
    return found


def render(source: Source, options: Options, found: list[Process]) -> str:
    """Their table."""
    listing = Listing(source, options)
    lines = []
    if options.header and any(column.heading for column in options.columns):
        lines.append(_row(listing, [column.heading for column in options.columns]))
    lines += [_row(listing, None, p) for p in found]
    return "".join([line + "\n" for line in lines])


def select(listing: Listing, found: list[Process]) -> list[Process]:
    """Those that the options name; all without such options."""
    options = listing.options
    chosen = []
    for p in found:
        is_in = options.all or not options.chosen or any(_is_listed(listing, p, what, names) for what, names in options.chosen)
        if options.running and p.state not in "RD":
            is_in = False
        if is_in != options.negated:
            chosen.append(p)
    return chosen


def _is_listed(listing, p, what, names):
    if what == "comm":
        return any(p.comm == name[:15] for name in names)
    if what in ("pid", "ppid", "session"):
        if not all(name.isascii() and name.isdigit() for name in names):
            raise PsError("process ID list syntax error")
        return getattr(p, what) in [int(name) for name in names]
    ids, which = p.ids("Uid" if what.endswith("uid") else "Gid"), 0 if what[0] == "r" else 1
    own = listing.source.user(ids[which]) if what.endswith("uid") else listing.source.group(ids[which])
    return str(ids[which]) in names or own in names


def _row(listing: Listing, headings: list[str] | None, p: Process | None = None) -> str:
    """One line. `correct` is the column where we should be, `actual` where we are."""
    text = ""
    correct = actual = gap = 0
    last = len(listing.plan) - 1
    for place, (show, just, width, is_cut) in enumerate(listing.plan):
        room = width
        if place == last:
            short = correct - actual
            room = listing.screen - (max(correct, actual) if short >= 1 else actual + gap)
        listing.room = room if room > 0 else 0
        if headings is not None:
            shown = headings[place]
        else:
            shown = show(listing, p)
            if is_cut:
                shown = shown[: listing.room]
        length = len(shown)
        if just in (RIGHT, PID):
            pad, stolen = width - length if width > length else 0, 0
        else:
            pad, stolen = _pad(listing, just, width, shown, listing.has_wide_signals)
        space = correct - actual + pad
        if space < 1:
            space = gap
        text += " " * space + shown
        actual += space + length
        correct += width + stolen + 1
        gap = 1
    return text


def _pad(listing, just, width, shown, is_wide):
    """Blanks before a text within its column, and how much wider the column is for once."""
    if just == USER and listing.options.numeric_users:
        return max(width - len(shown), 0), 0
    if just == SIGNAL:
        return max((WIDE_SIGNALS if is_wide else 9) - len(shown), 0), SIGNAL_ROOM if is_wide else 0
    return 0, 0
