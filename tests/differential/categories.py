"""What is drawn: for every category and sub-category the calls, their weights and the script's length.

The weights give the mix, in calls a script, of the recordings this project is measured by, or more of the
rarer calls; `python -m tests.differential --mix` prints both side by side (mix.py).
"""

from collections.abc import Callable
from typing import NamedTuple

from tests.differential import bad_calls, calls, cold, corners, huge, khugepaged, lineages, mappings, programs, stories, swap
from tests.differential.writer import Writer


class Sub(NamedTuple):
    """One sub-category: `low`..`high` lines, `files` made before the rest, `first` calls, then draws from `weights`."""

    low: int
    high: int
    weights: str  # "touch 9, fork 2"
    first: tuple[str, ...] = ()
    files: tuple[tuple[str, tuple[int, ...]], ...] = ()
    end: tuple[str, ...] = ("cat_maps", "smaps", "status")


MORE_LINES = 8
"""Short scripts are drawn more often than long ones; with this the mean is not below that of the recordings."""

SCENE = (("scene.dat", (10000, 16384, 65536, 65536, 131072, 262144)),)
SMALL = (("scene.dat", (10000, 16384, 65536)),)
TWO = (("lib.so", (65536, 131072, 262144)), ("other.bin", (65536,)))
THREE = (("scene.dat", (65536, 131072)), ("lib.so", (131072, 262144)), ("big.bin", (6000000, 4194304)))

VMA = {
    "anonvma": Sub(21, 54,
        "across 1, seam 2, heir 1, "
        "unify 4, apart 4, bridge 4, touch_write 9, beside 8, anon_small 4, mprotect_rw 8, mremap_fixed 2, mremap 2, cat_maps 2, munmap 1, "
        "fork 1",
        ("anon_rw", "touch_write")),
    "brk": Sub(23, 56, "brk 14, brk_to 6, heap_area 4, cat_maps 3, mprotect_rw 2, touch_write 2, touch 1, munmap 2, anon_small 1"),
    "err": Sub(21, 60, "across 2, "
        "bad_call 24, cat_maps 4, plain_area 3, mremap 1, mlock 1", ("plain_area", "plain_area", "plain_area"), SMALL),
    "file": Sub(30, 58, "unify 3, file_beside 5, file 10, file_fixed 9, mprotect 6, munmap 4, cat_maps 4, mremap 2, touch 1, anon 1",
                ("file",), THREE),
    "fork": Sub(20, 60,
        "across 1, heir 2, seam 1, "
        "unify 2, apart 2, bridge 2, touch 9, anon 5, beside 3, cat_maps 7, mprotect_rw 5, fork 3, brk 2, fork_advice 2, munmap 2, "
        "mremap 1, mremap_fixed 1",
        ("anon", "anon_rw", "shared"), SMALL),
    "madvise": Sub(22, 60, "across 3, "
        "unify 1, madvise_flags 22, mprotect 3, anon 2, file 1, shared 1, smaps 2, cat_maps 2, munmap 2, mremap 2, "
                   "beside 1", ("anon", "anon", "file_rw", "shared"), SCENE),
    "merge": Sub(22, 54,
        "unify 3, file_beside 4, beside 11, file_fixed 6, mprotect_rw 5, cat_maps 4, madvise_flags 3, munmap 2, anon_small 1, "
        "touch_write 1",
        ("anon_small",), TWO),
    "mix": Sub(21, 60,
        "across 2, "
        "unify 1, apart 1, bridge 1, anon 4, file 2, beside 3, hint 1, flagged 1, mprotect 5, touch 4, munmap 4, mremap 2, mremap_fixed 1, "
        "madvise_flags 2, madvise_pages 1, cat_maps 2, status 1, munlock 1, mlock 1, brk 1",
        ("anon", "file_rw"), SCENE),
    "mlock": Sub(19, 60,
        "across 2, setrlimit 1, mlock 10, munlock 7, anon 5, locked 3, smaps 2, status 2, mlockall 3, munlockall 1, mprotect 2, munmap 2, "
        "mremap 2, brk 2",
        ("anon", "locked", "file_rw"), SCENE),
    "mremap": Sub(20, 58, "mremap 8, mremap_fixed 5, mremap_dontunmap 1, cat_maps 5, anon 2, munmap 1, mprotect_rw 1, touch_write 2",
                  ("anon_rw", "anon_small", "anon", "file_rw"), SCENE),
    "place": Sub(22, 52,
        "anon 5, hint 7, aligned 5, shared 1, flagged 1, growsdown 1, munmap 2, munmap_large 2, cat_maps 2, "
        "beside 3"),
    "rlimit": Sub(21, 58,
        "anon 9, flagged 2, shared 2, setrlimit 3, mremap 3, brk 3, touch 1, touch_stack 2, mprotect 3, status 2, cat_maps 2, munmap 2, "
        "mlock 3, munlock 1, locked 2, mlockall 1",
        ("anon", "setrlimit")),
    "split": Sub(20, 46, "across 1, unify 2, mprotect_rw 6, munmap 4, beside 4, anon 2, cat_maps 4, madvise_flags 1",
                 ("anon_rw", "anon", "file_rw"), SCENE),
    "stack": Sub(20, 60,
        "anon 9, growsdown 4, touch_growsdown 5, touch_stack 7, hint 3, beside 2, cat_maps 2, munmap 1, "
        "mprotect_rw 1, stack_limit 1",
        ("anon_small", "growsdown")),
}

