# cython: language_level=3
"""A paging format (types.pxd passes it on)."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from vmtool.mm.scalars cimport *

# How a paging format reads an address; arch.pxd fills it, everything that walks uses it.
cdef struct arch_t:
    uint32_t id  # arch_id
    uint32_t page_shift
    uint32_t levels  # 2..5
    uint32_t entry_bytes  # 4 or 8
    uint32_t level_shift[5]  # by level, 0 = leaf (PTE)
    uint32_t level_bits[5]
    uint32_t leaf_levels  # bit n: an entry of level n may map a page itself
    uint32_t va_bits
    uint32_t pa_bits
    uint32_t flags  # ARCH_ bits (arch.pxd)
    # bits of an entry in the form that mm computes with, whatever it looks like in memory
    uint64_t pfn_mask  # the frame's base
    uint64_t present
    uint64_t write
    uint64_t user
    uint64_t accessed
    uint64_t dirty
    uint64_t huge
    uint64_t is_global
    uint64_t nx
    uint64_t task_size  # first address above user space
    uint64_t canonical_low_end
    uint64_t canonical_high_start
    uint64_t page_offset  # of the direct map
    uint64_t user_nx  # what keeps a program from executing a page of its own; 0: nothing does
    uint64_t kernel_start  # where the half begins that every space shares
    uint8_t top_order, max_order, pageblock_order, pmd_order  # of the top table; MAX_PAGE_ORDER; and HPAGE_PMD_ORDER: what one entry above PTEs maps
    uint32_t special_pfn[2]  # frames whose entries are special where no bit says so: the zero page, vvar
    uint32_t soft_dirty  # _PAGE_SOFT_DIRTY, where the kernel keeps it; 0: it does not
