# cython: language_level=3
"""Walks: what the processor sees: a page walk level by level, and memory by its physical address. Nothing here changes the machine.

See _core.pyi for what each takes and gives.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from vmtool._state cimport State
from vmtool.mm.arch cimport (ARCH_ARM, ARCH_KPTI, ARCH_PAIRED, ARCH_PKEYS, ARCH_SPLIT_ROOT, ARCH_TRANSLATES, X86_PKEY_SHIFT,
                             arch_name, entry_encode, entry_flag, is_arm, is_riscv, level_name,
                             page_size)
from vmtool.mm.arch_arm cimport ARM_SECTION_SHIFT
from vmtool.mm.arch_riscv cimport RISCV_PFN_BITS, RISCV_PFN_SHIFT
from vmtool.mm.arena cimport mm_at, task_at
from vmtool.mm.boot_areas cimport boot_area_t, boot_areas_begin, boot_areas_next, boot_areas_t, has_boot_areas, vmalloc_start_32
from vmtool.mm.frame cimport page_bytes
from vmtool.mm.kernel_areas cimport module_loaded, module_t, module_text, nr_modules
from vmtool.mm.kernel_areas_arm cimport PCI_IO, PCI_IO_BYTES, UNIT_PAGES, VMALLOC_END
from vmtool.mm.mmu cimport access_t, mmu_judge, mmu_walk, walk_is_leaf, walk_is_present, walk_needs_young, walk_pkey, walk_t
from vmtool.mm.pid cimport find_task
from vmtool.mm.pgtable cimport user_pgd
from vmtool.mm.pte cimport X86_SOFT_DIRTY, soft_dirty_bit
from vmtool.mm.show_frames cimport next_held
from vmtool.mm.show_kernel cimport kernel_runs, kernel_runs_t
from vmtool.mm.types cimport *
from vmtool.mm.zone cimport lowmem_end

from vmtool import records as r
from vmtool.errors import KernelError

BOOT_KINDS = ("vmalloc", "vmalloc", "vmalloc", "vmalloc", "ioremap", "ioremap", "dma-coherent")
"""By boot_area_kind, vmallocinfo's words."""
cdef uint64_t WORD = 0xFFFFFFFF  # one of 32 bits
cdef enum:  # of x86's entries
    SOFT_DIRTY_BIT = 11
    SWP_SOFT_DIRTY_BIT = 1


cdef object arch_text(id):
    """The name of an architecture as `--arch` takes it."""
    return arch_name(id).decode()


cdef object entry_flags(const arch_t *g, int level, uint64_t entry):
    """The manual's names of the bits that are set."""
    return tuple([entry_flag(g, level, entry, bit).decode() for bit in range(64) if entry_flag(g, level, entry, bit) != NULL])


cdef object own_flags(const arch_t *g, int level, uint64_t entry):
    """Bits that the processor leaves to the kernel, by Linux's names, where this machine's kernel uses them."""
    return tuple([name for bit, name in own_names(g, level, entry) if entry >> bit & 1])


cdef object own_names(const arch_t *g, int level, uint64_t entry):
    """Bit and name of those that an entry like this one may have: it maps a page, or names where one is."""
    if not g.soft_dirty or entry == 0 or (level and not entry & g.huge):
        return ()
    return ((SOFT_DIRTY_BIT, "SOFT_DIRTY"),) if soft_dirty_bit(g, entry) == X86_SOFT_DIRTY else ((SWP_SOFT_DIRTY_BIT, "SWP_SOFT_DIRTY"),)


cdef object pkey_flag(const arch_t *g, const walk_t *w, int i):
    """The protection key of a program's page, where the processor has keys: all four bits are one number."""
    return (f"PKEY={walk_pkey(g, w, i)}",) if walk_pkey(g, w, i) >= 0 else ()


cdef object entry_names(const arch_t *g, int level, uint64_t entry):
    """Bit and name of every flag that an entry like this one may have."""
    cdef uint64_t bit
    found = []
    for bit in range(64):
        name = entry_flag(g, level, entry | <uint64_t>1 << bit, <uint32_t>bit)
        if name != NULL and not (g.flags & ARCH_PAIRED and bit >= 32):
            found.append((bit, name.decode()))
        elif g.flags & ARCH_PKEYS and X86_PKEY_SHIFT <= bit < X86_PKEY_SHIFT + 4:
            found.append((bit, f"PK{bit - X86_PKEY_SHIFT}"))
    return tuple(sorted((*found, *own_names(g, level, entry))))