FAULT = {
    "anon": Sub(24, 38,
        "toggle 1, touch 13, anon_rw 2, smaps 1, status 1, mprotect_rw 2, cat_maps 1, mincore 1, munmap 1, pagemap 1, "
        "populated 1",
        ("anon_rw", "anon_rw")),
    "brk": Sub(22, 30, "touch 6, touch_program 2, brk 7, smaps 3, cat_maps 1, mincore 1, mprotect_rw 1", ("brk",)),
    "fileread": Sub(19, 40, "touch 13, smaps 2, pagemap 2, cat_maps 1, status 1, file_advice 2, munmap 1, file 1, load 1",
                    ("file",), SCENE),
    "filewrite": Sub(15, 42,
        "toggle 1, touch 8, load 3, smaps 2, dontneed 2, status 1, pagemap 1, mincore 1, mprotect_rw 1, store 1, "
        "madvise_pages 1",
        ("file_rw",), SMALL),
    "forkcow": Sub(19, 48, "touch 8, touch_write 7, smaps 4, fork 4, pagemap 2, status 1, store 2, load 1, exit 2, rollup 1, brk 1",
                   ("anon_rw", "touch_write")),
    "hwm": Sub(25, 40, "status 9, anon_large 3, touch_write 4, munmap_large 4, dontneed 2, anon_rw 1, statm 1", ("anon_large",)),
    "madvise": Sub(25, 46, "across 2, touch 11, madvise_pages 7, smaps 3, cat_maps 1, pagemap 2, mprotect_rw 1, mlock 1, munlock 1",
                   ("anon_rw", "file_rw"), SMALL),
    "mix": Sub(39, 62,
        "across 2, toggle 1, touch 16, anon_rw 2, file_rw 1, shared 1, smaps 3, madvise_pages 3, madvise_flags 1, mprotect_rw 4, "
        "status 2, munmap 3, mremap 2, mremap_fixed 1, fork 3, cat_maps 1, munlock 1, mlock 1, exit 1, pagemap 1, ""rollup 1",
               ("file_rw", "anon_rw"), SMALL),
    "mlock": Sub(21, 42,
        "across 1, touch 7, locked 2, anon_rw 1, smaps 2, munlock 2, status 2, mlock 3, mremap 2, madvise_pages 1, brk 1, "
        "mlockall 1",
        ("anon_rw", "file_rw"), SMALL),
    "mremap": Sub(15, 38,
        "mremap 5, mremap_fixed 3, touch 5, touch_write 3, smaps 2, cat_maps 1, status 1, pagemap 1, munmap 1, "
        "store 1",
        ("anon_rw", "touch_write", "file_rw"), SMALL),
    "pss": Sub(21, 40, "touch 12, smaps 4, file_rw 1, shared 1, other_program 2, munmap 1, fork 2, rollup 1, exit 1",
               ("file_rw", "shared", "anon_rw"), SMALL),
    "pte": Sub(19, 38, "status 9, touch 6, far 5, munmap_large 2, smaps 1, cat_maps 1, mremap_fixed 1, fork 1, exit 1, "
        "dontneed 1, dontneed_large 2",
               ("far",)),
    "shanon": Sub(16, 46, "touch 7, smaps 3, cat_maps 2, mremap 2, remove 2, store 2, pagemap 1, fork 2, status 1", ("shared",)),
    "shared": Sub(14, 40,
        "toggle 1, touch 7, smaps 3, cat_maps 1, load 1, pagemap 2, msync 2, store 2, dontneed 1, fork 1, other_program 1, "
        "sync 1",
        ("file_rw", "file_rw"), SMALL),
    "signals": Sub(33, 48,
        "touch 12, touch_wild 3, touch_program 3, anon 4, mprotect 4, smaps 2, status 1, cat_maps 1, munmap 2, "
        "truncate 2, madvise_pages 1",
        ("anon", "file"), SMALL),
    "stack": Sub(21, 38, "touch_stack 13, smaps 3, cat_maps 1, fork 2, status 1, stack_limit 1, dontneed 1"),
}

