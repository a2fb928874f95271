# cython: language_level=3
"""Memory pressure: swap areas, reclaim by hand, the kernel's log, control groups.
"""

from libc.stdint cimport uint32_t, uint64_t

from vmtool._files cimport enter, result, settle
from vmtool._state cimport PATH_MAX, State
from vmtool._walks cimport find, find_mm
from vmtool.mm.arena cimport frame_at, memcg_at, memcg_mut, mm_mut, rec_at, rec_is_live, task_at
from vmtool.mm.pcp cimport decay_pcp_high
from vmtool.mm.memcontrol cimport (LIMIT_HIGH, LIMIT_LOW, LIMIT_MAX, LIMIT_MIN, LIMIT_SWAP_HIGH, LIMIT_SWAP_MAX, PAGE_COUNTER_MAX, mem_cgroup_alloc,
                                   mem_cgroup_remove, mem_cgroup_set_limit)
from vmtool.mm.memcg_stat cimport memory_stat_count, memory_stat_name, memory_stat_value
from vmtool.mm.frame cimport zone_name
from vmtool.mm.names cimport name_free, name_read, name_store
from vmtool.mm.printk cimport KMSG_CONT, KMSG_MOST
from vmtool.mm.frame cimport folio_order
from vmtool.mm.khugepaged cimport khugepaged_until
from vmtool.mm.large_folio cimport is_anon_order
from vmtool.mm.lruvec cimport LRU_UNEVICTABLE, memcg_next
from vmtool.mm.oom_report cimport memcg_path
from vmtool.mm.compaction cimport kcompactd_until
from vmtool.mm.extfrag cimport fragmentation_index, unusable_free_index
from vmtool.mm.swap_cluster cimport SWP_FILE
from vmtool.mm.sys_prctl cimport prctl_get_thp_disable, prctl_set_thp_disable
from vmtool.mm.sys_swap cimport sys_swapoff, sys_swapon
from vmtool.mm.types cimport *
from vmtool.mm.vmscan cimport user_proactive_reclaim
from vmtool.mm.vmstat cimport *

from vmtool import records as r
from vmtool.errors import KernelError

DECAYS = 100  # after so many seconds all lists are as short as they get

LIMITS = {"memory.min": LIMIT_MIN, "memory.low": LIMIT_LOW, "memory.high": LIMIT_HIGH, "memory.max": LIMIT_MAX,
          "memory.swap.max": LIMIT_SWAP_MAX, "memory.swap.high": LIMIT_SWAP_HIGH}
EVENTS = ("low", "high", "max", "oom", "oom_kill", "oom_group_kill")
SWAP_EVENTS = {"high": MEMCG_SWAP_HIGH, "max": MEMCG_SWAP_MAX, "fail": MEMCG_SWAP_FAIL}
MOST_NAME = 255
MTHP_STATS = ("anon_fault_alloc anon_fault_fallback anon_fault_fallback_charge zswpout swpin swpin_fallback swpin_fallback_charge swpout swpout_fallback "
              "shmem_alloc shmem_fallback shmem_fallback_charge split split_failed split_deferred nr_anon nr_anon_partially_mapped").split()
"""mthp_stat_item: the files of hugepages-*kB/stats."""
U64 = 0xFFFFFFFFFFFFFFFF
NO_STALL = {"avg10": 0.0, "avg60": 0.0, "avg300": 0.0, "total": 0}
"""psi: what of the time processes waited for memory, or for the disk. The clock stands still while they do."""


# --- swap ------------------------------------------------------------------------------------------------


def swapon(State self, nr_bytes, priority=None, rotational=False, file=False):
    cdef int type
    if nr_bytes < 0 or nr_bytes > 1 << 62 or (priority is not None and not 0 <= priority <= 32767):
        raise KernelError(EINVAL)
    self.mark_machine()
    type = sys_swapon(&self.a, nr_bytes, -1 if priority is None else priority, rotational, file)
    result(self, type)
    return swap_path(self, type)


