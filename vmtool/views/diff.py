"""What differs between two machines, in words: a line for each object that is new, gone or changed.

Counterpart: diff(1), whose exit status it has; its lines are hunks of a text, these are objects of a machine. The facts come from
`look`. Pages that changed in the same way, one behind the other, are one line, and so are frames.
"""

from __future__ import annotations

from vmtool.uapi import PM_PFRAME_MASK, PM_PRESENT
from vmtool.views import look, tlb
from vmtool.views.pagemap import behind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from vmtool.views.look import Facts, Name

    Change = tuple[Name, "Facts | None", "Facts | None"]  # None: there is none

ENTRY_BYTES = 8  # of what is asked for a page
AT_ONCE = 1 << 9  # pages that are asked for
KINDS = ("machine", "sysctl", "process", "area", "pages", "frames", "bytes", "file", "zone", "slab", "counter", "tlb counters",
         "tlb entry", "tlb entries", "records")  # fmt: skip
NAMES: dict[str, tuple[str, ...]] = {
    "machine": (), "sysctl": ("name",), "process": ("pid",), "area": ("pid", "address"), "pages": ("pid", "address", "nr_pages"),
    "frames": ("pfn", "nr_pages"), "bytes": ("pfn", "offset_bytes", "nr_bytes"), "file": ("path",), "zone": ("zone",), "slab": ("name",),
    "counter": ("name",), "tlb counters": ("cpu",), "tlb entry": ("cpu", "tlb_level", "kind", "address", "page_size_kb", "pcid"),
    "tlb entries": ("cpu", "tlb_level", "kind"), "records": ("pool", "nr_records"),
}  # fmt: skip
"""What tells an object from its like, by the keys of --json."""
TITLES = {"machine": "machine", "sysctl": "sysctl {0}", "process": "process {0}", "area": "area 0x{1:x} of process {0}",
          "pages": "pages 0x{1:x} of process {0}", "frames": "frames 0x{0:x}", "bytes": "bytes of frame 0x{0:x}, {2} from 0x{1:x} on",
          "file": "file {0}", "zone": "zone {0}", "slab": "slab {0}", "counter": "counter {0}", "tlb counters": "TLB of CPU {0}",
          "tlb entry": "TLB entry of CPU {0}, L{1} {2} 0x{3:x} of {4} kB",
          "tlb entries": "TLB entries of CPU {0}, L{1} {2}", "records": "records of {0}, {1} of them"}
_ADDRESSES = ("address",)
FEW_ENTRIES = 8  # of a TLB that changed are told one by one


def changes(before: Any, after: Any, pfns: Iterable[int]) -> list[Change]:
    """What differs between two machines. `pfns`: the frames whose records differ."""
    old, new = dict(look.objects(before)), dict(look.objects(after))
    found = _folded([(name, old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)])
    pids = sorted({name[1][0] for name in (*old, *new) if name[0] == "process"})
    for pid in pids:
        found += pages(pid, *[_spaces(machine, objects, pid) for machine, objects in ((before, old), (after, new))])
    return ordered(found + frames(before, after, pfns))


def ordered(found: Iterable[Change]) -> list[Change]:
    """By kind, then by number, address or name."""
    return sorted(found, key=lambda change: (KINDS.index(change[0][0]), change[0][1]))


def _folded(found):
    """Entries of a TLB are counted where they are many, as after a flush."""
    counts: dict[tuple[Any, ...], list[int]] = {}
    for (kind, values), old, new in found:
        if kind == "tlb entry":
            count = counts.setdefault(values[:3], [0, 0, 0])
            count[0 if old is None else 1 if new is None else 2] += 1
    many = {key: count for key, count in counts.items() if sum(count) > FEW_ENTRIES}
    kept = [change for change in found if change[0][0] != "tlb entry" or change[0][1][:3] not in many]
    names = ("nr_new_entries", "nr_gone_entries", "nr_other_entries")
    return kept + [(("tlb entries", key), dict.fromkeys(names), dict(zip(names, count, strict=True))) for key, count in many.items()]


