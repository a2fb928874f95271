"""Credentials: each process has its own, its threads share them, and a file keeps those of who opened it.

    exec   a program's file is opened with the old credentials, then the process gets new ones: both live as long as the program runs

Counterpart: Linux v6.18 kernel/cred.c (prepare_creds, copy_creds, put_cred_rcu), fs/file_table.c:init_file().
Invariants (fsck_kmem): usage = tasks and open files that name it.
"""

from vmtool.mm.arena cimport rec_alloc, rec_free, rec_mut
from vmtool.mm.slab cimport CACHE_CRED, CACHE_KMALLOC_CG_32, kmem_cache_alloc, kmem_cache_free, kmem_cache_free_rcu


cdef idx_t cred_alloc(arena_t *a) noexcept nogil:
    cdef uint64_t obj = kmem_cache_alloc(a, CACHE_CRED)
    cdef uint64_t security = kmem_cache_alloc(a, CACHE_KMALLOC_CG_32)
    cdef idx_t i = rec_alloc(a, POOL_CRED) if obj and security else 0
    cdef cred_t *c
    if i == 0:
        kmem_cache_free(a, CACHE_KMALLOC_CG_32, security)
        kmem_cache_free(a, CACHE_CRED, obj)
        return 0
    c = <cred_t *>rec_mut(a, POOL_CRED, i)
    c.usage = 1
    c.obj = obj
    c.security = security
    return i


cdef idx_t cred_get(arena_t *a, idx_t cred) noexcept nogil:
    if cred:
        (<cred_t *>rec_mut(a, POOL_CRED, cred)).usage += 1
    return cred


cdef void cred_put(arena_t *a, idx_t cred) noexcept nogil:
    cdef cred_t *c
    if cred == 0:
        return
    c = <cred_t *>rec_mut(a, POOL_CRED, cred)
    c.usage -= 1
    if c.usage:
        return
    kmem_cache_free_rcu(a, CACHE_KMALLOC_CG_32, c.security)
    kmem_cache_free_rcu(a, CACHE_CRED, c.obj)
    rec_free(a, POOL_CRED, cred)
