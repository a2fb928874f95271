# cython: language_level=3
"""Page-table isolation (KPTI), and what user mode's tables have of the kernel: the area through which it is entered."""

from vmtool.mm.arch cimport ARCH_KPTI
from vmtool.mm.arena cimport arena_t
from vmtool.mm.pgtable cimport user_pgd
from vmtool.mm.types cimport *

cdef enum:
    CPU_ENTRY_AREA_TABLES = 3  # PUD, PMD and PTEs

cdef inline vaddr_t cpu_entry_area_base() noexcept nogil:
    return 0xFFFFFE0000000000ULL

cdef int cpu_entry_areas_setup(arena_t *a) noexcept nogil  # boot; x86-64: maps what each CPU needs to enter the kernel. 0 or -ENOMEM
cdef int pti_init(arena_t *a) noexcept nogil  # boot, after it; KPTI: what user mode's top table has. 0 or -ENOMEM

# A program's way into the kernel and back, of a system call or a fault: with KPTI each loads CR3. Nothing otherwise.
cdef void kernel_round_trip(arena_t *a, uint32_t cpu) noexcept nogil
