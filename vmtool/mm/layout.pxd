# cython: language_level=3
"""How Linux lays a program out on each architecture: the ends of its space, bases, special areas, what the stack tells it.

A row of a table each (layout.pyx); execve() and the search for free addresses read it and know no architecture.
"""

from vmtool.mm.arch cimport SIZE_4K
from vmtool.mm.types cimport *

cdef enum:
    NR_SPECIAL = 4
    VM_MAY_ALL = 0x70  # VM_MAYREAD, VM_MAYWRITE, VM_MAYEXEC
    NR_DLINFO = 10
    AT_SYSINFO = 32
    AT_SYSINFO_EHDR = 33
    AT_L1I_CACHESIZE = 40  # and seven more of caches up to AT_L3_CACHEGEOMETRY; 0: the firmware says nothing of them
    AT_L3_CACHEGEOMETRY = 47
    AT_MINSIGSTKSZ = 51

cdef struct special_map_t:  # an area that the kernel maps by itself
    uint32_t kind  # VMA_; 0 with nr_pages 0 ends the list
    uint32_t nr_pages
    uint64_t vm_flags

cdef struct vdso_pages_t:  # from the release `since` on; the newest first, the last since 0
    uint32_t since
    uint32_t vvar
    uint32_t vclock
    uint32_t vdso

cdef struct layout_t:
    const char *platform  # AT_PLATFORM; empty: there is none
    vaddr_t task_size  # TASK_SIZE: first address above user space
    vaddr_t map_window  # DEFAULT_MAP_WINDOW: without a hint above it, nothing is placed beyond; the stack ends here
    vaddr_t dyn_base  # ELF_ET_DYN_BASE, before it is aligned
    vaddr_t unmapped_base  # TASK_UNMAPPED_BASE: where a search upwards begins
    vaddr_t lsm_min  # CONFIG_LSM_MMAP_MIN_ADDR
    vaddr_t first_user_address  # FIRST_USER_ADDRESS: below it even MAP_FIXED is EINVAL
    uint32_t word_bytes  # of a pointer on the stack
    bint upwards_if_unlimited  # mmap_is_legacy(): RLIMIT_STACK unlimited turns the layout over
    bint hint_opens  # what lies beyond the window is for hints above it alone, and no area lies astride
    bint aligns_thp  # private anonymous memory of the huge page's size is placed for one
    uint32_t stack_align  # arch_align_stack(): 1 leaves the strings' end as it is
    uint32_t dyn_rnd_bits  # arch_mmap_rnd_bits
    uint32_t stack_rnd_bits  # STACK_RND_MASK, in pages
    uint64_t stack_maxrandom  # bytes: what mmap_base leaves for the stack's randomization
    uint64_t brk_rnd  # bytes
    special_map_t special[NR_SPECIAL]  # in one block, upwards
    const vdso_pages_t *vdso_pages  # how many pages they had; NULL: as many as special says, whatever the release
    uint64_t dlinfo[NR_DLINFO]  # ARCH_DLINFO: which entries the auxiliary vector begins with, 0 ends
    uint64_t sysinfo  # AT_SYSINFO, from the start of [vdso]
    uint64_t minsigstksz
    uint64_t hwcap
    uint64_t hwcap2
    bint has_hwcap2, has_hwcap3
    bint has_rseq  # AT_RSEQ_FEATURE_SIZE, AT_RSEQ_ALIGN (6.3)
    vaddr_t gate_start  # get_gate_vma(): an area that no address space holds, 0: none
    uint64_t gate_flags
    const char *gate_name

cdef enum:
    XONLY_VSYSCALL_SINCE = 5003  # [vsyscall] cannot be read any more

cdef uint32_t kernel_release(const machine_t *m) noexcept nogil  # `6.18` as 6018
cdef uint32_t special_pages(const layout_t *l, int i, uint32_t release) noexcept nogil  # of special[i], as that release had it; may be 0
cdef const layout_t *layout_of(const arch_t *g, uint32_t mm_flags) noexcept nogil  # of a space with these MMF_ flags (a 32-bit program on a 64-bit kernel has its own)

cdef inline uint64_t page_up(uint64_t addr) noexcept nogil:
    """PAGE_ALIGN(), of formats whose pages are of 4K; a base of the others is a multiple of every page."""
    return (addr + SIZE_4K - 1) & ~<uint64_t>(SIZE_4K - 1)

cdef inline uint64_t unmapped_base(const layout_t *l, uint64_t task_size) noexcept nogil:
    """TASK_UNMAPPED_BASE of a space that ends at task_size, which a personality may have lowered."""
    return l.unmapped_base if task_size >= l.task_size else page_up(task_size // 3)
