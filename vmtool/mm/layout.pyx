"""The layout of a program's space on each architecture, one row a table.

Counterpart, Linux v6.18 (i386: 6.1, the last that Debian built): arch/x86/include/asm/{processor,elf,page_64_types}.h, arch/x86/mm/mmap.c,
arch/arm/include/asm/{memory,elf,processor}.h, arch/arm/kernel/process.c, arch/arm64/include/asm/{processor,elf,memory}.h,
arch/riscv/include/asm/{processor,elf,pgtable}.h, arch/{arm64/kernel/vdso,riscv/kernel/vdso,x86/entry/vdso/vma}.c, mm/util.c:mmap_base().
AT_HWCAP and its kin are those of one processor of each kind.

    x86-64        map_window 7ffffffff000    stack below it, mmap_base 128M lower, programs at two thirds
    i386          c0000000                   programs at 400000 (an interpreter) or where they were linked
    arm           bf000000                   16M below the kernel are its modules'; [vectors] at ffff0000
    arm64         1000000000000 (48 bits), 800000000000 (47, pages of 16K)
    riscv64       800000000000 (Sv48, and Sv57 as long as there is room), 4000000000 (Sv39)
"""

from vmtool.mm.arch cimport (ARCH_ARM, ARCH_ARM64, ARCH_ARM64_16K, ARCH_ARM64_64K, ARCH_I386, ARCH_I386_PAE, ARCH_RISCV64,
                             ARCH_RISCV64_SV39, ARCH_RISCV64_SV57, ARCH_X86_64, ARCH_X86_64_LA57, NR_ARCH)

cdef enum:
    ARCH_COMPAT = NR_ARCH  # a 32-bit program on x86-64
    NR_LAYOUTS = NR_ARCH + 1
    NR_VDSO_PAGES = 6
    NR_VDSO_PAGES_RISCV = 3

cdef uint64_t DATA = VM_READ | VM_MAYREAD | VM_IO | VM_DONTDUMP | VM_PFNMAP | VM_DONTEXPAND
cdef uint64_t TEXT = VM_READ | VM_EXEC | VM_MAY_ALL | VM_DONTEXPAND
cdef uint64_t SIGPAGE = VM_READ | VM_EXEC | VM_MAY_ALL | VM_DONTEXPAND
cdef uint64_t SZ_64K = 0x10000
cdef uint64_t SZ_32K = 0x8000
cdef layout_t LAYOUTS[NR_LAYOUTS]

# As kernels of these releases showed it in maps: [vvar] came with 3.16, and was split in 6.13.
cdef vdso_pages_t VDSO_PAGES[NR_VDSO_PAGES]
VDSO_PAGES[0] = vdso_pages_t(6013, 4, 2, 2)
VDSO_PAGES[1] = vdso_pages_t(6000, 4, 0, 2)
VDSO_PAGES[2] = vdso_pages_t(5006, 4, 0, 1)
VDSO_PAGES[3] = vdso_pages_t(5003, 3, 0, 1)
VDSO_PAGES[4] = vdso_pages_t(3016, 3, 0, 2)
VDSO_PAGES[5] = vdso_pages_t(0, 0, 0, 1)
# riscv64: 6.15 gave the random number generator and the architecture pages in [vvar], 6.16 getrandom() to [vdso].
cdef vdso_pages_t VDSO_PAGES_RISCV[NR_VDSO_PAGES_RISCV]
VDSO_PAGES_RISCV[:] = [vdso_pages_t(6016, 4, 0, 2), vdso_pages_t(6015, 4, 0, 1), vdso_pages_t(0, 2, 0, 1)]


cdef void special(layout_t *l, int i, uint32_t kind, uint32_t nr_pages, uint64_t vm_flags) noexcept nogil:
    l.special[i].kind = kind
    l.special[i].nr_pages = nr_pages
    l.special[i].vm_flags = vm_flags