PAGECACHE = {
    "cached": Sub(25, 42, "touch 6, mincore 3, smaps 2, truncate 3, cat_maps 2, reread 1, store 2, write 2, sync 1, msync 1, load 1",
                  ("file_rw",), SMALL),
    "dirty": Sub(19, 30, "touch 5, smaps 4, write 2, sync 2, msync 1, load 1, dontneed 1, store 1", ("file_rw", "file_rw"), SMALL),
}

CORNERS = {
    "anything": Sub(40, 70,
        "touch 14, odd_mmap 6, beside 3, anon 2, shared 2, file_any 2, mprotect 4, munmap 3, across 3, advise_any 6, mremap 2, "
        "mremap_any 3, mremap_many 2, mremap_copy 1, fork 2, exit 1, brk 2, mlock 1, munlock 1, lock_all 1, unlock_all 1, limit 1, look 8, "
        "touch_stack 1, store 1, msync 1",
        ("anon_rw", "shared", "file_rw"), SMALL),
    "remap": Sub(30, 60,
        "touch 8, anon_rw 2, beside 3, file_beside 1, shared 1, apart 1, mremap_any 6, mremap_many 8, mremap_copy 3, mremap_dontunmap 3, "
        "mprotect_rw 3, mlock 1, fork 1, munmap 2, advise_any 1, look 5, bridge 1, lock_all 1",
        ("anon_rw", "file_rw", "shared", "anon_rw"), SCENE),
    "locks": Sub(30, 60,
        "touch 8, locked 3, odd_mmap 3, mlock 4, munlock 3, lock_all 4, unlock_all 2, limit 3, brk 3, fork 3, fork_advice 2, advise_any 2, "
        "munmap 2, mremap_any 3, mprotect 2, touch_stack 1, growsdown 1, touch_growsdown 2, exit 1, look 6, populate 1",
        ("anon_rw", "file_rw", "shared"), SMALL),
    "stacks": Sub(30, 60,
        "growsdown 3, touch_growsdown 10, touch_stack 8, beside 3, hint 2, munmap 4, mprotect 3, limit 2, stack_limit 1, mremap_any 2, "
        "mlock 1, lock_all 1, advise_any 2, fork 1, across 2, look 6, anon 2",
        ("growsdown", "growsdown")),
    "limits": Sub(30, 60,
        "limit 8, anon 4, odd_mmap 4, locked 2, brk 5, mprotect 4, mremap_any 5, mlock 3, lock_all 2, munmap 2, touch_stack 3, fork 1, "
        "touch 3, mremap_copy 1, mremap_dontunmap 1, mremap_many 2, munlock 1, unlock_all 1, look 5",
        ("anon_rw", "shared", "limit")),
    "free": Sub(30, 60,
        "touch 12, dontneed 5, advise_any 8, guard 3, populate 4, fork 3, exit 1, mprotect_rw 3, munmap 1, mlock 1, store 2, load 2, "
        "look 8, fork_advice 1",
        ("anon_rw", "touch_write", "file_rw", "shared"), SMALL),
    "files": Sub(30, 60,
        "touch 12, truncate_any 3, write_any 3, msync 2, sync 1, file_any 3, advise_any 4, store 2, load 2, mprotect_rw 2, fork 1, look 8, "
        "rmfile 1, remove 1, mlock 1, mremap_any 1, populate 1, munmap 1",
        ("file_rw", "file_rw", "touch_write"), SMALL),
    "huge": Sub(25, 50,
        "huge 2, huge_shared 1, huge_part 16, touch 6, fork 2, exit 1, look 8, guard 1, populate 1, mlock 1, mremap_any 1, brk 1, "
        "munmap 1, unlock_all 1",
        ("huge", "huge_part")),
    "lineage": Sub(70, 140,
        "fork_on 6, exit 1, there_and_back 8, touch 14, touch_write 6, beside 4, mremap_fixed 3, mremap_dontunmap 1, mprotect_rw 3, "
        "munmap 2, dontneed 2, pageout_any 2, mlock 1, munlock 1, look 8",
        ("anon_rw", "touch_write", "fork_on", "there_and_back")),
    "holes": Sub(40, 80,
        "punch 8, truncate_any 3, rewrite 3, file_any 4, touch 12, pageout_any 4, write_any 3, msync 1, sync 1, fork_on 2, munmap 2, "
        "mremap_any 1, look 8",
        ("file_rw", "file_rw", "touch_write"), SMALL),
    "offsets": Sub(30, 60,
        "extreme_offset 14, touch 4, mprotect 3, munmap 2, mremap_any 4, advise_any 3, fork_on 1, anon 2, look 5",
        ("file", "extreme_offset"), SMALL),
    "pieces": Sub(200, 320,
        "pieces 3, touch 8, mprotect 4, munmap 4, mremap_many 3, advise_any 4, lock_all 1, unlock_all 1, fork_on 1, look 3",
        ("pieces", "pieces")),
}

