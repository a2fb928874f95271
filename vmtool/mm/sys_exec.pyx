# cython: language_level=3
"""execve(): program, interpreter, vdso and stack in an empty address space.

    0x7ffffffff000  stack: strings, auxv, argv, argc (one page written) + 128 KB of room
    mmap_base       the interpreter, below it [vdso], [vvar_vclock], [vvar]; or a static-PIE program itself
    0x555555554000  a PIE program, then its heap;  a fixed one lies where its headers say
Counterpart: Linux v6.18 fs/binfmt_elf.c:load_elf_binary(), elf_load(), create_elf_tables(); fs/exec.c:setup_arg_pages();
arch/x86/entry/vdso/vma.c:map_vdso(). Randomness comes from the machine's seed, with the kernel's ranges.
A 32-bit program has the same below 4 GB: 0xffffe000, 0xf7ffe000, 0x56555000; it has no [vsyscall].
Simplified: AT_HWCAP and its kin are fixed values; AT_RANDOM's bytes come from the seed.
"""

from libc.string cimport memcpy, memset, strlen

from vmtool.mm.access cimport siginfo_t, store_bytes
from vmtool.mm.arena cimport mm_at, mm_mut, task_at, task_mut, vma_at, vma_mut
from vmtool.mm.mm cimport exit_files, insert_area, mm_alloc, mmput, switch_mm
from vmtool.mm.mm_acct cimport vm_enough_memory, vm_stat_account
from vmtool.mm.pagecache cimport file_open, fput
from vmtool.mm.placement cimport get_unmapped_area, is_err, mmap_base_for
from vmtool.mm.sys_mmap cimport do_brk_flags, mmap_region
from vmtool.mm.trace cimport TR_EXEC, trace2
from vmtool.mm.unmap cimport do_munmap
from vmtool.mm.vma cimport find_vma_intersection, find_vma_prev

cdef enum:
    VDSO_PAGES = 2
    VVAR_PAGES = 4
    VVAR_VCLOCK_PAGES = 2
    STACK_EXPAND = 131072
    AT_VECTOR = 48

cdef uint64_t PAGE_MASK = ~<uint64_t>4095
cdef uint64_t VM_DATA_DEFAULT = 0x73  # VM_READ, VM_WRITE and all VM_MAY
cdef uint64_t VM_MAY_ALL = 0x70

cdef inline uint64_t page_align(uint64_t n) noexcept nogil:
    return (n + 4095) & PAGE_MASK

cdef uint64_t random64(arena_t *a) noexcept nogil:
    """splitmix64 from the machine's seed."""
    cdef uint64_t z
    a.m.rng += <uint64_t>0x9e3779b97f4a7c15u
    z = a.m.rng
    z = (z ^ (z >> 30)) * <uint64_t>0xbf58476d1ce4e5b9u
    z = (z ^ (z >> 27)) * <uint64_t>0x94d049bb133111ebu
    return z ^ (z >> 31)

cdef inline bint is_random(arena_t *a, const exec_req_t *req) noexcept nogil:
    return a.m.aslr and not req.personality & ADDR_NO_RANDOMIZE

cdef inline uint64_t random_bits(arena_t *a, const exec_req_t *req, int bits) noexcept nogil:
    return random64(a) & ((<uint64_t>1 << bits) - 1) if is_random(a, req) else 0

cdef uint64_t total_size(const image_t *im) noexcept nogil:
    cdef const segment_t *first = &im.segment[0]
    cdef const segment_t *last = &im.segment[im.nr_segments - 1]
    return page_align(last.vaddr + last.memsz - (first.vaddr & PAGE_MASK))

