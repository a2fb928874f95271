# cython: language_level=3
"""Protection keys of an address space, and a thread's rights to them.

    pkey_alloc()         the lowest free key; the caller's PKRU opens it as asked
    mmap, PROT_EXEC      the first one takes a key that nobody is handed, and closes it: the pages can be executed alone
Counterpart: Linux v6.18 arch/x86/mm/pkeys.c, arch/x86/include/asm/pkeys.h, kernel/fpu/xstate.c:arch_set_user_pkey_access().
A thread's rights are its own: another thread of the space keeps what it had. Without keys (`init --pku` not given) what is left is Linux's
without X86_FEATURE_OSPKE: there is one key to be had, and no rights to it, so the first pkey_alloc() fails on the rights and keeps the key.
Invariants (fsck_space): a space has its execute-only key in its map; an area's key is 0 without the feature.
"""

from vmtool.mm.arena cimport cpu_mut, mm_mut, task_mut

cdef enum:
    PKEY_UNASSIGNED = -1
    PKRU_BITS_PER_PKEY = 2


cdef void pkeys_init(arena_t *a, idx_t mm) noexcept nogil:
    if has_pkeys(a):
        mm_mut(a, mm).pkey_allocation_map = 1  # key 0 is everybody's
        mm_mut(a, mm).execute_only_pkey = PKEY_UNASSIGNED


cdef void write_pkru(arena_t *a, idx_t task, uint32_t value) noexcept nogil:
    cdef task_t *t = task_mut(a, task)
    t.pkru = value
    if cpu_mut(a, t.cpu).task == task:
        cpu_mut(a, t.cpu).pkru = value


cdef int mm_pkey_alloc(arena_t *a, idx_t mm) noexcept nogil:
    cdef int nr = NR_PKEYS if has_pkeys(a) else 1
    cdef int pkey
    for pkey in range(nr):
        if not mm_at(a, mm).pkey_allocation_map >> pkey & 1:
            mm_mut(a, mm).pkey_allocation_map |= <uint16_t>(1 << pkey)
            return pkey
    return -1


cdef bint mm_pkey_is_allocated(arena_t *a, idx_t mm, int64_t pkey) noexcept nogil:
    """The execute-only key is in the map, and no program's to use."""
    if pkey < 0 or pkey >= (NR_PKEYS if has_pkeys(a) else 1) or pkey == mm_at(a, mm).execute_only_pkey:
        return False
    return (mm_at(a, mm).pkey_allocation_map >> pkey & 1) != 0


cdef int mm_pkey_free(arena_t *a, idx_t mm, int64_t pkey) noexcept nogil:
    """Areas that have the key keep it."""
    if not mm_pkey_is_allocated(a, mm, pkey):
        return -EINVAL
    mm_mut(a, mm).pkey_allocation_map &= <uint16_t>~(1 << pkey)
    return 0


cdef int set_user_pkey_access(arena_t *a, idx_t task, int pkey, uint32_t disable) noexcept nogil:
    cdef uint32_t shift = PKRU_BITS_PER_PKEY * pkey
    if not has_pkeys(a):
        return -EINVAL
    write_pkru(a, task, (task_at(a, task).pkru & ~(<uint32_t>3 << shift)) | disable << shift)
    return 0


cdef int execute_only_pkey(arena_t *a, idx_t mm) noexcept nogil:
    """PKRU is written when the key is new, or was opened since."""
    cdef int pkey = mm_at(a, mm).execute_only_pkey
    if not has_pkeys(a):
        return 0
    if pkey == PKEY_UNASSIGNED:
        pkey = mm_pkey_alloc(a, mm)
        if pkey < 0:
            return 0
        mm_mut(a, mm).execute_only_pkey = <int16_t>pkey
    elif not pkru_allows(task_at(a, a.task).pkru, pkey, False):
        return pkey
    set_user_pkey_access(a, a.task, pkey, PKEY_DISABLE_ACCESS)
    return pkey


cdef int mprotect_pkey(arena_t *a, const vma_t *v, uint64_t prot, int64_t pkey) noexcept nogil:
    """arch_override_mprotect_pkey(): the one that the call names; else what was execute-only is so no longer, or becomes so; else the area's."""
    cdef int found
    if not has_pkeys(a):
        return 0
    if pkey != PKEY_UNASSIGNED:
        return <int>pkey
    if v.vm_flags & VM_ACCESS_FLAGS == VM_EXEC and vma_pkey(v) == mm_at(a, v.vm_mm).execute_only_pkey and prot != PROT_EXEC:
        return 0
    if prot == PROT_EXEC:
        found = execute_only_pkey(a, v.vm_mm)
        if found > 0:
            return found
    return vma_pkey(v)
