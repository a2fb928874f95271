"""The steps of the last command in words, so that a page fault can be read as a story.

Counterpart: Linux v6.18 mm/memory.c:handle_mm_fault() and what it calls, mm/filemap.c, mm/mmap.c: each sentence stands for one
step there. The table SENTENCES has one for each event of mm/trace; an event that it does not know is printed by its name.
Steps between a page fault and its end are indented.
"""

from collections.abc import Callable, Mapping, Sequence

from vmtool.records import TracedFile, TraceRecord
from vmtool.views import fold, walk_fault
from vmtool.views.functions import function_of
from vmtool.views.trace import arguments, value_text

PF_PROT, PF_WRITE, PF_USER, PF_RSVD, PF_INSTR = 1, 2, 4, 8, 16
SIGNAL_CODES = {
    "segv": {
        1: "SEGV_MAPERR: no area holds the address",
        2: "SEGV_ACCERR: the area forbids this access",
        4: "SEGV_PKUERR: the area's protection key forbids it to this thread",
        0x80: "SI_KERNEL: not an address at all",
    },
    "bus": {2: "BUS_ADRERR: the file has no such page"},
}
KMALLOC_KINDS = ("kmalloc-", "kmalloc-cg-", "kmalloc-rcl-", "dma-kmalloc-")
KMALLOC_SIZES = ("8", "16", "32", "64", "96", "128", "192", "256", "512", "1k", "2k", "4k", "8k")
FIRST_KMALLOC = 21  # of the core's table of caches
ZONES = ("DMA", "DMA32", "Normal", "HighMem")
MIGRATETYPES = ("unmovable", "movable", "reclaimable", "highatomic")
KEPT = (  # KEEP_ of mm/trace.pxd
    "", "it is locked", "a process has locked it (mlock)", "entries map it, and those are not to be taken away yet", "it is being written",
    "it was used once, so it goes round once more", "it was used again: it becomes active", "swap has no room for it",
    "an entry that maps it could not be taken away", "it is dirty, and a file's: the flusher writes it",
    "it is being written to swap, and free when that is done", "somebody else holds it")  # fmt: skip
COMPACTED = (  # COMPACT_ of mm/compact_state.pxd: what came of a zone
    "", "left alone: too few pages are free to move others about", "left alone, for it was in vain lately", "", "",
    "through with all of it, and no such block came together", "through with the part that was left, and no such block came together",
    "given up: there is nowhere left to move to", "done: there is such a block")  # fmt: skip
MODES = ("without waiting for anything", "waiting for little", "waiting for what must be waited for")
PRIORITIES = ("a thorough one, over whole zones", "one that waits for little", "a quick one, that waits for nothing")
TABLES = ("page table (PTE)", "page middle directory (PMD)", "page upper directory (PUD)")