cdef int map_segment(arena_t *a, idx_t task, idx_t mm, idx_t file, const segment_t *s, uint64_t bias) noexcept nogil:
    """elf_load(): the file's pages, the tail of the last one zeroed, anonymous memory for the rest."""
    cdef uint64_t addr = bias + s.vaddr, start = addr & PAGE_MASK, vm_flags = s.prot | VM_MAY_ALL
    cdef uint64_t zero_start = addr + s.filesz, zero_end = addr + s.memsz, got
    cdef idx_t prev
    cdef siginfo_t info
    cdef char zeros[4096]
    if s.prot & PROT_READ and task_at(a, task).personality & READ_IMPLIES_EXEC:
        vm_flags |= VM_EXEC
    if s.filesz:
        got = mmap_region(a, mm, file, start, page_align(addr + s.filesz) - start, vm_flags, (s.offset - (s.vaddr & 4095)) >> 12, VMA_PLAIN)
        if is_err(got):
            return <int><int64_t>got
    if s.memsz > s.filesz:
        if s.filesz and zero_start & 4095 and s.prot & PROT_WRITE:
            memset(zeros, 0, 4096)
            if store_bytes(a, task, zero_start, zeros, 4096 - (zero_start & 4095), &info) < 0:
                return -EFAULT
        zero_start = page_align(zero_start) if s.filesz else start
        zero_end = page_align(zero_end)
        if zero_end > zero_start:
            find_vma_prev(a, mm, zero_start, &prev)
            return do_brk_flags(a, mm, prev, zero_start, zero_end - zero_start, VM_EXEC if s.prot & PROT_EXEC else 0)
    return 0

cdef int map_image(arena_t *a, idx_t task, idx_t mm, const image_t *im, uint64_t want, bint anywhere, uint64_t align, uint64_t *bias) noexcept nogil:
    """All segments. `want`: the load bias of an ET_DYN image unless `anywhere` (then the highest hole, aligned down)."""
    cdef idx_t file = file_open(a, im.inode)
    cdef uint64_t addr
    cdef uint32_t i
    cdef int err = 0
    if file == 0:
        return -ENOMEM
    if anywhere:
        addr = get_unmapped_area(a, mm, file, 0, total_size(im), im.segment[0].offset >> 12, 0)
        if is_err(addr):
            fput(a, file)
            return <int><int64_t>addr
        if align > 4096:
            addr &= ~(align - 1)  # a program alone is moved down to its alignment; an interpreter is not
        want = (addr - im.segment[0].vaddr) & PAGE_MASK
    bias[0] = want
    for i in range(im.nr_segments):
        err = map_segment(a, task, mm, file, &im.segment[i], want)
        if err:
            break
    fput(a, file)
    return err

cdef uint64_t max_align(const image_t *im) noexcept nogil:
    cdef uint64_t best = 4096
    cdef uint32_t i
    for i in range(im.nr_segments):
        if im.segment[i].align > best and im.segment[i].align & (im.segment[i].align - 1) == 0:
            best = im.segment[i].align
    return best

cdef void note_code_and_data(arena_t *a, idx_t mm, const image_t *im, uint64_t bias) noexcept nogil:
    cdef mm_t *m = mm_mut(a, mm)
    cdef uint32_t i
    cdef uint64_t k, brk = 0
    cdef const segment_t *s
    m.start_code = <uint64_t>-1
    for i in range(im.nr_segments):
        s = &im.segment[i]
        k = bias + s.vaddr
        if s.prot & PROT_EXEC and k < m.start_code:
            m.start_code = k
        if m.start_data < k:
            m.start_data = k
        k += s.filesz
        if s.prot & PROT_EXEC and m.end_code < k:
            m.end_code = k
        if m.end_data < k:
            m.end_data = k
        k = bias + s.vaddr + s.memsz
        if k > brk:
            brk = k
    m.brk = page_align(brk)
    m.start_brk = m.brk

cdef int map_vdso(arena_t *a, idx_t mm, uint64_t where) noexcept nogil:
    """[vvar] 4 pages, [vvar_vclock] 2, [vdso] 2, in one block of the highest hole."""
    cdef uint64_t addr = where
    cdef uint64_t data = VM_READ | VM_MAYREAD | VM_IO | VM_DONTDUMP | VM_PFNMAP | VM_DONTEXPAND
    cdef uint64_t text = VM_READ | VM_EXEC | VM_MAY_ALL | VM_DONTEXPAND
    if addr == 0:
        addr = get_unmapped_area(a, mm, 0, 0, (VDSO_PAGES + VVAR_PAGES + VVAR_VCLOCK_PAGES) * 4096, 0, 0)
    if is_err(addr):
        return <int><int64_t>addr
    if (insert_area(a, mm, addr, addr + VVAR_PAGES * 4096, data, 0, 0, VMA_VVAR) == 0
            or insert_area(a, mm, addr + VVAR_PAGES * 4096, addr + 6 * 4096, data, 0, 0, VMA_VVAR_VCLOCK) == 0
            or insert_area(a, mm, addr + 6 * 4096, addr + 8 * 4096, text, 0, 0, VMA_VDSO) == 0):
        return -ENOMEM
    vm_stat_account(mm_mut(a, mm), data, 6)
    vm_stat_account(mm_mut(a, mm), text, 2)
    mm_mut(a, mm).vdso = addr + 6 * 4096
    return 0

