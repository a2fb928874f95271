# cython: language_level=3
"""Space: what /proc/PID shows of a process: task and mm fields, areas, smaps. Nothing here changes the machine."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset, strlen

from vmtool._state cimport State
from vmtool._views cimport path_of
from vmtool._walks cimport find, find_mm
from vmtool.mm.access cimport peek_bytes
from vmtool.mm.arch cimport page_size
from vmtool.mm.arena cimport file_at, mm_at, rec_at, task_at, vma_at
from vmtool.mm.mm_acct cimport get_mm_rss, mm_counter_sum
from vmtool.mm.hstate cimport vma_kernel_pagesize
from vmtool.mm.hugetlb cimport hugetlb_usage
from vmtool.mm.sys_exec cimport AUXV_MOST, auxv_word
from vmtool.mm.pkeys cimport has_pkeys, vma_pkey
from vmtool.mm.show_proc cimport numa_gather, numa_stats_t, oom_score as mm_oom_score
from vmtool.mm.show_smaps cimport mem_stats_t, smap_gather, thp_eligible
from vmtool.mm.show_vma cimport get_gate_vma, map_vma_t, map_word_bytes, show_map_vma, vma_is_unnamed
from vmtool.mm.task cimport group_faults, group_leader, next_thread, thread_sp
from vmtool.mm.types cimport *

from vmtool import records as r

cdef enum:
    UNNAMED_LINE = 64
    UNNAMED_RUN = 256  # such lines in a row that make one text

RLIM_INFINITY = 0xFFFFFFFFFFFFFFFF


cdef inline char *put_hex(char *at, uint64_t value) noexcept nogil:
    """%08lx; where it ends."""
    cdef uint32_t digits = 8
    cdef uint32_t i
    while digits < 16 and value >> (4 * digits):
        digits += 1
    for i in range(digits):
        at[digits - 1 - i] = b"0123456789abcdef"[value & 15]
        value >>= 4
    return at + digits


cdef size_t unnamed_line(const vma_t *area, char *text) noexcept nogil:
    """What maps says of memory that is no file's and has no name. Its length, at most UNNAMED_LINE."""
    cdef char *at = put_hex(text, area.vm_start)
    at[0] = b"-"
    at = put_hex(at + 1, area.vm_end)
    at[0] = b" "
    at[1] = b"r" if area.vm_flags & VM_READ else b"-"
    at[2] = b"w" if area.vm_flags & VM_WRITE else b"-"
    at[3] = b"x" if area.vm_flags & VM_EXEC else b"-"
    at[4] = b"s" if area.vm_flags & VM_MAYSHARE else b"p"
    memcpy(at + 5, b" 00000000 00:00 0 \n", 19)
    return at + 24 - text


# --- tasks ---------------------------------------------------------------------------------


def tasks(State self):
    cdef uint32_t pid
    cdef idx_t t
    found = []
    for pid in range(1, self.a.pool[POOL_PID].count):
        t = (<uint32_t *>rec_at(&self.a, POOL_PID, pid))[0]
        if t and task_at(&self.a, t).tgid == pid:
            found.append(self.task(pid))
    self.check()
    return found


def threads(State self, pid):
    cdef idx_t leader = group_leader(&self.a, find(self, pid)), t = next_thread(&self.a, leader, 0)
    pids = []
    while t:
        pids.append(task_at(&self.a, t).pid)
        t = next_thread(&self.a, leader, t)
    return [self.task(pid, True) for pid in sorted(pids)]


def task(State self, pid, alone=False):
    cdef idx_t i = find(self, pid), leader = group_leader(&self.a, i)
    cdef task_t *t = task_at(&self.a, i)
    cdef uint64_t minor = t.min_flt, major = t.maj_flt
    cdef uint32_t cpu
    current = False
    for cpu in range(self.a.m.nr_cpus):
        if (<cpu_t *>rec_at(&self.a, POOL_CPU, cpu + 1)).task == i:
            current = True
    if not alone:
        group_faults(&self.a, leader, &minor, &major)
    comm = t.comm[: strlen(t.comm) if t.comm[15] == 0 else 16].decode("utf-8", "surrogateescape")
    self.check()
    return r.TaskInfo(t.pid, t.ppid, comm, chr(t.state), t.exit_code, t.cpu, current, minor, major, t.cmin_flt, t.cmaj_flt,
                      task_at(&self.a, leader).nr_threads, t.start_time, t.oom_score_adj, t.mm != 0, task_at(&self.a, leader).shared_pending, t.tgid, thread_sp(t)[0])