cdef object index_bits(const arch_t *g, int level):
    """The bits of an address that are the index, the highest first; arm's processor has tables of its own sizes."""
    if g.flags & ARCH_PAIRED:
        if level:
            return 31, ARM_SECTION_SHIFT
        return ARM_SECTION_SHIFT - 1, g.page_shift
    return g.level_shift[level] + g.level_bits[level] - 1, g.level_shift[level]


cdef object base_bits(const arch_t *g, int level, bint is_leaf):
    """The bits of an entry that say where its frame or table is, and by how much higher the address has them."""
    if g.flags & ARCH_PAIRED:
        return 31, (ARM_SECTION_SHIFT if level else g.page_shift) if is_leaf else 10, 0
    if is_riscv(g):
        return RISCV_PFN_SHIFT + RISCV_PFN_BITS - 1, RISCV_PFN_SHIFT + (g.level_shift[level] - g.page_shift if is_leaf else 0), g.page_shift - RISCV_PFN_SHIFT
    return highest_bit(g.pfn_mask), g.level_shift[level] if is_leaf else g.page_shift, 0


cdef int highest_bit(uint64_t mask):
    cdef int n = -1
    while mask:
        mask >>= 1
        n += 1
    return n


cdef idx_t find(State self, pid) except 0:
    cdef idx_t t = find_task(&self.a, pid if 0 < pid < 1 << 31 else 0)
    if t == 0:
        raise KernelError(ESRCH, f"no process {pid}")
    return t


cdef idx_t find_mm(State self, pid) except 0:
    cdef idx_t mm = task_at(&self.a, find(self, pid)).mm
    if mm == 0:
        raise KernelError(ESRCH, f"process {pid} has no address space")
    return mm


cdef pfn_t top_table(State self, idx_t mm, root) except? 0:
    """The one that a walk begins at: the program's, or `kernel`: the kernel's."""
    return mm_at(&self.a, mm).pgd if root == "kernel" else user_pgd(&self.a.m.arch, mm_at(&self.a, mm).pgd)


def walk(State self, pid, addr, root=None):
    cdef walk_t w
    cdef uint64_t at = addr & <uint64_t>0xFFFFFFFFFFFFFFFF
    cdef pfn_t top = top_table(self, find_mm(self, pid), root)
    cdef int i
    cdef int level
    cdef const arch_t *g = &self.a.m.arch
    cdef bint is_upper = g.flags & ARCH_SPLIT_ROOT and at >= g.kernel_start
    cdef bint is_leaf
    cdef access_t how = access_t(ACCESS_READ, False, False, task_at(&self.a, find(self, pid)).pkru)
    mmu_walk(&self.a, top, at, &w)
    self.check()
    steps = []
    for i in range(w.nr_steps):
        level = w.entry_level[i]
        is_leaf = walk_is_leaf(g, &w, i)
        steps.append(r.WalkStep(
            level_name(g, level).decode(), w.table_addr[i], w.index[i], w.entry_addr[i], w.raw[i] if not g.flags & ARCH_PAIRED else w.raw[i] & WORD,
            entry_flags(g, level, w.raw[i]) + own_flags(g, level, w.raw[i]) + pkey_flag(g, &w, i), walk_is_present(g, &w, i), is_leaf,
            *index_bits(g, level), entry_names(g, level, w.raw[i]), *base_bits(g, level, is_leaf)[:2],
            w.raw[i] >> 32 if g.flags & ARCH_PAIRED and level == 0 else 0, base_bits(g, level, is_leaf)[2]))
    reason = "" if w.ok else "non-canonical" if w.noncanonical else "not present" if not w.error & PF_RSVD else "reserved bits set"
    return r.Walk(at, <uint64_t>(self.a.m.kernel_pgd if is_upper else top) << g.page_shift, tuple(steps), w.phys if w.ok else None,
                  <uint64_t>1 << w.page_shift if w.ok else 0, reason, arch_text(g.id), "TTBR1" if is_upper else "TTBR0" if is_arm(g) else "satp" if is_riscv(g) else "CR3",
                  g.levels, 64 if g.flags & ARCH_SPLIT_ROOT else g.va_bits, 8 * g.entry_bytes, g.page_shift,
                  mmu_judge(g, &w, &how) if w.ok else w.error,
                  walk_needs_young(g, &w))


