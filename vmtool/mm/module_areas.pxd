# cython: language_level=3
"""A module's areas: single pages one behind the other, with a guard behind each."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.set_memory cimport spare_tables_t
from vmtool.mm.types cimport *

cdef struct module_t:  # a loaded module: what it takes of each kind, in pages
    const char *name
    const char *users  # the modules that use it, as /proc/modules has them
    uint32_t refs
    uint32_t text
    uint32_t data
    uint32_t rodata
    uint32_t ro_after_init

cdef struct module_set_t:  # what an architecture's kernel has loaded, in the order of the addresses
    const module_t *modules
    uint32_t nr  # 0: none ever
    vaddr_t start
    vaddr_t text  # of a large page that has the text of all; 0: each has its own in front of its data

cdef struct loader_t:
    arena_t *a
    spare_tables_t *spare
    uint64_t pfn  # the next frame of those that boot kept for vmalloc's areas
    uint64_t text_pfn  # but the large page that all text has; 0: there is none
    vaddr_t at  # the next address
    pte_t alias_clear  # what the direct map's alias loses of what may not be written; 0: it has none, or keeps all
    bint ok

cdef enum:
    EXECMEM_CACHE_PAGES = 512

# Of the frames that boot kept for vmalloc's areas the first is the next; nothing has an alias to change. False: it kept none.
cdef bint loader_begin(loader_t *l, arena_t *a, spare_tables_t *spare) noexcept nogil
cdef bint alias_ro(loader_t *l, uint64_t pfn, uint64_t end) noexcept nogil  # False: no memory
cdef uint32_t nr_loaded(arena_t *a, const module_set_t *set) noexcept nogil  # 0: this machine had no room for them
cdef vaddr_t text_of(arena_t *a, const module_set_t *set, uint32_t i) noexcept nogil
cdef void place_pages(loader_t *l, uint32_t nr_pages, pte_t bits) noexcept nogil  # single pages. Preconditions: the tables are there. Sets l.ok
cdef void place(loader_t *l, uint32_t nr_pages, pte_t bits) noexcept nogil  # preconditions: the tables are there. Sets l.ok