# --- the stack --------------------------------------------------------------------------------------------------------

cdef int setup_stack(arena_t *a, idx_t task, idx_t mm, const exec_req_t *req, uint64_t stack_top, uint64_t *sp) noexcept nogil:
    """The area, and path, environment and arguments at its top."""
    cdef mm_t *m = mm_mut(a, mm)
    cdef uint64_t vm_flags = VM_DATA_DEFAULT | VM_GROWSDOWN | VM_ACCOUNT
    cdef uint64_t p = stack_top - 8, limit = req.rlimit_stack & PAGE_MASK, size, nr
    cdef siginfo_t info
    cdef idx_t v
    if req.image.stack_prot & PROT_EXEC or (req.image.no_gnu_stack and task_at(a, task).personality & READ_IMPLIES_EXEC):
        vm_flags |= VM_EXEC
    nr = req.path_len + 1 + req.envp_len + req.argv_len
    if req.string_bytes > nr:
        nr = req.string_bytes
    if nr > (limit // 4 if limit // 4 < (6 << 20) else (6 << 20)):
        return -E2BIG
    size = stack_top - ((p - nr) & PAGE_MASK)
    size = size + STACK_EXPAND if size + STACK_EXPAND < limit else limit
    if size < 4096:
        size = 4096
    v = insert_area(a, mm, stack_top - size, stack_top, vm_flags, (stack_top - size) >> 12, 0, VMA_PLAIN)
    if v == 0 or vm_enough_memory(a, mm, <int64_t>(size >> 12)) < 0:
        return -ENOMEM
    vm_stat_account(m, vm_flags, <int64_t>(size >> 12))
    p -= req.path_len + 1
    if store_bytes(a, task, p, req.path, req.path_len, &info) < 0:
        return -EFAULT
    p -= req.envp_len
    m.env_start = p
    m.env_end = p + req.envp_len
    if store_bytes(a, task, p, req.envp, req.envp_len, &info) < 0:
        return -EFAULT
    p -= req.argv_len
    m.arg_start = p
    m.arg_end = p + req.argv_len
    if store_bytes(a, task, p, req.argv, req.argv_len, &info) < 0:
        return -EFAULT
    m.start_stack = p
    sp[0] = p
    return 0

cdef inline void aux(mm_t *m, uint64_t kind, uint64_t value) noexcept nogil:
    m.auxv[m.nr_auxv] = kind
    m.auxv[m.nr_auxv + 1] = value
    m.nr_auxv += 2

cdef int put_strings(arena_t *a, idx_t task, uint64_t at, const char *text, uint32_t count, uint64_t strings, uint32_t width) noexcept nogil:
    """An array of pointers, `width` bytes each, to `count` strings that lie one after another, and its NULL."""
    cdef siginfo_t info
    cdef uint64_t word
    cdef uint32_t i
    for i in range(count):
        word = strings
        if store_bytes(a, task, at + width * i, <char *>&word, width, &info) < 0:
            return -EFAULT
        strings += strlen(text) + 1
        text += strlen(text) + 1
    word = 0
    return -EFAULT if store_bytes(a, task, at + width * count, <char *>&word, width, &info) < 0 else 0

cdef int create_elf_tables(arena_t *a, idx_t task, idx_t mm, const exec_req_t *req, uint64_t p, uint64_t bias, uint64_t interp_bias, uint64_t stack_top) noexcept nogil:
    """Platform name, random bytes, then argc, argv, envp and the auxiliary vector, 16-byte aligned."""
    cdef mm_t *m = mm_mut(a, mm)
    cdef uint64_t platform, rand, items, sp, word, i
    cdef char noise[16]
    cdef siginfo_t info
    cdef uint32_t width = 4 if req.image.is_32 else 8
    p = (p - random_bits(a, req, 13)) & ~<uint64_t>15
    platform = p - 7
    rand = platform - 16
    for i in range(2):
        word = random64(a)
        memcpy(noise + 8 * i, &word, 8)
    if store_bytes(a, task, platform, "x86_64", 7, &info) < 0 or store_bytes(a, task, rand, noise, 16, &info) < 0:
        return -EFAULT
    m.nr_auxv = 0
    aux(m, 33, m.vdso)  # AT_SYSINFO_EHDR
    aux(m, 51, 3632)  # AT_MINSIGSTKSZ
    aux(m, 16, 0xbfebfbff)  # AT_HWCAP
    aux(m, 6, 4096)  # AT_PAGESZ
    aux(m, 17, 100)  # AT_CLKTCK
    aux(m, 3, bias + req.image.segment[0].vaddr - req.image.segment[0].offset + req.image.phoff)  # AT_PHDR
    aux(m, 4, req.image.phentsize)
    aux(m, 5, req.image.phnum)
    aux(m, 7, interp_bias)  # AT_BASE
    aux(m, 8, 0)
    aux(m, 9, bias + req.image.entry)  # AT_ENTRY
    for i in range(11, 15):
        aux(m, i, task_at(a, task).uid)  # AT_UID EUID GID EGID
    aux(m, 23, 0)  # AT_SECURE
    aux(m, 25, rand)
    aux(m, 26, 2)  # AT_HWCAP2
    aux(m, 31, stack_top - 8 - req.path_len - 1)  # AT_EXECFN
    aux(m, 15, platform)
    aux(m, 27, 28)  # AT_RSEQ_FEATURE_SIZE
    aux(m, 28, 32)  # AT_RSEQ_ALIGN
    aux(m, 0, 0)
    items = (req.argc + 1) + (req.envc + 1) + 1
    sp = (rand - width * (items + m.nr_auxv)) & ~<uint64_t>15
    word = req.argc
    if store_bytes(a, task, sp, <char *>&word, width, &info) < 0:
        return -EFAULT
    if put_strings(a, task, sp + width, req.argv, req.argc, m.arg_start, width) < 0:
        return -EFAULT
    if put_strings(a, task, sp + width * (req.argc + 2), req.envp, req.envc, m.env_start, width) < 0:
        return -EFAULT
    for i in range(m.nr_auxv):
        if store_bytes(a, task, sp + width * (items + i), <char *>&m.auxv[i], width, &info) < 0:
            return -EFAULT
    m.start_stack = sp
    m.sp = sp
    return 0

# --- all of it ----------------------------------------------------------------------------------------------------------

cdef inline uint64_t dyn_base(arena_t *a, const exec_req_t *req) noexcept nogil:
    """ELF_ET_DYN_BASE, not rounded to a page."""
    return 0x56555000 if req.image.is_32 else (a.m.arch.task_size // 3) * 2

cdef void take_personality(arena_t *a, idx_t task, idx_t mm, const exec_req_t *req) noexcept nogil:
    """SET_PERSONALITY2(), read_implies_exec: what the image and the personality mean for the new space."""
    cdef mm_t *m = mm_mut(a, mm)
    cdef uint32_t personality = req.personality
    m.flags &= ~<uint32_t>(MMF_COMPAT | MMF_LEGACY)
    if req.image.is_32:
        m.flags |= MMF_COMPAT
        m.task_size = <uint64_t>0xc0000000 if personality & ADDR_LIMIT_3GB else <uint64_t>0xffffe000
        if req.image.no_gnu_stack:
            personality |= READ_IMPLIES_EXEC
    else:
        personality &= ~<uint32_t>READ_IMPLIES_EXEC
    if personality & ADDR_COMPAT_LAYOUT:
        m.flags |= MMF_LEGACY
    task_mut(a, task).personality = personality

cdef uint64_t program_base(arena_t *a, const exec_req_t *req) noexcept nogil:
    """Load bias of a PIE with an interpreter: two thirds of the space, plus 28 (8) bits of pages with ASLR."""
    cdef uint64_t base = dyn_base(a, req)
    if req.exe_base:
        return req.exe_base
    base += random_bits(a, req, 8 if req.image.is_32 else 28) << 12
    base &= ~(max_align(req.image) - 1)
    return (base - req.image.segment[0].vaddr) & PAGE_MASK

cdef int build(arena_t *a, idx_t task, idx_t mm, const exec_req_t *req) noexcept nogil:
    cdef mm_t *m = mm_mut(a, mm)
    cdef uint64_t top = req.stack_top, p = 0, bias = 0, interp_bias = 0, rnd, room
    cdef int err
    cdef bint fixed = not req.image.is_dyn
    take_personality(a, task, mm, req)
    if top == 0:
        top = m.task_size - (random_bits(a, req, 11 if req.image.is_32 else 22) << 12)
    room = req.rlimit_stack
    if is_random(a, req) and room < <uint64_t>1 << 40:
        # stack_maxrandom_size(): what randomization may take of it
        room += <uint64_t>0x7ff000 if req.image.is_32 else <uint64_t>0x3fffff000
    rnd = random_bits(a, req, 8 if req.image.is_32 else 28) << 12
    if m.flags & MMF_LEGACY:
        m.mmap_base = page_align(m.task_size // 3) + rnd
    else:
        m.mmap_base = mmap_base_for(m.task_size, room, rnd)
    if req.mmap_base:
        m.mmap_base = req.mmap_base
    err = setup_stack(a, task, mm, req, top, &p)
    if err:
        return err
    err = map_image(a, task, mm, req.image, 0 if fixed else program_base(a, req), not fixed and req.interp == NULL and not req.exe_base,
                    max_align(req.image), &bias)
    if err:
        return err
    note_code_and_data(a, mm, req.image, bias)
    if req.interp != NULL:
        err = map_image(a, task, mm, req.interp, req.interp_base, req.interp_base == 0, 0, &interp_bias)
        if err:
            return err
        m.entry = interp_bias + req.interp.entry
    else:
        m.entry = bias + req.image.entry
        if req.image.is_dyn:
            m.brk = page_align(dyn_base(a, req))  # out of the mmap area
    if is_random(a, req):
        m.brk = page_align(m.brk + 4096 + (random64(a) % (0x2000000 if req.image.is_32 else 0x40000000) & PAGE_MASK))
    if req.start_brk:
        m.brk = req.start_brk
    m.start_brk = m.brk
    err = map_vdso(a, mm, req.vdso)
    if err:
        return err
    if req.personality & MMAP_PAGE_ZERO:
        mmap_region(a, mm, 0, 0, 4096, VM_READ | VM_EXEC | VM_MAY_ALL, 0, VMA_PLAIN)
    return create_elf_tables(a, task, mm, req, p, bias, interp_bias if req.interp != NULL else 0, top)

cdef int do_execve(arena_t *a, idx_t task, const exec_req_t *req) noexcept nogil:
    cdef task_t *t = task_mut(a, task)
    cdef idx_t old = t.mm, mm = mm_alloc(a)
    cdef uint32_t cpu = t.cpu, personality = t.personality
    cdef int err
    cdef idx_t file
    if mm == 0:
        return -ENOMEM
    if req.image.nr_segments == 0:
        mmput(a, mm)
        return -ENOEXEC
    t.mm = mm
    switch_mm(a, task, cpu)
    err = build(a, task, mm, req)
    if err:
        t.mm = old
        t.personality = personality
        if old:
            switch_mm(a, task, cpu)
        mmput(a, mm)
        return err
    mm_mut(a, mm).hiwater_vm = mm_at(a, mm).total_vm
    file = file_open(a, req.image.inode)
    mm_mut(a, mm).exe_file = file
    if old:
        mmput(a, old)
    exit_files(a, task)
    trace2(a, TR_EXEC, mm_at(a, mm).entry, t.pid)
    return 0
