# cython: language_level=3
"""Values: errno, page flags, VM_, PROT_, MAP_ and MADV_ flags, signals, fault bits: Linux 6.18's for x86-64.

types.pxd gives them to everybody together with the records. Counterpart: include/linux/mm.h, include/linux/page-flags.h,
include/uapi/asm-generic/mman-common.h, include/linux/mm_types.h.
"""

# --- errno (positive; functions return them negated) -----------------------------------------------
cdef enum:
    EPERM = 1
    ENOENT = 2
    ESRCH = 3
    EIO = 5
    E2BIG = 7
    ENOEXEC = 8
    EBADF = 9
    EAGAIN = 11
    ENOMEM = 12
    EACCES = 13
    EFAULT = 14
    EBUSY = 16
    EEXIST = 17
    EINVAL = 22
    EFBIG = 27
    ENOSPC = 28
    EOVERFLOW = 75
    EOPNOTSUPP = 95

# --- page flags: PG_ names in kernel order, then the page types and marks that Linux keeps elsewhere ----
cdef enum:
    PG_locked = 1 << 0
    PG_writeback = 1 << 1
    PG_referenced = 1 << 2
    PG_uptodate = 1 << 3
    PG_dirty = 1 << 4
    PG_lru = 1 << 5
    PG_head = 1 << 6  # first page of a folio of order > 0
    PG_waiters = 1 << 7
    PG_active = 1 << 8
    PG_workingset = 1 << 9
    PG_swapcache = 1 << 10  # PG_owner_priv_1
    PG_anon_exclusive = 1 << 11  # PG_owner_2, each page of a folio for itself
    PG_reserved = 1 << 12
    PG_private = 1 << 13
    PG_reclaim = 1 << 14
    PG_readahead = 1 << 14  # the same bit, as in Linux
    PG_swapbacked = 1 << 15
    PG_unevictable = 1 << 16
    PG_mlocked = 1 << 17
    PG_young = 1 << 18
    PG_idle = 1 << 19
    PG_tail = 1 << 20  # page_t.compound_head's low bit in Linux
    PG_buddy = 1 << 21  # page type: heads a free block; index_lo is its order
    PG_slab = 1 << 22  # page type; mapping is the slab_t
    PG_table = 1 << 23  # page type: page table; index_lo counts its present entries
    PG_anon = 1 << 24  # FOLIO_MAPPING_ANON: mapping is an anon_vma_t, else an inode_t
    PG_pcp = 1 << 25  # free, on a per-CPU list
    PG_zero = 1 << 26  # the (huge) zero page
    PG_kernel = 1 << 27  # allocated for the kernel's own use
    PG_charged = 1 << 28  # folio.memcg_data: a control group pays for it

# --- VM_ flags ---------------------------------------------------------------------------------------
cdef enum:
    VM_READ = 0x1
    VM_WRITE = 0x2
    VM_EXEC = 0x4
    VM_ACCESS_FLAGS = 0x7  # these three
    VM_SHARED = 0x8
    VM_MAYREAD = 0x10
    VM_MAYWRITE = 0x20
    VM_MAYEXEC = 0x40
    VM_MAYSHARE = 0x80
    VM_GROWSDOWN = 0x100
    VM_PFNMAP = 0x400
    VM_MAYBE_GUARD = 0x800
    VM_LOCKED = 0x2000
    VM_IO = 0x4000
    VM_SEQ_READ = 0x8000
    VM_RAND_READ = 0x10000
    VM_DONTCOPY = 0x20000
    VM_DONTEXPAND = 0x40000
    VM_LOCKONFAULT = 0x80000
    VM_ACCOUNT = 0x100000
    VM_NORESERVE = 0x200000
    VM_HUGETLB = 0x400000
    VM_SYNC = 0x800000
    VM_WIPEONFORK = 0x2000000
    VM_DONTDUMP = 0x4000000
    VM_SOFTDIRTY = 0x8000000  # all of the area counts as written; none has it where arch_t.soft_dirty is 0
    VM_MIXEDMAP = 0x10000000
    VM_HUGEPAGE = 0x20000000
    VM_NOHUGEPAGE = 0x40000000
    VM_MERGEABLE = 0x80000000
    VM_PKEY_SHIFT = 32  # VM_PKEY_BIT0 .. 3