class Space:
    """The pages of one process, or of none."""

    def __init__(self, machine: Any, pid: int, areas: list[tuple[int, int]]) -> None:
        self.machine = machine
        self.pid = pid
        self.areas = areas
        self.shift = machine.info().page_shift
        self._flags: dict[int, tuple[str, ...]] = {}  # names, by all of an entry but its frame

    def next_table(self, addr: int) -> int | None:
        """The first address from `addr` on where there may be a page."""
        for start, end in self.areas:
            if end > addr:
                at = self.machine.next_table(self.pid, max(addr, start), end)
                if at < end:
                    return int(at)
        return None

    def page(self, start: int, end: int) -> tuple[bytes, bytes]:
        """pagemap's and the tables' entries of a range, eight bytes a page; outside the space there are none."""
        size = (end - start >> self.shift) * ENTRY_BYTES
        if not self.areas:
            return bytes(size), bytes(size)
        maps, entries = [ask(self.pid, start, end - start) for ask in (self.machine.pagemap_bytes, self.machine.entry_bytes)]
        return maps.ljust(size, b"\0"), entries.ljust(size, b"\0")

    def side(self, addr: int, pagemap: bytes, entry: bytes) -> tuple[int, tuple[str, ...]]:
        """A page as it is compared: pagemap's entry, and the names that the format has for the bits of the table's."""
        word, raw = int.from_bytes(pagemap, "little"), int.from_bytes(entry, "little")
        if not word & PM_PRESENT:
            return word, ()
        key = raw ^ (word & PM_PFRAME_MASK) << self.shift
        if key not in self._flags:
            steps = self.machine.walk(self.pid, addr).steps
            self._flags[key] = tuple(steps[-1].flags) if steps and steps[-1].present else ()
        return word, self._flags[key]


def _spaces(machine, objects, pid):
    areas = [(name[1][1], int(facts["end_address"], 16)) for name, facts in objects.items() if name[0] == "area" and name[1][0] == pid]
    return Space(machine, pid, sorted(areas))


def pages(pid: int, old: Space, new: Space) -> list[Change]:
    """The pages that differ, those alike in one. Of pages of two sizes none is like another."""
    if old.shift != new.shift:
        return pages(pid, old, Space(old.machine, pid, [])) + pages(pid, Space(new.machine, pid, []), new)
    span = AT_ONCE << old.shift
    runs: list[list[Any]] = []  # address, number, old and new (pagemap entry, names of bits)
    addr: int | None = 0
    while addr is not None:
        addr = min((at for at in (old.next_table(addr), new.next_table(addr)) if at is not None), default=None)
        if addr is None:
            break
        start, addr = addr & -span, (addr & -span) + span
        was, now = old.page(start, addr), new.page(start, addr)
        if was != now:
            for nr in range(AT_ONCE):
                page, at = start + (nr << old.shift), slice(nr * ENTRY_BYTES, (nr + 1) * ENTRY_BYTES)
                sides = [space.side(page, maps[at], entries[at]) for space, (maps, entries) in ((old, was), (new, now))]
                if sides[0] != sides[1]:
                    _add(runs, page, sides, 1 << old.shift)
    return [(("pages", (pid, run[0], run[1])), _page_facts(run[2], run[1]), _page_facts(run[3], run[1])) for run in runs]


def _add(runs, addr, sides, page_bytes):
    """A page that differs: one of the last run, when it differs as that does."""
    if runs:
        run = runs[-1]
        if addr == run[0] + run[1] * page_bytes and all([_follows(run[2 + i], side, run[1]) for i, side in enumerate(sides)]):
            run[1] += 1
            return
    runs.append([addr, 1, *sides])


def _follows(first, side, nr):
    entry = first[0] + nr if first[0] & PM_PRESENT else first[0]
    return side == (entry, first[1])


def _page_facts(side, nr):
    entry, bits = side
    shown = behind(entry, nr)
    if shown == "-":
        return None
    return {"behind": shown, "pfn": entry & PM_PFRAME_MASK if entry & PM_PRESENT else None, "flags": list(bits)}


def frames(before: Any, after: Any, pfns: Iterable[int]) -> list[Change]:
    """The frames that differ in more than a link of a list, those alike in one."""
    found: list[list[Any]] = []  # pfn, number, old and new facts
    limits = before.max_pfn(), after.max_pfn()
    for pfn in sorted(pfns):
        sides = [look.frame(machine.frames([pfn])[0]) if pfn < limit else None
                 for machine, limit in zip((before, after), limits, strict=True)]  # fmt: skip
        if sides[0] == sides[1]:
            continue
        run = found[-1] if found else [0, 0]
        if run[1] and pfn == run[0] + run[1] and all([_alike(run[2 + i], side, run[1]) for i, side in enumerate(sides)]):
            run[1] += 1
        else:
            found.append([pfn, 1, *sides])
    return [(("frames", (run[0], run[1])), run[2], run[3]) for run in found]


