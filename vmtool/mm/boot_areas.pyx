"""What boot has left in vmalloc's range of a 32-bit kernel, area by area.

    i386   f73fe000  ACPI | HPET | pool | BPF | ... | crc16: text, rodata, data | mbcache | ... | ext4 | terminal
    arm    f0800000  stack of interrupts | GIC | BPF | stack | GIC | pool | stacks ... | DMA | UART | stacks ... | terminal

An area lies behind the one before it and its guard, at the next multiple of what it is aligned to: a stack of twice its size, a device's registers of
theirs. What lay in front and is gone left its addresses: the file that a module came in and its init, the stack of a thread that ended. The pages are
HighMem's, where a machine has it; elsewhere what may not be written there may not be in lowmem either (i386; arm leaves lowmem as it is).
Counterpart: Linux v6.1 (i386) and v6.12 (arm), the last that Debian builds for them: mm/vmalloc.c, kernel/module/main.c, arch/x86/kernel/module.c,
asm/thread_info.h's THREAD_ALIGN. Areas as the recorded kernels had them (fixtures/kernel_map).
# Deviation: QEMU's PC has its ACPI tables in the last pages of RAM; here they are in the firmware's ROM. Devices are those of QEMU's boards.
Invariants (fsck_kernel): nothing may be written and executed.
"""

from vmtool.mm.arch cimport ARCH_ARM, X86_A, X86_D, X86_G, X86_P, X86_PCD, X86_PWT, X86_RW, level_index, level_size
from vmtool.mm.module_areas cimport place_pages
from vmtool.mm.pgtable cimport kernel_map, table_descend
from vmtool.mm.pte cimport entry_load
from vmtool.mm.set_memory cimport make_kernel_table
from vmtool.mm.zone cimport lowmem_end, ram_start

cdef enum:
    NR_MODULES = 4  # of i386
    NR_MODULES_ARM = 5
    STACK_ALIGN = 4  # pages: THREAD_ALIGN
    NR_ROWS_I386 = 14
    NR_ROWS_ARM = 21
    ACPI_ROM = 0xE0

cdef struct row_t:
    uint16_t skip  # pages of addresses in front that were taken then
    uint16_t nr_pages  # of AREA_MODULE: which
    uint16_t times
    uint16_t kind
    uint32_t pfn
    const char *caller

cdef module_t MODULES[NR_MODULES]
cdef module_t MODULES_ARM[NR_MODULES_ARM]
cdef row_t ROWS_I386[NR_ROWS_I386]
cdef row_t ROWS_ARM[NR_ROWS_ARM]
MODULES[:] = [module_t(b"crc16", b"ext4,", 1, 1, 2, 1, 0), module_t(b"mbcache", b"ext4,", 1, 1, 2, 1, 0),
              module_t(b"jbd2", b"ext4,", 1, 15, 8, 4, 0), module_t(b"ext4", b"-", 0, 114, 36, 16, 0)]
MODULES_ARM[:] = [module_t(b"crc16", b"ext4,", 1, 1, 1, 1, 0), module_t(b"mbcache", b"ext4,", 1, 1, 1, 1, 0),
                  module_t(b"jbd2", b"ext4,", 1, 17, 7, 5, 1), module_t(b"ext4", b"-", 0, 125, 37, 20, 1),
                  module_t(b"virtio_blk", b"-", 0, 3, 1, 1, 1)]
ROWS_I386[:] = [
    row_t(0, 1, 1, AREA_TABLES, ACPI_ROM + 1, b"acpi_os_map_iomem"), row_t(0, 2, 1, AREA_TABLES, ACPI_ROM, b"acpi_os_map_iomem"),
    row_t(0, 1, 1, AREA_DEVICE, 0xFED00, b"hpet_enable"), row_t(0, 1, 1, AREA_VMALLOC, 0, b"gen_pool_add_owner"),
    row_t(0, 1, 1, AREA_RO, 0, b"bpf_prog_alloc_no_stats"), row_t(0, 1, 1, AREA_DEVICE, 0xFED00, b"acpi_os_map_iomem"),
    row_t(0, 1, 1, AREA_TABLES, 0xF5, b"memremap"), row_t(3, 0, 1, AREA_MODULE, 0, b"load_module"),
    row_t(7, 1, 1, AREA_MODULE, 0, b"load_module"), row_t(50, 32, 1, AREA_VMALLOC, 0, b"crypto_scomp_init_tfm"),
    row_t(0, 32, 1, AREA_VMALLOC, 0, b"crypto_scomp_init_tfm"), row_t(0, 2, 1, AREA_MODULE, 0, b"load_module"),
    row_t(248, 3, 1, AREA_MODULE, 0, b"load_module"), row_t(268, 3, 1, AREA_VMALLOC, 0, b"n_tty_open")]
