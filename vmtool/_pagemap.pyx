# cython: language_level=3
"""A process's pages at the door: what its entries are, raw and as /proc/PID/pagemap has them, what they lead to, and the way back from a frame."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from vmtool._space cimport vma_record
from vmtool._state cimport State
from vmtool._walks cimport find_mm
from vmtool.mm.arch cimport level_end, offset_in_page, page_align, page_size, page_start
from vmtool.mm.arena cimport arena_t, mm_at, task_at, vma_at
from vmtool.mm.pid cimport find_task
from vmtool.mm.mmu cimport mmu_walk, walk_t
from vmtool.mm.pgtable cimport entry_at_t, entry_find
from vmtool.mm.show_dump cimport dump_page
from vmtool.mm.show_proc cimport next_table as mm_next_table
from vmtool.mm.show_rmap cimport frame_mappings
from vmtool.mm.show_smaps cimport pagemap_entry
from vmtool.mm.types cimport *
from vmtool.mm.vma cimport find_vma

from vmtool import records as r
from vmtool.errors import KernelError

cdef enum:
    MOST_ENTRIES = 1 << 22
    ENTRY_WORDS = 5
    MOST_WALKS = 1 << 26  # a damaged file's tables may go round

DUMP_MAX = 1 << 26
PAGEMAP_MAX = 1 << 22  # 16 GiB of pages, half a GiB of records

ctypedef uint64_t (*word_fn)(arena_t *a, idx_t mm, vaddr_t addr) noexcept nogil


cdef void note_mapping(void *ctx, idx_t mm, idx_t v, vaddr_t addr, int level) noexcept nogil:
    with gil:
        (<list>ctx).append((mm, v, addr, level))


def dump(State self, pid, addr, length):
    """The bytes of addr..addr + length, which lie in one area, as a core dump takes them."""
    cdef idx_t mm = find_mm(self, pid), v = find_vma(&self.a, mm, addr)
    cdef uint64_t at = addr, end = addr + length, n, size = page_size(&self.a.m.arch)
    cdef const char *page
    if v == 0 or at < vma_at(&self.a, v).vm_start or end > vma_at(&self.a, v).vm_end or length > DUMP_MAX:
        raise KernelError(EFAULT, f"{length} bytes at {addr:#x}")
    found = PyBytes_FromStringAndSize(NULL, length)
    cdef char *out = PyBytes_AS_STRING(found)
    while at < end:
        n = min(size - offset_in_page(&self.a.m.arch, at), end - at)
        page = dump_page(&self.a, v, page_start(&self.a.m.arch, at))
        if page == NULL:
            memset(out + (at - <uint64_t>addr), 0, n)
        else:
            memcpy(out + (at - <uint64_t>addr), page + offset_in_page(&self.a.m.arch, at), n)
        at += n
    self.check()
    return found


def mapped_by(State self, pfn):
    """Every process, address, size of page and area that maps a frame, by PID and address."""
    cdef idx_t v
    cdef uint32_t level, pid
    cdef const arch_t *g = &self.a.m.arch
    if not 0 <= pfn < self.a.m.max_pfn:
        raise KernelError(EINVAL, f"frame {pfn:#x} is beyond the machine's memory, which ends at {self.a.m.max_pfn:#x}")
    seen, users = [], {}
    frame_mappings(&self.a, pfn, note_mapping, <void *>seen)
    self.check()
    for pid in range(1, self.a.pool[POOL_PID].count if seen else 0):
        i = find_task(&self.a, pid)
        if i and task_at(&self.a, i).tgid in (0, pid):  # threads are one with their group
            users.setdefault(task_at(&self.a, i).mm, []).append(pid)
    found = []
    for mm, v, addr, level in seen:
        area = vma_record(self, v)
        found += [(number, addr, <uint64_t>1 << g.level_shift[level], area) for number in users.get(mm, ())]
    self.check()
    return sorted(found, key=lambda one: one[:2])


def pagemap(State self, pid, addr, length):
    cdef idx_t mm = find_mm(self, pid)
    cdef uint64_t page = page_start(&self.a.m.arch, addr)
    cdef uint64_t end = min(addr + length, mm_at(&self.a, mm).task_size)
    found = []
    if end > page and (end - page) >> self.a.m.arch.page_shift > PAGEMAP_MAX:
        raise KernelError(ENOMEM, f"{(end - page) >> self.a.m.arch.page_shift} pages are more than an answer can hold")
    while page < end:
        found.append(r.PagemapEntry(page, pagemap_entry(&self.a, mm, page)))
        page += page_size(&self.a.m.arch)
    self.check()
    return found


def next_table(State self, pid, addr, end):
    found = mm_next_table(&self.a, find_mm(self, pid), addr, end)
    self.check()
    return found


def pagemap_bytes(State self, pid, addr, length):
    """The same as eight bytes a page, little-endian, as a read() of /proc/PID/pagemap gives them."""
    return words_of(self, find_mm(self, pid), addr, length, pagemap_entry)


def entry_bytes(State self, pid, addr, length):
    return words_of(self, find_mm(self, pid), addr, length, leaf_entry)


cdef object words_of(State self, idx_t mm, uint64_t addr, uint64_t length, word_fn word):
    """Eight bytes for each page of a range."""
    cdef uint64_t page = page_start(&self.a.m.arch, addr)
    cdef uint64_t end = min(addr + length, mm_at(&self.a, mm).task_size)
    cdef uint64_t i, count
    if end <= page:
        return b""
    if (end - page) >> self.a.m.arch.page_shift > PAGEMAP_MAX:
        raise KernelError(ENOMEM, f"{(end - page) >> self.a.m.arch.page_shift} pages are more than an answer can hold")
    count = page_align(&self.a.m.arch, end - page) >> self.a.m.arch.page_shift
    found = PyBytes_FromStringAndSize(NULL, 8 * count)
    cdef uint64_t *entry = <uint64_t *>PyBytes_AS_STRING(found)
    with nogil:
        for i in range(count):
            entry[i] = word(&self.a, mm, page + (i << self.a.m.arch.page_shift))
    self.check()
    return found


def entries(State self, pid, addr, end):
    """Five words of 64 bits for each entry of the range that is not 0; see _core.pyi."""
    cdef pfn_t root = mm_at(&self.a, find_mm(self, pid)).pgd
    cdef uint64_t first = addr
    cdef uint64_t last = end
    cdef uint64_t count
    with nogil:
        count = leaf_entries(&self.a, root, first, last, NULL)
    self.check()
    if count > MOST_ENTRIES:
        raise KernelError(ENOMEM, f"{count} entries are more than an answer can hold")
    found = PyBytes_FromStringAndSize(NULL, 8 * ENTRY_WORDS * count)
    cdef uint64_t *out = <uint64_t *>PyBytes_AS_STRING(found)
    with nogil:
        leaf_entries(&self.a, root, first, last, out)
    self.check()
    return found


cdef uint64_t leaf_entry(arena_t *a, idx_t mm, vaddr_t addr) noexcept nogil:
    """The entry that maps a page, or that says what it is instead, at whatever level it stands."""
    cdef entry_at_t at
    entry_find(a, mm_at(a, mm), addr, &at)
    return at.entry


cdef uint64_t leaf_entries(arena_t *a, pfn_t root, uint64_t addr, uint64_t end, uint64_t *out) noexcept nogil:
    """How many entries of the range are not 0, down to those that map; written to `out` unless that is NULL."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t nr = 0
    cdef uint64_t nr_walks = 0
    cdef uint64_t next
    cdef walk_t w
    cdef int i
    while addr < end and not a.err and nr <= MOST_ENTRIES:
        nr_walks += 1
        if nr_walks > MOST_WALKS:
            return MOST_ENTRIES + 1
        mmu_walk(a, root, addr, &w)
        if w.nr_steps == 0:
            break  # no address of the format
        i = w.nr_steps - 1
        next = level_end(g, w.entry_level[i], addr, end)
        if w.raw[i]:
            if out != NULL:
                out[0] = addr
                out[1] = w.raw[i]
                out[2] = w.entry_addr[i]
                out[3] = w.phys >> g.page_shift if w.ok else 0
                out[4] = <uint64_t>w.entry_level[i] | <uint64_t>g.entry_bytes << 24 | (1 << 17 if w.entry[i] & g.write else 0)
                if w.ok:
                    out[4] |= <uint64_t>w.page_shift << 8 | 1 << 16
                out += ENTRY_WORDS
            nr += 1
        if next <= addr:
            break
        addr = next
    return nr