def _alike(first, facts, nr):
    """Whether a frame is what the nr-th behind a run's first would be: its index goes up, or stays."""
    if first is None or facts is None or first["index"] is None:
        return first == facts
    return facts == {**first, "index": first["index"] + nr} or facts == first


# --- in words ------------------------------------------------------------------------------


def render(found: Iterable[Change], arch: str) -> str:
    """A line a change."""
    names = tlb.words(arch)
    return "".join([
        f"{title(*name, names.space)}: {_counts(new) if name[0] == 'tlb entries' else words(old, new, names.root)}\n"
        for name, old, new in found])  # fmt: skip


def title(kind: str, values: tuple[Any, ...], space: str) -> str:
    """The object's name: `process 1`, `area 0x405000 of process 1`, `pages 0x405000 of process 1 ×4`. `space`: what a TLB calls one."""
    text = TITLES[kind].format(*_values(kind, values))
    if kind == "tlb entry" and space:
        return f"{text}, {space.upper()} {values[-1]}"
    if kind in ("pages", "frames"):
        return f"{text} ×{values[-1]}" if values[-1] > 1 else text.replace(kind, kind[:-1], 1)
    return text


def _values(kind, values):
    """A name's values as --json has them."""
    if kind == "tlb entry":
        *first, shift, pcid = values
        return [*first, 1 << (shift - 10), pcid]
    return values


def _counts(new):
    return ", ".join([f"{value} {what}" for what, value in zip(("are new", "are gone", "changed"), new.values(), strict=True) if value])


def words(old: Facts | None, new: Facts | None, root: str) -> str:
    """What became of it. `root`: the register that names the top table."""
    if old is None or new is None:
        return f"is {'new' if old is None else 'gone'}: {_all(new or old or {}, root)}"
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    if not keys:
        return "differ in what no view shows"
    return "; ".join([_change(key, old.get(key), new.get(key), root) for key in keys if key != "pfn" or "behind" not in old])


def _all(facts, root):
    told = [_fact(key, value, root) for key, value in facts.items() if not (key == "pfn" and "behind" in facts)]
    return ", ".join(filter(None, told))


def _fact(key, value, root):
    """A fact of something that is new or gone; what is nothing is not said."""
    if value is None or value is False or value == 0 or value == "" or value == []:
        return ""
    if key in ("behind", "kind", "comm", "path", "settings", "counters"):
        return _value(key, value)
    return label(key, root) if value is True else f"{label(key, root)} {_value(key, value)}"


def _change(key, old, new, root):
    if key in ("settings", "counters", "behind", "hex"):
        return f"{_value(key, old)} -> {_value(key, new)}"
    return f"{label(key, root)} {_value(key, old)} -> {_value(key, new)}"


def label(key: str, root: str) -> str:
    """The words for a key: `nr_minor_faults` is `minor faults`, and `nr_cr3_loads` `ttbr0 loads` where that is the register."""
    if key == "nr_cr3_loads":
        return f"{root.lower()} loads"
    for prefix in ("nr_", "is_"):
        key = key.removeprefix(prefix)
    for suffix in ("_kb", "_bytes", "_address", "_mask"):
        key = key.removesuffix(suffix)
    return key.replace("_", " ")


def _value(key, value):
    if value is None:
        return "-"
    if isinstance(value, list):
        return " ".join(map(str, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    unit = " kB" if key.endswith("_kb") else " bytes" if key.endswith("_bytes") else ""
    return f"0x{value:x}" if key == "pfn" else f"{value}{unit}"


def change_object(change: Change) -> dict[str, Any]:
    """A change as a JSON object: each fact that changed with its value before and after."""
    (kind, values), old, new = change
    named: Mapping[str, Any] = dict(zip(NAMES[kind], _values(kind, values), strict=True))
    shown = {key: f"0x{value:x}" if key in _ADDRESSES else value for key, value in named.items()}
    what = "new" if old is None else "gone" if new is None else "changed"
    facts = dict(_pairs(old or {}, new or {}))
    facts.pop("behind", None)
    return {"object": kind, **shown, "change": what, "facts": facts}


def _pairs(old, new) -> Iterator[tuple[str, list[Any]]]:
    for key in {**old, **new}:
        if old.get(key) != new.get(key):
            yield key, [old.get(key), new.get(key)]