def mm(State self, pid):
    cdef mm_t *m = mm_at(&self.a, find_mm(self, pid))
    cdef uint64_t anon = <uint64_t>mm_counter_sum(m, MM_ANONPAGES)
    cdef uint64_t file = <uint64_t>mm_counter_sum(m, MM_FILEPAGES)
    cdef uint64_t shmem = <uint64_t>mm_counter_sum(m, MM_SHMEMPAGES)
    cdef uint64_t hiwater_rss = anon + file + shmem
    words = b"".join([auxv_word(m, i)[0].to_bytes(8, "little") for i in range(min(m.nr_auxv, <uint32_t>AUXV_MOST))])
    if m.hiwater_rss > hiwater_rss:
        hiwater_rss = m.hiwater_rss
    exe = path_of(self, file_at(&self.a, m.exe_file).inode) if m.exe_file else ""
    self.check()
    return r.MmInfo(
        <uint64_t>m.pgd << self.a.m.arch.page_shift, m.start_code, m.end_code, m.start_data, m.end_data, m.start_brk, m.brk, m.start_stack,
        m.arg_start, m.arg_end, m.env_start, m.env_end, m.mmap_base, m.entry, m.sp, m.task_size,
        m.total_vm, max(m.hiwater_vm, m.total_vm), m.locked_vm, m.pinned_vm, m.data_vm, m.exec_vm, m.stack_vm,
        anon, file, shmem, hiwater_rss, get_mm_rss(m), <uint64_t>mm_counter_sum(m, MM_SWAPENTS), m.pgtables_bytes,
        hugetlb_usage(&self.a, find_mm(self, pid)), m.map_count,
        not m.flags & MMF_DISABLE_THP, exe, words)


cdef object peek_range(State self, idx_t mm, start, end):
    cdef uint64_t n
    cdef char *buf
    if not 0 < end - start <= 1 << 22:
        return b""
    n = end - start
    buf = <char *>malloc(n)
    if buf == NULL:
        raise MemoryError()
    try:
        n = peek_bytes(&self.a, mm, start, buf, n)
        return buf[:n]
    finally:
        free(buf)


def cmdline(State self, pid):
    cdef idx_t mm = find_mm(self, pid)
    return peek_range(self, mm, mm_at(&self.a, mm).arg_start, mm_at(&self.a, mm).arg_end)


def environ(State self, pid):
    cdef idx_t mm = find_mm(self, pid)
    return peek_range(self, mm, mm_at(&self.a, mm).env_start, mm_at(&self.a, mm).env_end)


def getrlimits(State self, pid):
    cdef task_t *t = task_at(&self.a, find(self, pid))
    return [(None if t.rlim_cur[i] == RLIM_INFINITY else t.rlim_cur[i], None if t.rlim_max[i] == RLIM_INFINITY else t.rlim_max[i])
            for i in range(NR_RLIMITS)]


# --- areas -----------------------------------------------------------------------------------


cdef object map_record(const map_vma_t *line, uint64_t pgoff, is_file, anon_vma, file):
    return r.Vma(line.start, line.end, line.vm_flags, pgoff, line.offset, line.dev_major, line.dev_minor, line.ino,
                 line.name[:line.name_len].decode("utf-8", "surrogateescape"), is_file, anon_vma, file)


cdef object vma_record(State self, idx_t v):
    cdef const vma_t *area = vma_at(&self.a, v)
    cdef map_vma_t line
    show_map_vma(&self.a, v, &line)
    return map_record(&line, area.vm_pgoff, area.vm_file != 0, area.anon_vma, area.vm_file)


cdef object gate_record(State self, idx_t mm):
    """None: this kind of space has none."""
    cdef map_vma_t line
    return map_record(&line, 0, False, 0, 0) if get_gate_vma(&self.a, mm, &line) else None


def maps(State self, pid):
    cdef idx_t mm = find_mm(self, pid)
    cdef idx_t v = mm_at(&self.a, mm).vma_first
    cdef uint32_t left = self.a.pool[POOL_VMA].count
    found = []
    while v and left:
        found.append(vma_record(self, v))
        v = vma_at(&self.a, v).vm_next
        left -= 1
    gate = gate_record(self, mm)
    if gate is not None:
        found.append(gate)
    self.check()
    return found


