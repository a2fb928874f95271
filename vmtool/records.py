"""What the core hands out: plain named tuples, in the kernel's words.

Addresses and lengths are bytes, `nr_` counts pages unless said otherwise, pfn is a page frame number. Nothing is formatted here.
A record's class is made when it is first asked for: to make them all costs a seventh of a bare start-up, and a command hands out one
kind or two.
"""

from __future__ import annotations

from vmtool.record_type import Declared, Record, RecordType

TYPE_CHECKING = False
if TYPE_CHECKING:  # type checkers know this name for true
    from typing import NamedTuple
else:
    NamedTuple = object.__new__(Declared)


KERNELS = ("3.10", "4.4", "4.15", "5.4", "5.15", "6.1", "6.12", "6.18")
"""Releases whose formats of /proc a machine may print."""


class MachineInfo(NamedTuple):
    """How the machine was made (`init`)."""
    arch: str
    kernel: str
    ram_bytes: int
    nr_cpus: int
    swap_bytes: int
    page_shift: int
    levels: int
    pageblock_order: int
    pmd_order: int  # of what an entry one level above the last maps, log2 of its pages
    task_size: int  # where a program's addresses end
    pcid: bool
    kpti: bool
    pku: bool
    soft_dirty: bool
    aslr: bool
    seed: int
    tlb: str
    sysroot: str  # the host's directory with interpreters of this architecture; empty: /
    clock: int  # operations done so far: the machine's only time


class TaskInfo(NamedTuple):
    """One process, as ps and /proc/PID/stat want it."""
    pid: int
    ppid: int
    comm: str
    state: str  # one letter: R S T Z
    exit_code: int  # wait status
    cpu: int
    current: bool  # its tables are in some CPU's CR3 or TTBR0
    min_flt: int
    maj_flt: int
    cmin_flt: int
    cmaj_flt: int
    nr_threads: int
    start_time: int  # clock at creation
    oom_score_adj: int
    has_mm: bool
    shared_pending: int  # ShdPnd: signals that wait for a stopped process, bit n - 1 for signal n
    tgid: int  # pid, of a process; its leader's, of a thread
    sp: int  # top of the stack that a thread has of its own; 0: the address space's


class MmInfo(NamedTuple):
    """mm_struct: bytes for addresses, pages for counts, as /proc/PID/{stat,statm,status} need them."""
    pgd: int  # physical address of the top table
    start_code: int
    end_code: int
    start_data: int
    end_data: int
    start_brk: int
    brk: int
    start_stack: int
    arg_start: int
    arg_end: int
    env_start: int
    env_end: int
    mmap_base: int
    entry: int
    sp: int
    task_size: int
    total_vm: int
    hiwater_vm: int
    locked_vm: int
    pinned_vm: int
    data_vm: int
    exec_vm: int
    stack_vm: int
    rss_anon: int
    rss_file: int
    rss_shmem: int
    hiwater_rss: int
    rss_approx: int  # what stat's field 24 reads: without the per-CPU parts
    swapents: int
    pgtables_bytes: int
    hugetlb: int
    map_count: int
    thp_enabled: bool
    exe: str
    auxv: bytes


class Vma(NamedTuple):
    """One area. `flags` are VM_ bits; `name` is what /proc/PID/maps prints, '' for none."""
    start: int
    end: int
    flags: int
    pgoff: int
    offset: int  # bytes, as maps prints it (0 for anonymous areas)
    dev_major: int
    dev_minor: int
    inode: int
    name: str
    is_file: bool
    anon_vma: int  # record number, 0: never faulted
    vm_file: int


class VmaNode(NamedTuple):
    """One area in the tree of an address space: its children by their first addresses, None for none."""
    start: int
    end: int
    left: int | None
    right: int | None
    subtree_gap: int  # bytes of the largest gap before an area of this node's subtree


class MemStats(NamedTuple):
    """struct mem_size_stats of one area or of all: bytes, but pss* in bytes << 12."""
    resident: int
    shared_clean: int
    shared_dirty: int
    private_clean: int
    private_dirty: int
    referenced: int
    anonymous: int
    ksm: int
    lazyfree: int
    anonymous_thp: int
    shmem_thp: int
    file_thp: int
    shared_hugetlb: int
    private_hugetlb: int
    swap: int
    swap_pss: int
    pss: int
    pss_dirty: int
    pss_anon: int
    pss_file: int
    pss_shmem: int
    pss_locked: int


