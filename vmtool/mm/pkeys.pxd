# cython: language_level=3
"""Memory protection keys: which key an area has, what PKRU lets the running thread do with it, which keys are in use.

    VM_ flags  35-32 the area's key      entry  62-59 the page's key      PKRU  2k access-disable, 2k+1 write-disable of key k
"""

from vmtool.mm.arch cimport ARCH_PKEYS
from vmtool.mm.arena cimport arena_t, mm_at, task_at
from vmtool.mm.types cimport *

cdef extern from *:
    """
    #define VMTOOL_VM_PKEY_MASK (15ULL << 32)
    #define VMTOOL_VM_SEALED (1ULL << 42)
    """
    const uint64_t VM_PKEY_MASK "VMTOOL_VM_PKEY_MASK"  # VM_PKEY_BIT0 .. 3
    const uint64_t VM_SEALED "VMTOOL_VM_SEALED"

cdef inline bint has_pkeys(arena_t *a) noexcept nogil:
    return (a.m.arch.flags & ARCH_PKEYS) != 0

cdef inline int vma_pkey(const vma_t *v) noexcept nogil:
    return <int>(v.vm_flags >> VM_PKEY_SHIFT) & (NR_PKEYS - 1)

cdef inline uint64_t pkey_vm_flags(int pkey) noexcept nogil:
    return <uint64_t>pkey << VM_PKEY_SHIFT

cdef inline bint pkru_allows(uint32_t pkru, int pkey, bint write) noexcept nogil:
    """Access-disable keeps from writing, too."""
    return (pkru >> (2 * pkey) & (3 if write else 1)) == 0

cdef inline bint vma_access_permitted(arena_t *a, const vma_t *v, bint write) noexcept nogil:
    """arch_vma_access_permitted(): of data, by the thread that runs, in its own space: keys stop neither instruction fetches nor others' reads."""
    return not has_pkeys(a) or v.vm_mm != task_at(a, a.task).mm or pkru_allows(task_at(a, a.task).pkru, vma_pkey(v), write)

cdef void pkeys_init(arena_t *a, idx_t mm) noexcept nogil  # of a new address space
cdef void write_pkru(arena_t *a, idx_t task, uint32_t value) noexcept nogil  # the task's register, of its CPU too while it runs
cdef int mm_pkey_alloc(arena_t *a, idx_t mm) noexcept nogil  # the lowest key that is free, or -1
cdef bint mm_pkey_is_allocated(arena_t *a, idx_t mm, int64_t pkey) noexcept nogil
cdef int mm_pkey_free(arena_t *a, idx_t mm, int64_t pkey) noexcept nogil  # 0 or -EINVAL
cdef int set_user_pkey_access(arena_t *a, idx_t task, int pkey, uint32_t disable) noexcept nogil  # 0 or -EINVAL
cdef int execute_only_pkey(arena_t *a, idx_t mm) noexcept nogil  # 0: there is none
cdef int mprotect_pkey(arena_t *a, const vma_t *v, uint64_t prot, int64_t pkey) noexcept nogil  # the key that an area gets
