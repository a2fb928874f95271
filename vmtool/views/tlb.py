"""TLBs: the translations that the processors remember, and how often that helped.

Counterpart: Intel SDM volume 3 chapter 5.10 (entries, PCIDs, global pages); no Linux file shows this.
"""

from collections.abc import Iterable
from typing import NamedTuple

from vmtool.records import TlbEntry, TlbStats

KINDS = {"d": "data", "i": "code", "s": "shared"}  # the others are paging-structure caches, called by their names
SIZES = {12: "4K", 14: "16K", 16: "64K", 20: "1M", 21: "2M", 22: "4M", 24: "16M", 25: "32M", 29: "512M", 30: "1G"}
ATTRIBUTES = (("writable", "W"), ("user", "U"), ("nx", "NX"), ("dirty", "D"), ("is_global", "G"))
COUNTERS = (
    ("l1 hits", "l1_hits"),
    ("l2 hits", "l2_hits"),
    ("misses", "misses"),
    ("walks", "walks"),
    ("entries read by walks", "walk_reads"),
    ("flushes of all", "flushes_all"),
    ("flushes of a page", "flushes_page"),
    ("loads of {0}", "cr3_loads"),
    ("evictions", "evictions"),
    ("paging-structure cache hits", "psc_hits"),
    ("flushes for another CPU", "shootdowns"),
)
SELDOM = {"psc_hits", "shootdowns"}  # few machines have such


def attributes(entry: TlbEntry) -> list[str]:
    """The letters of what the entry allows and has seen."""
    return [letter for name, letter in ATTRIBUTES if getattr(entry, name)]


class Words(NamedTuple):
    """What an architecture calls the register of the top table, and what a TLB calls an address space: "", it has no name there."""

    root: str
    space: str


def words(arch: str) -> Words:
    """PCIDs are of 64-bit mode."""
    if arch.startswith("riscv"):
        return Words("satp", "asid")
    return Words("TTBR0", "asid") if arch.startswith("arm") else Words("CR3", "pcid" if arch.startswith("x86-64") else "")


def render(entries: Iterable[TlbEntry], space: str = "pcid") -> str:
    """A row an entry; `space`: what an address space's name in it is called, if it has one. `frame` is the first of the page. `age`: the
    TLB's clock at its last use; the smallest of a set goes next."""
    from vmtool.views.table import table

    headings = ("cpu", "level", "kind", "set", "way", "address", "frame", "size", *[space][: len(space)], "age", "attributes")
    rows = [
        (
            e.cpu,
            f"L{e.level}" if e.level else "PSC",
            KINDS.get(e.kind, e.kind),
            e.set,
            e.way,
            f"0x{e.vpn << e.page_shift:x}",
            f"0x{e.pfn:x}",
            SIZES.get(e.page_shift, str(1 << e.page_shift)),
            *[e.pcid][: len(space)],
            e.age,
            " ".join(attributes(e)) or "-",
        )
        for e in entries
    ]
    return table(headings, rows, left="level kind size attributes")


def render_stats(stats: Iterable[TlbStats], root: str = "CR3") -> str:
    """A row a counter, a column a processor. `root`: the register of the top table."""
    from vmtool.views.table import table

    cpus = list(stats)
    rows = [(label.format(root), *[getattr(cpu, name) for cpu in cpus]) for label, name in COUNTERS
            if name not in SELDOM or any(getattr(cpu, name) for cpu in cpus)]
    return table(("counter", *[f"cpu{cpu.cpu}" for cpu in cpus]), rows, left="counter")