def maps_text(State self, pid, line):
    cdef idx_t mm = find_mm(self, pid)
    cdef idx_t v = mm_at(&self.a, mm).vma_first
    cdef uint32_t left = self.a.pool[POOL_VMA].count
    cdef char text[UNNAMED_LINE * UNNAMED_RUN]
    cdef size_t used = 0
    found = []
    while v and left:
        if vma_is_unnamed(&self.a, v):
            used += unnamed_line(vma_at(&self.a, v), text + used)
        else:
            found += (text[:used], line(vma_record(self, v)).encode("utf-8", "surrogateescape"))
            used = 0
        if used > UNNAMED_LINE * (UNNAMED_RUN - 1):
            found.append(text[:used])
            used = 0
        v = vma_at(&self.a, v).vm_next
        left -= 1
    found.append(text[:used])
    gate = gate_record(self, mm)
    if gate is not None:
        found.append(line(gate).encode("utf-8", "surrogateescape"))
    self.check()
    return b"".join(found).decode("utf-8", "surrogateescape")


def word_bytes(State self, pid):
    """Of the pointers of the kernel whose maps this process has: they decide where names stand."""
    return map_word_bytes(&self.a, task_at(&self.a, find(self, pid)).mm)


def smaps(State self, pid):
    cdef idx_t mm = find_mm(self, pid)
    cdef idx_t v = mm_at(&self.a, mm).vma_first
    cdef uint32_t left = self.a.pool[POOL_VMA].count
    cdef mem_stats_t s
    found = []
    while v and left:
        memset(&s, 0, sizeof(s))
        smap_gather(&self.a, v, &s)
        size = vma_kernel_pagesize(&self.a, v)
        found.append(r.Smap(vma_record(self, v), stats_record(&s), size, size, thp_eligible(&self.a, v),
                            vma_pkey(vma_at(&self.a, v)) if has_pkeys(&self.a) else None))
        v = vma_at(&self.a, v).vm_next
        left -= 1
    gate = gate_record(self, mm)
    if gate is not None:
        memset(&s, 0, sizeof(s))
        found.append(r.Smap(gate, stats_record(&s), page_size(&self.a.m.arch), page_size(&self.a.m.arch), False,
                            0 if has_pkeys(&self.a) else None))
    self.check()
    return found


def numa_maps(State self, pid):
    cdef idx_t mm = find_mm(self, pid)
    cdef idx_t v = mm_at(&self.a, mm).vma_first
    cdef uint32_t left = self.a.pool[POOL_VMA].count
    cdef numa_stats_t n
    found = []
    while v and left:
        numa_gather(&self.a, v, &n)
        found.append((vma_record(self, v), r.NumaStats(n.pages, n.anon, n.active, n.writeback, n.mapcount_max, n.dirty, n.swapcache,
                                                            vma_kernel_pagesize(&self.a, v))))
        v = vma_at(&self.a, v).vm_next
        left -= 1
    self.check()
    return found


def oom_score(State self, pid, is_new=True):
    return mm_oom_score(&self.a, find(self, pid), is_new)


def smaps_rollup(State self, pid):
    cdef idx_t mm = find_mm(self, pid)
    cdef idx_t v = mm_at(&self.a, mm).vma_first
    cdef mem_stats_t s
    cdef uint64_t first = 0, last = 0
    cdef uint32_t left = self.a.pool[POOL_VMA].count
    memset(&s, 0, sizeof(s))
    if v:
        first = vma_at(&self.a, v).vm_start
    while v and left:
        smap_gather(&self.a, v, &s)
        last = vma_at(&self.a, v).vm_end
        v = vma_at(&self.a, v).vm_next
        left -= 1
    self.check()
    return first, last, stats_record(&s)


def vma_tree(State self, pid):
    cdef idx_t mm = find_mm(self, pid)
    cdef idx_t v
    cdef vma_t *area
    cdef uint32_t left = self.a.pool[POOL_VMA].count
    found = []
    v = mm_at(&self.a, mm).vma_first
    while v and left:
        area = vma_at(&self.a, v)
        found.append(r.VmaNode(area.vm_start, area.vm_end, vma_at(&self.a, area.left).vm_start if area.left else None,
                               vma_at(&self.a, area.right).vm_start if area.right else None, area.subtree_gap))
        v = area.vm_next
        left -= 1
    self.check()
    return found


cdef object stats_record(const mem_stats_t *s):
    return r.MemStats(s.resident, s.shared_clean, s.shared_dirty, s.private_clean, s.private_dirty, s.referenced, s.anonymous, s.ksm, s.lazyfree,
                      s.anonymous_thp, s.shmem_thp, s.file_thp, s.shared_hugetlb, s.private_hugetlb, s.swap, s.swap_pss, s.pss, s.pss_dirty,
                      s.pss_anon, s.pss_file, s.pss_shmem, s.pss_locked)
