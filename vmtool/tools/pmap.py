"""What procps' `pmap` prints from the text of /proc/PID/{stat,cmdline,maps,smaps}.

Counterpart: procps-ng 4.0.2 src/pmap.c, pmap(1). Plain and -d read maps, -x, -X and -XX read smaps; the columns of
-X come from the smaps they read, in its order (`pmap_detail`). Oddities kept: [heap], [vdso] and the like are `[ anon ]`
but for -X; -x prints an area when its line `Swap:` comes.
"""

from collections.abc import Callable, Iterator

from vmtool.tools.pmap_area import Area, Options, area, mapping, shown_name
from vmtool.tools.source import command_line, escaped

STAT_START_STACK = 28


def run(pid: int, read: Callable[[str], str], opts: Options) -> str:
    """The output for one process; `read` gives the text of a file of its directory in /proc."""
    stat = read("stat")
    heading = f"{pid}:   {command(read('cmdline'), stat)}\n"
    if opts.detail in ("X", "XX"):
        from vmtool.tools.pmap_detail import table

        return heading + table(read("smaps"), opts)
    body = {"": _plain, "d": _device, "x": _extended}[opts.detail]
    return heading + "".join(body(read("smaps" if opts.detail == "x" else "maps"), start_stack(stat), opts))


def start_stack(stat: str) -> int:
    """Field 28 of stat; the fields are counted from behind the name, which may hold blanks."""
    return int(stat.rpartition(") ")[2].split()[STAT_START_STACK - 3])


def command(cmdline: str, stat: str) -> str:
    """The command line on one line; the name in brackets when there is none."""
    return command_line(cmdline) or f"[{escaped(stat.partition('(')[2].rpartition(')')[0])}]"


def _areas(maps: str, opts: Options) -> Iterator[Area]:
    """Those of the span; the first one behind it ends the reading."""
    for line in maps.split("\n"):  # a name may hold what else ends a line for Python
        found = area(line)
        if found is None or found.end - 1 < opts.span[0]:
            continue
        if found.start > opts.span[1]:
            break
        yield found


def _plain(maps: str, start_stack: int, opts: Options) -> Iterator[str]:
    from vmtool.tools.pmap_lines import lines

    def shown(name: bytes, is_stack: bool) -> bytes:
        return mapping(name.decode("utf-8", "surrogateescape"), is_stack, opts.show_path).encode() + b"\n"

    text, total = lines(maps, *opts.span, start_stack, shown)
    yield text
    if not opts.quiet:
        yield f" total {total:16}K\n"


def _device(maps: str, start_stack: int, opts: Options) -> Iterator[str]:
    total = private = shared = 0
    if not opts.quiet:
        yield "Address           Kbytes Mode  Offset           Device    Mapping\n"
    for a in _areas(maps, opts):
        total += a.kb
        if a.perms[3] == "s":
            shared += a.kb
        elif a.perms[1] == "w":
            private += a.kb
        major, minor = (int(number, 16) for number in a.dev.split(":"))
        place = f"{int(a.offset, 16):016x} {major:03x}:{minor:05x}"
        yield f"{a.start:016x} {a.kb:7} {a.mode} {place} {shown_name(a, start_stack, opts.show_path)}\n"
    if not opts.quiet:
        yield f"mapped: {total}K    writeable/private: {private}K    shared: {shared}K\n"


def _extended(smaps: str, start_stack: int, opts: Options) -> Iterator[str]:
    totals = [0, 0, 0]
    rss = dirty = 0
    a = None
    if not opts.quiet:
        yield "Address           Kbytes     RSS   Dirty Mode  Mapping\n"
    for line in smaps.split("\n"):
        key, _, value = line.partition(":")
        if key == "Rss":
            rss = int(value.split()[0])
        elif key in ("Shared_Dirty", "Private_Dirty"):
            dirty += int(value.split()[0])
        elif key == "Swap":
            totals = [total + kb for total, kb in zip(totals, (0, rss, dirty), strict=True)]  # areas before the span count, too
            if a is not None:
                totals[0] += a.kb
                yield f"{a.start:016x} {a.kb:7} {rss:7} {dirty:7} {a.mode} {shown_name(a, start_stack, opts.show_path)}\n"
            rss = dirty = 0
            a = None
        elif (found := area(line)) is not None:
            if found.start > opts.span[1] and found.end - 1 >= opts.span[0]:
                break
            a = found if found.end - 1 >= opts.span[0] else None
    if not opts.quiet:
        yield "---------------- ------- ------- ------- \n" + "total kB {:15} {:7} {:7}\n".format(*totals)
