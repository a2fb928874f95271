"""The table of `pmap -X` and `-XX`: a column for each field that smaps has.

Counterpart: procps-ng 4.0.2 src/pmap.c. A column is as wide as its widest value, and unless quiet as its total and its
heading; every entry must have the fields of the first, in its order.
"""

from collections.abc import Mapping

from vmtool.tools.pmap_area import Area, Options, area, printable

FIXED = (("Address", "start_text"), ("Perm", "perms"), ("Offset", "offset"), ("Device", "dev"), ("Inode", "inode"))
MAX_NAME = 127
ONLY_IN_XX = frozenset("AnonHugePages KernelPageSize MMUPageSize Shared_Clean Shared_Dirty Private_Clean Private_Dirty VmFlags".split())
FLAGS = "VmFlags"


class SmapsError(ValueError):
    """The text is not a smaps of one kernel."""


def entries(smaps: str) -> list[tuple[Area, dict[str, str]]]:
    """Each area with its fields as text, in order."""
    found: list[tuple[Area, dict[str, str]]] = []
    for line in smaps.split("\n"):
        if not line:
            continue
        head = area(line)
        if head is not None:
            found.append((head, {}))
            continue
        key, colon, value = line.partition(":")
        if not colon or not found:
            raise SmapsError(f"inconsistent detail field in smaps file, line: {line}")
        found[-1][1][key] = value.strip() if key == FLAGS else value.split()[0]
    for head, fields in found:
        if list(fields) != list(found[0][1]):
            raise SmapsError(f"inconsistent detail field in smaps file, area at {head.start_text}")
    return found


def table(smaps: str, opts: Options) -> str:
    """Headings, rows and totals; nothing for a process without areas."""
    found = entries(smaps)
    if not found:
        return ""
    columns = [key for key in found[0][1] if opts.detail == "XX" or key not in ONLY_IN_XX]
    totals = {key: str(sum(int(fields[key]) for _, fields in found)) for key in columns if key != FLAGS}
    widths = {heading: max(len(getattr(head, name)) for head, _ in found) for heading, name in FIXED}
    widths.update({key: max(len(fields[key]) for _, fields in found) for key in columns})
    if not opts.quiet:
        widths = {heading: max(width, len(heading), len(totals.get(heading, ""))) for heading, width in widths.items()}
    order = [heading for heading, _ in FIXED] + columns
    lines = [] if opts.quiet else [_line({heading: heading for heading in order}, order, widths) + "Mapping"]
    for head, fields in found:
        cells = {heading: getattr(head, name) for heading, name in FIXED} | fields
        lines.append(_line(cells, order, widths) + _name(head, opts.show_path))
    if not opts.quiet:
        blanks = " " * sum(widths[heading] + 1 for heading, _ in FIXED)
        lines.append(blanks + "".join(["=" * widths[key] + " " for key in totals]))
        lines.append(blanks + _line(totals, list(totals), widths) + "KB ")
    return "".join([line + "\n" for line in lines])


def _line(cells: Mapping[str, str], order: list[str], widths: Mapping[str, int]) -> str:
    return "".join([f"{cells[heading]:>{widths[heading]}} " for heading in order])


def _name(head: Area, show_path: bool) -> str:
    """The whole path is cut, then its last part taken, as the original reads it."""
    name = head.name[:MAX_NAME]
    return printable(name if show_path else name.rpartition("/")[2])
