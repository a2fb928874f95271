"""Where every frame is: what programs, files and the kernel have, what is free, what boot kept; the sum is all RAM.

The counts are three views of one machine that have to fit: kinds of frames, ranges that boot kept, and what the kernel has allocated.
What a kind of frame has beyond what is told apart goes into a row of its own ("other"), so that no frame is lost or counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

FREE = {"free": "free, in the buddy system", "pcp": "free, on the per-CPU lists"}
PROGRAMS = {"anon": "anonymous pages", "file": "page cache of files", "shmem": "shared memory", "pgtable": "page tables"}
BOOT = {"slabs": None, "page tables": None, "kmalloc": "kmalloc beyond 8K, of boot", "kernel stacks": "stacks of the kernel's threads",
        "modules": "modules and the like, of boot", "blocks": "drivers and tables, of boot"}
"""Ranges of boot that are kinds of frames like others: slabs and page tables are counted with these."""


def rows(kinds: Sequence[tuple[str, int]], reserved: Sequence[tuple[int, int, str]], kernel: Mapping[str, int]) -> list[tuple[str, int]]:
    """(what, pages), without what there is nothing of."""
    count = dict(kinds)
    ranges: dict[str, int] = {}
    for _, nr_pages, what in reserved:
        ranges[what] = ranges.get(what, 0) + nr_pages
    found = [(text, count.get(kind, 0)) for kind, text in {**FREE, **PROGRAMS}.items()]
    found += [("slabs, reclaimable", kernel["slab_reclaimable"]), ("slabs, unreclaimable", kernel["slab_unreclaimable"])]
    named = [("kmalloc beyond 8K", kernel["kmalloc_large"]), ("kernel stacks", kernel["stacks"]),
             ("kernel stacks kept for the next", kernel["cached_stacks"]), ("vmalloc", kernel["vmalloc"]),
             ("tables of swap clusters", kernel["swap_tables"]), ("pages by hand", kernel["by_hand"])]
    named += [(text, ranges.get(what, 0)) for what, text in BOOT.items() if text]
    found += named
    slabs = kernel["slab_reclaimable"] + kernel["slab_unreclaimable"]
    found.append(("kernel, other", count.get("kernel", 0) + count.get("slab", 0) - slabs - sum(pages for _, pages in named)))
    found.append(("the page of zeros", count.get("zero", 0)))
    kept = [(f"boot: {what}", pages) for what, pages in ranges.items() if what not in BOOT and what != "hole"]
    if count.get("zero", 0):  # it is part of the kernel's .bss
        kept = [(what, pages - (1 if what == "boot: kernel bss" else 0)) for what, pages in kept]
    found += kept
    return [(what, pages) for what, pages in found if pages]


def render(found: Sequence[tuple[str, int]], page_kb: int) -> str:
    """A line a row and the sum."""
    total = ("all of RAM", sum(pages for _, pages in found))
    width = max(len(what) for what, _ in [*found, total])
    return "".join(f"{what:<{width}} {pages:10} pages {pages * page_kb:12} kB\n" for what, pages in [*found, total])