ROWS_ARM[:] = [
    row_t(0, 2, 1, AREA_VMALLOC, 0, b"start_kernel"), row_t(0, 1, 1, AREA_DEVICE, 0x8020, b"gicv2m_init"),
    row_t(4, 1, 1, AREA_RO, 0, b"bpf_prog_alloc_no_stats"), row_t(0, 2, 1, AREA_STACK, 0, b"kernel_clone"),
    row_t(0, 16, 1, AREA_DEVICE, 0x8000, b"gic_of_setup"), row_t(0, 1, 1, AREA_VMALLOC, 0, b"gen_pool_add_owner"),
    row_t(0, 2, 2, AREA_STACK, 0, b"kernel_clone"), row_t(0, 16, 1, AREA_DEVICE, 0x8010, b"gic_of_setup"),
    row_t(0, 2, 20, AREA_STACK, 0, b"kernel_clone"), row_t(0, 64, 1, AREA_COHERENT, 0, b"dma_common_contiguous_remap"),
    row_t(0, 2, 1, AREA_STACK, 0, b"kernel_clone"), row_t(0, 1, 1, AREA_DEVICE, 0x9000, b"__devm_ioremap_resource"),
    row_t(0, 1, 1, AREA_DEVICE, 0x9030, b"__devm_ioremap_resource"), row_t(0, 2, 19, AREA_STACK, 0, b"kernel_clone"),
    row_t(0, 1, 1, AREA_DEVICE, 0x9010, b"devm_ioremap"), row_t(0, 2, 3, AREA_STACK, 0, b"kernel_clone"),
    row_t(0, 20, 1, AREA_VMALLOC, 0, b"pcpu_create_chunk"), row_t(32, 2, 1, AREA_STACK, 0, b"kernel_clone"),
    row_t(13, 2, 1, AREA_STACK, 0, b"kernel_clone"), row_t(2, 2, 1, AREA_STACK, 0, b"kernel_clone"),
    row_t(176, 3, 1, AREA_VMALLOC, 0, b"n_tty_open")]


cdef const row_t *rows_of(const arch_t *g, uint32_t *nr) noexcept nogil:
    nr[0] = 0 if lowmem_end(g) == 0 else NR_ROWS_ARM if g.id == ARCH_ARM else NR_ROWS_I386
    return &ROWS_ARM[0] if g.id == ARCH_ARM else &ROWS_I386[0]


cdef const module_t *boot_modules(const arch_t *g, uint32_t *nr) noexcept nogil:
    nr[0] = NR_MODULES_ARM if g.id == ARCH_ARM else NR_MODULES
    return &MODULES_ARM[0] if g.id == ARCH_ARM else &MODULES[0]


cdef uint32_t module_pages(const module_t *k) noexcept nogil:
    return k.text + k.data + k.rodata + k.ro_after_init


# --- where they are ----------------------------------------------------------------------------------------------------


cdef vaddr_t vmalloc_start_32(arena_t *a) noexcept nogil:
    """VMALLOC_START: behind lowmem, on arm at a multiple of the distance."""
    cdef const arch_t *g = &a.m.arch
    cdef vaddr_t start = g.page_offset + (min(a.m.max_pfn, lowmem_end(g)) - ram_start(g) << g.page_shift) + VMALLOC_OFFSET
    return start & ~<vaddr_t>(VMALLOC_OFFSET - 1) if g.id == ARCH_ARM else start


cdef uint64_t align_of(const row_t *row) noexcept nogil:
    """In pages. VM_IOREMAP: the next power of two."""
    cdef uint64_t align = 1
    if row.kind == AREA_STACK:
        return STACK_ALIGN
    while (row.kind == AREA_DEVICE or row.kind == AREA_TABLES) and align < row.nr_pages:
        align <<= 1
    return align


cdef void boot_areas_begin(arena_t *a, boot_areas_t *w) noexcept nogil:
    w.at = vmalloc_start_32(a)
    w.row = w.nr_done = 0


cdef bint boot_areas_next(arena_t *a, boot_areas_t *w, boot_area_t *out) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef uint32_t nr
    cdef const row_t *row = rows_of(g, &nr) + w.row
    cdef uint64_t align
    if w.row >= nr:
        return False
    align = align_of(row) << g.page_shift
    out.kind = row.kind
    out.module = row.nr_pages
    out.nr_pages = module_pages(&MODULES[row.nr_pages]) if row.kind == AREA_MODULE else row.nr_pages
    out.pfn = row.pfn
    out.caller = row.caller
    out.start = w.at + (0 if w.nr_done else <uint64_t>row.skip << g.page_shift) + align - 1 & ~(align - 1)
    out.end = w.at = out.start + (<uint64_t>out.nr_pages + 1 << g.page_shift)
    w.nr_done += 1
    if w.nr_done == row.times:
        w.row += 1
        w.nr_done = 0
    return True


