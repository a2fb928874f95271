# cython: language_level=3
"""execve(): program, interpreter, vdso and stack in an empty address space.

    0x7ffffffff000  stack: strings, auxv, argv, argc (one page written) + 128 KB of room
    mmap_base       the interpreter, below it [vdso], [vvar_vclock], [vvar]; or a static-PIE program itself
    0x555555554000  a PIE program, then its heap;  a fixed one lies where its headers say
Other architectures, and 32-bit programs on x86-64: the same in the places that `layout` tells.
Counterpart: Linux v6.18 fs/binfmt_elf.c:load_elf_binary(), elf_load(), create_elf_tables(); fs/exec.c:setup_arg_pages();
arch/x86/entry/vdso/vma.c:map_vdso(). Randomness comes from the machine's seed, with the kernel's ranges.
Simplified: AT_HWCAP and its kin are fixed values; AT_RANDOM's bytes come from the seed.
"""

from libc.string cimport memcpy, memset, strlen

from vmtool.mm.access cimport siginfo_t, store_bytes
from vmtool.mm.arch cimport offset_in_page, page_align, page_size, page_start
from vmtool.mm.arena cimport GOLDEN, splitmix64, cpu_mut, mm_at, mm_mut, task_at, task_mut
from vmtool.mm.layout cimport (AT_MINSIGSTKSZ, AT_SYSINFO, AT_SYSINFO_EHDR, NR_DLINFO, NR_SPECIAL, VM_MAY_ALL, XONLY_VSYSCALL_SINCE, kernel_release,
                               layout_of, layout_t, special_pages, unmapped_base)
from vmtool.mm.mm cimport insert_area, mm_alloc, mmput, switch_mm
from vmtool.mm.mm_acct cimport update_hiwater_vm, vm_enough_memory, vm_stat_account, vm_unacct_memory
from vmtool.mm.pagecache cimport file_open, fput
from vmtool.mm.placement cimport get_unmapped_area, is_err, mmap_base_for
from vmtool.mm.pkeys cimport execute_only_pkey, has_pkeys, pkey_vm_flags, write_pkru
from vmtool.mm.sys_kill cimport exit_by_signal
from vmtool.mm.sys_mmap cimport do_brk_flags, mmap_region
from vmtool.mm.task cimport end_threads, exit_files
from vmtool.mm.trace cimport TR_EXEC, trace2
from vmtool.mm.cred cimport cred_alloc, cred_put
from vmtool.mm.task_objects cimport commit_creds
from vmtool.mm.vma cimport find_vma_prev, vm_softdirty

cdef enum:
    STACK_EXPAND = 131072

cdef uint64_t VM_DATA_DEFAULT = 0x73  # VM_READ, VM_WRITE and all VM_MAY


cdef uint64_t random64(arena_t *a) noexcept nogil:
    """The next of the machine's own."""
    a.m.rng += GOLDEN
    return splitmix64(a.m.rng)


cdef inline bint is_random(arena_t *a, const exec_req_t *req) noexcept nogil:
    return a.m.aslr and not req.personality & ADDR_NO_RANDOMIZE


cdef inline uint64_t random_bits(arena_t *a, const exec_req_t *req, int bits) noexcept nogil:
    return random64(a) & ((<uint64_t>1 << bits) - 1) if is_random(a, req) else 0


cdef uint64_t total_size(arena_t *a, const image_t *im) noexcept nogil:
    cdef const segment_t *first = &im.segment[0]
    cdef const segment_t *last = &im.segment[im.nr_segments - 1]
    return page_align(&a.m.arch, last.vaddr + last.memsz - page_start(&a.m.arch, first.vaddr))


cdef int clear_tail(arena_t *a, idx_t task, uint64_t addr) noexcept nogil:
    """padzero(): the rest of the page at addr, where .bss begins behind the file's last bytes."""
    cdef siginfo_t info
    cdef char zeros[CONTENT_BYTES]
    cdef uint64_t end = page_align(&a.m.arch, addr), n
    memset(zeros, 0, sizeof(zeros))
    while addr < end:
        n = min(end - addr, <uint64_t>sizeof(zeros))
        if store_bytes(a, task, addr, zeros, n, &info) < 0:
            return -EFAULT
        addr += n
    return 0


