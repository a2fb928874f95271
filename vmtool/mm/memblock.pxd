# cython: language_level=3
"""The memory map: where RAM is, and what the kernel keeps for itself at boot."""

from vmtool.mm.arch cimport SHIFT_4K, page_size
from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # in units of 4K, whatever a page is: frames_of()
    PCI_HOLE = 0xC0000  # 3 GiB: RAM beyond continues at 4 GiB
    DMA32_END = 0x100000

cdef enum:
    SMALL_RAM = 0x7000  # in units of 4K: below 112 MiB the kernel is a small one
    SECTION_PAGES = 32768  # memmap is made for sections of 128 MiB (SPARSEMEM)
    PERCPU_PAGES = 53  # a CPU's part of the first chunk, where nothing else is said

cdef enum:  # reserved_kind
    RESERVED_HOLE  # no RAM there
    RESERVED_LOW  # the first MiB's firmware areas
    RESERVED_KERNEL_CODE
    RESERVED_KERNEL_RODATA
    RESERVED_KERNEL_DATA
    RESERVED_KERNEL_BSS
    RESERVED_MEMMAP  # struct page
    RESERVED_PERCPU
    RESERVED_HASHES  # dentry, inode, mount, futex tables …
    RESERVED_PGTABLE  # arm64: the tables of the direct map (linear_map)
    # from here on of a zone's managed pages: what boot allocated and nothing frees
    RESERVED_SLAB
    RESERVED_KMALLOC  # blocks beyond 8K
    RESERVED_STACKS  # of the kernel's threads
    RESERVED_MODULES  # and the rest of what vmalloc() gave
    RESERVED_TABLES  # page tables
    RESERVED_BLOCKS  # of the buddy system itself: the network's hash tables, DMA pools, drivers' buffers; no line of meminfo has them
    # and of boot's again
    RESERVED_SECTIONS  # sparsemem's table of sections, as large as physical addresses are wide
    RESERVED_KFENCE  # the pool of kfence, which the direct map has by pages
    RESERVED_SWIOTLB  # bounce buffers for devices of 32 bits
    RESERVED_FDT  # the devicetree
    RESERVED_UNWIND  # of the kernel's image behind its data: the unwinder's tables
    RESERVED_BRK  # of the image behind .bss
    NR_RESERVED_KINDS

cdef inline uint64_t frames_of(const arch_t *g, uint64_t units) noexcept nogil:
    """Frames of so many 4K; a part counts."""
    return (units + (page_size(g) >> SHIFT_4K) - 1) >> (g.page_shift - SHIFT_4K)

cdef int reserve(arena_t *a, uint64_t start, uint64_t nr_pages, uint32_t what) noexcept nogil  # 0, -ENOMEM: NR_RESERVED ranges are there
cdef uint64_t ram_start(const arch_t *g) noexcept nogil  # the first frame of RAM
cdef uint64_t lowmem_end(const arch_t *g) noexcept nogil  # first frame of HighMem on a 32-bit architecture, 0: it has none
cdef uint32_t percpu_unit(const arch_t *g) noexcept nogil  # pages of a CPU's part of the first chunk of per-CPU data, in units of 4K
cdef const char *reserved_name(uint32_t what) noexcept nogil
cdef uint64_t hash_pages(const arch_t *g, uint64_t kernel_pages, uint32_t scale, uint32_t bucket_bytes) noexcept nogil  # of a table that grows with RAM
# What the kernel kept at boot that a frame is part of, or NULL.
cdef const reserved_t *reserved_range(arena_t *a, uint64_t pfn) noexcept nogil
cdef const reserved_t *reserved_of(arena_t *a, uint32_t what) noexcept nogil  # the longest range of a kind, NULL: none
cdef uint64_t linear_blocks(arena_t *a, uint64_t *first) noexcept nogil  # of the direct map of arm64: how many, and which of level 1 is the first
cdef uint64_t reserved_end(arena_t *a, uint64_t pfn) noexcept nogil  # where that ends; 0: nothing
cdef int reserved_what(arena_t *a, uint64_t pfn) noexcept nogil  # its reserved_kind, or -1
# RAM's ranges, then what the kernel keeps; *low_end, *high_end: its first frames behind (0: none beyond 4 GiB). 0, -EINVAL: too small or
# too large, -ENOMEM: no room for what the kernel keeps.
cdef int make_memory_map(arena_t *a, uint64_t *low_end, uint64_t *high_end) noexcept nogil
