# cython: language_level=3
"""Swap entries as the kernel passes them about: a type and an offset; what an entry of a table looks like is the format's (pte.pxd).

    63     58 57                              0
    |  type  |             offset              |       type below MAX_SWAPFILES: a swap area, offset: its slot
Counterpart: Linux v6.18 include/linux/swapops.h, include/linux/swap.h (CONFIG_DEVICE_PRIVATE, MIGRATION, MEMORY_FAILURE set).
"""

from vmtool.mm.types cimport *

cdef enum:
    MAX_SWAPFILES_SHIFT = 5
    SWP_HWPOISON_NUM = 1
    SWP_MIGRATION_NUM = 3
    SWP_DEVICE_NUM = 3
    SWP_PTE_MARKER_NUM = 1
    MAX_SWAPFILES = (1 << MAX_SWAPFILES_SHIFT) - SWP_DEVICE_NUM - SWP_MIGRATION_NUM - SWP_HWPOISON_NUM - SWP_PTE_MARKER_NUM  # 24 areas: what the kinds below leave of 32 types
    SWP_HWPOISON = 24
    SWP_MIGRATION_READ = 25
    SWP_MIGRATION_READ_EXCLUSIVE = 26
    SWP_MIGRATION_WRITE = 27
    SWP_DEVICE_WRITE = 28  # 28 to 30: memory of devices, which no machine here has
    SWP_PTE_MARKER = 31
    SWP_TYPE_SHIFT = 58

cdef inline swp_entry_t swp_entry(uint32_t type, uint64_t offset) noexcept nogil:
    return <swp_entry_t>type << SWP_TYPE_SHIFT | offset

cdef inline uint32_t swp_type(swp_entry_t entry) noexcept nogil:
    return <uint32_t>(entry >> SWP_TYPE_SHIFT)

cdef inline uint64_t swp_offset(swp_entry_t entry) noexcept nogil:
    return entry & ((<uint64_t>1 << SWP_TYPE_SHIFT) - 1)

cdef inline pfn_t swp_offset_pfn(swp_entry_t entry) noexcept nogil:
    """Of a migration entry: the frame on its way. Bits above hold the young and dirty of its entry."""
    return <pfn_t>swp_offset(entry)
