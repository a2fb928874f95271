# cython: language_level=3
"""Address spaces, their areas and anon_vmas (types.pxd passes them on).

Counterpart: include/linux/mm_types.h, include/linux/rmap.h.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint16_t, uint32_t, uint64_t
from vmtool.mm.scalars cimport *

# vma: struct vm_area_struct. Tree and list belong to vma.pyx, anon_vma and avc to rmap.pyx.
cdef struct vma_t:  # at most 128 bytes
    uint64_t vm_start  # first byte
    uint64_t vm_end  # first byte after
    uint64_t vm_pgoff  # pages: offset in the file, or address when first mapped
    uint64_t vm_flags
    idx_t vm_mm
    idx_t vm_file
    idx_t anon_vma
    idx_t avc_head  # anon_vma_chain: newest first
    idx_t left  # treap by vm_start
    idx_t right
    uint32_t prio
    uint32_t kind  # vma_kind
    uint64_t subtree_gap  # largest free gap in front of any area of the subtree, bytes
    idx_t vm_prev  # by address
    idx_t vm_next
    idx_t i_mmap_next  # areas of one file
    idx_t i_mmap_prev
    idx_t anon_name  # name_t, [anon:NAME]
    uint32_t pad0
    uint64_t obj  # its slab object
    uint64_t swap_readahead_info  # address | window | hits

cdef struct anon_vma_t:  # 64 bytes; rmap.pyx
    idx_t root
    idx_t parent
    uint32_t refcount
    uint32_t num_children  # counts itself when it is a root
    uint32_t num_active_vmas
    idx_t avc_head  # areas that may have pages of it
    uint32_t pad0[2]
    uint64_t obj
    uint64_t pad1[3]

cdef struct avc_t:  # 32 bytes; rmap.pyx
    idx_t vma
    idx_t anon_vma
    idx_t same_vma_next  # of one vma
    idx_t same_vma_prev
    idx_t same_av_next  # of one anon_vma
    idx_t same_av_prev
    uint64_t obj

# mm: struct mm_struct; mm.pyx
cdef struct mm_t:  # at most 1024 bytes
    uint32_t users  # tasks
    pfn_t pgd  # frame of the top table
    idx_t vma_root
    idx_t vma_first
    idx_t vma_cache  # the area found last
    uint32_t map_count
    uint64_t start_code, end_code
    uint64_t start_data, end_data
    uint64_t start_brk
    uint64_t brk
    uint64_t start_stack
    uint64_t arg_start
    uint64_t arg_end
    uint64_t env_start, env_end
    uint64_t mmap_base
    uint64_t task_size
    uint64_t entry
    uint64_t sp  # the program's stack pointer (push)
    uint64_t total_vm  # pages, also the next
    uint64_t hiwater_vm
    uint64_t hiwater_rss
    uint64_t locked_vm
    uint64_t pinned_vm
    uint64_t data_vm
    uint64_t exec_vm
    uint64_t stack_vm
    uint64_t def_flags  # mlockall(MCL_FUTURE), PR_SET_THP_DISABLE
    int64_t rss[4]  # rss_kind: percpu_counter's global part
    int32_t rss_cpu[4]  # this CPU's part, spilled at 32
    uint64_t pgtables_bytes
    uint64_t auxv[48]
    uint32_t nr_auxv
    uint32_t flags  # MMF_
    idx_t exe_file
    uint32_t pcid
    uint64_t vdso
    uint64_t obj
    uint64_t pgd_obj
    uint32_t memcg
    uint32_t thp_mapped  # huge entries in its tables
    uint64_t pte_cache_addr  # what the PTE table found last covers (address >> shift of its level, + 1; 0: nothing); pgtable.pyx
    pfn_t pte_cache_table
    pfn_t pte_cache_pgd  # whose tables: a copied record must not use them
    idx_t libc  # libc_data_t, 0: the program never called malloc
    idx_t maple  # maple_node_t: root of the tree of areas
    uint64_t futex_obj[2]  # the private hash of futexes, from the second thread on
    uint16_t pkey_allocation_map  # bit n: protection key n is in use
    int16_t execute_only_pkey  # of areas that may be executed alone, -1: none yet
    idx_t rss_memcg  # memcg_t that pays for its per-CPU counters
    idx_t mm_slot_next, mm_slot_prev  # khugepaged's list of spaces, with MMF_VM_HUGEPAGE; mm_slot.pyx
    uint64_t mm_slot_obj
    uint64_t context_id, cpu_bitmap  # ARCH_ASID: generation and ASID, 0: none yet; riscv: mm_cpumask(); mmu_context.pyx
    uint64_t auxv_more[12]  # auxv goes on here
    uint64_t pad[9]
cdef enum:  # mm_t.flags
    MMF_DISABLE_THP = 1  # prctl(PR_SET_THP_DISABLE)
    MMF_VM_HUGEPAGE = 0x20000  # khugepaged looks at it
    MMF_DISABLE_THP_EXCEPT_ADVISED = 2  # the same with PR_THP_DISABLE_EXCEPT_ADVISED
    MMF_VSYSCALL_READ = 0x100  # an imported space of a kernel whose [vsyscall] was r-xp
    MMF_COMPAT = 0x200  # a 32-bit program on a 64-bit kernel
    MMF_LEGACY = 0x400  # ADDR_COMPAT_LAYOUT: mappings go upwards from mmap_base