cdef str swap_path(State self, uint32_t type):
    return f"/swapfile{type}" if self.a.m.swap[type].flags & SWP_FILE else f"/dev/swap{type}"


def swapoff(State self, path=None):
    """One area, or all of them, the last first."""
    cdef uint32_t type
    types = {swap_path(self, type): type for type in range(self.a.m.nr_swapfiles) if self.a.m.swap[type].flags}
    if path is not None and path not in types:
        raise KernelError(EINVAL if types or path.startswith("/dev/swap") else ENOENT, path)
    self.mark_machine()
    self.a.task = 0
    settle(self)
    for name in reversed(types) if path is None else [path]:
        result(self, sys_swapoff(&self.a, types[name]))


def swaps(State self):
    cdef uint32_t type
    cdef swap_info_t *si
    found = []
    for type in range(self.a.m.nr_swapfiles):
        si = &self.a.m.swap[type]
        if si.flags:
            found.append((swap_path(self, type), si.pages << self.a.m.arch.page_shift - 10, si.inuse_pages << self.a.m.arch.page_shift - 10, si.prio, not si.flags & SWP_FILE))
    return found


# --- reclaim by hand ------------------------------------------------------------------------------------------


def reclaim(State self, nr_pages, group=None):
    """memory.reclaim of a group, or of the machine. Returns the pages reclaimed; fewer than asked for: KernelError(EAGAIN)."""
    cdef idx_t memcg = 0 if group is None else group_of(self, group)
    cdef uint64_t got = 0
    cdef bint done
    if nr_pages < 0 or nr_pages > 1 << 40:
        raise KernelError(EINVAL)
    self.mark_machine()
    self.a.task = 0
    settle(self)
    done = user_proactive_reclaim(&self.a, memcg, nr_pages, &got)
    self.check()
    if not done:
        raise KernelError(EAGAIN, f"{got} of {nr_pages} pages were reclaimed")
    return got


