"""The kernel's half as it is once the first program starts: who may write and execute what; modules; the fixmap.

    ffffffff81000000  text | hole | rodata | hole | data | init | .bss     text: read-only; rodata: that and not executable; the holes are free memory
    ffffffffc0000000  BPF programs (2M) | guard | data of a module | guard | its rodata | guard | what it wrote at init alone | guard | data of the next ...
    ffffffffc0400000  text of all modules, in one page of 2M (execmem's cache)
    ffffffffff5fc000  IO-APIC | local APIC, in the fixmap

The alias that the direct map has of what is read-only here is read-only there, and never executable; its large pages are split where it ends.
Counterpart: Linux v6.18 arch/x86/mm/init_64.c (mark_rodata_ro()), arch/x86/mm/init.c (free_init_pages(), free_kernel_image_pages(),
execmem_arch_setup()), arch/x86/realmode/init.c (set_real_mode_permissions()), arch/x86/kernel/idt.c, mm/execmem.c, kernel/module/main.c
(move_module()), asm/fixmap.h. Modules and figures: those of the machine at rest (kmem_boot), whose tables were read in Debian's 6.18.15 under QEMU
(fixtures/kernel_map).
# Deviation: what a module has freed of its init is not left without the global bit in the direct map; no ESPFIX area.
Invariants (fsck_kernel): nothing may be written and executed; the direct map has each page at its place.
"""

from vmtool.mm.arch cimport ARCH_ARM, ARCH_KPTI, ARCH_X86_64_LA57, X86_A, X86_D, X86_P, X86_PCD, X86_PWT, X86_RW, is_arm64, is_i386, is_riscv, kernel_global, level_size
from vmtool.mm.frame cimport (RESERVED_UNWIND, RESERVED_KERNEL_BSS, RESERVED_KERNEL_CODE, RESERVED_KERNEL_DATA, RESERVED_KERNEL_RODATA,
                              reserved_of, reserved_t)
from vmtool.mm.boot_areas cimport boot_module_address
from vmtool.mm.kernel_areas_32 cimport kernel_areas_setup_32, module_set_32
from vmtool.mm.kernel_areas_arm cimport kernel_areas_setup_arm, module_set_arm
from vmtool.mm.kernel_areas_arm64 cimport kernel_areas_setup_arm64, module_set_arm64
from vmtool.mm.kernel_areas_riscv cimport kernel_areas_setup_riscv, module_set_riscv
from vmtool.mm.module_areas cimport EXECMEM_CACHE_PAGES, alias_ro, loader_begin, loader_t, module_set_t, nr_loaded, place, text_of
from vmtool.mm.pgtable cimport kernel_image, kernel_map, pfn_to_virt
from vmtool.mm.set_memory cimport change_page_attr, make_kernel_table, set_memory_np, split_large_page

cdef enum:
    BPF_PACK_PAGES = 512  # bpf_prog_pack_alloc()
    NR_MODULES = 5
    TRAMPOLINE = 0x98  # real mode's, the highest pages that fit below the first MiB's firmware areas
    TRAMPOLINE_RO_PAGES = 3  # the first of which is its header
    DEBIAN_LEAST_BYTES = 0x7000000  # of arm64 and riscv64: a small image is no Debian's
    IO_APIC = 0xFEC00000
    LOCAL_APIC = 0xFEE00000

cdef vaddr_t MODULES_VADDR = 0xFFFFFFFFC0000000ULL
cdef vaddr_t FIXADDR_TABLES = 0xFFFFFFFFFF200000ULL  # three PTE tables: early_ioremap()'s, and level1_fixmap_pgt's two
cdef vaddr_t FIX_IO_APIC_BASE_0 = 0xFFFFFFFFFF5FC000ULL
cdef vaddr_t FIX_APIC_BASE = 0xFFFFFFFFFF5FD000ULL

cdef module_t MODULES[NR_MODULES]
MODULES[:] = [module_t(b"crc16", b"ext4,", 1, 1, 1, 1, 0), module_t(b"mbcache", b"ext4,", 1, 1, 2, 1, 1),
              module_t(b"jbd2", b"ext4,", 1, 16, 19, 11, 1), module_t(b"ext4", b"-", 0, 133, 96, 68, 2),
              module_t(b"virtio_blk", b"-", 0, 4, 2, 2, 1)]