SENTENCES = {
    "page_fault": "{who} {access} {addr}, {why}: {fault}.",
    "vma_found": "The address belongs to the area {start}-{end}{perms}.",
    "stack_expand": "{addr} lies below the stack: its area is extended from {old_start} down to {new_start}.",
    "pgtable_alloc": "Frame {pfn} becomes a {table} for {addr}.",
    "pgtable_free": "The {table} in frame {pfn} is empty and is freed.",
    "frame_alloc": "The buddy system gives frame {pfn}{block}.",
    "frame_free": "Frame {pfn}{block} is free again.",
    "zero_page_map": "Nothing was written here yet: {addr} is mapped, read-only, onto the one page of zeros that all share (frame {pfn}).",
    "anon_map": "Frame {pfn}, cleared, becomes the anonymous page at {addr}: its entry is present and names the frame.",
    "file_map": "{addr} is mapped onto frame {pfn} of the page cache (page {index} of {file}): nothing is copied.",
    "thp_map": "One entry of the PMD maps the huge page at {addr} onto the frames from {pfn}.",
    "thp_split": "The huge mapping at {addr} is split into entries for small pages.",
    "cow_copy": "Copy-on-write: the page at {addr} is copied from frame {old_pfn} to frame {new_pfn} and mapped there, writable.",
    "cow_reuse": "Copy-on-write: nobody else has frame {pfn}, so nothing is copied; the entry of {addr} becomes writable.",
    "write_notify": "First store into a clean shared page at {addr}: frame {pfn} is marked dirty, its entry becomes writable.",
    "cache_lookup": "Page cache: page {index} of {file} is {found}.",
    "cache_add": "Frame {pfn} enters the page cache as page {index} of {file}.",
    "cache_remove": "Frame {pfn} (page {index} of {file}) leaves the page cache.",
    "disk_read": "The disk reads {pages} of {file}, from page {index} on.",
    "disk_write": "The disk writes {pages} of {file}, from page {index} on.",
    "copy_to_user": "{bytes} bytes of {file} are copied from the page cache to the program's buffer{offset_words}.",
    "copy_from_user": "{bytes} bytes are copied from the program's buffer into the page cache of {file}{offset_words}.",
    "fault_around": "Around the fault, {pages} of the cache are mapped too, from {start} on, before they are asked for.",
    "pte_set": "The entry of {addr} names frame {pfn}, {rights}.",
    "pte_clear": "The entry of {addr} (frame {pfn}) is cleared.",
    "tlb_fill": "The walk's result goes into the TLB: page {vpn} is in frame {pfn}.",
    "tlb_hit": "The TLB knows page {vpn}: no walk.",
    "tlb_flush": "The TLB forgets {entries}{pcid_words}.",
    "cr3_load": "CR3{cpu_words} is loaded with {root}, the top table of the process (before: {old_root}).",
    "ttbr0_load": "TTBR0{cpu_words} is loaded with {root}, the top table of the process (before: {old_root}).",
    "satp_load": "satp{cpu_words} is loaded with {root}, the top table of the process (before: {old_root}).",
    "vma_new": "A new area: {start}-{end}{perms}. No frame is mapped yet.",
    "vma_expand": "The area becomes {start}-{end}.",
    "vma_merge": "Areas that differ in nothing become one: {start}-{end}.",
    "vma_split": "The area is split at {addr}.",
    "vma_remove": "The area {start}-{end} is removed.",
    "swap_out": "Frame {pfn} is written to swap, entry {entry}.",
    "swap_in": "What swap has under entry {entry} is read into frame {pfn}.",
    "kswapd_wake": "No zone{up_to} has enough free frames for order {order}: kswapd runs.",
    "kswapd_sleep": "kswapd sleeps again: {nr_reclaimed} pages were reclaimed.",
    "direct_reclaim": "The allocation of order {order} finds every zone at its min watermark and reclaims itself: {nr_reclaimed} pages.",
    "shrink_inactive": "The inactive list of {kind} pages, priority {priority}: {nr_scanned} looked at, {nr_reclaimed} reclaimed.",
    "shrink_active": "The active list of {kind} pages, priority {priority}: {nr_taken} taken, {nr_deactivated} become inactive.",
    "reclaim_take": "Frame {pfn}{more}, at the tail of its list: nobody used this {kind} page since reclaim last looked. It is to go.",
    "reclaim_keep": "Frame {pfn}{more}, at the tail of its list, stays: {reason}.",
    "compact_try": "The allocation of order {order} finds no such block free: compaction, {how}.",
    "compact_defer": "Zone {zone_name} is not compacted for order {order}: it failed lately, so this one is left out "
                     "({nr_considered} of {limit}).",
    "compact_begin": "Zone {zone_name} is compacted, {how}: pages move from frame {migrate_pfn} on up to free ones below frame {free_pfn}.",
    "compact_end": "Zone {zone_name}: {moved}{outcome}.",
    "migrate": "The {folio} in frame {old_pfn} moves to frame {pfn}: bytes, flags, and every entry that names it.",
    "kcompactd_wake": "kcompactd runs: a free block of order {order} is wanted{up_to}.",
    "highatomic": "The {nr_pages} frames from {pfn} on {verdict}.",
    "oom_kill": "Nothing can be reclaimed: the OOM killer chooses process {pid}, {nr_pages} pages count against it.",
    "kmalloc": "{nr_bytes} bytes fit an object of {cache_name}: it lies at {address}.",
    "slab_object": "Its slab, {frames} from frame {slab_pfn} on, has {nr_inuse} of {nr_objects} objects in use.",
    "zone_alloc": "The block of order {order} is of zone {zone_name}, with {nr_free_pages} free pages (low watermark: {nr_watermark}).",
    "fallback": "A block of {wanted} was wanted; frame {pfn} lies in a pageblock of {there}: it was taken from there.",
    "vmalloc": "{pages} are mapped one behind the other at {start}; a guard page follows, up to {end}.",
    "brk": "The end of the heap moves from {old} to {new}: the area changes, no frame is mapped.",
    "segv": "The access to {addr} is refused: SIGSEGV ({code_words}).",
    "bus": "The access to {addr} has no page: SIGBUS ({code_words}).",
    "fault_done": "Done, {kind}. The instruction at {addr} is repeated; the program does not notice that anything happened.",
    "fork": "Process {child} is made as a copy of process {parent}: areas and entries are copied, the frames are shared.",
    "exec": "The program is replaced: a new address space, which starts at {entry}.",
    "exit": "The process {ends}: its areas, tables and frames are given back.",
}


