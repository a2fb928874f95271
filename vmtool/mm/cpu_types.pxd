# cython: language_level=3
"""CPUs and their TLBs (types.pxd passes them on).

Counterpart: cpu_tlbstate of arch/x86/include/asm/tlbflush.h, and what is per CPU in mm/.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from vmtool.mm.mmzone_types cimport pcp_t
from vmtool.mm.scalars cimport *

cdef struct cpu_t:  # at most 1024 bytes. TLB counters belong to tlb.pyx, cr3 to mmu.pyx, pcp to buddy.pyx
    uint64_t cr3  # the register's value: table address and PCID
    idx_t task  # running here, 0: idle
    idx_t active_mm
    uint64_t l1_hits, l2_hits, misses
    uint64_t walks, walk_reads
    uint64_t flushes_all, flushes_page
    uint64_t cr3_loads, evictions
    uint64_t tlb_clock  # ages entries: LRU
    uint32_t tlb_base  # first record of this CPU's entries in POOL_TLB
    uint32_t nr_tlb
    pcp_t pcp[NR_ZONES]  # 4 x 128
    uint32_t pcid_mm[6]  # which mm has each dynamic PCID
    uint32_t pcid_next, tlb_has_large  # the second: an entry of more than 4K was filled since everything was flushed
    uint64_t tlb_flushed_at  # entries that are not global and not younger are void (a flush of all touches no entry)
    uint64_t tlb_flushed_global_at  # the same for every entry
    uint64_t tlb_missed  # (page number + 1) << 1 | instruction: the last miss, until something is filled: the retry after a fault need not search again
    uint64_t walk_region  # what mmu.pyx remembers of the last walk: the address >> 21 that its PTE table covers, + 1 (0: nothing)
    uint64_t walk_bits  # permission bits so far
    pfn_t walk_root
    pfn_t walk_table
    idx_t cached_stacks[2]  # vmap_area_t: kernel stacks kept for the next tasks; vmalloc.pyx
    uint64_t psc_hits  # walks that a paging-structure cache shortened
    uint32_t pkru  # the register: access-disable and write-disable of each protection key
    uint32_t swap_type, swap_offset  # percpu_swap_cluster: type + 1 of the area that the last slot came from, and where that goes on; 0: anew
    uint32_t tlb_flush_pending  # ARCH_ASID, mmu_context.pyx: everything goes before the next address space runs, for a generation has ended
    uint64_t active_asid, reserved_asid  # of the space that runs; 0: a generation ended meanwhile, then the second has it
    uint64_t shootdowns  # flushes that another CPU asked for by an interrupt
    uint32_t swap_types[NR_SWAP_ORDERS - 1]  # as swap_type and swap_offset, of folios of 2, 4 .. pages
    uint32_t swap_offsets[NR_SWAP_ORDERS - 1]
    uint32_t bdp_ratelimits, dirty_throttle_leaks  # pages dirtied here since one looked at the limits; and what ended tasks had dirtied
    uint32_t pad[36]

cdef struct tlb_geom_t:  # one structure of the TLB (--tlb)
    uint16_t sets
    uint8_t ways  # 0: there is none
    uint8_t policy  # TLB_ bits: which entry makes room, what it holds
    uint16_t stride  # records a set takes in POOL_TLB
    uint16_t base  # first record, from cpu_t.tlb_base

cdef struct tlb_entry_t:  # 32 bytes
    uint64_t tag  # virtual page number << 1 | valid
    uint64_t pte  # the leaf as it was filled (frame and permission bits, AND-ed down the levels)
    uint64_t age
    uint16_t pcid  # or ASID
    uint8_t page_shift
    uint8_t flags  # 1 global
    uint32_t plru  # of the n-th record of a set: node n of its tree, 1: the upper half is older
