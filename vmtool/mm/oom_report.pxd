# cython: language_level=3
"""What the OOM killer writes into the log, in the kernel's words. Counterpart: Linux v6.18 mm/oom_kill.c, mm/show_mem.c."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# The request, memory, tasks, and why this victim (0: nobody could be killed).
cdef void dump_header(arena_t *a, idx_t memcg, uint32_t order, uint32_t gfp, idx_t victim) noexcept nogil
cdef void report_kill(arena_t *a, idx_t victim, idx_t memcg) noexcept nogil
cdef void report_group(arena_t *a, idx_t memcg) noexcept nogil  # memory.oom.group: the others go, too
cdef void report_panic(arena_t *a, bint always) noexcept nogil  # vm.panic_on_oom; nothing runs from then on
cdef void report_nobody(arena_t *a, idx_t memcg) noexcept nogil  # no victim: a panic, too, if the machine is short
cdef uint32_t memcg_path(arena_t *a, idx_t memcg, char *out, uint32_t cap) noexcept nogil  # "/a/b"; bytes