class NumaStats(NamedTuple):
    """struct numa_maps of one area: pages of its size."""
    pages: int
    anon: int
    active: int
    writeback: int
    mapcount_max: int
    dirty: int
    swapcache: int
    page_size: int
    """Bytes: of hugetlb the pages are huge ones."""


class Smap(NamedTuple):
    """One entry of smaps."""
    vma: Vma
    stats: MemStats
    kernel_page_bytes: int
    mmu_page_bytes: int
    thp_eligible: bool
    protection_key: int | None  # None: the processor has none


class WalkStep(NamedTuple):
    """One level of a page walk. `flags` are the architecture's bit names that are set."""
    level: str  # pgd p4d pud pmd pte
    table: int  # physical address of the table
    index: int  # type: ignore[assignment]
    entry_addr: int  # physical address of the entry
    entry: int  # raw
    flags: tuple[str, ...]
    present: bool
    leaf: bool
    high: int  # bits of the address that are the index, from here
    low: int  # down to here
    names: tuple[tuple[int, str], ...]  # every flag that such an entry has: its bit and name
    base_high: int  # bits of the entry that say where the frame or the table is
    base_low: int
    soft: int  # Linux's own entry beside the processor's (arm); 0: there is none
    base_up: int  # the address has these bits so much higher (riscv)


class Walk(NamedTuple):
    """A whole walk from the root; `phys` is None when it ended in a not-present entry."""
    addr: int
    root: int
    steps: tuple[WalkStep, ...]
    phys: int | None
    page_bytes: int
    reason: str  # '' or why there is no translation: 'not present', 'non-canonical'
    arch: str
    register: str  # that names the top table: CR3, TTBR0, TTBR1
    nr_levels: int
    va_bits: int
    entry_bits: int
    page_shift: int
    error: int  # of a program's read, as bits of x86's error code; 0: it succeeds
    is_old: bool  # mapped, but the processor faults, for the access flag is clear


class PagemapEntry(NamedTuple):
    """One page of /proc/PID/pagemap."""
    addr: int
    entry: int


class Frame(NamedTuple):
    """One page frame. `flags` are PG_ names without the prefix, in bit order."""
    pfn: int
    zone: str
    flags: tuple[str, ...]
    kpageflags: int
    order: int  # of the folio or buddy block it heads, else 0
    refcount: int
    mapcount: int
    kind: str  # free, pcp, anon, file, shmem, pgtable, slab, reserved, kernel, zero
    mapping: str  # path of the file, or 'anon_vma N', or ''
    index: int  # type: ignore[assignment]
    has_content: bool


class ZoneInfo(NamedTuple):
    """One zone, as zoneinfo and buddyinfo show it; counts in pages."""
    node: int
    name: str
    free: int
    boost: int
    min: int
    low: int
    high: int
    promo: int
    spanned: int
    present: int
    managed: int
    cma: int
    start_pfn: int
    protection: tuple[int, ...]
    free_area: tuple[int, ...]  # blocks of each order
    free_by_type: tuple[tuple[int, ...], ...]  # [migratetype][order]
    pageblocks: tuple[int, ...]  # pageblocks of each migratetype
    pcp: tuple[tuple[int, int, int, int, int], ...]  # by CPU: count, high, batch, high_min, high_max
    stats: dict  # nr_free_pages, nr_zone_inactive_anon, …


class Fragmentation(NamedTuple):  # one zone of /sys/kernel/debug/extfrag: thousandths, of each order
    node: int
    zone: str
    unusable_index: tuple[int, ...]
    extfrag_index: tuple[int, ...]


class SlabCache(NamedTuple):
    """One kmem_cache, as slabinfo shows it."""
    name: str
    active_objs: int
    num_objs: int
    objsize: int
    objperslab: int
    pagesperslab: int
    active_slabs: int
    num_slabs: int
    reclaimable: bool


class VmallocArea(NamedTuple):
    """An area of the kernel's virtual memory."""
    start: int
    end: int  # behind its guard page
    nr_pages: int
    kind: str  # stack, vmalloc, lazy (freed, its addresses wait for a purge)