cdef int map_segment(arena_t *a, idx_t task, idx_t mm, idx_t file, const segment_t *s, uint64_t bias) noexcept nogil:
    """elf_load(): the file's pages, the tail of the last one zeroed, anonymous memory for the rest."""
    cdef uint64_t addr = bias + s.vaddr, start = page_start(&a.m.arch, addr), vm_flags = s.prot | VM_MAY_ALL
    cdef uint64_t zero_start = addr + s.filesz, zero_end = addr + s.memsz, got
    cdef idx_t prev
    if s.prot & PROT_READ and task_at(a, task).personality & READ_IMPLIES_EXEC:
        vm_flags |= VM_EXEC
    if s.prot == PROT_EXEC:
        vm_flags |= pkey_vm_flags(execute_only_pkey(a, mm))
    if s.filesz:
        got = mmap_region(a, mm, file, start, page_align(&a.m.arch, addr + s.filesz) - start, vm_flags,
                          (s.offset - offset_in_page(&a.m.arch, s.vaddr)) >> a.m.arch.page_shift, VMA_PLAIN)
        if is_err(got):
            return <int><int64_t>got
    if s.memsz > s.filesz:
        if s.filesz and offset_in_page(&a.m.arch, zero_start) and s.prot & PROT_WRITE and clear_tail(a, task, zero_start) < 0:
            return -EFAULT
        zero_start = page_align(&a.m.arch, zero_start) if s.filesz else start
        zero_end = page_align(&a.m.arch, zero_end)
        if zero_end > zero_start:
            find_vma_prev(a, mm, zero_start, &prev)
            return do_brk_flags(a, mm, prev, zero_start, zero_end - zero_start, VM_EXEC if s.prot & PROT_EXEC else 0)
    return 0


cdef int map_image(arena_t *a, idx_t task, idx_t mm, const image_t *im, idx_t file, uint64_t want, bint anywhere, uint64_t align, uint64_t *bias) noexcept nogil:
    """All segments. `want`: the load bias of an ET_DYN image unless `anywhere` (then the highest hole, aligned down)."""
    cdef uint64_t addr
    cdef uint32_t i
    cdef int err = 0
    if anywhere:
        addr = get_unmapped_area(a, mm, file, 0, total_size(a, im), im.segment[0].offset >> a.m.arch.page_shift, 0)
        if is_err(addr):
            return <int><int64_t>addr
        if align > page_size(&a.m.arch):
            addr &= ~(align - 1)  # a program alone is moved down to its alignment; an interpreter is not
        want = page_start(&a.m.arch, addr - im.segment[0].vaddr)
    bias[0] = want
    if im.is_dyn:  # elf_load() first maps the whole image, then unmaps what is behind the first segment
        mm_mut(a, mm).hiwater_vm = max(mm_at(a, mm).hiwater_vm, mm_at(a, mm).total_vm + (total_size(a, im) >> a.m.arch.page_shift))
    for i in range(im.nr_segments):
        err = map_segment(a, task, mm, file, &im.segment[i], want)
        if err:
            break
    return err


cdef uint64_t max_align(arena_t *a, const image_t *im) noexcept nogil:
    cdef uint64_t best = page_size(&a.m.arch)
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
    m.brk = page_align(&a.m.arch, brk)
    m.start_brk = m.brk


cdef int map_special(arena_t *a, idx_t mm, uint64_t where) noexcept nogil:
    """[vvar], [vdso] and what else the architecture maps by itself, in one block of the highest hole."""
    cdef const layout_t *l = layout_of(&a.m.arch, mm_at(a, mm).flags)
    cdef uint64_t size = page_size(&a.m.arch), addr = where, end
    cdef uint32_t release = kernel_release(a.m)
    cdef uint32_t i, n, nr_pages = 0
    for i in range(NR_SPECIAL):
        nr_pages += special_pages(l, i, release)
    if addr == 0:
        addr = get_unmapped_area(a, mm, 0, 0, nr_pages * size, 0, 0)
    if is_err(addr):
        return <int><int64_t>addr
    for i in range(NR_SPECIAL):
        n = special_pages(l, i, release)
        if n == 0:
            continue
        end = addr + n * size
        if insert_area(a, mm, addr, end, l.special[i].vm_flags | vm_softdirty(a), 0, 0, l.special[i].kind) == 0:
            return -ENOMEM
        vm_stat_account(mm_mut(a, mm), l.special[i].vm_flags, n)
        if l.special[i].kind == VMA_VDSO:
            mm_mut(a, mm).vdso = addr
        addr = end
    if release < XONLY_VSYSCALL_SINCE:
        mm_mut(a, mm).flags |= MMF_VSYSCALL_READ
    return 0

# --- the stack --------------------------------------------------------------------------------------------------------


