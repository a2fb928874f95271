"""Machine: the one door to the simulated kernel.

Units: addresses and lengths are bytes, `nr_` are pages. A failed system call raises
`errors.KernelError`, a fatal access `errors.Signal`; a missing process is KernelError(ESRCH).
Flags are the kernel's own values (PROT_, MAP_, MREMAP_, MADV_, MS_, MCL_, RLIMIT_).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from vmtool import records as r

class Machine:  # life: used by store/ and cli/state only
    def __init__(self, load: Callable[[int, int], bytes | None] | None = None, header: bytes | None = None) -> None:
        """An empty image. With `load(pool, chunk)` and the saved `header`: one that reads its chunks on first use."""

    def boot(self, *, ram_bytes: int, arch: str = "x86-64", kernel: str = "6.18", nr_cpus: int = 1, swap_bytes: int = 0,
             tlb: str = "", pcid: bool = False, kpti: bool = False, pku: bool = False, soft_dirty: bool = False,
             sysroot: str = "", aslr_seed: int | None = None) -> None:
        """Make a machine. `soft_dirty`: CONFIG_MEM_SOFT_DIRTY, as from 4.4 to 6.12 anyhow. KernelError(EINVAL) with a detail: cannot be."""

    def header(self) -> bytes:
        """The pools' counts and the free lists' heads, to be saved with the chunks (fixed little-endian layout)."""

    def dirty(self) -> list[tuple[int, int]]:
        """(pool, chunk) of every chunk that changed since the last `clean()`, sorted."""

    def dropped(self) -> list[tuple[int, int]]:
        """(pool, chunk) of saved chunks that became empty: to be deleted."""

    def chunk(self, pool: int, chunk: int) -> memoryview:
        """The bytes of one loaded chunk (16 KiB), valid until the next call."""

    def clean(self) -> None:
        """What `dirty()` and `dropped()` named has been saved."""

    def check(self) -> None:
        """Raise InternalError when a load failed or an index was out of range since the last check; the image is then lost."""

    def verify_clean(self) -> None:
        """Debug builds: InternalError when a chunk changed without being marked. Release: nothing."""

    def savepoint(self) -> Any:
        """The state as it is, for rollback()."""

    def rollback(self, point: Any) -> None:
        """Everything as it was at the savepoint, to the byte."""

    @staticmethod
    def pools() -> list[tuple[str, int, int]]:
        """(name, record bytes, records a chunk) of each pool, by number."""

    # --- machine ---------------------------------------------------------------------------
    def info(self) -> r.MachineInfo: ...
    def _repr_svg_(self) -> str:
        """Its picture, as a notebook shows it: vmtool/face."""

    def _repr_html_(self) -> str: ...
    def tick(self) -> int:
        """Advance the logical clock by one operation; returns it. The CLI calls it once a command that changes something."""

    def sysctl(self, name: str) -> str:
        """KernelError(ENOENT) for an unknown name."""

    def set_sysctl(self, name: str, value: str) -> None: ...
    def sysctl_names(self) -> list[str]: ...
    def thp_disable(self, pid: int) -> int: ...  # prctl(PR_GET_THP_DISABLE), and PR_SET_THP_DISABLE
    def set_thp_disable(self, pid: int, disable: bool, flags: int = 0) -> None: ...
    def thp_sizes(self) -> list[int]: ...  # in kB, of huge pages of anonymous memory
    def mthp_stats(self, size_kb: int) -> dict[str, int]: ...  # of one size; KernelError(ENOENT)

    # --- processes --------------------------------------------------------------------------
    def spawn(self, name: str, image: r.Image | None, argv: list[bytes], env: list[bytes]) -> int:
        """A new process (child of nobody), as fork+execve from a shell; without an image the built-in demo program."""

    def fork(self, pid: int) -> int: ...
    def exec(self, pid: int, name: str, image: r.Image | None, argv: list[bytes], env: list[bytes]) -> None: ...
    def clone(self, pid: int, sp: int = 0, tid: int = 0) -> int:
        """A thread, as clone() with CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND and CLONE_THREAD makes it; its TID.

        `sp`: the top of a stack of its own, which push() goes down then. A TID goes wherever a PID does.
        """

    def exit(self, pid: int, status: int = 0) -> None:
        """exit_group(); of a thread's TID exit() of that thread alone."""

    def reset_peaks(self, pid: int) -> None:
        """As 5 written to /proc/PID/clear_refs: the peak of RSS is what it is now."""

    def kill(self, pid: int, signo: int) -> None:
        """Delivers it: a fatal one ends the process; 0 only tests for it."""

    def switch(self, pid: int, cpu: int = 0) -> None: ...
    def tasks(self) -> list[r.TaskInfo]:
        """Processes, in ascending order of PID."""

    def threads(self, pid: int) -> list[r.TaskInfo]:
        """Of the process, itself among them, each with its own faults, in ascending order of TID."""

    def task(self, pid: int, alone: bool = False) -> r.TaskInfo:
        """Faults are those of all threads, ended ones among them, or, `alone`, the task's own."""

    def mm(self, pid: int) -> r.MmInfo: ...
    def cmdline(self, pid: int) -> bytes:
        """argv with a NUL after each, read through the process's own tables."""

    def environ(self, pid: int) -> bytes: ...
    def setrlimit(self, pid: int, resource: int, value: int | None) -> None:
        """The soft limit, and the hard one when that is lower; None is RLIM_INFINITY."""

    def getrlimits(self, pid: int) -> list[tuple[int | None, int | None]]: ...
    def set_personality(self, pid: int, value: int) -> None:
        """personality(2): READ_IMPLIES_EXEC holds at once, the rest from the next execve."""

    def set_oom_score_adj(self, pid: int, value: int, is_capable: bool = True) -> None:
        """A write to /proc/PID/oom_score_adj, as root: from then on nobody without CAP_SYS_RESOURCE goes below it.

        Not `is_capable`: as one without; EACCES below.
        """

    def clear_refs(self, pid: int, what: int) -> None:
        """A write to /proc/PID/clear_refs: 1 all areas, 2 anonymous, 3 files', 4 what was written (soft-dirty), 5 the highest Rss."""

    def set_comm(self, pid: int, comm: str) -> None: ...
    def read_mem(self, pid: int, addr: int, length: int) -> bytes:
        """As a read of /proc/PID/mem: up to the first page that cannot be reached. KernelError(EIO) if that is the first one.

        Pages that are missing are faulted in, as in Linux.
        """

    def write_mem(self, pid: int, addr: int, data: bytes) -> int:
        """The same the other way round: read-only pages of a private area become the process's own first."""

    def open_files(self, pid: int) -> list[tuple[str, int]]:
        """(path, inode) of what read() and write() have open, the first one first."""


    # --- system calls ------------------------------------------------------------------------
    def brk(self, pid: int, addr: int | None = None) -> int:
        """The new break. KernelError(ENOMEM) when the kernel leaves it as it was though asked for another above the start."""

    def mmap(self, pid: int, addr: int, length: int, prot: int, flags: int, path: str | int | None = None, offset: int = 0,
             read_only: bool = False) -> int:
        """`path`: a file's path, or the number of an open file. `read_only`: it was opened with O_RDONLY."""

    def munmap(self, pid: int, addr: int, length: int) -> None: ...
    def mprotect(self, pid: int, addr: int, length: int, prot: int) -> None: ...
    def mremap(self, pid: int, addr: int, old_len: int, new_len: int, flags: int = 0, new_addr: int = 0) -> int: ...
    def madvise(self, pid: int, addr: int, length: int, advice: int) -> None: ...
    def mlock(self, pid: int, addr: int, length: int, onfault: bool = False) -> None: ...
    def munlock(self, pid: int, addr: int, length: int) -> None: ...
    def mlockall(self, pid: int, flags: int) -> None: ...
    def munlockall(self, pid: int) -> None: ...
    def mseal(self, pid: int, addr: int, length: int, flags: int = 0) -> None: ...
    def pkey_alloc(self, pid: int, flags: int = 0, access_rights: int = 0) -> int: ...
    def pkey_free(self, pid: int, pkey: int) -> None: ...
    def pkey_mprotect(self, pid: int, addr: int, length: int, prot: int, pkey: int) -> None:
        """pkey -1 is mprotect()."""

    def pkru(self, pid: int, value: int | None = None) -> int:
        """The register of a thread, written first when there is a value. KernelError(EOPNOTSUPP): no such register."""
    def msync(self, pid: int, addr: int, length: int, flags: int) -> None: ...
    def mincore(self, pid: int, addr: int, length: int) -> bytes:
        """One byte a page, 1 resident, 0 not."""

    def read(self, pid: int, path: str, offset: int, length: int) -> bytes:
        """What read() returns: shorter at the end of the file."""

    def write(self, pid: int, path: str, offset: int, data: bytes) -> int: ...
    def set_vma_name(self, pid: int, addr: int, length: int, name: str | None) -> None:
        """prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME)."""

    # --- accesses -----------------------------------------------------------------------------
    def touch(self, pid: int, addr: int, length: int, access: str, probe: bool = False) -> r.Touched:
        """Access each page of addr..addr+length-1 in order; access is 'r', 'w' or 'x'. Signal at the first that fails."""

    def store(self, pid: int, addr: int, data: bytes, probe: bool = False) -> r.Touched: ...
    def load(self, pid: int, addr: int, length: int, probe: bool = False) -> bytes: ...
    def translate_supervisor(self, pid: int, addr: int, access: str = "r", ac: bool = False) -> tuple[int | None, int | None]:
        """What the kernel's own access would find: the physical address, or None and the error code of its fault.

        Code 0 is a read of what is not there.

        (None, None): an address that is none. KernelError(EOPNOTSUPP): an architecture without SMEP and SMAP.
        """

    def translate(self, pid: int, addr: int, access: str = "r") -> int:
        """The physical address by the tables as they are.

        Signal (not delivered) with the fault that the access would take and not survive, KernelError(EFAULT) with detail for one that
        the kernel would resolve.
        """

    def push(self, pid: int, nr_bytes: int) -> int:
        """Moves the stack pointer down, touching each page on the way; the new stack pointer."""

    def access_stream(self, pid: int, accesses: bytes, probe: bool = False) -> r.Touched:
        """Many accesses at C speed: packed little-endian records of u64 address, u32 size, u32 kind (0 r, 1 w, 2 x).

        Signal.nr_done: how many came before the one that took the signal.
        """

    # --- files ------------------------------------------------------------------------------------
    def mkfile(self, path: str, size: int, data: bytes | None = None, dev: tuple[int, int] | None = None, inode: int = 0,
               tmpfs: bool = False) -> None:
        """inode 0: the next free one. EEXIST when the path is there. tmpfs, which /dev/shm is: shared memory with a name."""
    def truncate(self, path: str, size: int) -> None: ...
    def punch_hole(self, path: str, offset: int, length: int) -> None: ...
    def rmfile(self, path: str) -> None: ...
    def rename(self, path: str, to: str) -> None: ...
    def fincore(self, path: str) -> list[int]:
        """Indices of the pages in the page cache, ascending."""

    def fail_io(self, path: str, write: bool = False, times: int = 1) -> None:
        """The next `times` reads (or writes) of the file's disk blocks fail with EIO."""

    def files(self) -> list[r.FileInfo]:
        """By path."""

    def file(self, path: str) -> r.FileInfo: ...
    def drop_caches(self, what: int) -> None: ...
    def sync(self) -> None: ...
    # --- for the outside world: open files by number, areas as they are ----------------------------
    def open_file(self, path: str) -> int:
        """struct file of a file that is there: the mappings of one open merge, those of two do not."""

    def open_new(self, path: str, size: int, dev: tuple[int, int] = (8, 1), inode: int = 0, kind: str = "disk",
                 unlinked: bool = False) -> int:
        """A new file, open. kind: disk, plain (no huge pages: proc, tmpfs, devices), shmem (memfd, SysV: has no link).

        unlinked: maps shows `(deleted)`.
        """

    def open_again(self, file: int) -> int:
        """Another open of the same file, with or without a name."""

    def close_file(self, file: int) -> None: ...
    def unlink_file(self, file: int) -> None: ...
    def rename_file(self, file: int, path: str) -> None: ...
    def truncate_file(self, file: int, size: int) -> None: ...
    def punch_file(self, file: int, offset: int, length: int) -> None: ...
    def identify_file(self, file: int, dev: tuple[int, int], inode: int) -> None:
        """The device and inode number of an open file, when they become known after it was mapped."""

    def lift_limit(self, pid: int, resource: int) -> None:
        """No soft and no hard limit, as CAP_SYS_RESOURCE may set them."""

    def prepare_anon(self, pid: int, addr: int, length: int) -> None:
        """Private writable areas of the range get the anon_vma that a first write would give them, but no page."""

    def like_borders(self, pid: int) -> list[tuple[int, int, str]]:
        """(start, end, name) of anonymous writable neighbours of one name and set of permissions: other writes might have made them one."""

    def adopt(self, name: str, areas: Iterable[r.Vma], *, marks: dict[str, Any] | None = None, flags: Iterable[str] = (),
              sizes: dict[tuple[int, int, int], int] | None = None, files: dict[tuple[int, int, int, str], int] | None = None, pid: int = 0,
              parent: int = 0, task_size: int = 0) -> int:
        """A process with exactly these areas, nothing merged, named as they are, nothing refused that another kernel granted.

        `marks`: fields of mm_struct, and `exe`. `flags`: of SPACE_FLAGS in _adopt.pyx. `sizes`: of files by (major, minor, inode).
        `files`: open files by identity and name, filled here, for processes that come together; the caller closes them.
        """

    def adopt_pages(self, pid: int, addr: int, nr: int, what: str, dirty: bool = False, young: bool = True) -> int:
        """Pages of one area: `anon`, `file`, `zero`, `huge`. Returns how many were mapped; those that cannot be there are left out."""

    def adopt_shared(self, pid: int, addr: int, nr: int, other: int, other_addr: int, parent: int = 0, dirty: bool = False,
                     young: bool = True) -> int:
        """Anonymous pages of another process, as after a fork. Returns how many, from the first on, the two can have in common."""

    def adopt_inherited(self, pid: int, addr: int, nr: int, what: str, other: int, parent: int = 0, dirty: bool = False,
                        young: bool = True) -> int:
        """adopt_pages() of what came from `other`, which has it no more, and what others that came from it share."""

    def adopt_bytes(self, pid: int, addr: int, data: bytes) -> int:
        """Into anonymous pages that are there. Returns how many bytes, from the first on."""

    def adopt_facts(self, pid: int, *, min_flt: int = 0, maj_flt: int = 0, ended_min_flt: int = 0, ended_maj_flt: int = 0,
                    oom_score_adj: int = 0, limits: Iterable[tuple[int, tuple[int, int]]] = (), hiwater_vm: int = 0,
                    hiwater_rss: int = 0) -> None:
        """What the task was; limits by RLIMIT_ number. `ended_…`: faults of threads that are gone."""

    def adopt_threads(self, pid: int, threads: Iterable[tuple[int, str, int, int]]) -> None:
        """More threads of a process: TID (0, or one that is taken: the next free), comm, minor and major faults of their own."""

    # --- looking (these change nothing) -----------------------------------------------------------
    def maps(self, pid: int) -> list[r.Vma]: ...
    def maps_text(self, pid: int, line: Callable[[r.Vma], str]) -> str:
        """maps() as the text of 6.18: areas without a file or a name are written in one loop, every other one by `line`."""

    def vma_tree(self, pid: int) -> list[r.VmaNode]:
        """Each area as a node of the tree that finds it, in the order of addresses. The root is the one that is nobody's child."""

    def word_bytes(self, pid: int) -> int:
        """4 where names begin in column 50 of the maps."""

    def smaps(self, pid: int) -> list[r.Smap]: ...
    def numa_maps(self, pid: int) -> list[tuple[r.Vma, r.NumaStats]]: ...
    def oom_score(self, pid: int, is_new: bool = True) -> int:
        """As /proc/PID/oom_score says it; `is_new`: since 5.8."""

    def smaps_rollup(self, pid: int) -> tuple[int, int, r.MemStats]:
        """First address, last address, totals."""

    def pagemap(self, pid: int, addr: int, length: int) -> list[r.PagemapEntry]:
        """Every page of the range, mapped or not; bits as in Documentation/admin-guide/mm/pagemap.rst."""

    def next_table(self, pid: int, addr: int, end: int) -> int:
        """The first address from `addr` on that has page table entries of its own; `end` when none has."""

    def pagemap_bytes(self, pid: int, addr: int, length: int) -> bytes:
        """The same entries as /proc/PID/pagemap has them: 64 bits each, little-endian."""

    def entry_bytes(self, pid: int, addr: int, length: int) -> bytes:
        """In the same form the tables' entries, at whatever level they map the page."""

    def walk(self, pid: int, addr: int, root: str | None = None) -> r.Walk:
        """From the table that the processor walks for the program; `kernel`: in kernel mode, which has another with KPTI."""
    def entries(self, pid: int, addr: int, end: int) -> bytes:
        """Each entry of the range's tables that is not 0 and has no table below it: five little-endian words of 64 bits.

        Address, entry as it stands in memory, its physical address, first frame (0 unless present), and a word of marks: bits 0 to 7
        the level (0 is the PTE's), 8 to 15 the page's shift, 16 present, 17 writable, 24 to 31 the
        bytes of an entry. KernelError(ENOMEM) for more than 4,194,304.
        """

    def frames(self, pfns: Iterable[int]) -> list[r.Frame]:
        """KernelError(EINVAL) for a pfn beyond the machine's memory."""

    def dump(self, pid: int, addr: int, length: int) -> bytes:
        """The bytes of a range within one area as a core dump takes them: nothing is brought in. KernelError(EFAULT): any other range."""

    def mapped_by(self, pfn: int) -> list[tuple[int, int, int, r.Vma]]:
        """PID, address, bytes of the page, and area of every entry that maps the frame, in that order. KernelError(EINVAL) as frames()."""

    def roots(self) -> list[tuple[int, int, int | None]]:
        """PID, CR3 or TTBR0, and TTBR1 or None, of each process that has an address space."""

    def kernel_map(self, borders: Sequence[int], root: str | None = None) -> list[tuple[int, int, str, int, tuple[str, ...]]]:
        """Runs of like entries in the kernel's half: (first address, last, level, entry without its frame, flags); 0, (): nothing there.

        `borders`: ascending addresses at which a run ends, whatever follows. root `user`: what user mode's tables have of it, with KPTI.
        """

    def held(self, pfn: int, tables_only: bool = False) -> tuple[int, bytes] | None:
        """The first frame from `pfn` on that holds anything but zeros, and its bytes; None when there is none."""

    def frames_summary(self) -> list[tuple[str, int]]:
        """(kind, nr_pages), adding up to all frames; kinds as in Frame.kind."""

    def content_frames(self, contents: Iterable[int]) -> list[int]:
        """The frames that have these records of the pool `content` for their bytes, ascending."""

    def frame_contents(self, pfns: Iterable[int]) -> list[int]:
        """The record of each frame's bytes; 0: zeros, or a file's block."""

    def kpage(self, file: str, pfn: int, nr: int) -> bytes:
        """`nr` entries of /proc/kpageflags, kpagecount or kpagecgroup from a frame on; fewer at the end of memory."""

    def frame_kinds(self, pfn: int, nr: int) -> bytes:
        """A byte a frame: the index of its kind in `frames_summary()`; fewer than `nr` at the end of memory."""

    def reserved(self) -> list[tuple[int, int, str]]:
        """What boot kept: (first frame, number of frames, what: hole, low, kernel code, …)."""

    def max_pfn(self) -> int: ...
    def tlb(self, cpu: int | None = None) -> list[r.TlbEntry]: ...
    def tlb_stats(self) -> list[r.TlbStats]: ...
    def meminfo(self) -> dict[str, int]:
        """Labels of /proc/meminfo in its order; kB, but pages for HugePages_*."""

    def vmstat(self) -> dict[str, int]:
        """Names of /proc/vmstat in its order."""

    def zones(self) -> list[r.ZoneInfo]: ...
    def fragmentation(self) -> list[r.Fragmentation]:
        """/sys/kernel/debug/extfrag, a record for each zone that has memory."""
    def node_stats(self) -> dict[str, int]:
        """per-node counters, in zoneinfo's order."""

    def kmalloc(self, size: int, gfp: str = "") -> int:
        """The kernel's address; gfp: names joined by |, default GFP_KERNEL."""

    def kfree(self, address: int) -> None: ...
    def vmalloc(self, size: int, gfp: str = "") -> int: ...
    def vfree(self, address: int) -> None: ...
    def alloc_pages(self, order: int, gfp: str = "") -> int:
        """The first frame of a block of 2**order."""

    def free_pages(self, pfn: int) -> None: ...
    def vmalloc_areas(self) -> list[r.VmallocArea]: ...  # by address, freed ones that wait for a purge among them
    def vmalloc_start(self) -> int: ...  # of 32 bits, where it depends on RAM; else 0
    def boot_areas(self) -> list[r.BootArea]: ...  # what boot left in vmalloc's range of a 32-bit kernel, by address
    def modules(self) -> list[r.Module]: ...  # the last that was loaded first
    def kernel_pages(self) -> dict[str, int]:
        """Pages of the kernel's own, by what for; what boot left in ranges of its own is in reserved()."""

    def slabs(self) -> list[r.SlabCache]: ...
    def fsck(self) -> list[str]:
        """One line a broken invariant; empty when all hold."""

    def fsck_names(self) -> list[str]: ...
    # --- narration ------------------------------------------------------------------------------------
    def set_trace(self, on: bool) -> None:
        """The machine keeps the setting; records of the last command that changed something stay readable."""

    def tracing(self) -> bool: ...
    def trace_reset(self) -> None: ...
    def nr_traced(self) -> int:
        """Steps of the last command; `trace()` has the first 65,536 of them."""

    def start_tally(self) -> None:
        """Count events and frames from here on, until the machine is closed: for a copy that is not to be committed."""

    def tally(self) -> r.Tally: ...
    def trace(self) -> list[r.TraceRecord]: ...
    def traced_file(self, inode: int) -> r.TracedFile | None:
        """The file that a step calls by its record; None when it is gone."""
    # --- for tests only ---------------------------------------------------------------------------------
    def poke(self, pool: str, record: int, field: str, value: int) -> None:
        """Damage one field of one record, marking its chunk: fsck's tests."""

    def peek(self, pool: str, record: int, field: str) -> int: ...
    # --- the C library's heap ------------------------------------------------------------------
    # As the program of the process calls it; a block is an address, 0 is NULL. Signal: an access of the library took one, or it
    # aborted (SIGABRT, whose `code` is what it said).
    def malloc(self, pid: int, size: int) -> int: ...
    def calloc(self, pid: int, n: int, size: int) -> int: ...
    def realloc(self, pid: int, addr: int, size: int) -> int: ...
    def free(self, pid: int, addr: int) -> None: ...
    def memalign(self, pid: int, alignment: int, size: int) -> int:
        """An alignment that is no power of two counts as the next."""

    def malloc_usable_size(self, pid: int, addr: int) -> int: ...
    def malloc_trim(self, pid: int, pad: int = 0) -> int:
        """1 when something was given back."""

    def mallopt(self, pid: int, param: int, value: int) -> int:
        """M_ numbers of <malloc.h>. 1, or 0 when the value is refused."""

    def set_tunable(self, pid: int, name: str, value: int) -> bool | None:
        """`tcache_count` or `glibc.malloc.tcache_count`, as GLIBC_TUNABLES sets it. None: no such tunable; False: out of its range."""

    def heap_figures(self, pid: int) -> r.HeapFigures:
        """All 0 of a process that never allocated. KernelError(ELOOP): a program bent a list to a ring."""

    def heap_bins(self, pid: int) -> list[r.HeapBin]:
        """Those with chunks, in the order in which malloc looks at them."""

    def heap_chunks(self, pid: int, as_json: bool = False) -> bytes:
        """Lines: the rows of a table, or the elements of a JSON list without its brackets."""

    def heap_map(self, pid: int, nr_cells: int) -> list[tuple[int, int, int, bytes]]:
        """(start, end, bytes a cell, cells) of each heap, in at most `nr_cells` cells: the OR of 1 << state of the chunks in one.
        States: 0 live, 1 free, 2 top, 3 tcache, 4 fastbin, 5 table, 6 fence."""

    def heap_trace(self, pid: int, heap_start: int | None = None, with_log: bool = False, with_calls: bool = False) -> Any:
        """A `_heap.HeapTrace`: feed(lines), take_log(), take_calls(), counts(), final()."""
    # --- memory pressure ------------------------------------------------------------------------
    def swapon(self, nr_bytes: int, priority: int | None = None, rotational: bool = False) -> str:
        """Switch an area on; its path. KernelError(EINVAL): too small or too large; EPERM: no more areas."""

    def swapoff(self, path: str | None = None) -> None:
        """Switch one off, or all. KernelError(ENOMEM): what is in it does not fit into memory; it stays on."""

    def swaps(self) -> list[tuple[str, int, int, int, bool]]:
        """The areas: path, size and used in kB, priority, whether it is a partition."""

    def reclaim(self, nr_pages: int, group: str | None = None) -> int:
        """Reclaim from a group or the machine; pages reclaimed. KernelError(EAGAIN): fewer than asked for."""

    def sleep(self, microseconds: int) -> None:
        """Let the logical clock pass, and the flusher do what is due."""

    def lru_lists(self) -> list[tuple[str, list[list[tuple[int, int]]]]]:
        """Of each group: its path, and its lists (inactive anon, active anon, inactive file, active file).

        A list has (pfn, pages) of each folio, the one that reclaim looks at first in front.
        """

    def kmsg(self) -> list[tuple[int, str]]:
        """The kernel's log: microseconds since boot, and the line."""

    def cgroup_create(self, name: str) -> None:
        """KernelError(EEXIST, ENOENT for a parent, EINVAL, ENOMEM)."""

    def cgroup_remove(self, name: str) -> None:
        """KernelError(EBUSY): it has processes or groups below it."""

    def cgroup_move(self, name: str, pid: int) -> None: ...
    def cgroup_set(self, name: str, file: str, value: int | None) -> None:
        """A limit in bytes (None: max), or memory.oom.group; memory.reclaim reclaims that many bytes."""

    def cgroup(self, name: str) -> dict[str, Any]:
        """What its files say: bytes (None: max), or a table."""

    def cgroups(self) -> list[str]:
        """Paths of all groups, parents first."""

def constants() -> dict[str, Any]:
    """VM_, PG_, PROT_, MAP_, MADV_, … by name."""