CATEGORIES: dict[str, dict[str, Sub | Callable[[Writer], None]]] = {
    "vma": {**VMA},
    "fault": {**FAULT},
    "pagecache": {**PAGECACHE, "coldmap": cold.coldmap, "coldread": cold.coldread},
    "thp": huge.SUBS,
    **({"khugepaged": khugepaged.SUBS} if khugepaged.SUBS else {}),
    **({"swap": swap.SUBS} if swap.SUBS else {}),
    "scenario": stories.SUBS,
    "exec": programs.SUBS,
    "corners": {**CORNERS, "coldmix": cold.coldmix, "coldhuge": cold.coldhuge},
}
MODULES = (calls, mappings, bad_calls, corners, lineages)


def find(name: str) -> Callable[[Writer, str], None]:
    """The function of a call in a table of weights."""
    return next(getattr(module, name) for module in MODULES if hasattr(module, name))


def write(w: Writer, category: str, sub: str) -> None:
    """A whole script of the sub-category."""
    plan = CATEGORIES[category][sub]
    if not isinstance(plan, Sub):
        plan(w)
        return
    w.spawn()
    for name, sizes in plan.files:
        w.mkfile(name, w.pick(sizes))
    for name in plan.first:
        find(name)(w, "p")
    length = w.number(plan.low, plan.high + MORE_LINES) - len(plan.end)
    weights = {name: int(weight) for name, weight in (pair.split() for pair in plan.weights.split(","))}
    for _ in range(3 * length):  # some draws write no line
        if len(w.lines) >= length or not w.pids:
            break
        find(w.weighted(weights))(w, w.pick(w.pids))
    for name in plan.end if w.pids else ():
        find(name)(w, w.pids[0])
