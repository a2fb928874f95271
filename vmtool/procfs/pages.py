"""pagemap, kpageflags, kpagecount, kpagecgroup: eight bytes a page, little-endian, for each page of a space or each frame.

Counterpart: Linux v6.18 fs/proc/task_mmu.c:pagemap_read(), fs/proc/page.c. `views/pagemap.py` explains pagemap's bits.
A pagemap is as long as the address space and nearly all zeros: it is read in pieces, and copied where there are areas.

Releases: until 4.2 bits 55 to 60 of a pagemap's entry were the page shift, and in 3.10 it stood in the entries of holes, too; bits of
kpageflags beyond those that a release had are 0. An area that is soft-dirty as a whole has bit 55 for pages that are not there, too; an
exported copy has it only where there are page tables.
"""

from __future__ import annotations

import errno

from vmtool.errors import KernelError
from vmtool.procfs.releases import EVER, rows_of, v

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.procfs.files import Formatter
    from vmtool.procfs.tree import Tree

ENTRY_BYTES = 8
MOST_BYTES = 64 << 20
"""Of a file that is wanted whole; one of those a machine of 32 GiB has."""
KERNEL_HALF = 1 << 63
PAGE_SHIFT_UNTIL = v(4, 2)
PAGE_SHIFT_BIT = 55
PAGE_SHIFT_MASK = ~(0x3F << PAGE_SHIFT_BIT) & (1 << 64) - 1
MEANINGS = (  # bits 55 and up of a pagemap's entry that have a meaning
    (55, 0, EVER),  # soft-dirty
    (56, 0, EVER),  # mapped here alone
    (57, v(5, 14), EVER),  # write-protected by userfaultfd
    (58, v(6, 14), EVER),  # a guard
    (61, 0, EVER),  # of a file, or shared
    (62, 0, EVER),  # swapped out
    (63, 0, EVER),  # present
)
FLAGS = (  # of kpageflags, the newest ones
    (24, v(4, 0), EVER),  # ZERO_PAGE
    (25, v(4, 3), EVER),  # IDLE
    (26, v(4, 18), EVER),  # PGTABLE
)


def size(tree: Tree, *pid: int) -> int:
    """Bytes of the file, up to the last entry."""
    if pid:
        return (tree.machine.mm(*pid).task_size >> tree.info.page_shift) * ENTRY_BYTES
    return tree.machine.max_pfn() * ENTRY_BYTES


def extents(tree: Tree, *pid: int) -> list[tuple[int, int]]:
    """(offset, bytes) of what may be other than zeros."""
    if not pid:
        return [(0, size(tree))]
    shift = tree.info.page_shift
    table_bytes = 1 << shift + tree.info.pmd_order
    found = []
    for vma in tree.machine.maps(*pid):
        at = vma.start
        while at < vma.end < KERNEL_HALF and (at := tree.machine.next_table(*pid, at, vma.end)) < vma.end:
            end = min((at | table_bytes - 1) + 1, vma.end)
            found.append(((at >> shift) * ENTRY_BYTES, ((end - at) >> shift) * ENTRY_BYTES))
            at = end
    return found


def pread(tree: Tree, name: str, offset: int, nr_bytes: int, *pid: int) -> bytes:
    """What read() of whole entries gives. KernelError(EINVAL) for a part of one."""
    if offset % ENTRY_BYTES or nr_bytes % ENTRY_BYTES:
        raise KernelError(errno.EINVAL, f"{name}: entries have {ENTRY_BYTES} bytes")
    first, nr = offset // ENTRY_BYTES, nr_bytes // ENTRY_BYTES
    if pid:
        shift = tree.info.page_shift
        return _pagemap_as_in(tree, tree.machine.pagemap_bytes(*pid, first << shift, nr << shift))
    return _kpage_as_in(tree, name, tree.machine.kpage(name, first, nr))


def whole(tree: Tree, name: str, *pid: int) -> Formatter:
    """All of a file that is not too long. KernelError(EFBIG)."""
    nr_bytes = size(tree, *pid)
    if nr_bytes > MOST_BYTES:
        raise KernelError(errno.EFBIG, f"{name} has {nr_bytes} bytes: read it in pieces")
    data = pread(tree, name, 0, nr_bytes, *pid)
    return lambda: data


def _pagemap_as_in(tree, data):
    if tree.release < PAGE_SHIFT_UNTIL:
        shift = tree.info.page_shift << PAGE_SHIFT_BIT
        return _mapped(data, lambda entry: entry & PAGE_SHIFT_MASK | shift)
    missing = sum(1 << bit for bit, _, _ in MEANINGS) ^ sum(1 << bit for bit, _, _ in rows_of(MEANINGS, tree.release))
    return _mapped(data, lambda entry: entry & ~missing) if missing else data


def _kpage_as_in(tree, name, data):
    missing = sum(1 << bit for bit, _, _ in FLAGS) ^ sum(1 << bit for bit, _, _ in rows_of(FLAGS, tree.release))
    return _mapped(data, lambda entry: entry & ~missing) if missing and name == "kpageflags" else data


def _mapped(data, change):
    """Each entry of a file in another release's form. Equal entries, most of them 0, are computed once."""
    import array

    entries = array.array("Q", data)
    new = {entry: change(entry) for entry in set(entries)}
    return array.array("Q", [new[entry] for entry in entries]).tobytes()