def sleep(State self, microseconds):
    """The logical clock goes on; the flusher writes what is old by then, khugepaged scans, and idle per-CPU lists become shorter."""
    if not 0 <= microseconds <= 1 << 60:
        raise KernelError(EINVAL)
    self.mark_machine()
    self.a.task = 0
    settle(self)
    before = self.a.m.now_us // 1000000
    khugepaged_until(&self.a, self.a.m.now_us + <uint64_t>microseconds)
    for _ in range(min(self.a.m.now_us // 1000000 - before, DECAYS)):
        decay_pcp_high(&self.a)
    kcompactd_until(&self.a)
    self.check()


# --- fragmentation ------------------------------------------------------------------------------------------------


def fragmentation(State self):
    """Zones that have memory."""
    cdef uint32_t z
    found = [r.Fragmentation(0, zone_name(z).decode(), tuple([unusable_free_index(&self.a, z, order) for order in range(self.a.m.arch.max_order + 1)]),
                             tuple([fragmentation_index(&self.a, z, order) for order in range(self.a.m.arch.max_order + 1)]))
             for z in range(NR_ZONES) if self.a.m.zone[z].present_pages]
    self.check()
    return found


# --- the kernel's log --------------------------------------------------------------------------------------------


def thp_sizes(State self):
    """In kB, those that huge pages of anonymous memory can have."""
    return [1 << order + self.a.m.arch.page_shift - 10 for order in range(NR_MTHP_ORDERS) if is_anon_order(&self.a, order)]


def mthp_stats(State self, size_kb):
    cdef uint32_t order
    for order in range(NR_MTHP_ORDERS):
        if is_anon_order(&self.a, order) and size_kb == 1 << order + self.a.m.arch.page_shift - 10:
            return {name: self.a.m.mthp_stat[order][i] for i, name in enumerate(MTHP_STATS)}
    raise KernelError(ENOENT, f"no huge pages of {size_kb} kB")


def thp_disable(State self, pid):
    return prctl_get_thp_disable(&self.a, find_mm(self, pid))


def set_thp_disable(State self, pid, disable, flags=0):
    result(self, prctl_set_thp_disable(&self.a, task_at(&self.a, enter(self, pid)).mm, disable, flags & U64))


def kmsg(State self):
    """Lines: (microseconds, text)."""
    cdef uint64_t i
    cdef kmsg_t *k
    found = []
    text = b""
    for i in range(self.a.m.kmsg_first, self.a.m.kmsg_next):
        k = <kmsg_t *>rec_at(&self.a, POOL_KMSG, <uint32_t>(i % KMSG_MOST) + 1)
        text += k.text[: min(k.len, 240)]
        if not k.level & KMSG_CONT:
            found.append((k.time_us, text.decode("utf-8", "surrogateescape")))
            text = b""
    self.check()
    return found


# --- the LRU -----------------------------------------------------------------------------------------------------------


def lru_lists(State self):
    cdef idx_t group
    cdef uint32_t lru
    cdef uint32_t at
    cdef uint32_t left
    cdef char path[PATH_MAX]
    cdef lruvec_t *lruvec
    found = []
    for group in range(max(self.a.pool[POOL_MEMCG].count, 1)):
        if group and not rec_is_live(&self.a, POOL_MEMCG, group):
            continue
        name = path[: memcg_path(&self.a, group, path, PATH_MAX)].decode("utf-8", "surrogateescape") if group else "/"
        lruvec = &memcg_at(&self.a, group).lruvec if group else &self.a.m.lruvec
        lists = []
        for lru in range(LRU_UNEVICTABLE):
            at = lruvec.lists[lru].tail
            left = min(lruvec.lists[lru].nr_free, <uint32_t>self.a.m.max_pfn)
            pages = []
            while at and left:
                pages.append((at, 1 << folio_order(&self.a, at)))
                at = frame_at(&self.a, at).lru_prev
                left -= 1
            lists.append(pages)
        found.append((name, lists))
    self.check()
    return found


# --- control groups ------------------------------------------------------------------------------------------------


cdef idx_t group_of(State self, name) except 0:
    """The record of a group by its path, names joined by `/`."""
    cdef idx_t at = 0
    cdef idx_t child
    cdef char text[256]
    cdef uint32_t left
    parts = [part for part in name.split("/") if part]
    for part in parts:
        child = self.a.m.memcg_first if at == 0 else memcg_at(&self.a, at).first_child
        left = self.a.pool[POOL_MEMCG].count
        want = part.encode("utf-8", "surrogateescape")
        while child and left:
            left -= 1
            if memcg_at(&self.a, child).state == 1 and text[: name_read(&self.a, memcg_at(&self.a, child).name, text, 255)] == want:
                break
            child = memcg_at(&self.a, child).next_sibling
        if child == 0 or left == 0:
            raise KernelError(ENOENT, name)
        at = child
    if at == 0:
        raise KernelError(ENOENT, name or "no group named")
    return at


def cgroup_create(State self, name):
    cdef idx_t parent = 0
    cdef idx_t text
    up, _, last = name.strip("/").rpartition("/")
    last = last.encode("utf-8", "surrogateescape")
    if not last or last in (b".", b"..") or len(last) > MOST_NAME or b"\n" in last or b"\0" in last:
        raise KernelError(EINVAL, name)
    if up:
        parent = group_of(self, up)
    try:
        group_of(self, name)
    except KernelError:
        pass
    else:
        raise KernelError(EEXIST, name)
    self.mark_machine()
    text = name_store(&self.a, last, len(last))
    if text == 0 or mem_cgroup_alloc(&self.a, parent, text) == 0:
        if text:
            name_free(&self.a, text)
        raise KernelError(ENOMEM, "no more groups")
    self.check()


def cgroup_remove(State self, name):
    cdef idx_t memcg = group_of(self, name)
    cdef idx_t text = memcg_at(&self.a, memcg).name
    self.mark_machine()
    result(self, mem_cgroup_remove(&self.a, memcg))
    name_free(&self.a, text)


def cgroup_move(State self, name, pid):
    """A process into a group (an empty name: the root). What it has charged stays where it is."""
    cdef idx_t memcg = group_of(self, name) if name.strip("/") else 0
    cdef idx_t mm = task_at(&self.a, find(self, pid)).mm
    if mm == 0:
        raise KernelError(ESRCH, f"process {pid} has no address space")
    self.mark_machine()
    mm_mut(&self.a, mm).memcg = memcg
    self.check()


def cgroup_set(State self, name, file, value):
    cdef idx_t memcg = group_of(self, name)
    if file == "memory.oom.group":
        if value not in (0, 1):
            raise KernelError(EINVAL, f"{value} is neither 0 nor 1")
        memcg_mut(&self.a, memcg).oom_group = value
    elif file == "memory.reclaim":
        self.reclaim(0 if value is None else value >> self.a.m.arch.page_shift, name)
    elif file not in LIMITS:
        raise KernelError(ENOENT, file)
    else:
        if value is not None and value < 0:
            raise KernelError(EINVAL)
        self.mark_machine()
        self.a.task = 0
        settle(self)
        result(self, mem_cgroup_set_limit(&self.a, memcg, LIMITS[file], PAGE_COUNTER_MAX if value is None else min(value >> self.a.m.arch.page_shift, PAGE_COUNTER_MAX)))


def cgroup(State self, name):
    """What its files say, by their names: numbers in bytes (None: max), and tables of numbers. `/`: the root group, which has few."""
    cdef idx_t memcg = 0 if name and not name.strip("/") else group_of(self, name)
    cdef uint32_t line
    cdef memcg_t *m
    stat = {memory_stat_name(line).decode(): memory_stat_value(&self.a, memcg, line) for line in range(memory_stat_count())}
    self.check()
    if memcg == 0:
        return {"memory.stat": stat}
    m = memcg_at(&self.a, memcg)

    def limit(pages):
        return None if pages >= PAGE_COUNTER_MAX else pages << self.a.m.arch.page_shift
    return {
        "memory.current": m.memory.usage << self.a.m.arch.page_shift, "memory.peak": m.memory.watermark << self.a.m.arch.page_shift, "memory.min": limit(m.memory.min),
        "memory.low": limit(m.memory.low), "memory.high": limit(m.memory.high), "memory.max": limit(m.memory.max),
        "memory.swap.current": m.swap.usage << self.a.m.arch.page_shift, "memory.swap.peak": m.swap.watermark << self.a.m.arch.page_shift, "memory.swap.high": limit(m.swap.high),
        "memory.swap.max": limit(m.swap.max), "memory.oom.group": m.oom_group, "memory.stat": stat,
        "memory.events": {EVENTS[i]: m.event[i] for i in range(6)},
        "memory.events.local": {EVENTS[i]: m.event_local[i] for i in range(6)},
        "io.pressure": {"some": dict(NO_STALL), "full": dict(NO_STALL)},
        "memory.pressure": {"some": dict(NO_STALL), "full": dict(NO_STALL)},
        "memory.swap.events": {key: m.event[item] for key, item in SWAP_EVENTS.items()},
    }


def cgroups(State self):
    """Paths of all groups, parents first."""
    cdef idx_t at = 0
    cdef idx_t up
    cdef char text[256]
    cdef uint32_t left = self.a.pool[POOL_MEMCG].count
    found = []
    while left:
        left -= 1
        at = memcg_next(&self.a, 0, at)
        if at == 0:
            break
        if memcg_at(&self.a, at).state != 1:
            continue
        path, up = [], at
        while up and len(path) < 1024:
            path.append(text[: name_read(&self.a, memcg_at(&self.a, up).name, text, 255)].decode("utf-8", "surrogateescape"))
            up = memcg_at(&self.a, up).parent
        found.append("/".join(reversed(path)))
    self.check()
    return found