class BootArea(NamedTuple):
    """An area of the kernel's virtual memory that boot left there."""
    start: int
    end: int  # behind its guard page
    nr_pages: int
    kind: str  # vmalloc, ioremap, dma-coherent
    phys: int  # of ioremap
    caller: str


class Module(NamedTuple):
    """A loaded module of the kernel."""
    name: str
    size_bytes: int  # of all its sections
    refs: int
    users: str  # the modules that use it, each with a comma; -
    address: int  # of its text


class TlbEntry(NamedTuple):
    """One valid TLB entry."""
    cpu: int
    level: int  # 1 or 2
    kind: str  # d (data), i (instruction), s (shared)
    set: int
    way: int
    vpn: int  # in pages of page_shift
    pfn: int  # the page's first frame
    pcid: int
    page_shift: int
    is_global: bool
    writable: bool
    user: bool
    nx: bool
    dirty: bool
    age: int


class TlbStats(NamedTuple):
    """Counters of one CPU's TLB."""
    cpu: int
    l1_hits: int
    l2_hits: int
    misses: int
    walks: int
    walk_reads: int
    flushes_all: int
    flushes_page: int
    cr3_loads: int
    evictions: int
    psc_hits: int  # walks that a paging-structure cache shortened
    shootdowns: int  # flushes that another CPU asked for by an interrupt


class FileInfo(NamedTuple):
    """One file of the machine, with what the page cache holds of it."""
    path: str
    dev_major: int
    dev_minor: int
    inode: int
    size: int
    nr_pages: int  # in the page cache
    nr_dirty: int
    nr_mapped: int
    disk_blocks: int
    deleted: bool


class TraceRecord(NamedTuple):
    """One step the kernel took; `event` is a name of mm/trace, `args` its numbers by name."""
    seq: int
    pid: int
    event: str
    args: dict


class TracedFile(NamedTuple):
    """Which file a step of the trace is about."""
    path: str
    dev_major: int
    dev_minor: int
    inode: int


class Tally(NamedTuple):
    """What a machine did since start_tally()."""
    events: dict  # how often each event of mm/trace
    nr_copied: int  # pages whose bytes a copy-on-write copied
    frames: int  # allocated less freed
    frames_peak: int  # the most of that at any time


class Touched(NamedTuple):
    """What an access cost."""
    minor: int
    major: int


class HeapChunk(NamedTuple):
    """A chunk of the C library's heap. `address` is that of its header, 16 bytes before what the program has."""

    address: int
    size_bytes: int
    state: str  # live free top tcache fastbin table fence
    bin: int | None  # index in the tcache, the fastbins or the bins


class HeapCounts(NamedTuple):
    """What a trace of a heap cost."""

    nr_operations: int
    nr_brk: int
    nr_mmap: int
    nr_munmap: int
    nr_mremap: int
    nr_madvise: int
    nr_mprotect: int
    minor: int
    major: int


class HeapFigures(NamedTuple):
    """How a heap is used. Bytes are those of chunks, headers included. A hole is a free chunk in a bin."""

    nr_arenas: int
    system_bytes: int  # what the arenas have from the kernel
    nr_live: int
    live_bytes: int
    nr_tcache: int
    tcache_bytes: int
    nr_fastbin: int
    fastbin_bytes: int
    nr_holes: int
    hole_bytes: int
    largest_hole_bytes: int
    top_bytes: int
    own_bytes: int  # tables of tcaches, fenceposts
    pinned_bytes: int  # not live, below the main arena's last live chunk: a lower break cannot give them back
    droppable_bytes: int  # whole pages within holes, which malloc_trim() drops
    nr_mapped: int
    mapped_bytes: int
    broken_address: int | None  # a header whose size cannot be


class HeapBin(NamedTuple):
    """Free chunks of one list."""

    kind: str  # tcache fastbin unsorted small large
    index: int
    nr_chunks: int
    size_bytes: int


if not TYPE_CHECKING:
    NamedTuple = Record  # of other modules, whose classes are made at once
    for _name in Declared.bodies:
        del globals()[_name]

    def __getattr__(name):
        """A record's class, made now."""
        try:
            made = RecordType(name, (Record,), Declared.bodies[name])
        except KeyError:
            raise AttributeError(f"module 'vmtool.records' has no attribute {name!r}") from None
        return globals().setdefault(name, made)  # another thread's, where it was quicker

    def __dir__():
        return sorted({*globals(), *Declared.bodies})
