# cython: language_level=3
"""Adopt: a process as it is on another machine: its areas, then its pages, then its marks.

What the other kernel granted is not judged here again: no limit, no overcommit mode, no merging. What is left when a step fails is
the caller's to undo (State.rollback()).
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

from vmtool._outside cimport make_inode, open_number
from vmtool._space cimport vma_record
from vmtool._state cimport State
from vmtool._walks cimport find, find_mm
from vmtool.mm.arch cimport offset_in_page
from vmtool.mm.adopt cimport (ADOPT_ANON, ADOPT_DIRTY, ADOPT_FILE, ADOPT_HUGE, ADOPT_YOUNG, ADOPT_ZERO, MMF_ANON_OFFSETS, MMF_NARROW,
                              MMF_NO_VSYSCALL, MMF_VSYSCALL_AS_VDSO, MMF_VSYSCALL_WIDE, NAME_AS_IT_WAS, adopt_bytes as mm_adopt_bytes,
                              adopt_inherited as mm_adopt_inherited, adopt_pages as mm_adopt_pages, adopt_shared as mm_adopt_shared)
from vmtool.mm.arena cimport file_at, inode_at, inode_mut, mm_mut, task_at, task_mut, vma_at, vma_mut
from vmtool.mm.mm cimport clone_thread, insert_area, mm_alloc
from vmtool.mm.mm_acct cimport update_hiwater_vm, vm_stat_account
from vmtool.mm.names cimport name_free
from vmtool.mm.pagecache cimport fget, file_open, fput, name_store, path_lookup, path_unlink, shmem_adopt_size
from vmtool.mm.pid cimport find_task
from vmtool.mm.task cimport sig_maj_flt, sig_min_flt, task_alloc
from vmtool.mm.types cimport *
from vmtool.mm.vma cimport vma_lookup

from vmtool.errors import KernelError

SPECIAL_KINDS = {"[vdso]": VMA_VDSO, "[vvar]": VMA_VVAR, "[vvar_vclock]": VMA_VVAR_VCLOCK}
SPACE_FLAGS = {"compat": MMF_COMPAT, "no_vsyscall": MMF_NO_VSYSCALL, "vsyscall_read": MMF_VSYSCALL_READ, "vsyscall_wide": MMF_VSYSCALL_WIDE,
               "vsyscall_as_vdso": MMF_VSYSCALL_AS_VDSO, "anon_offsets": MMF_ANON_OFFSETS, "narrow": MMF_NARROW}
WHAT = {"anon": ADOPT_ANON, "file": ADOPT_FILE, "zero": ADOPT_ZERO, "huge": ADOPT_HUGE}
DELETED = " (deleted)"
LONGEST_NAME = 255
U64 = 0xFFFFFFFFFFFFFFFF


def adopt(State self, name, areas, *, marks=None, flags=(), sizes=None, files=None, pid=0, parent=0, task_size=0):
    cdef idx_t t, mm, f
    cdef mm_t *m
    cdef int err = ENOMEM
    cdef dict opened = {}
    if pid and find_task(&self.a, pid):
        raise KernelError(EEXIST, f"process {pid} is there already")
    t = task_alloc(&self.a, pid, parent, 0, &err)
    if t == 0:
        raise KernelError(err)
    mm = mm_alloc(&self.a)
    if mm == 0:
        raise KernelError(ENOMEM)
    task_mut(&self.a, t).mm = mm
    text = name.encode("utf-8", "surrogateescape")[:15]
    memcpy(task_mut(&self.a, t).comm, <const char *>text, len(text))
    m = mm_mut(&self.a, mm)
    for mark, value in (marks or {}).items():
        set_mark(m, mark, value)
    for flag in flags:
        m.flags |= <uint32_t>SPACE_FLAGS[flag]
    if task_size:
        m.task_size = task_size
    self.a.task = t
    files = {} if files is None else files
    for area in areas:
        f = 0
        if area.is_file:
            key = (area.name, area.dev_major, area.dev_minor, area.inode)
            if key not in opened:
                opened[key] = file_open(&self.a, adopt_file(self, area, files, sizes or {}))
                if opened[key] == 0:
                    raise KernelError(ENOMEM)
            f = opened[key]
        adopt_area(self, mm, area, f)
        if f and area.name == (marks or {}).get("exe") and m.exe_file == 0:
            fget(&self.a, f)
            m.exe_file = f
    for f in opened.values():
        fput(&self.a, f)
    if m.vdso == 0 and not m.flags & (MMF_COMPAT | MMF_NO_VSYSCALL):
        m.vdso = 1  # [vsyscall] is shown where there is a 64-bit space, with or without a vdso
    update_hiwater_vm(m)
    self.check()
    return task_at(&self.a, t).pid


cdef idx_t adopt_file(State self, area, dict files, sizes) except 0:
    """A file of that identity, kept open in `files` until the caller closes it; what stood at its path under another inode loses the path."""
    cdef idx_t i, f
    key = (area.dev_major, area.dev_minor, area.inode, area.name)
    if key in files:
        return file_at(&self.a, open_number(self, files[key])).inode
    gone = area.name.endswith(DELETED)
    path = area.name.removesuffix(DELETED) if gone else area.name
    if area.name.startswith("[anon_shmem:"):
        gone, path = True, "/dev/zero"
    name = path.encode("utf-8", "surrogateescape")
    i = 0 if gone else path_lookup(&self.a, name, len(name))
    if i and (inode_at(&self.a, i).ino != area.inode or inode_at(&self.a, i).dev_major != area.dev_major
              or inode_at(&self.a, i).dev_minor != area.dev_minor):
        path_unlink(&self.a, i)
        i = 0
    if i == 0:
        kind = "disk" if area.dev_major else "shmem" if gone else "plain"
        size = sizes.get(key[:3], area.offset + area.end - area.start)
        i = make_inode(self, path or "?", size, key[:2], area.inode, kind)
        if kind == "shmem":
            shmem_adopt_size(&self.a, i, area.flags)
    elif inode_at(&self.a, i).size < sizes.get(key[:3], 0):
        inode_mut(&self.a, i).size = sizes[key[:3]]
    f = file_open(&self.a, i)
    if f == 0:
        raise KernelError(ENOMEM)
    files[key] = f
    if gone and inode_at(&self.a, i).nlink:
        path_unlink(&self.a, i)
    return i


cdef int adopt_area(State self, idx_t mm, area, idx_t file) except -1:
    """One area as it is, named as it was: where this kernel would say something else, the area keeps the text."""
    cdef idx_t v
    cdef mm_t *m = mm_mut(&self.a, mm)
    cdef int64_t nr = (area.end - area.start) >> self.a.m.arch.page_shift
    if area.end > m.task_size:
        raise KernelError(EINVAL, f"{area.start:x}-{area.end:x} is beyond a user's addresses, which end at {m.task_size:x}")
    cdef uint64_t flags = area.flags if self.a.m.arch.soft_dirty else area.flags & ~<uint64_t>VM_SOFTDIRTY
    kind = SPECIAL_KINDS.get(area.name, VMA_PLAIN) if file == 0 else VMA_PLAIN
    if file == 0 and area.flags & VM_MAYSHARE:
        kind = VMA_VSYSCALL  # shared, but no file: pages that only a driver has; an access is SIGBUS
    v = insert_area(&self.a, mm, area.start, area.end, flags, area.pgoff, file, kind)
    if v == 0:
        raise KernelError(ENOMEM)
    if kind == VMA_VDSO:
        m.vdso = area.start
    if area.flags & VM_ACCOUNT:
        self.a.m.vm_committed_as += nr
    if area.flags & VM_LOCKED:
        m.locked_vm += nr
    vm_stat_account(m, area.flags, nr)
    text = area.name.encode("utf-8", "surrogateescape")
    for prefix in (b"[anon:", b"[anon_shmem:"):
        if text.startswith(prefix) and text.endswith(b"]") and (file != 0) == (prefix != b"[anon:"):
            name_area(self, v, text[len(prefix):len(text) - 1])
    if vma_record(self, v).name != area.name:
        name_area(self, v, bytes([NAME_AS_IT_WAS]) + text)
    return 0


cdef int name_area(State self, idx_t v, bytes text) except -1:
    cdef const char *start = text
    cdef idx_t name
    if len(text) > LONGEST_NAME:
        raise KernelError(EINVAL, f"an area's name of {len(text)} bytes")
    if len(text) == 0:
        return 0
    name = name_store(&self.a, start, len(text))
    if name == 0:
        raise KernelError(ENOMEM)
    name_free(&self.a, vma_at(&self.a, v).anon_name)  # told otherwise before: the text as it was says all
    vma_mut(&self.a, v).anon_name = name
    return 0


# --- pages ---------------------------------------------------------------------------------------


cdef idx_t area_of(State self, pid, addr, nr) except 0:
    """The area that holds all these pages."""
    cdef idx_t mm = find_mm(self, pid), v = vma_lookup(&self.a, mm, addr & U64)
    if v == 0 or offset_in_page(&self.a.m.arch, addr & U64) or not 0 < nr <= (vma_at(&self.a, v).vm_end - <uint64_t>(addr & U64)) >> self.a.m.arch.page_shift:
        raise KernelError(EFAULT, f"{nr} pages at {addr:#x}")
    return v


def adopt_pages(State self, pid, addr, nr, what, dirty=False, young=True):
    cdef idx_t v = area_of(self, pid, addr, nr)
    cdef uint32_t kind = WHAT[what], how = (ADOPT_DIRTY if dirty else 0) | (ADOPT_YOUNG if young else 0)
    cdef uint64_t start = addr, count = nr
    cdef int64_t mapped
    with nogil:
        mapped = mm_adopt_pages(&self.a, v, start, count, kind, how)
    self.check()
    if mapped < 0:
        raise KernelError(<int>-mapped)
    return mapped


cdef idx_t area_at(State self, pid, addr):
    """The area at an address of a process, 0: none, or no such process."""
    cdef idx_t t = find_task(&self.a, pid) if pid else 0
    return vma_lookup(&self.a, task_at(&self.a, t).mm, addr) if t and task_at(&self.a, t).mm else 0


def adopt_shared(State self, pid, addr, nr, other, other_addr, parent=0, dirty=False, young=True):
    cdef idx_t v = area_of(self, pid, addr, nr), src = area_of(self, other, other_addr, nr)
    cdef uint32_t how = (ADOPT_DIRTY if dirty else 0) | (ADOPT_YOUNG if young else 0)
    cdef int64_t mapped = mm_adopt_shared(&self.a, v, addr, nr, src, other_addr, area_at(self, parent, addr), how)
    self.check()
    if mapped < 0:
        raise KernelError(<int>-mapped)
    return mapped


def adopt_inherited(State self, pid, addr, nr, what, other, parent=0, dirty=False, young=True):
    cdef idx_t v = area_of(self, pid, addr, nr), src = area_at(self, other, addr)
    cdef uint32_t kind = WHAT[what], how = (ADOPT_DIRTY if dirty else 0) | (ADOPT_YOUNG if young else 0)
    cdef int64_t mapped
    if src:
        mapped = mm_adopt_inherited(&self.a, v, addr, nr, kind, src, addr, area_at(self, parent, addr), how)
    else:
        mapped = mm_adopt_pages(&self.a, v, addr, nr, kind, how)
    self.check()
    if mapped < 0:
        raise KernelError(<int>-mapped)
    return mapped


def adopt_bytes(State self, pid, addr, data):
    cdef const char *text = data
    cdef uint64_t done = mm_adopt_bytes(&self.a, find_mm(self, pid), addr & U64, text, len(data))
    self.check()
    return done


# --- what the task was ---------------------------------------------------------------------------------


def adopt_facts(State self, pid, *, min_flt=0, maj_flt=0, ended_min_flt=0, ended_maj_flt=0, oom_score_adj=0, limits=(), hiwater_vm=0, hiwater_rss=0):
    cdef task_t *t = task_mut(&self.a, find(self, pid))
    cdef mm_t *m = mm_mut(&self.a, find_mm(self, pid))
    cdef int i
    t.min_flt, t.maj_flt, t.oom_score_adj = min_flt, maj_flt, oom_score_adj
    sig_min_flt(t)[0], sig_maj_flt(t)[0] = ended_min_flt, ended_maj_flt
    for i, (soft, hard) in limits:
        if 0 <= i < NR_RLIMITS:
            t.rlim_cur[i], t.rlim_max[i] = soft, hard
    m.hiwater_vm = max(m.hiwater_vm, hiwater_vm)
    m.hiwater_rss = max(m.hiwater_rss, hiwater_rss)
    self.check()


def adopt_threads(State self, pid, threads):
    cdef idx_t leader = find(self, pid)
    cdef int64_t t
    cdef task_t *task
    self.a.task = leader
    for tid, comm, min_flt, maj_flt in threads:
        t = clone_thread(&self.a, leader, 0 if tid and find_task(&self.a, tid) else tid, 0)
        if t < 0:
            raise KernelError(<int>-t)
        text = comm.encode("utf-8", "surrogateescape")[:15]
        task = task_mut(&self.a, <idx_t>t)
        memset(task.comm, 0, sizeof(task.comm))
        memcpy(task.comm, <const char *>text, len(text))
        task.min_flt, task.maj_flt = min_flt, maj_flt
    self.check()


cdef void set_mark(mm_t *m, name, value) except *:
    """A field of mm_struct by its name; `exe` is a path, and adopt()'s own."""
    if name == "start_code":
        m.start_code = value
    elif name == "end_code":
        m.end_code = value
    elif name == "start_data":
        m.start_data = value
    elif name == "end_data":
        m.end_data = value
    elif name == "start_brk":
        m.start_brk = value
    elif name == "brk":
        m.brk = value
    elif name == "start_stack":
        m.start_stack = m.sp = value
    elif name == "arg_start":
        m.arg_start = value
    elif name == "arg_end":
        m.arg_end = value
    elif name == "env_start":
        m.env_start = value
    elif name == "env_end":
        m.env_end = value
    elif name == "mmap_base":
        m.mmap_base = value
    elif name != "exe":
        raise KernelError(EINVAL, f"mark {name}")
