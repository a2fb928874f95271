"""What procps' `slabtop -o` and `vmstat -m` print from the text of /proc/slabinfo.

Counterpart: procps-ng 4.0.2 src/{slabtop,vmstat}.c, library/slabinfo.c. Equal caches keep the order of the file.
"""

from __future__ import annotations

from vmtool.tools.single import single

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.tools.source import Source

VERSION = "slabinfo - version: 2."
HEADING = f"{'  OBJS ACTIVE  USE OBJ SIZE  SLABS OBJ/SLAB CACHE SIZE NAME':<78}\n"


class SlabError(ValueError):
    """The text is no slabinfo."""


class Cache:
    """One line."""

    def __init__(self, words: list[str], page_bytes: int) -> None:
        self.name = words[0][:128]
        self.active_objs, self.nr_objs, self.obj_bytes, self.objs_per_slab, self.pages_per_slab = [int(word) for word in words[1:6]]
        at = words.index("slabdata")
        self.active_slabs, self.nr_slabs = int(words[at + 1]), int(words[at + 2])
        self.cache_bytes = self.nr_slabs * self.pages_per_slab * page_bytes
        self.use = int(single(100 * single(self.active_objs / self.nr_objs))) if self.nr_objs else 0


SORTS = {
    "a": ("active_objs", True), "b": ("objs_per_slab", True), "c": ("cache_bytes", True), "l": ("nr_slabs", True), "v": ("active_slabs",
    True),
    "n": ("name", False), "o": ("nr_objs", True), "p": ("pages_per_slab", True), "s": ("obj_bytes", True), "u": ("use", True),
}  # fmt: skip
"""Letters of -s: what is compared, and whether the largest comes first."""


def caches(source: Source) -> list[Cache]:
    """SlabError when the file is missing, is of another version, or has a line that is none."""
    lines = (source.read("slabinfo") or "").splitlines()
    if not lines or not lines[0].startswith(VERSION):
        raise SlabError("Unable to create slabinfo structure")
    found = []
    for line in lines[1:]:
        if line.startswith("#"):
            continue
        try:
            found.append(Cache(line.split(), source.page_bytes))
        except (ValueError, IndexError):
            raise SlabError("Unable to get slabinfo node data: Numerical result out of range") from None
    return found


def run(source: Source, sort: str = "o") -> str:
    """slabtop -o."""
    return _summary(caches(source)) + HEADING + "".join([_line(cache) for cache in ordered(source, sort)])


def ordered(source: Source, sort: str) -> list[Cache]:
    """By one of SORTS."""
    key, is_down = SORTS[sort]
    return sorted(caches(source), key=lambda c: getattr(c, key), reverse=is_down)


def _line(c: Cache) -> str:
    return (
        f"{c.nr_objs:6} {c.active_objs:6} {c.use:3}% {c.obj_bytes / 1024:7.2f}K {c.nr_slabs:6} {c.objs_per_slab:8} "
        f"{c.cache_bytes // 1024:9}K {c.name:<23}\n"
    )


def _summary(found: list[Cache]) -> str:
    objs, active = sum(c.nr_objs for c in found), sum(c.active_objs for c in found)
    slabs, active_slabs = sum(c.nr_slabs for c in found), sum(c.active_slabs for c in found)
    size, active_size = sum(c.nr_objs * c.obj_bytes for c in found), sum(c.active_objs * c.obj_bytes for c in found)
    sizes = [c.obj_bytes for c in found]
    rows = (
        ("Objects", f"{active} / {objs} ({_percent(active, objs)})"),
        ("Slabs", f"{active_slabs} / {slabs} ({_percent(active_slabs, slabs)})"),
        ("Caches", f"{sum(c.nr_objs > 0 for c in found)} / {len(found)} ({_percent(sum(c.nr_objs > 0 for c in found), len(found))})"),
        ("Size", f"{active_size / 1024:.2f}K / {size / 1024:.2f}K ({_percent(active_size, size)})"),
    )
    text = "".join([f" {f'Active / Total {what} (% used)':<35}: {figures}\n" for what, figures in rows])
    least, most = (min(sizes), max(sizes)) if sizes else (0, 0)
    average = size // objs if objs else 0
    return text + f" {'Minimum / Average / Maximum Object':<35}: {least / 1024:.2f}K / {average / 1024:.2f}K / {most / 1024:.2f}K\n\n"


def _percent(part: int, whole: int) -> str:
    return f"{100.0 * part / whole:.1f}%" if whole else "-nan%"