def _page_fault(args: Mapping[str, int]) -> dict[str, str]:
    code = args.get("error_code", PF_USER)
    access = "executes" if code & PF_INSTR else "writes to" if code & PF_WRITE else "reads"
    if code & PF_RSVD:
        why = "whose entry has reserved bits set"
    elif code & PF_PROT:
        why = "whose entry does not allow it"
    else:
        why = "which no present entry maps"
    who = "The program" if code & PF_USER else "The kernel, for the program,"
    return {"who": who, "access": access, "why": why}


def _perms(args: Mapping[str, int]) -> dict[str, str]:
    flags = args.get("flags")
    if flags is None:
        return {"perms": ""}
    letters = "".join([letter if flags & bit else "-" for bit, letter in ((1, "r"), (2, "w"), (4, "x"))])
    return {"perms": f" ({letters}{'s' if flags & 0x80 else 'p'})"}


def _table(args: Mapping[str, int]) -> dict[str, str]:
    level = args.get("level", len(TABLES))
    return {"table": TABLES[level] if 0 <= level < len(TABLES) else "top table"}


def _block(args: Mapping[str, int]) -> dict[str, str]:
    order = args.get("order", 0)
    return {"block": f" (with the {(1 << order) - 1} behind it: order {order})" if order else ""}


def _signal(event: str) -> Callable[[Mapping[str, int]], dict[str, str]]:
    return lambda args: {"code_words": SIGNAL_CODES[event].get(args.get("code", 0), f"code {args.get('code', '?')}")}


def _pages(args: Mapping[str, int]) -> dict[str, str]:
    return {"pages": _count(args.get("nr_pages", args.get("nr", 1)), "page", "pages")}


def _offset(args: Mapping[str, int]) -> dict[str, str]:
    return {"offset_words": f", from offset {args['offset']} on" if "offset" in args else ""}


def _cpu(args: Mapping[str, int]) -> dict[str, str]:
    return {"cpu_words": f" of processor {args['cpu']}" if "cpu" in args else ""}


def _tlb_flush(args: Mapping[str, int]) -> dict[str, str]:
    kind = "asid" if "asid" in args else "pcid"
    number = args.get(kind)
    return {
        "entries": _count(args.get("nr_entries", args.get("nr", 0)), "entry", "entries"),
        "pcid_words": f" of {kind.upper()} {number}" if number else "",
    }


def _exit(args: Mapping[str, int]) -> dict[str, str]:
    status = args.get("status", 0)  # as wait() gives it
    return {"ends": f"is killed by signal {status & 0x7F}" if status & 0x7F else f"ends with status {status >> 8 & 0xFF}"}


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _kmalloc(args: Mapping[str, int]) -> dict[str, str]:
    kind, size = divmod(args.get("cache", 0) - FIRST_KMALLOC, len(KMALLOC_SIZES))
    known = 0 <= kind < len(KMALLOC_KINDS)
    return {"cache_name": KMALLOC_KINDS[kind] + KMALLOC_SIZES[size] if known else f"cache {args.get('cache', '?')}"}


def _slab_object(args: Mapping[str, int]) -> dict[str, str]:
    return {"frames": _count(1 << args.get("order", 0), "frame", "frames")}


def _zone(number: int) -> str:
    return ZONES[number] if 0 <= number < len(ZONES) else "?"


def _list(args: Mapping[str, int]) -> dict[str, str]:
    return {"kind": "files'" if args.get("file") else "anonymous"}


def _reclaimed(args: Mapping[str, int]) -> dict[str, str]:
    why, nr = args.get("why", 0), args.get("nr_pages", 1)
    return {
        "kind": "file's" if args.get("file") else "anonymous",
        "reason": KEPT[why] if 0 < why < len(KEPT) else f"reason {why}",
        "more": f" (with the {nr - 1} behind it)" if nr > 1 else "",
    }


def _pick(names: Sequence[str], n: int) -> str:
    return names[n] if 0 <= n < len(names) else f"({n})"


def _compacted(args: Mapping[str, int]) -> dict[str, str]:
    nr_pages = args.get("nr_pages", 0)
    return {
        "zone_name": _zone(args.get("zone", 0)),
        "moved": f"{_count(nr_pages, 'page', 'pages')} moved, {args.get('nr_scanned', 0)} looked at; " if nr_pages else "",
        "outcome": _pick(COMPACTED, args.get("result", 0)),
    }


def _highatomic(args: Mapping[str, int]) -> dict[str, str]:
    if args.get("reserved"):
        return {"verdict": "are kept for atomic allocations from now on (HighAtomic): one of several pages went below the low watermark"}
    return {"verdict": "are no longer kept for atomic allocations: somebody else did not get a page"}


def _up_to(args: Mapping[str, int]) -> dict[str, str]:
    highest = args.get("highest_zone", len(ZONES) - 1)
    return {"up_to": f" up to {_zone(highest)}" if highest < len(ZONES) - 1 else ""}


