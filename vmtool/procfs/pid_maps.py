"""/proc/PID/maps: a line for each area of the address space.

Counterpart: Linux v6.18 fs/proc/task_mmu.c:show_map_vma(). The name begins in column 74 on 64-bit
kernels (50 on 32-bit ones); a line without a name ends in the blank that follows the inode.

Releases: until 4.8 stacks of threads had names: in PID/maps all of them (3.10: [stack:TID]), in task/TID/maps the thread's own
alone, as [stack]. Names given by prctl(PR_SET_VMA) are shown since 5.17, of shared anonymous memory since 6.2. [vvar] and
[vvar_vclock] are laid out by exec as the release does, and [vsyscall] is what the machine says.
"""

from collections.abc import Iterable, Mapping

from vmtool.procfs.releases import CURRENT, v
from vmtool.procfs.vmflags import permissions
from vmtool.records import Vma

NAME_COLUMN = {4: 25 + 4 * 6, 8: 25 + 8 * 6}
"""Blanks before the name are padded to this width, by the size of a pointer."""
ANON_NAMES_SINCE = v(5, 17)
SHMEM_NAMES_SINCE = v(6, 2)


def header(start: int, end: int, perms: str, offset: int, dev: tuple[int, int], inode: int, name: str, word_bytes: int = 8) -> str:
    """One line of maps, also the first line of each entry of smaps and of smaps_rollup."""
    text = f"{start:08x}-{end:08x} {perms} {offset:08x} {dev[0]:02x}:{dev[1]:02x} {inode} "
    if not name:
        return text + "\n"
    name = name.replace("\n", "\\012")
    # the kernel always puts one more blank after the padding, also behind a text that was too long for it
    return f"{text:<{NAME_COLUMN[word_bytes] - 1}} {name}\n"


def line(vma: Vma, word_bytes: int = 8, release: int = CURRENT) -> str:
    """The line of one area."""
    dev = (vma.dev_major, vma.dev_minor)
    name = vma.name
    if release < SHMEM_NAMES_SINCE and name.startswith("[anon"):
        name = _name_before(release, name)
    return header(vma.start, vma.end, permissions(vma.flags), vma.offset, dev, vma.inode, name, word_bytes)


def _name_before(release, name):
    if name.startswith("[anon_shmem:"):
        return "/dev/zero (deleted)"
    return name if release >= ANON_NAMES_SINCE or not name.startswith("[anon:") else ""


def name_stacks(vmas: list[Vma], stacks: Mapping[int, int], own: int = 0) -> list[Vma]:
    """Areas with the names of releases that knew threads' stacks. `stacks`: their pointers by TID; `own`: whose maps these are."""
    found = []
    for vma in vmas:
        tid = next((tid for tid, sp in stacks.items() if vma.start <= sp <= vma.end), 0)
        if own and not vma.is_file and vma.name in ("", "[stack]"):
            vma = vma._replace(name="[stack]" if tid == own else "")
        elif tid and not vma.name:
            vma = vma._replace(name=f"[stack:{tid}]")
        found.append(vma)
    return found


def render(vmas: Iterable[Vma], word_bytes: int = 8, release: int = CURRENT) -> str:
    """The whole file. `word_bytes` is the size of the kernel's pointers."""
    return "".join([line(vma, word_bytes, release) for vma in vmas])
