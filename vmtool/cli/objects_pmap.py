"""What `pmap` prints, as JSON objects: of the same text of /proc/PID/maps or smaps, with the columns that its options show."""

from collections.abc import Callable
from typing import Any

from vmtool.cli.objects_proc import area_of, labelled
from vmtool.tools.pmap import command, start_stack
from vmtool.tools.pmap_area import Area, Options, area, shown_name
from vmtool.tools.pmap_detail import FLAGS, ONLY_IN_XX, entries

Object = dict[str, Any]


def process(pid: int, read: Callable[[str], str], opts: Options) -> Object:
    """The areas of one process; `read` gives the text of a file of its directory in /proc."""
    stat = read("stat")
    if opts.detail in ("X", "XX"):
        areas = [_expanded(found, fields, opts) for found, fields in entries(read("smaps"))]
    elif opts.detail == "x":
        areas = [_extended(found, fields, start_stack(stat), opts) for found, fields in entries(read("smaps"))]
    else:
        lines = read("maps").split("\n")
        areas = [_plain(line, found, start_stack(stat), opts) for line in lines if (found := area(line)) is not None]
    return {"pid": pid, "command": command(read("cmdline"), stat), "areas": areas}


def _plain(line: str, found: Area, stack: int, opts: Options) -> Object:
    shown: Object = {"address": f"0x{found.start:x}", "size_kb": found.kb, "mode": found.mode,
                     "mapping": shown_name(found, stack, opts.show_path).strip()}  # fmt: skip
    if opts.detail == "d":
        facts = area_of(line)
        assert facts is not None, line
        shown.update({"offset_bytes": facts["offset_bytes"], "dev": facts["dev"]})
    return shown


def _extended(found: Area, fields: dict[str, str], stack: int, opts: Options) -> Object:
    dirty = int(fields.get("Shared_Dirty", 0)) + int(fields.get("Private_Dirty", 0))
    return {"address": f"0x{found.start:x}", "size_kb": found.kb, "rss_kb": int(fields.get("Rss", 0)), "dirty_kb": dirty,
            "mode": found.mode, "mapping": shown_name(found, stack, opts.show_path).strip()}  # fmt: skip


def _expanded(found: Area, fields: dict[str, str], opts: Options) -> Object:
    shown: Object = {"address": f"0x{found.start:x}", "perms": found.perms, "offset_bytes": int(found.offset, 16), "dev": found.dev,
                     "inode": int(found.inode)}  # fmt: skip
    for label, value in fields.items():
        if opts.detail == "XX" or label not in ONLY_IN_XX:
            key, number = labelled(label, value if label in (FLAGS, "THPeligible", "ProtectionKey") else value + " kB")
            shown[key] = number
    shown["mapping"] = found.name if opts.show_path else found.name.rpartition("/")[2]
    return shown
