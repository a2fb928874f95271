# cython: language_level=3
"""pkey_alloc(), pkey_free(); WRPKRU. Counterpart: Linux v6.18 mm/mprotect.c:SYSCALL_DEFINE2(pkey_alloc); pkey_mprotect() is sys_mprotect's."""

from vmtool.mm.arena cimport task_at
from vmtool.mm.pkeys cimport has_pkeys, mm_pkey_alloc, mm_pkey_free, set_user_pkey_access, write_pkru


cdef int sys_pkey_alloc(arena_t *a, idx_t task, uint64_t flags, uint64_t access_rights) noexcept nogil:
    cdef idx_t mm = task_at(a, task).mm
    cdef int pkey, err
    if flags or access_rights & ~<uint64_t>(PKEY_DISABLE_ACCESS | PKEY_DISABLE_WRITE):
        return -EINVAL
    pkey = mm_pkey_alloc(a, mm)
    if pkey < 0:
        return -ENOSPC
    err = set_user_pkey_access(a, task, pkey, <uint32_t>access_rights)
    if err:
        mm_pkey_free(a, mm, pkey)
        return err
    return pkey


cdef int sys_pkey_free(arena_t *a, idx_t mm, int64_t pkey) noexcept nogil:
    return mm_pkey_free(a, mm, pkey)


cdef int wrpkru(arena_t *a, idx_t task, uint32_t value) noexcept nogil:
    if not has_pkeys(a):
        return -1
    write_pkru(a, task, value)
    return 0
