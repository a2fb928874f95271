"""The constants that strace prints by name, as the numbers that a system call takes.

Linux: include/uapi/asm-generic/{mman,mman-common,fcntl}.h, linux/{mman,sched,prctl,resource,shm}.h,
with x86's own values; both the 64-bit and the i386 programs of a log use them.
Invariant: a text that strace 5 or 6 can print for one of these arguments (names joined by `|`,
numbers in any base, a mixture, `-X verbose`'s comments already removed) has exactly one value here.
"""

_PROT = {"PROT_NONE": 0, "PROT_READ": 1, "PROT_WRITE": 2, "PROT_EXEC": 4, "PROT_SEM": 8,
         "PROT_GROWSDOWN": 0x01000000, "PROT_GROWSUP": 0x02000000}

_MAP = {"MAP_FILE": 0, "MAP_SHARED": 1, "MAP_PRIVATE": 2, "MAP_SHARED_VALIDATE": 3, "MAP_FIXED": 0x10, "MAP_ANONYMOUS": 0x20,
        "MAP_32BIT": 0x40, "MAP_ABOVE4G": 0x80, "MAP_GROWSDOWN": 0x100, "MAP_DENYWRITE": 0x800, "MAP_EXECUTABLE": 0x1000,
        "MAP_LOCKED": 0x2000, "MAP_NORESERVE": 0x4000, "MAP_POPULATE": 0x8000, "MAP_NONBLOCK": 0x10000, "MAP_STACK": 0x20000,
        "MAP_HUGETLB": 0x40000, "MAP_SYNC": 0x80000, "MAP_FIXED_NOREPLACE": 0x100000, "MAP_UNINITIALIZED": 0x4000000,
        "MAP_DROPPABLE": 8}

_MREMAP = {"MREMAP_MAYMOVE": 1, "MREMAP_FIXED": 2, "MREMAP_DONTUNMAP": 4}

_MADV = {"NORMAL": 0, "RANDOM": 1, "SEQUENTIAL": 2, "WILLNEED": 3, "DONTNEED": 4, "FREE": 8, "REMOVE": 9, "DONTFORK": 10, "DOFORK": 11,
         "MERGEABLE": 12, "UNMERGEABLE": 13, "HUGEPAGE": 14, "NOHUGEPAGE": 15, "DONTDUMP": 16, "DODUMP": 17, "WIPEONFORK": 18,
         "KEEPONFORK": 19, "COLD": 20, "PAGEOUT": 21, "POPULATE_READ": 22, "POPULATE_WRITE": 23, "DONTNEED_LOCKED": 24,
         "COLLAPSE": 25, "HWPOISON": 100, "SOFT_OFFLINE": 101, "GUARD_INSTALL": 102, "GUARD_REMOVE": 103}

_MS = {"MS_ASYNC": 1, "MS_INVALIDATE": 2, "MS_SYNC": 4}

_MCL = {"MCL_CURRENT": 1, "MCL_FUTURE": 2, "MCL_ONFAULT": 4}

_MLOCK = {"MLOCK_ONFAULT": 1}

_CLONE = {"CLONE_VM": 0x100, "CLONE_FS": 0x200, "CLONE_FILES": 0x400, "CLONE_SIGHAND": 0x800, "CLONE_PIDFD": 0x1000,
          "CLONE_PTRACE": 0x2000, "CLONE_VFORK": 0x4000, "CLONE_PARENT": 0x8000, "CLONE_THREAD": 0x10000}

_OPEN = {"O_RDONLY": 0, "O_WRONLY": 1, "O_RDWR": 2, "O_ACCMODE": 3, "O_CREAT": 0o100, "O_EXCL": 0o200, "O_TRUNC": 0o1000,
         "O_APPEND": 0o2000, "O_DIRECTORY": 0o200000, "O_CLOEXEC": 0o2000000, "O_PATH": 0o10000000, "O_TMPFILE": 0o20200000}

_SHM = {"SHM_RDONLY": 0o10000, "SHM_RND": 0o20000, "SHM_REMAP": 0o40000, "SHM_EXEC": 0o100000}