def _fallback(args: Mapping[str, int]) -> dict[str, str]:
    names = dict(enumerate(MIGRATETYPES))
    return {"wanted": names.get(args.get("wanted_type", 0), "?"), "there": names.get(args.get("block_type", 0), "?")}


WORDS: dict[str, Callable[[Mapping[str, int]], dict[str, str]]] = {
    "page_fault": _page_fault,
    "vma_found": _perms,
    "vma_new": _perms,
    "pgtable_alloc": _table,
    "pgtable_free": _table,
    "frame_alloc": _block,
    "frame_free": _block,
    "segv": _signal("segv"),
    "bus": _signal("bus"),
    "disk_read": _pages,
    "disk_write": _pages,
    "fault_around": _pages,
    "copy_to_user": _offset,
    "copy_from_user": _offset,
    "tlb_flush": _tlb_flush,
    "exit": _exit,
    "kmalloc": _kmalloc,
    "slab_object": _slab_object,
    "zone_alloc": lambda args: {"zone_name": _zone(args.get("zone", 0))},
    "kswapd_wake": _up_to,
    "kcompactd_wake": lambda args: {"up_to": _up_to(args)["up_to"].replace(" up to", ", in zones up to")},
    "compact_try": lambda args: {"how": _pick(PRIORITIES, args.get("priority", 2))},
    "compact_defer": _compacted,
    "compact_begin": lambda args: {"zone_name": _zone(args.get("zone", 0)), "how": _pick(MODES, args.get("mode", 0))},
    "compact_end": _compacted,
    "migrate": lambda args: {"folio": f"folio of {args['nr_pages']} pages" if args.get("nr_pages", 1) > 1 else "page"},
    "highatomic": _highatomic,
    "shrink_inactive": _list,
    "shrink_active": _list,
    "reclaim_take": _reclaimed,
    "reclaim_keep": _reclaimed,
    "fallback": _fallback,
    "vmalloc": _pages,
    "cache_lookup": lambda args: {"found": "there" if args.get("hit") else "not there"},
    "pte_set": lambda args: {"rights": "writable" if args.get("writable") else "read-only"},
    "cr3_load": _cpu,
    "ttbr0_load": _cpu,
    "satp_load": _cpu,
    "fault_done": lambda args: {"kind": "a major fault (the disk was needed)" if args.get("major") else "a minor fault"},
}
"""What a sentence needs besides its event's arguments."""

Files = Callable[[int], TracedFile | None]

CLOSES = ("fault_done", "segv", "bus")


class _Fields(dict[str, str]):
    """An argument that a record lacks is printed as a question mark."""

    def __missing__(self, name: str) -> str:
        return "?"


def sentence(record: TraceRecord, files: Files | None = None, arch: str = "x86-64") -> str:
    """One step in words. `files` tells which file a record of an inode is; `arch`: whose words a fault has."""
    template = SENTENCES.get(record.event)
    if template is None:
        return f"{record.event}: {arguments(record.args)}".rstrip(" :")
    fields = _Fields({name: value_text(name, value) for name, value in record.args.items()})
    if record.event in WORDS:
        fields.update(WORDS[record.event](record.args))
    if record.event == fold.OPENS:
        fields["fault"] = walk_fault.told(record.args.get("error_code", PF_USER), arch)
    if "inode" in record.args:
        found = files(record.args["inode"]) if files is not None else None
        unnamed = f"file {record.args['inode']}" if record.args["inode"] else "its file"
        fields["file"] = found.path if found is not None and found.path else unnamed
    return template.format_map(fields)


def told(record: TraceRecord, files: Files | None, error_code: int, arch: str = "x86-64") -> str:
    """The sentence, and behind it the function of Linux that does it. `error_code`: of the last fault."""
    function = function_of(record, error_code, arch)
    return sentence(record, files, arch) + (f" [{function}()]" if function else "")


def render(records: Sequence[TraceRecord], nr_steps: int = 0, files: Files | None = None, arch: str = "x86-64") -> str:
    """The story: numbered steps, under a heading for each process. `nr_steps`: of the command, where the records are not all of them."""
    lines: list[str] = []
    pid = None
    is_in_fault, error_code = False, 0
    for block in fold.fold(records):
        for record in block.steps:
            if record.pid != pid:
                pid = record.pid
                lines.append(f"process {pid}" if pid else "kernel")
            error_code = record.args.get("error_code", error_code)
            is_in_fault = is_in_fault and record.event != fold.OPENS
            lines.append(f"{record.seq:>4}  {'  ' if is_in_fault else ''}{told(record, files, error_code, arch)}")
            is_in_fault = (is_in_fault or record.event == fold.OPENS) and record.event not in CLOSES
        if block.nr_more:
            lines.append(f"      {'  ' if is_in_fault else ''}{fold.more(block)}.")
    return "".join([line + "\n" for line in lines]) + fold.cut(len(records), nr_steps)
