# cython: language_level=3
"""Accesses by a program: translate, on a fault ask the kernel, retry. And the same on its behalf (populate)."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.pti cimport kernel_round_trip  # of a system call of a program's library
from vmtool.mm.types cimport *

cdef struct siginfo_t:
    int signo  # 0: none
    int code  # SEGV_MAPERR, SEGV_ACCERR, BUS_ADRERR, SI_KERNEL
    vaddr_t addr

# The same where nobody needs the address, and what follows the access: 0, or -1 and a signal.
cdef int touch_page(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, int kind, siginfo_t *info) noexcept nogil
# Every page of addr..addr+length-1; stops at a signal.
cdef int touch_range(arena_t *a, idx_t task, vaddr_t addr, uint64_t length, int kind, siginfo_t *info) noexcept nogil
# Bytes in and out through the tables.
cdef int store_bytes(arena_t *a, idx_t task, vaddr_t addr, const char *data, uint64_t length, siginfo_t *info) noexcept nogil
cdef int load_bytes(arena_t *a, idx_t task, vaddr_t addr, char *out, uint64_t length, siginfo_t *info) noexcept nogil
# One word of 8 bytes; within a page, where it is aligned. Bytes set to one value; bytes copied (the source is read page by page, as by memcpy).
cdef int load_u64(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, uint64_t *out, siginfo_t *info) noexcept nogil
cdef int store_u64(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, uint64_t value, siginfo_t *info) noexcept nogil
cdef int fill_bytes(arena_t *a, idx_t task, vaddr_t addr, int byte, uint64_t length, siginfo_t *info) noexcept nogil
cdef int copy_bytes(arena_t *a, idx_t task, vaddr_t to, vaddr_t addr, uint64_t length, siginfo_t *info) noexcept nogil
# access_remote_vm() that faults nothing in: bytes read before the first unmapped page
cdef uint64_t peek_bytes(arena_t *a, idx_t mm, vaddr_t addr, char *out, uint64_t length) noexcept nogil
# What an access would end in without doing it: 0 resolved by the kernel or present, else a signal in info.
cdef int would_fault(arena_t *a, idx_t task, vaddr_t addr, int kind, siginfo_t *info) noexcept nogil

cdef inline bint vma_is_accessible(const vma_t *v) noexcept nogil:
    return (v.vm_flags & (VM_READ | VM_WRITE | VM_EXEC)) != 0