cdef int setup_stack(arena_t *a, idx_t task, idx_t mm, const exec_req_t *req, uint64_t stack_top, uint64_t *sp) noexcept nogil:
    """The area, and path, environment and arguments at its top. Not soft-dirty as a whole: setup_arg_pages() gives it its flags anew.
    -E2BIG: also where get_arg_page() finds no page."""
    cdef mm_t *m = mm_mut(a, mm)
    cdef uint64_t vm_flags = VM_DATA_DEFAULT | VM_GROWSDOWN | VM_ACCOUNT
    cdef uint64_t p = stack_top - layout_of(&a.m.arch, 0).word_bytes, limit = page_start(&a.m.arch, req.rlimit_stack), size, nr, first
    cdef siginfo_t info
    cdef idx_t v
    if req.image.stack_prot & PROT_EXEC or (req.image.no_gnu_stack and task_at(a, task).personality & READ_IMPLIES_EXEC):
        vm_flags |= VM_EXEC
    nr = req.path_len + 1 + req.envp_len + req.argv_len
    if req.string_bytes > nr:
        nr = req.string_bytes
    if nr > (limit // 4 if limit // 4 < (6 << 20) else (6 << 20)):
        return -E2BIG
    size = stack_top - page_start(&a.m.arch, p - nr)
    size = size + STACK_EXPAND if size + STACK_EXPAND < limit else limit
    if size < page_size(&a.m.arch):
        size = page_size(&a.m.arch)
    first = stack_top - size
    if vm_enough_memory(a, mm, <int64_t>(size >> a.m.arch.page_shift)) < 0:
        return -ENOMEM
    v = insert_area(a, mm, first, stack_top, vm_flags, first >> a.m.arch.page_shift, 0, VMA_PLAIN)
    if v == 0:
        vm_unacct_memory(a, <int64_t>(size >> a.m.arch.page_shift))
        return -ENOMEM
    vm_stat_account(m, vm_flags, <int64_t>(size >> a.m.arch.page_shift))
    p -= req.path_len + 1
    if store_bytes(a, task, p, req.path, req.path_len, &info) < 0:
        return -E2BIG
    p -= req.envp_len
    m.env_start = p
    m.env_end = p + req.envp_len
    if store_bytes(a, task, p, req.envp, req.envp_len, &info) < 0:
        return -E2BIG
    p -= req.argv_len
    m.arg_start = p
    m.arg_end = p + req.argv_len
    if store_bytes(a, task, p, req.argv, req.argv_len, &info) < 0:
        return -E2BIG
    m.start_stack = p
    sp[0] = p
    return 0


cdef inline void aux(mm_t *m, uint64_t kind, uint64_t value) noexcept nogil:
    auxv_word(m, m.nr_auxv)[0] = kind
    auxv_word(m, m.nr_auxv + 1)[0] = value
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


cdef void fill_auxv(arena_t *a, idx_t task, mm_t *m, const exec_req_t *req, const layout_t *l, uint64_t bias, uint64_t interp_bias) noexcept nogil:
    """The auxiliary vector but for what create_elf_tables() places: in the kernel's order, which programs see."""
    cdef uint64_t i
    m.nr_auxv = 0
    for i in range(NR_DLINFO):
        if l.dlinfo[i] == AT_SYSINFO:
            aux(m, AT_SYSINFO, m.vdso + l.sysinfo)
        elif l.dlinfo[i] == AT_SYSINFO_EHDR:
            aux(m, AT_SYSINFO_EHDR, m.vdso)
        elif l.dlinfo[i] == AT_MINSIGSTKSZ:
            aux(m, AT_MINSIGSTKSZ, l.minsigstksz)
        elif l.dlinfo[i]:
            aux(m, l.dlinfo[i], 0)
    aux(m, 16, l.hwcap)  # AT_HWCAP
    aux(m, 6, page_size(&a.m.arch))  # AT_PAGESZ
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


cdef int create_elf_tables(arena_t *a, idx_t task, idx_t mm, const exec_req_t *req, uint64_t p, uint64_t bias, uint64_t interp_bias, uint64_t stack_top) noexcept nogil:
    """Platform name, random bytes, then argc, argv, envp and the auxiliary vector, 16-byte aligned."""
    cdef mm_t *m = mm_mut(a, mm)
    cdef const layout_t *l = layout_of(&a.m.arch, m.flags)
    cdef uint64_t platform, rand, items, sp, word, i
    cdef uint32_t width = l.word_bytes, len = <uint32_t>strlen(l.platform)
    cdef char noise[16]
    cdef siginfo_t info
    p = (p - random_bits(a, req, 13)) & ~<uint64_t>(l.stack_align - 1)
    len += len != 0
    platform = p - len
    rand = platform - 16
    for i in range(2):
        word = random64(a)
        memcpy(noise + 8 * i, &word, 8)
    if (len and store_bytes(a, task, platform, l.platform, len, &info) < 0) or store_bytes(a, task, rand, noise, 16, &info) < 0:
        return -EFAULT
    fill_auxv(a, task, m, req, l, bias, interp_bias)
    aux(m, 25, rand)
    if l.has_hwcap2:
        aux(m, 26, l.hwcap2)  # AT_HWCAP2
    if l.has_hwcap3:
        aux(m, 29, 0)  # AT_HWCAP3
    aux(m, 31, stack_top - layout_of(&a.m.arch, 0).word_bytes - req.path_len - 1)  # AT_EXECFN
    if len:
        aux(m, 15, platform)  # AT_PLATFORM
    if l.has_rseq:
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
        if store_bytes(a, task, sp + width * (items + i), <char *>auxv_word(m, <uint32_t>i), width, &info) < 0:
            return -EFAULT
    m.start_stack = sp
    m.sp = sp
    return 0

# --- all of it ----------------------------------------------------------------------------------------------------------


cdef inline uint64_t dyn_base(const mm_t *m, const layout_t *l) noexcept nogil:
    """ELF_ET_DYN_BASE, not rounded to a page. A space that a personality made smaller: a third of it and 16 MB."""
    return l.dyn_base if m.task_size >= l.task_size else unmapped_base(l, m.task_size) + 0x1000000


cdef void take_personality(arena_t *a, idx_t task, idx_t mm, const exec_req_t *req) noexcept nogil:
    """SET_PERSONALITY2(), read_implies_exec, mmap_is_legacy(): what the image, the personality and the stack's limit mean for the new space."""
    cdef mm_t *m = mm_mut(a, mm)
    cdef const layout_t *l = layout_of(&a.m.arch, 0)
    cdef uint32_t personality = req.personality
    m.flags = (m.flags & ~<uint32_t>(MMF_COMPAT | MMF_LEGACY)) | (
        mm_at(a, task_at(a, task).mm).flags & (MMF_DISABLE_THP | MMF_DISABLE_THP_EXCEPT_ADVISED) if task_at(a, task).mm else 0)
    if req.image.is_32 and l.word_bytes == 8:
        m.flags |= MMF_COMPAT
        l = layout_of(&a.m.arch, m.flags)
    m.task_size = l.task_size
    if l.word_bytes == 4:
        if m.flags & MMF_COMPAT and personality & ADDR_LIMIT_3GB:
            m.task_size = 0xc0000000
        if req.image.no_gnu_stack:
            personality |= READ_IMPLIES_EXEC
    else:
        personality &= ~<uint32_t>READ_IMPLIES_EXEC
    if personality & ADDR_COMPAT_LAYOUT or (l.upwards_if_unlimited and req.rlimit_stack == <uint64_t>-1):
        m.flags |= MMF_LEGACY
    task_mut(a, task).personality = personality


cdef uint64_t program_base(arena_t *a, const exec_req_t *req, const mm_t *m, const layout_t *l) noexcept nogil:
    """Load bias of a PIE with an interpreter: ELF_ET_DYN_BASE, plus some bits of pages with ASLR."""
    cdef uint64_t base
    if req.exe_base:
        return req.exe_base
    base = dyn_base(m, l) + (random_bits(a, req, <int>l.dyn_rnd_bits) << a.m.arch.page_shift)
    base &= ~(max_align(a, req.image) - 1)
    return page_start(&a.m.arch, base - req.image.segment[0].vaddr)


cdef void place_mappings(arena_t *a, mm_t *m, const exec_req_t *req, const layout_t *l, uint64_t stack_top) noexcept nogil:
    """arch_pick_mmap_layout(): mmap_base, and whether the search goes up or down from it."""
    cdef uint64_t room = req.rlimit_stack, rnd = random_bits(a, req, <int>l.dyn_rnd_bits) << a.m.arch.page_shift
    if is_random(a, req) and room < <uint64_t>1 << 40:
        room += l.stack_maxrandom  # what randomization may take of it
    if req.mmap_base:
        m.mmap_base = req.mmap_base
    elif m.flags & MMF_LEGACY:
        m.mmap_base = unmapped_base(l, m.task_size) + rnd
    else:
        m.mmap_base = mmap_base_for(a, stack_top, room, rnd)


cdef void place_brk(arena_t *a, mm_t *m, const exec_req_t *req, const layout_t *l) noexcept nogil:
    cdef uint64_t rnd
    if req.interp == NULL and req.image.is_dyn:
        m.brk = page_align(&a.m.arch, dyn_base(m, l))  # out of the mmap area
    if is_random(a, req):
        rnd = random64(a) % l.brk_rnd
        m.brk = page_align(&a.m.arch, m.brk + page_size(&a.m.arch) + page_start(&a.m.arch, rnd))
    if req.start_brk:
        m.brk = req.start_brk
    m.start_brk = m.brk


cdef int build(arena_t *a, idx_t task, idx_t mm, const exec_req_t *req, bint *begun) noexcept nogil:
    """0 or -errno. *begun: begin_new_exec() is over, and with it the old program."""
    cdef mm_t *m = mm_mut(a, mm)
    cdef const layout_t *l
    cdef uint64_t top = req.stack_top, p = 0, bias = 0, interp_bias = 0, window
    cdef int err
    cdef bint fixed = not req.image.is_dyn
    cdef idx_t file = 0
    take_personality(a, task, mm, req)
    l = layout_of(&a.m.arch, m.flags)
    window = min(m.task_size, l.map_window)
    if top == 0:
        top = window - (random_bits(a, req, <int>l.stack_rnd_bits) << a.m.arch.page_shift)
    place_mappings(a, m, req, l, window)
    err = setup_stack(a, task, mm, req, top, &p)
    if err:
        return err
    if req.interp != NULL:
        file = file_open(a, req.interp.inode)
        if file == 0:
            return -ENOMEM
    begun[0] = True
    err = map_image(a, task, mm, req.image, mm_at(a, mm).exe_file, 0 if fixed else program_base(a, req, m, l), not fixed and req.interp == NULL and not req.exe_base,
                    max_align(a, req.image), &bias)
    if err:
        if file:
            fput(a, file)
        return err
    note_code_and_data(a, mm, req.image, bias)
    if req.interp != NULL:
        err = map_image(a, task, mm, req.interp, file, req.interp_base, req.interp_base == 0, 0, &interp_bias)
        fput(a, file)
        if err:
            return err
        m.entry = interp_bias + req.interp.entry
    else:
        m.entry = bias + req.image.entry
    place_brk(a, m, req, l)
    err = map_special(a, mm, req.vdso)
    if err:
        return err
    if req.personality & MMAP_PAGE_ZERO:
        mmap_region(a, mm, 0, 0, page_size(&a.m.arch), VM_READ | VM_EXEC | VM_MAY_ALL, 0, VMA_PLAIN)
    return create_elf_tables(a, task, mm, req, p, bias, interp_bias if req.interp != NULL else 0, top)


cdef int do_execve(arena_t *a, idx_t task, const exec_req_t *req) noexcept nogil:
    cdef task_t *t = task_mut(a, task)
    cdef idx_t old = t.mm, mm = mm_alloc(a)
    cdef idx_t fresh
    cdef uint32_t cpu = t.cpu, personality = t.personality, pkru = t.pkru
    cdef bint begun = False
    cdef int err
    if mm == 0:
        return -ENOMEM
    if old:
        mm_mut(a, mm).memcg = mm_at(a, old).memcg
    if req.image.nr_segments == 0 or (not req.image.is_32 and layout_of(&a.m.arch, 0).word_bytes == 4):
        mmput(a, mm)
        return -ENOEXEC
    mm_mut(a, mm).exe_file = file_open(a, req.image.inode)
    fresh = cred_alloc(a) if mm_at(a, mm).exe_file else 0
    if fresh == 0:
        mmput(a, mm)
        return -ENOMEM
    t.mm = mm
    switch_mm(a, task, cpu)
    write_pkru(a, task, INIT_PKRU if has_pkeys(a) else 0)
    err = build(a, task, mm, req, &begun)
    if err and not (begun and old):
        t.mm = old
        t.personality = personality
        write_pkru(a, task, pkru)
        if old:
            switch_mm(a, task, cpu)
        else:
            cpu_mut(a, cpu).task = 0  # a process that never was
        cred_put(a, fresh)
        mmput(a, mm)
        return err
    update_hiwater_vm(mm_mut(a, mm))
    commit_creds(a, task, fresh)
    end_threads(a, task)  # de_thread(): they were of the old one
    if old:
        mmput(a, old)
    exit_files(a, task)
    t.tcache = t.thread_arena = 0
    if err:  # bprm_execve(): there is nothing to go back to
        exit_by_signal(a, task, SIGSEGV)
        return SIGSEGV
    trace2(a, TR_EXEC, mm_at(a, mm).entry, t.pid)
    return 0
