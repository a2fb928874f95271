"""The kernel's numbers behind its names: what a program passes to a system call, VM_ flags of its areas, bits of pagemap (PM_), signals.

Counterpart: Linux v6.18 include/uapi/asm-generic/{mman-common.h,mman.h,fcntl.h,resource.h,signal.h}, include/uapi/linux/{mman.h,sched.h,
prctl.h,shm.h,ipc.h,personality.h,falloc.h,memfd.h}, include/linux/mm.h; the values of x86-64, arm, arm64 and riscv64 (i386 has the same).
Used by all that is written in Python. mm/ has its own for C, tests/structure/test_uapi.py holds the two against each other and against the
host's headers.
"""

PROT_NONE, PROT_READ, PROT_WRITE, PROT_EXEC, PROT_SEM = 0, 1, 2, 4, 8
PROT_GROWSDOWN, PROT_GROWSUP = 0x01000000, 0x02000000

MAP_FILE = 0
MAP_SHARED = 0x01
MAP_PRIVATE = 0x02
MAP_SHARED_VALIDATE = 0x03
MAP_DROPPABLE = 0x08
MAP_FIXED = 0x10
MAP_ANONYMOUS = 0x20
MAP_32BIT = 0x40
MAP_ABOVE4G = 0x80
MAP_GROWSDOWN = 0x0100
MAP_DENYWRITE = 0x0800
MAP_EXECUTABLE = 0x1000
MAP_LOCKED = 0x2000
MAP_NORESERVE = 0x4000
MAP_POPULATE = 0x8000
MAP_NONBLOCK = 0x10000
MAP_STACK = 0x20000
MAP_HUGETLB = 0x40000
MAP_SYNC = 0x80000
MAP_FIXED_NOREPLACE = 0x100000
MAP_UNINITIALIZED = 0x4000000
MAP_HUGE_SHIFT = 26

MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP = 1, 2, 4
MS_ASYNC, MS_INVALIDATE, MS_SYNC = 1, 2, 4
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4
MLOCK_ONFAULT = 1
PKEY_DISABLE_ACCESS, PKEY_DISABLE_WRITE = 1, 2

VM_READ, VM_WRITE, VM_EXEC, VM_SHARED = 0x1, 0x2, 0x4, 0x8
VM_MAYREAD, VM_MAYWRITE, VM_MAYEXEC, VM_MAYSHARE = 0x10, 0x20, 0x40, 0x80
VM_GROWSDOWN, VM_PFNMAP, VM_IO = 0x100, 0x400, 0x4000
VM_DENYWRITE = 0x800  # up to 5.15
VM_ACCOUNT, VM_HUGETLB = 0x100000, 0x400000
VM_DONTDUMP, VM_SOFTDIRTY = 0x4000000, 0x8000000
VM_DROPPABLE = 1 << 40

PM_SOFT_DIRTY, PM_MMAP_EXCLUSIVE, PM_UFFD_WP, PM_GUARD_REGION = 1 << 55, 1 << 56, 1 << 57, 1 << 58
PM_FILE, PM_SWAP, PM_PRESENT = 1 << 61, 1 << 62, 1 << 63
PM_PFRAME_MASK = (1 << 55) - 1

CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND = 0x100, 0x200, 0x400, 0x800
CLONE_PIDFD, CLONE_PTRACE, CLONE_VFORK = 0x1000, 0x2000, 0x4000
CLONE_PARENT, CLONE_THREAD = 0x8000, 0x10000
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x10000000, 0x20000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000  # of mount(2), which shares its prefix with msync(2)

O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE = 0, 1, 2, 3
O_CREAT, O_EXCL, O_TRUNC, O_APPEND = 0o100, 0o200, 0o1000, 0o2000
O_DIRECTORY, O_CLOEXEC, O_PATH = 0o200000, 0o2000000, 0o10000000
O_TMPFILE = 0o20000000 | O_DIRECTORY
AT_FDCWD = -100
AT_REMOVEDIR, AT_EMPTY_PATH = 0x200, 0x1000
SEEK_SET, SEEK_CUR, SEEK_END = 0, 1, 2
F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC = 0, 1, 2, 3, 4, 1030
FD_CLOEXEC = 1
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
CLOSE_RANGE_UNSHARE, CLOSE_RANGE_CLOEXEC = 2, 4
FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 1, 2
MFD_CLOEXEC, MFD_HUGETLB = 1, 4

SHM_RDONLY, SHM_RND, SHM_REMAP, SHM_EXEC = 0o10000, 0o20000, 0o40000, 0o100000
IPC_PRIVATE, IPC_CREAT, IPC_EXCL, SHM_HUGETLB, SHM_NORESERVE = 0, 0o1000, 0o2000, 0o4000, 0o10000

PR_SET_PDEATHSIG = 1
PR_SET_NAME, PR_SET_MM, PR_SET_CHILD_SUBREAPER, PR_SET_THP_DISABLE = 15, 35, 36, 41
PR_THP_DISABLE_EXCEPT_ADVISED = 2
PR_SET_VMA, PR_SET_VMA_ANON_NAME = 0x53564D41, 0

PER_LINUX, PER_LINUX32, PER_LINUX32_3GB = 0, 8, 0x8000008
UNAME26, ADDR_NO_RANDOMIZE, FDPIC_FUNCPTRS, MMAP_PAGE_ZERO = 0x20000, 0x40000, 0x80000, 0x100000
ADDR_COMPAT_LAYOUT, READ_IMPLIES_EXEC, ADDR_LIMIT_32BIT = 0x200000, 0x400000, 0x800000
SHORT_INODE, WHOLE_SECONDS, STICKY_TIMEOUTS, ADDR_LIMIT_3GB = 0x1000000, 0x2000000, 0x4000000, 0x8000000

RLIM_INFINITY = (1 << 64) - 1

MADVISE = {
    "normal": 0, "random": 1, "sequential": 2, "willneed": 3, "dontneed": 4, "free": 8, "remove": 9, "dontfork": 10, "dofork": 11,
    "mergeable": 12, "unmergeable": 13, "hugepage": 14, "nohugepage": 15, "dontdump": 16, "dodump": 17, "wipeonfork": 18,
    "keeponfork": 19, "cold": 20, "pageout": 21, "populate_read": 22, "populate_write": 23, "dontneed_locked": 24, "collapse": 25,
    "hwpoison": 100, "soft_offline": 101, "guard_install": 102, "guard_remove": 103,
}

RLIMITS = {
    "cpu": 0, "fsize": 1, "data": 2, "stack": 3, "core": 4, "rss": 5, "nproc": 6, "nofile": 7, "memlock": 8, "as": 9, "locks": 10,
    "sigpending": 11, "msgqueue": 12, "nice": 13, "rtprio": 14, "rttime": 15,
}

SIGNALS = {
    "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11,
    "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21,
    "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26, "PROF": 27, "WINCH": 28, "IO": 29, "POLL": 29, "PWR": 30, "SYS": 31,
}
NSIG = 64

RLIMIT_STACK, RLIMIT_MEMLOCK = RLIMITS["stack"], RLIMITS["memlock"]
