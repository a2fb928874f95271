# cython: language_level=3
"""Accesses by a program: translate, on a fault ask the kernel, retry. And the same on its behalf (populate)."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.pti cimport kernel_round_trip  # of a system call of a program's library
from vmtool.mm.types cimport *

cdef struct siginfo_t:
    int signo  # 0: none
    int code  # SEGV_MAPERR, SEGV_ACCERR, BUS_ADRERR, SI_KERNEL
    vaddr_t addr

# Accesses by a task on its CPU (`c` is the one it runs on), ACCESS_ kinds. Precondition: the task is live and runs in its space: c's root
# is its pgd. Returns of all: 0, or -1 and the signal in *info (SIGSEGV, SIGBUS, or SIGKILL: memory's victim, or it never got any); what was
# done before it stays done. Counts, by the faults: PGFAULT, PGMAJFAULT and what handle_mm_fault() moves; the TLB's counters of the CPU.

# One access within a page. 0, or -1: a signal. *info is set only then.
cdef int touch_page(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, int kind, siginfo_t *info) noexcept nogil
# Every page of addr..addr+length-1, in order; length 0 is one byte. 0, or -1: a signal.
cdef int touch_range(arena_t *a, idx_t task, vaddr_t addr, uint64_t length, int kind, siginfo_t *info) noexcept nogil
# Bytes in and out through the tables, page by page. 0, or -1: a signal.
cdef int store_bytes(arena_t *a, idx_t task, vaddr_t addr, const char *data, uint64_t length, siginfo_t *info) noexcept nogil
cdef int load_bytes(arena_t *a, idx_t task, vaddr_t addr, char *out, uint64_t length, siginfo_t *info) noexcept nogil  # 0, or -1: a signal
# One word of 8 bytes; where it is not aligned, as bytes. 0, or -1: a signal.
cdef int load_u64(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, uint64_t *out, siginfo_t *info) noexcept nogil
cdef int store_u64(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, uint64_t value, siginfo_t *info) noexcept nogil  # 0, or -1: a signal
# all set to one value. 0, or -1: a signal
cdef int fill_bytes(arena_t *a, idx_t task, vaddr_t addr, int byte, uint64_t length, siginfo_t *info) noexcept nogil
# The source is read page by page, as by memcpy. 0, or -1: a signal; the pages before it are copied.
cdef int copy_bytes(arena_t *a, idx_t task, vaddr_t to, vaddr_t addr, uint64_t length, siginfo_t *info) noexcept nogil
# access_remote_vm() that faults nothing in, nor moves the TLB: bytes read before the first page that is not mapped.
cdef uint64_t peek_bytes(arena_t *a, idx_t mm, vaddr_t addr, char *out, uint64_t length) noexcept nogil
# What an access would end in, without doing it. 0: the page is there or the area allows it; -1: a signal in *info. Memory may yet be
# missing.
cdef int would_fault(arena_t *a, idx_t task, vaddr_t addr, int kind, siginfo_t *info) noexcept nogil

cdef inline bint vma_is_accessible(const vma_t *v) noexcept nogil:
    return (v.vm_flags & (VM_READ | VM_WRITE | VM_EXEC)) != 0
