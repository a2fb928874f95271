"""VM_ flags as /proc prints them: the permissions of maps, the two letters of smaps' VmFlags.

Counterpart: Linux v6.18 fs/proc/task_mmu.c:show_vma_header_prefix(), show_smap_vma_flags(); the bits
are those of include/linux/mm.h on x86-64.

Releases: a bit that a release does not know is not printed; one that it had without letters (VM_LOCKONFAULT from 4.4 on, until it got
them) is `??`. The bits are 6.18's in any release, but for one that old ones show (of_release()): the loader's areas of a program were
VM_DENYWRITE (`dw`). VM_NONLINEAR (`nl`) and MPX (`mp`) are never set.

Bits without letters (internal ones) are not printed; the kernel would print `??` for one it does not know.
"""

from __future__ import annotations

from vmtool.procfs.releases import CURRENT, rows_of, v
from vmtool.uapi import VM_DENYWRITE, VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from vmtool.records import Vma

LETTERS = (
    (1 << 0, "rd"),
    (1 << 1, "wr"),
    (1 << 2, "ex"),
    (1 << 3, "sh"),
    (1 << 4, "mr"),
    (1 << 5, "mw"),
    (1 << 6, "me"),
    (1 << 7, "ms"),
    (1 << 8, "gd"),
    (1 << 9, "um"),
    (1 << 10, "pf"),
    (1 << 11, "gu"),
    (1 << 12, "uw"),
    (1 << 13, "lo"),
    (1 << 14, "io"),
    (1 << 15, "sr"),
    (1 << 16, "rr"),
    (1 << 17, "dc"),
    (1 << 18, "de"),
    (1 << 19, "lf"),
    (1 << 20, "ac"),
    (1 << 21, "nr"),
    (1 << 22, "ht"),
    (1 << 23, "sf"),
    (1 << 24, "ar"),
    (1 << 25, "wf"),
    (1 << 26, "dd"),
    (1 << 27, "sd"),
    (1 << 28, "mm"),
    (1 << 29, "hg"),
    (1 << 30, "nh"),
    (1 << 31, "mg"),
    (1 << 37, "ss"),
    (1 << 38, "ui"),
    (1 << 40, "dp"),
    (1 << 42, "sl"),
)
"""(bit, letters), in the order of the bits, which is the order of printing."""
SINCE = {
    "sd": v(3, 11), "um": v(4, 3), "uw": v(4, 3), "lf": v(6, 12), "sf": v(4, 15), "wf": v(4, 14), "ss": v(6, 6), "ui": v(5, 13),
    "dp": v(6, 11), "sl": v(6, 10), "gu": v(6, 19),
}  # fmt: skip
"""The release from which on the letters are printed; the others are older than 3.10."""
OF_OLD_RELEASES = ((VM_DENYWRITE, "dw", 0, v(5, 15)),)
"""Bits that the kernel of the recordings does not have: letters, since, until."""
UNNAMED_SINCE = {"lf": v(4, 4)}
UNKNOWN = "??"


def permissions(flags: int) -> str:
    """`rwxp` as maps has it; `s` for an area that may be shared, even when it is mapped read-only."""
    return (
        ("r" if flags & VM_READ else "-")
        + ("w" if flags & VM_WRITE else "-")
        + ("x" if flags & VM_EXEC else "-")
        + ("s" if flags & VM_MAYSHARE else "p")
    )


def letters_of(release: int) -> tuple[tuple[int, str], ...]:
    """LETTERS as a release prints them."""
    if release >= CURRENT:
        return LETTERS
    found = [row[:2] for row in rows_of(OF_OLD_RELEASES, release)]
    for bit, letters in LETTERS:
        if release >= SINCE.get(letters, 0):
            found.append((bit, letters))
        elif release >= UNNAMED_SINCE.get(letters, CURRENT):
            found.append((bit, UNKNOWN))
    return tuple(sorted(found))


def of_release(vma: Vma, release: int, images: Collection[str]) -> Vma:
    """An area with the flags that a release had besides. `images`: what execve() mapped, the program and its interpreter."""
    flags = vma.flags
    if release < OF_OLD_RELEASES[0][3] and vma.is_file and vma.name in images:
        flags |= VM_DENYWRITE
    return vma if flags == vma.flags else vma._replace(flags=flags)


def vmflags_line(flags: int, table: tuple[tuple[int, str], ...] = LETTERS) -> str:
    """The line `VmFlags: rd wr … `: each pair is followed by a blank, the last one too."""
    return "VmFlags: " + "".join(letters + " " for bit, letters in table if flags & bit) + "\n"