# --- the image --------------------------------------------------------------------------------------------------------


cdef vaddr_t image_address(arena_t *a, uint64_t pfn) noexcept nogil:
    """Its large page of text is the first that the image's part of the tables maps."""
    cdef uint64_t pages = level_size(&a.m.arch, 1) >> a.m.arch.page_shift
    return kernel_image() + (pfn - (reserved_of(a, RESERVED_KERNEL_CODE).start_pfn & ~(pages - 1)) << a.m.arch.page_shift)


cdef bint both(arena_t *a, uint64_t start, uint64_t end, pte_t clear, spare_tables_t *spare) noexcept nogil:
    """Frames of the image, at both of their addresses."""
    return (change_page_attr(a, image_address(a, start), end - start, 0, clear, spare)
            and change_page_attr(a, pfn_to_virt(a, start), end - start, 0, clear, spare))


cdef bint free_image_pages(arena_t *a, uint64_t start, uint64_t end, spare_tables_t *spare) noexcept nogil:
    """free_kernel_image_pages(): with KPTI the image loses what it gave away, so that no entry leads to pages of others."""
    if a.m.arch.flags & ARCH_KPTI:
        return set_memory_np(a, image_address(a, start), end - start, spare)
    return True


cdef bint mark_rodata_ro(arena_t *a, spare_tables_t *spare) noexcept nogil:
    cdef const reserved_t *text = reserved_of(a, RESERVED_KERNEL_CODE)
    cdef const reserved_t *rodata = reserved_of(a, RESERVED_KERNEL_RODATA)
    cdef const reserved_t *data = reserved_of(a, RESERVED_KERNEL_DATA)
    cdef const reserved_t *bss = reserved_of(a, RESERVED_KERNEL_BSS)
    cdef uint64_t etext = text.start_pfn + text.nr_pages
    cdef uint64_t erodata = rodata.start_pfn + rodata.nr_pages
    cdef const reserved_t *unwind = reserved_of(a, RESERVED_UNWIND)
    cdef uint64_t init = data.start_pfn + data.nr_pages + (unwind.nr_pages if unwind != NULL else 0)
    cdef pte_t ro = X86_RW | X86_D
    cdef uint64_t idt = a.m.zero_pfn + 1
    # what lies before a text that begins within a large page is nobody's
    cdef bint ok = change_page_attr(a, kernel_image(), image_address(a, etext) - kernel_image() >> a.m.arch.page_shift, 0, a.m.arch.nx | ro, spare)
    ok = ok and change_page_attr(a, pfn_to_virt(a, text.start_pfn), text.nr_pages, 0, ro, spare) and both(a, rodata.start_pfn, erodata, ro, spare)
    # the image's part that lies between was read-only, too, until it was given away: what was dirty is not any more
    ok = ok and change_page_attr(a, image_address(a, etext), rodata.start_pfn - etext, 0, X86_D, spare)
    ok = ok and change_page_attr(a, image_address(a, erodata), data.start_pfn - erodata, 0, X86_D, spare)
    ok = ok and split_large_page(a, image_address(a, init), spare) and split_large_page(a, image_address(a, bss.start_pfn), spare)
    if unwind != NULL:  # mem_encrypt_free_decrypted_mem()
        ok = ok and split_large_page(a, image_address(a, bss.start_pfn + bss.nr_pages), spare)
    ok = ok and both(a, idt, idt + 1, ro, spare)
    return ok and (free_image_pages(a, etext, rodata.start_pfn, spare) and free_image_pages(a, erodata, data.start_pfn, spare)
                   and free_image_pages(a, init, bss.start_pfn, spare))


cdef bint set_real_mode_permissions(arena_t *a, spare_tables_t *spare) noexcept nogil:
    return (change_page_attr(a, pfn_to_virt(a, TRAMPOLINE), TRAMPOLINE_RO_PAGES, 0, X86_RW | X86_D, spare)
            and change_page_attr(a, pfn_to_virt(a, TRAMPOLINE + 1), TRAMPOLINE_RO_PAGES - 1, 0, a.m.arch.nx, spare))


# --- modules -----------------------------------------------------------------------------------------------------------