cdef enum:
    PROT_READ = 1
    PROT_WRITE = 2
    PROT_EXEC = 4
    PROT_GROWSDOWN = 0x1000000
    PROT_GROWSUP = 0x2000000
    MAP_SHARED = 1
    MAP_PRIVATE = 2
    MAP_SHARED_VALIDATE = 3
    MAP_FIXED = 0x10
    MAP_ANONYMOUS = 0x20
    MAP_32BIT = 0x40
    MAP_GROWSDOWN = 0x100
    MAP_LOCKED = 0x2000
    MAP_NORESERVE = 0x4000
    MAP_POPULATE = 0x8000
    MAP_NONBLOCK = 0x10000
    MAP_STACK = 0x20000
    MAP_HUGETLB = 0x40000
    MAP_SYNC = 0x80000
    MAP_FIXED_NOREPLACE = 0x100000
    MREMAP_MAYMOVE = 1
    MREMAP_FIXED = 2
    MREMAP_DONTUNMAP = 4
    MS_ASYNC = 1
    MS_INVALIDATE = 2
    MS_SYNC = 4
    PKEY_DISABLE_ACCESS = 1
    PKEY_DISABLE_WRITE = 2
    NR_PKEYS = 16
    INIT_PKRU = 0x55555554  # init_pkru_value: key 0 alone is open
    MCL_CURRENT = 1
    MCL_FUTURE = 2
    MCL_ONFAULT = 4
    RLIMIT_DATA = 2
    RLIMIT_STACK = 3
    RLIMIT_MEMLOCK = 8
    RLIMIT_AS = 9

cdef enum:
    SIGKILL = 9
    SIGBUS = 7
    SIGSEGV = 11
    # siginfo codes as the door names them
    SI_KERNEL = 0x80
    SEGV_MAPERR = 1
    SEGV_ACCERR = 2
    SEGV_PKUERR = 4
    BUS_ADRERR = 2

# --- vm.overcommit_memory -------------------------------------------------------------------------------
cdef enum:
    OVERCOMMIT_GUESS = 0
    OVERCOMMIT_ALWAYS = 1
    OVERCOMMIT_NEVER = 2

# --- results of the fault handler (VM_FAULT_ bits) -----------------------------------------------------
cdef enum:
    VM_FAULT_OOM = 0x1
    VM_FAULT_SIGBUS = 0x2
    VM_FAULT_MAJOR = 0x4
    VM_FAULT_SIGSEGV = 0x40
    VM_FAULT_FALLBACK = 0x800
    VM_FAULT_ERROR = 0x43

cdef enum:
    FAULT_WRITE = 0x1
    FAULT_EXEC = 0x2
    FAULT_USER = 0x4  # by the program; else on its behalf (copy_to_user, populate)
    FAULT_POPULATE = 0x10  # get_user_pages: counts no fault of the task, marks pages accessed

# x86 page-fault error code, also used as the portable one
cdef enum:
    PF_PROT = 1
    PF_WRITE = 2
    PF_USER = 4
    PF_RSVD = 8
    PF_INSTR = 16
    PF_PK = 32

cdef enum:  # inode_t.i_state
    EXT4_STATE_DA_ALLOC_CLOSE = 1  # truncated to nothing: the next close writes what was written since

cdef enum:  # inode_t.i_mode
    S_IWOTH = 0o002
    PROGRAM_MODE = 0o755  # of programs and their interpreters: root's

cdef enum:  # access_kind
    ACCESS_READ = 0
    ACCESS_WRITE = 1
    ACCESS_EXEC = 2

cdef enum:  # rss_kind
    MM_FILEPAGES = 0
    MM_ANONPAGES = 1
    MM_SWAPENTS = 2
    MM_SHMEMPAGES = 3