cdef void x86_64(layout_t *l, uint64_t task_size) noexcept nogil:
    """The last page below the hole stays unused: a SYSCALL there would return to a non-canonical address. With five levels the window
    is the same 47 bits, as programs keep data in pointers' upper bits."""
    l.platform = "x86_64"
    l.task_size = task_size - SIZE_4K
    l.map_window = (<uint64_t>1 << 47) - SIZE_4K
    l.dyn_base = l.map_window // 3 * 2
    l.unmapped_base = page_up(l.map_window // 3)
    l.lsm_min = SZ_64K
    l.word_bytes = 8
    l.hint_opens = True
    l.aligns_thp = True
    l.stack_align = 16
    l.dyn_rnd_bits = 28
    l.stack_rnd_bits = 22
    l.stack_maxrandom = 0x3fffff000
    l.brk_rnd = 0x40000000
    special(l, 0, VMA_VVAR, 4, DATA)
    special(l, 1, VMA_VVAR_VCLOCK, 2, DATA)
    special(l, 2, VMA_VDSO, 2, TEXT)
    l.vdso_pages = &VDSO_PAGES[0]
    l.dlinfo[0] = AT_SYSINFO_EHDR
    l.dlinfo[1] = AT_MINSIGSTKSZ
    l.minsigstksz = 3632
    l.hwcap = 0xbfebfbff
    l.hwcap2 = 2
    l.has_hwcap2 = True
    l.has_rseq = True
    l.gate_start = <uint64_t>0xffffffffff600000
    l.gate_flags = VM_EXEC
    l.gate_name = "[vsyscall]"


cdef void x86_32(layout_t *l, uint64_t task_size) noexcept nogil:
    l.platform = "i686"
    l.task_size = task_size
    l.map_window = task_size
    l.dyn_base = 0x400000
    l.unmapped_base = page_up(task_size // 3)
    l.lsm_min = SZ_64K
    l.word_bytes = 4
    l.stack_align = 16
    l.dyn_rnd_bits = 8
    l.stack_rnd_bits = 11
    l.stack_maxrandom = 0x7ff000
    l.brk_rnd = 0x2000000
    special(l, 0, VMA_VVAR, 4, DATA)
    special(l, 1, VMA_VDSO, 2, TEXT)
    l.dlinfo[0] = AT_SYSINFO
    l.dlinfo[1] = AT_SYSINFO_EHDR
    l.dlinfo[2] = AT_MINSIGSTKSZ
    l.sysinfo = 0x550
    l.minsigstksz = 3632
    l.hwcap = 0xfcbfbfd
    l.hwcap2 = 2
    l.has_hwcap2 = True


cdef void compat(layout_t *l) noexcept nogil:
    """What 6.18 gives a 32-bit program of x86-64: all of 4 GB but the last two pages; PIEs a third of the way and 16M up."""
    x86_32(l, 0xffffe000)
    l.dyn_base = 0x56555000
    l.vdso_pages = &VDSO_PAGES[0]
    special(l, 1, VMA_VVAR_VCLOCK, 2, DATA)
    special(l, 2, VMA_VDSO, 2, TEXT)
    l.sysinfo = 0x5e0
    l.hwcap = 0xbfebfbff
    l.has_rseq = True


cdef void arm(layout_t *l) noexcept nogil:
    l.platform = "v7l"
    l.task_size = 0xbf000000
    l.map_window = l.task_size
    l.dyn_base = 0x400000
    l.unmapped_base = 0x40000000  # ALIGN(TASK_SIZE / 3, 16M)
    l.lsm_min = SZ_32K
    l.first_user_address = 0x2000
    l.word_bytes = 4
    l.upwards_if_unlimited = True
    l.stack_align = 1
    l.dyn_rnd_bits = 8
    l.stack_rnd_bits = 11
    l.stack_maxrandom = 0x7ff000
    l.brk_rnd = 0x2000000
    special(l, 0, VMA_SIGPAGE, 1, SIGPAGE)
    special(l, 1, VMA_VVAR, 1, DATA)
    special(l, 2, VMA_VDSO, 1, TEXT)
    l.dlinfo[0] = AT_SYSINFO_EHDR
    l.hwcap = 0x3fb8d6
    l.has_hwcap2 = True
    l.has_rseq = True
    l.gate_start = 0xffff0000
    l.gate_flags = VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYEXEC
    l.gate_name = "[vectors]"


cdef void arm64(layout_t *l, int va_bits, uint32_t vdso_pages, uint64_t hwcap) noexcept nogil:
    l.platform = "aarch64"
    l.task_size = <uint64_t>1 << va_bits
    l.map_window = l.task_size
    l.dyn_base = l.task_size // 3 * 2
    l.unmapped_base = l.task_size // 4
    l.lsm_min = SZ_32K
    l.word_bytes = 8
    l.upwards_if_unlimited = True
    l.aligns_thp = True
    l.stack_align = 16
    l.dyn_rnd_bits = 18
    l.stack_rnd_bits = 18
    l.stack_maxrandom = 0x3ffff000
    l.brk_rnd = 0x40000000
    special(l, 0, VMA_VVAR, 4, DATA)
    special(l, 1, VMA_VDSO, vdso_pages, TEXT)
    l.dlinfo[0] = AT_SYSINFO_EHDR
    l.dlinfo[1] = AT_MINSIGSTKSZ
    l.minsigstksz = 4720
    l.hwcap = hwcap
    l.has_hwcap2 = True
    l.has_hwcap3 = True
    l.has_rseq = True


cdef void riscv64(layout_t *l, uint64_t task_size) noexcept nogil:
    """With five levels the stack and what is placed from the top begin where they do with four; a search upwards may go beyond."""
    cdef int i
    l.platform = ""
    l.task_size = task_size
    l.map_window = min(task_size, <uint64_t>1 << 47)
    l.dyn_base = l.map_window // 3 * 2
    l.unmapped_base = page_up((<uint64_t>1 << 39) // 3)
    l.lsm_min = SZ_32K
    l.word_bytes = 8
    l.upwards_if_unlimited = True
    l.aligns_thp = True
    l.stack_align = 16
    l.dyn_rnd_bits = 18
    l.stack_rnd_bits = 18
    l.stack_maxrandom = 0x3ffff000
    l.brk_rnd = 0x40000000
    special(l, 0, VMA_VVAR, 4, DATA)
    special(l, 1, VMA_VDSO, 2, TEXT)
    l.vdso_pages = &VDSO_PAGES_RISCV[0]
    l.dlinfo[0] = AT_SYSINFO_EHDR
    for i in range(AT_L3_CACHEGEOMETRY - AT_L1I_CACHESIZE + 1):
        l.dlinfo[i + 1] = AT_L1I_CACHESIZE + i
    l.dlinfo[NR_DLINFO - 1] = AT_MINSIGSTKSZ
    l.minsigstksz = 1088
    l.hwcap = 0x112d
    l.has_rseq = True


x86_64(&LAYOUTS[ARCH_X86_64], <uint64_t>1 << 47)
x86_64(&LAYOUTS[ARCH_X86_64_LA57], <uint64_t>1 << 56)
LAYOUTS[ARCH_X86_64_LA57].hwcap = 0xfcbfbfd  # with five levels it is QEMU's largest
LAYOUTS[ARCH_X86_64_LA57].minsigstksz = 2032
x86_32(&LAYOUTS[ARCH_I386], 0xc0000000)
x86_32(&LAYOUTS[ARCH_I386_PAE], 0xc0000000)
compat(&LAYOUTS[ARCH_COMPAT])
arm(&LAYOUTS[ARCH_ARM])
arm64(&LAYOUTS[ARCH_ARM64], 48, 2, 0x8ff)
arm64(&LAYOUTS[ARCH_ARM64_16K], 47, 1, 0x119fff)
arm64(&LAYOUTS[ARCH_ARM64_64K], 48, 1, 0x8ff)
riscv64(&LAYOUTS[ARCH_RISCV64], <uint64_t>1 << 47)
riscv64(&LAYOUTS[ARCH_RISCV64_SV39], <uint64_t>1 << 38)
riscv64(&LAYOUTS[ARCH_RISCV64_SV57], <uint64_t>1 << 56)


cdef uint32_t kernel_release(const machine_t *m) noexcept nogil:
    cdef uint32_t part[2]
    cdef uint32_t i = 0, n = 0
    part[:] = [0, 0]
    while i < sizeof(m.kernel) and m.kernel[i] and n < 2:
        if m.kernel[i] == b'.':
            n += 1
        elif b'0' <= m.kernel[i] <= b'9':
            part[n] = part[n] % 1000 * 10 + <uint32_t>(m.kernel[i] - <char>b'0')
        i += 1
    return part[0] * 1000 + part[1]


cdef uint32_t special_pages(const layout_t *l, int i, uint32_t release) noexcept nogil:
    cdef const vdso_pages_t *row = l.vdso_pages
    if row == NULL:
        return l.special[i].nr_pages
    while release < row.since:
        row += 1
    if l.special[i].kind == VMA_VVAR:
        return row.vvar
    return row.vclock if l.special[i].kind == VMA_VVAR_VCLOCK else row.vdso if l.special[i].kind == VMA_VDSO else 0


cdef const layout_t *layout_of(const arch_t *g, uint32_t mm_flags) noexcept nogil:
    if mm_flags & MMF_COMPAT:
        return &LAYOUTS[ARCH_COMPAT]
    return &LAYOUTS[g.id if g.id < NR_ARCH else ARCH_X86_64]