cdef bint load_modules(arena_t *a, spare_tables_t *spare) noexcept nogil:
    """The text is in a large page of its own: execmem's cache took the first that was free behind what the first module has of data."""
    cdef const arch_t *g = &a.m.arch
    cdef pte_t ro = X86_P | X86_A | kernel_global(g), rw = ro | X86_RW | X86_D | g.nx
    cdef loader_t l
    cdef uint32_t i
    if not loader_begin(&l, a, spare):
        return True
    l.text_pfn = (l.pfn + EXECMEM_CACHE_PAGES - 1) & ~<uint64_t>(EXECMEM_CACHE_PAGES - 1)
    l.at = MODULES_VADDR
    l.alias_clear = X86_RW | X86_D
    l.ok = make_kernel_table(a, MODULES_VADDR, 0, spare) and make_kernel_table(a, MODULES_VADDR + level_size(g, 1), 0, spare)
    place(&l, BPF_PACK_PAGES, ro)
    for i in range(NR_MODULES):
        place(&l, MODULES[i].data, rw)
        place(&l, MODULES[i].rodata, ro | g.nx)
        place(&l, MODULES[i].ro_after_init, ro | g.nx)
    l.ok = l.ok and kernel_map(a, module_text(a, 0), l.text_pfn << g.page_shift, 1, ro)
    return l.ok and alias_ro(&l, l.text_pfn, l.text_pfn + EXECMEM_CACHE_PAGES)


cdef module_set_t module_set(arena_t *a) noexcept nogil:
    if is_arm64(&a.m.arch):
        return module_set_arm64(a)
    if is_riscv(&a.m.arch):
        return module_set_riscv(a)
    if is_i386(&a.m.arch):
        return module_set_32(a)
    if a.m.arch.id == ARCH_ARM:
        return module_set_arm(a)
    return module_set_t(&MODULES[0], NR_MODULES if a.m.arch.id <= ARCH_X86_64_LA57 else 0, MODULES_VADDR, MODULES_VADDR + 2 * level_size(&a.m.arch, 1))


cdef uint32_t nr_modules(arena_t *a) noexcept nogil:
    cdef module_set_t loaded = module_set(a)
    return nr_loaded(a, &loaded)


cdef const module_t *module_loaded(arena_t *a, uint32_t i) noexcept nogil:
    cdef module_set_t loaded = module_set(a)
    return &loaded.modules[min(i, loaded.nr - 1)]


cdef vaddr_t module_text(arena_t *a, uint32_t i) noexcept nogil:
    cdef module_set_t loaded = module_set(a)
    return boot_module_address(a, i) if is_i386(&a.m.arch) else text_of(a, &loaded, i)


# --- fixmap ------------------------------------------------------------------------------------------------------------


cdef bint map_fixmap(arena_t *a, spare_tables_t *spare) noexcept nogil:
    """What stays there: devices, uncached (PAGE_KERNEL_NOCACHE). [vsyscall] has an entry where it may be read: here it never may."""
    cdef pte_t bits = X86_P | X86_RW | X86_PWT | X86_PCD | X86_A | X86_D | kernel_global(&a.m.arch) | a.m.arch.nx
    cdef uint32_t i
    for i in range(3):
        if not make_kernel_table(a, FIXADDR_TABLES + i * level_size(&a.m.arch, 1), 0, spare):
            return False
    return kernel_map(a, FIX_IO_APIC_BASE_0, IO_APIC, 0, bits) and kernel_map(a, FIX_APIC_BASE, LOCAL_APIC, 0, bits)


cdef int kernel_areas_setup(arena_t *a, spare_tables_t *spare) noexcept nogil:
    if is_i386(&a.m.arch):
        return kernel_areas_setup_32(a, spare)
    if a.m.arch.id == ARCH_ARM:
        return kernel_areas_setup_arm(a, spare)
    if is_arm64(&a.m.arch):
        return kernel_areas_setup_arm64(a, spare) if a.m.ram_bytes >= DEBIAN_LEAST_BYTES else 0
    if is_riscv(&a.m.arch):
        return kernel_areas_setup_riscv(a, spare) if a.m.ram_bytes >= DEBIAN_LEAST_BYTES else 0
    return 0 if mark_rodata_ro(a, spare) and set_real_mode_permissions(a, spare) and load_modules(a, spare) and map_fixmap(a, spare) else -ENOMEM