cdef enum:  # vma_kind  # vm_ops and vm_private_data of mappings that are neither file nor plain anonymous
    VMA_PLAIN = 0
    VMA_VDSO = 1
    VMA_VVAR = 2
    VMA_VVAR_VCLOCK = 3
    VMA_VSYSCALL = 4
    VMA_SIGPAGE = 5

# [vdso] is mapped by processes outside the simulation: its first page, which holds the ELF header and the text of most calls, by four
# (init and its services), its second by two.
cdef enum:
    VDSO_OUTSIDE_MAPS_0 = 4
    VDSO_OUTSIDE_MAPS_1 = 2

cdef enum:  # gfp_bits
    GFP_KERNEL = 0x1  # Unmovable
    GFP_USER_MOVABLE = 0x2  # user pages and page cache: Movable, Highmem allowed
    GFP_RECLAIMABLE = 0x4  # slabs that a shrinker can empty
    GFP_ZERO = 0x8
    GFP_NORETRY = 0x10  # one try at reclaim at most, no OOM
    GFP_DIRECT_RECLAIM = 0x20  # reclaim may run right here; user pages have it always, tables and objects never: their callers hold on to what it changes
    GFP_ATOMIC = 0x40  # nothing is reclaimed for it
    GFP_ACCOUNT = 0x80  # charged to the task's control group, as user pages are
    GFP_DMA = 0x100  # from the DMA zone alone
    GFP_DMA32 = 0x200  # from DMA32, or DMA
    GFP_HIGH = 0x400  # may go half way below the min watermark
    GFP_NOMEMALLOC = 0x800  # even while reclaim runs, not below that
    GFP_NO_DIRECT = 0x1000  # without __GFP_DIRECT_RECLAIM: neither reclaim nor compaction for it
    GFP_NO_KSWAPD = 0x2000  # without __GFP_KSWAPD_RECLAIM
    GFP_NOFS = 0x4000  # without __GFP_FS: compaction leaves the pages of files alone
    GFP_RETRY_MAYFAIL = 0x8000  # a costly order is worth more than one try
    GFP_THISNODE = 0x10000  # a costly order is not worth reclaim
    GFP_HIGHMEM = 0x40000  # Highmem allowed
    GFP_MPOL = 0x20000  # alloc_pages_mpol() of a huge page: first as with THISNODE and NORETRY

cdef enum:  # machine_t.thp_enabled: transparent_hugepage/enabled
    THP_NEVER
    THP_MADVISE
    THP_ALWAYS

cdef enum:  # machine_t.shmem_huge: transparent_hugepage/shmem_enabled, the huge= of the mount that holds shared memory
    SHMEM_HUGE_NEVER
    SHMEM_HUGE_ALWAYS
    SHMEM_HUGE_WITHIN_SIZE  # where the huge page ends within the file
    SHMEM_HUGE_ADVISE  # where madvise() asks
    SHMEM_HUGE_DENY
    SHMEM_HUGE_FORCE

cdef enum:  # inode_t.s_mount: what shared memory is, and whose huge= it goes by
    SHMEM_ANON = 0  # MAP_SHARED | MAP_ANONYMOUS: shmem_enabled, and the sizes' own settings
    SHMEM_FILE = 1  # memfd, SysV: shmem_enabled
    SHMEM_TMPFS = 2  # a mount's file, with a path: tmpfs_huge

cdef enum:  # of machine_t.huge_shmem_orders
    SHMEM_ORDERS_ALWAYS
    SHMEM_ORDERS_INHERIT
    SHMEM_ORDERS_WITHIN_SIZE
    SHMEM_ORDERS_ADVISE

cdef enum:  # personality(2)
    MMAP_PAGE_ZERO = 0x100000
    ADDR_NO_RANDOMIZE = 0x40000
    ADDR_COMPAT_LAYOUT = 0x200000
    READ_IMPLIES_EXEC = 0x400000
    ADDR_LIMIT_3GB = 0x8000000