_IPC = {"IPC_CREAT": 0o1000, "IPC_EXCL": 0o2000, "SHM_HUGETLB": 0o4000, "SHM_NORESERVE": 0o10000}

_RESOURCE = {f"RLIMIT_{name}": number for number, name in enumerate(
    ("CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE",
     "RTPRIO", "RTTIME"))}

_PERSONALITY = {"PER_LINUX": 0, "PER_LINUX32": 8, "PER_LINUX32_3GB": 0x8000008, "UNAME26": 0x20000, "ADDR_NO_RANDOMIZE": 0x40000,
                "FDPIC_FUNCPTRS": 0x80000, "MMAP_PAGE_ZERO": 0x100000, "ADDR_COMPAT_LAYOUT": 0x200000, "READ_IMPLIES_EXEC": 0x400000,
                "ADDR_LIMIT_32BIT": 0x800000, "SHORT_INODE": 0x1000000, "WHOLE_SECONDS": 0x2000000, "STICKY_TIMEOUTS": 0x4000000,
                "ADDR_LIMIT_3GB": 0x8000000}

_OTHER = {"PR_SET_VMA": 0x53564D41, "PR_SET_VMA_ANON_NAME": 0, "PR_SET_THP_DISABLE": 41, "PR_SET_NAME": 15, "PR_SET_MM": 35,
          "F_DUPFD": 0, "F_GETFD": 1, "F_SETFD": 2, "F_GETFL": 3, "F_SETFL": 4, "F_DUPFD_CLOEXEC": 1030, "FD_CLOEXEC": 1,
          "AT_FDCWD": -100, "IPC_PRIVATE": 0, "RLIM_INFINITY": -1, "RLIM64_INFINITY": -1, "NULL": 0,
          "SEEK_SET": 0, "SEEK_CUR": 1, "SEEK_END": 2, "AT_EMPTY_PATH": 0x1000, "AT_REMOVEDIR": 0x200,
          "RENAME_NOREPLACE": 1, "RENAME_EXCHANGE": 2, "CLOSE_RANGE_UNSHARE": 2, "CLOSE_RANGE_CLOEXEC": 4,
          "FALLOC_FL_KEEP_SIZE": 1, "FALLOC_FL_PUNCH_HOLE": 2, "MFD_CLOEXEC": 1, "MFD_HUGETLB": 4}

VALUES: dict[str, int] = {**_PROT, **_MAP, **_MREMAP, **{f"MADV_{k}": v for k, v in _MADV.items()}, **_MS, **_MCL, **_MLOCK, **_CLONE,
                          **_OPEN, **_SHM, **_IPC, **_RESOURCE, **_PERSONALITY, **_OTHER}

_known: dict[str, int] = {"0": 0, **VALUES}  # texts already worked out: a log repeats a few hundred of them


def number(text: str) -> int:
    """The value of one argument: `PROT_READ|PROT_WRITE`, `0x22`, `0644`, `-1`, `8192*1024`, `1<<MAP_HUGE_SHIFT`; ValueError when none.

    A name that is not in the tables counts as 0: strace knows hundreds of flags that no mapping depends on.
    """
    value = _known.get(text)
    if value is not None:
        return value
    value = 0
    for part in text.split("|"):
        value |= _one(part.strip())
    if len(_known) < 4096 and not text[0].isdigit():  # addresses do not come again; flags do
        _known[text] = value
    return value


def _one(part: str) -> int:
    if part in VALUES:
        return VALUES[part]
    if part[:1].isalpha():
        if not part.replace("_", "a").replace("(", "a").replace(")", "a").replace("?", "a").isalnum():
            raise ValueError(part)
        return 0
    if "<<" in part:
        base, _, shift = part.partition("<<")
        return _integer(base) << (26 if shift == "MAP_HUGE_SHIFT" else _integer(shift))
    product = 1
    for factor in part.split("*"):
        product *= _integer(factor)
    return product


def _integer(text: str) -> int:
    if len(text) > 1 and text[0] == "0" and text[1].isdigit():
        return int(text, 8)
    return int(text, 0)