def kernel_map(State self, borders, root=None):
    """(first address, last, level, entry without its frame, flags) of each run of like entries in the kernel's half; 0, (): nothing is mapped."""
    cdef kernel_runs_t runs
    cdef const arch_t *g = &self.a.m.arch
    cdef vaddr_t *at = <vaddr_t *>malloc((len(borders) + 1) * sizeof(vaddr_t))
    cdef uint64_t i, raw
    if at == NULL:
        raise MemoryError
    for i in range(<uint64_t>len(borders)):
        at[i] = borders[i]
    runs.borders = at
    runs.nr_borders = <uint32_t>len(borders)
    kernel_runs(&self.a, user_pgd(g, self.a.m.kernel_pgd) if root == "user" else self.a.m.kernel_pgd, &runs)
    found = []
    for i in range(runs.nr):
        raw = runs.at[i].prot
        if raw and g.flags & ARCH_TRANSLATES and not g.flags & ARCH_PAIRED:
            raw = entry_encode(g, runs.at[i].level, raw)
        found.append((runs.at[i].start, runs.at[i].last, level_name(g, runs.at[i].level).decode(), raw, entry_flags(g, runs.at[i].level, raw)))
    free(runs.at)
    free(at)
    if runs.failed:
        raise MemoryError
    self.check()
    return found


def modules(State self):
    cdef const module_t *k
    cdef uint32_t i
    found = []
    for i in range(nr_modules(&self.a)):
        k = module_loaded(&self.a, i)
        pages = k.text + k.data + k.rodata + k.ro_after_init
        found.insert(0, r.Module(k.name.decode(), pages << self.a.m.arch.page_shift, k.refs, k.users.decode(), module_text(&self.a, i)))
    self.check()
    return found


def vmalloc_start(State self):
    """VMALLOC_START where it depends on the machine's RAM, else 0."""
    return vmalloc_start_32(&self.a) if lowmem_end(&self.a.m.arch) else 0


cdef list module_areas(State self):
    """Of arm: each kind of a module's pages is an area."""
    cdef const module_t *k
    cdef uint32_t i
    found = []
    for i in range(nr_modules(&self.a) if self.a.m.arch.id == ARCH_ARM else 0):
        k = module_loaded(&self.a, i)
        at = module_text(&self.a, i)
        for pages in (k.text, k.data, k.rodata, k.ro_after_init):
            if pages:
                end = at + (pages + 1 << self.a.m.arch.page_shift)
                found.append(r.BootArea(at, end, pages, "vmalloc", 0, "load_module"))
                at = end
    return found


def boot_areas(State self):
    """What boot left in vmalloc's range of a 32-bit kernel, by address."""
    cdef boot_areas_t w
    cdef boot_area_t area
    found = []
    if has_boot_areas(&self.a):
        found = module_areas(self)
        boot_areas_begin(&self.a, &w)
        while boot_areas_next(&self.a, &w, &area):
            found.append(r.BootArea(area.start, area.end, area.nr_pages, BOOT_KINDS[area.kind], area.pfn << self.a.m.arch.page_shift, area.caller.decode()))
        if self.a.m.arch.id == ARCH_ARM:
            unit = UNIT_PAGES << self.a.m.arch.page_shift
            found += (r.BootArea(<uint64_t>PCI_IO, <uint64_t>PCI_IO + PCI_IO_BYTES, 0, "ioremap", 0, "pci_reserve_io"),
                      r.BootArea(<uint64_t>VMALLOC_END - unit * self.a.m.nr_cpus, <uint64_t>VMALLOC_END, 0, "vmalloc", 0, "pcpu_get_vm_areas"))
    self.check()
    return found


# --- physical memory -----------------------------------------------------------------------------------


def roots(State self):
    """PID, the value of CR3 or TTBR0, and of TTBR1 or, with KPTI, CR3 in kernel mode (None: there is none), of each process; threads share theirs."""
    cdef uint32_t pid
    cdef idx_t t
    cdef mm_t *mm
    cdef const arch_t *g = &self.a.m.arch
    upper = <uint64_t>self.a.m.kernel_pgd << g.page_shift if g.flags & ARCH_SPLIT_ROOT else None
    found = []
    for pid in range(1, self.a.pool[POOL_PID].count):
        t = find_task(&self.a, pid)
        if t and task_at(&self.a, t).mm and task_at(&self.a, t).tgid in (0, pid):
            mm = mm_at(&self.a, task_at(&self.a, t).mm)
            found.append((pid, <uint64_t>user_pgd(g, mm.pgd) << g.page_shift, <uint64_t>mm.pgd << g.page_shift if g.flags & ARCH_KPTI else upper))
    self.check()
    return found


def held(State self, pfn, tables_only=False):
    """The first frame from pfn on that holds anything but zeros: its number and its bytes; None: there is none."""
    cdef uint64_t at = next_held(&self.a, pfn, tables_only)
    self.check()
    if at >= self.a.m.max_pfn:
        return None
    return at, PyBytes_FromStringAndSize(page_bytes(&self.a, <pfn_t>at), page_size(&self.a.m.arch))