cdef vaddr_t boot_areas_end(arena_t *a) noexcept nogil:
    cdef boot_areas_t w
    cdef boot_area_t area
    boot_areas_begin(a, &w)
    while boot_areas_next(a, &w, &area):
        pass
    return w.at


cdef vaddr_t boot_module_address(arena_t *a, uint32_t i) noexcept nogil:
    cdef boot_areas_t w
    cdef boot_area_t area
    boot_areas_begin(a, &w)
    while boot_areas_next(a, &w, &area):
        if area.kind == AREA_MODULE and area.module == i:
            return area.start
    return 0


cdef bint has_boot_areas(arena_t *a) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef vaddr_t start
    cdef pfn_t table
    cdef pte_t e = 0
    if lowmem_end(g) == 0 or a.m.nr_boot_vmap == 0:
        return False
    start = vmalloc_start_32(a)
    return table_descend(a, a.m.kernel_pgd, start, 0, &table, &e) == 0 and entry_load(a, table, level_index(g, 0, start), 0) != 0


# --- what they take ----------------------------------------------------------------------------------------------------


cdef uint32_t boot_area_pages(const arch_t *g) noexcept nogil:
    cdef uint32_t nr, i, n = 0, nr_modules
    cdef const row_t *row = rows_of(g, &nr)
    cdef const module_t *module = boot_modules(g, &nr_modules)
    for i in range(nr):
        if row[i].kind == AREA_VMALLOC or row[i].kind == AREA_RO:
            n += row[i].nr_pages * row[i].times
    for i in range(nr_modules if nr else 0):
        n += module_pages(&module[i])
    return n


cdef uint32_t boot_area_stacks(const arch_t *g) noexcept nogil:
    cdef uint32_t nr, i, n = 0
    cdef const row_t *row = rows_of(g, &nr)
    for i in range(nr):
        n += row[i].times if row[i].kind == AREA_STACK else 0
    return n


# --- their entries -----------------------------------------------------------------------------------------------------


cdef bint map_frames(loader_t *l, vaddr_t start, uint64_t pfn, uint32_t nr_pages, pte_t bits) noexcept nogil:
    """What the loader's frames are not."""
    cdef const arch_t *g = &l.a.m.arch
    cdef uint32_t i
    for i in range(nr_pages):
        if not kernel_map(l.a, start + (<uint64_t>i << g.page_shift), pfn + i << g.page_shift, 0, bits):
            return False
    return True


cdef void load_module(loader_t *l, const module_t *k, pte_t ro) noexcept nogil:
    """layout_sections(): what is executed, what is only read, what is written at init alone, the rest."""
    place_pages(l, k.text, ro & ~<pte_t>l.a.m.arch.nx)
    place_pages(l, k.rodata + k.ro_after_init, ro)
    place_pages(l, k.data, ro | X86_RW)


cdef bint map_boot_areas(loader_t *l, uint64_t stack_pfn, uint64_t coherent_pfn) noexcept nogil:
    cdef arena_t *a = l.a
    cdef const arch_t *g = &a.m.arch
    cdef pte_t ro = X86_P | X86_A | X86_D | X86_G | g.nx, rw = ro | X86_RW
    cdef boot_areas_t w
    cdef boot_area_t area
    cdef vaddr_t at
    boot_areas_begin(a, &w)
    while l.ok and boot_areas_next(a, &w, &area):
        at = area.start
        while l.ok and at < area.end:
            l.ok = make_kernel_table(a, at, 0, l.spare)
            at = (at | level_size(g, 1) - 1) + 1
        l.at = area.start
        if area.kind == AREA_MODULE:
            load_module(l, &MODULES[area.module], ro)
        elif area.kind == AREA_VMALLOC or area.kind == AREA_RO:
            place_pages(l, area.nr_pages, rw if area.kind == AREA_VMALLOC else ro)
        elif area.kind == AREA_STACK:
            l.ok = l.ok and map_frames(l, area.start, stack_pfn, area.nr_pages, rw)
            stack_pfn += area.nr_pages
        elif area.kind == AREA_COHERENT:
            l.ok = l.ok and map_frames(l, area.start, coherent_pfn, area.nr_pages, rw | X86_PWT)
        else:
            l.ok = l.ok and map_frames(l, area.start, area.pfn, area.nr_pages, rw | (X86_PCD if area.kind == AREA_DEVICE else 0))
    return l.ok
