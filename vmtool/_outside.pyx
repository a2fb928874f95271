# cython: language_level=3
"""Outside: what logs and live processes need of a machine beyond a user's own calls.

Open files have numbers here, as struct file has: the mappings of one open() merge, those of two do not, and a file without a name
goes on while it is open. Whoever opens closes. A process can be taken in with its areas as they are.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from vmtool.mm.arena cimport file_at, inode_at, inode_mut, mm_at, mm_mut, task_at, task_mut, vma_at
from vmtool.mm.mm cimport find_task, insert_area, mm_alloc, mmput, task_alloc, task_free
from vmtool.mm.mm_acct cimport update_hiwater_vm, vm_enough_memory, vm_stat_account
from vmtool.mm.pagecache cimport do_truncate, fget, file_open, fput, inode_create, path_lookup, path_rename, path_unlink, punch_hole
from vmtool.mm.rmap cimport anon_vma_prepare
from vmtool.mm.types cimport *
from vmtool.mm.vma cimport find_vma

from vmtool.errors import KernelError

KINDS = {"disk": INODE_EXT4, "plain": INODE_PLAIN, "shmem": INODE_SHMEM}
SPECIAL_KINDS = {"[vdso]": VMA_VDSO, "[vvar]": VMA_VVAR, "[vvar_vclock]": VMA_VVAR_VCLOCK}
DELETED = " (deleted)"
VSYSCALL = 0xFFFFFFFFFF600000
U64 = 0xFFFFFFFFFFFFFFFF


cdef inline bint is_heap(const mm_t *m, const vma_t *v) noexcept nogil:
    """vma_is_initial_heap()"""
    return v.vm_start < m.brk and v.vm_end > m.start_brk


cdef class Outside(Space):
    # --- open files ------------------------------------------------------------------------------

    cdef idx_t open_number(self, file) except 0:
        if not 0 < file < self.a.pool[POOL_FILE].count or file_at(&self.a, file).refcount == 0:
            raise KernelError(EBADF, f"open file {file}")
        return file

    cdef idx_t make_inode(self, path, size, dev, inode, kind) except 0:
        cdef int err = 0
        cdef idx_t i
        name = path.encode("utf-8", "surrogateescape")
        if not name or b"\0" in name or len(name) > 4095:
            raise KernelError(EINVAL, "a path of 1 to 4095 bytes is expected")
        i = inode_create(&self.a, name, len(name), KINDS[kind], dev[0], dev[1], inode, min(size, 1 << 62), &err)
        if i == 0:
            raise KernelError(err if err else ENOMEM)
        return i

    def open_file(self, path):
        cdef idx_t inode, f
        name = path.encode("utf-8", "surrogateescape")
        inode = path_lookup(&self.a, name, len(name))
        if inode == 0:
            raise KernelError(ENOENT, path)
        f = file_open(&self.a, inode)
        self.check()
        if f == 0:
            raise KernelError(ENOMEM)
        return f

    def open_new(self, path, size, dev=(8, 1), inode=0, kind="disk", unlinked=False):
        cdef idx_t i = self.make_inode(path, size, dev, inode, kind)
        cdef idx_t f = file_open(&self.a, i)
        if f == 0:
            raise KernelError(ENOMEM)
        if unlinked and inode_at(&self.a, i).nlink:
            path_unlink(&self.a, i)
        self.check()
        return f

    def open_again(self, file):
        cdef idx_t f = file_open(&self.a, file_at(&self.a, self.open_number(file)).inode)
        self.check()
        if f == 0:
            raise KernelError(ENOMEM)
        return f

    def close_file(self, file):
        fput(&self.a, self.open_number(file))
        self.check()

    def unlink_file(self, file):
        cdef idx_t i = file_at(&self.a, self.open_number(file)).inode
        if inode_at(&self.a, i).nlink:
            path_unlink(&self.a, i)
        self.check()

    def rename_file(self, file, path):
        cdef int err
        name = path.encode("utf-8", "surrogateescape")
        err = path_rename(&self.a, file_at(&self.a, self.open_number(file)).inode, name, len(name))
        self.check()
        if err:
            raise KernelError(-err)

    def truncate_file(self, file, size):
        cdef int err = do_truncate(&self.a, file_at(&self.a, self.open_number(file)).inode, min(size, 1 << 62))
        self.check()
        if err:
            raise KernelError(-err)

    def punch_file(self, file, offset, length):
        cdef int err = punch_hole(&self.a, file_at(&self.a, self.open_number(file)).inode, offset, length)
        self.check()
        if err:
            raise KernelError(-err)

    def identify_file(self, file, dev, inode):
        cdef idx_t i = file_at(&self.a, self.open_number(file)).inode
        inode_mut(&self.a, i).dev_major, inode_mut(&self.a, i).dev_minor, inode_mut(&self.a, i).ino = dev[0], dev[1], inode
        self.check()

    # --- what a privileged process could do ----------------------------------------------------------

    def lift_limit(self, pid, resource):
        cdef idx_t t = find_task(&self.a, pid)
        if t == 0:
            raise KernelError(ESRCH, f"process {pid}")
        if not 0 <= resource < NR_RLIMITS:
            raise KernelError(EINVAL)
        task_mut(&self.a, t).rlim_cur[resource] = task_mut(&self.a, t).rlim_max[resource] = U64
        self.check()

    # --- writes that no log shows -------------------------------------------------------------------

    def prepare_anon(self, pid, addr, length):
        cdef idx_t mm = self.find_mm(pid), v
        cdef uint64_t start = addr & U64, end = start + (length & U64)
        cdef vma_t *area
        v = find_vma(&self.a, mm, start)
        while v and vma_at(&self.a, v).vm_start < end:
            area = vma_at(&self.a, v)
            if (area.vm_flags & (VM_WRITE | VM_SHARED | VM_MAYSHARE)) == VM_WRITE and not area.anon_vma and area.kind == VMA_PLAIN:
                if anon_vma_prepare(&self.a, v) < 0:
                    raise KernelError(ENOMEM)
            v = vma_at(&self.a, v).vm_next
        self.check()

    def like_borders(self, pid):
        cdef idx_t mm = self.find_mm(pid), v = find_vma(&self.a, mm, 0), last = 0
        cdef const mm_t *m = mm_at(&self.a, mm)
        cdef const vma_t *area
        cdef const vma_t *before
        cdef list found = []
        while v:
            area = vma_at(&self.a, v)
            if last and area.vm_flags & VM_WRITE and not area.vm_file and area.kind == VMA_PLAIN:
                before = vma_at(&self.a, last)
                if (before.vm_end == area.vm_start and not before.vm_file and before.kind == VMA_PLAIN
                        and (before.vm_flags ^ area.vm_flags) & 0xff == 0 and is_heap(m, before) == is_heap(m, area)):
                    found.append((before.vm_start, area.vm_end, "[heap]" if is_heap(m, area) else "anonymous"))
            last = v
            v = area.vm_next
        self.check()
        return found

    # --- a process as it is --------------------------------------------------------------------------

    def adopt(self, name, areas, *, start_brk=0, brk=0, start_stack=0, mmap_base=0, is_32=False, sizes=None, pid=0):
        cdef idx_t t, mm
        cdef mm_t *m
        cdef int i
        cdef dict files = {}
        if pid and find_task(&self.a, pid):
            raise KernelError(EEXIST, f"process {pid} is there already")
        t = task_alloc(&self.a, pid, 0)
        mm = mm_alloc(&self.a) if t else 0
        if mm == 0:
            raise KernelError(EAGAIN)
        for i in range(NR_RLIMITS):
            task_mut(&self.a, t).rlim_cur[i] = task_mut(&self.a, t).rlim_max[i] = U64
        task_mut(&self.a, t).rlim_cur[RLIMIT_STACK] = 8 << 20
        task_mut(&self.a, t).rlim_cur[RLIMIT_MEMLOCK] = task_mut(&self.a, t).rlim_max[RLIMIT_MEMLOCK] = 8 << 20
        task_mut(&self.a, t).uid = 65534
        task_mut(&self.a, t).mm = mm
        text = name.encode("utf-8", "surrogateescape")[:15]
        memcpy(task_mut(&self.a, t).comm, <const char *>text, len(text))
        m = mm_mut(&self.a, mm)
        m.start_brk, m.brk, m.start_stack, m.sp, m.mmap_base = start_brk, brk, start_stack, start_stack, mmap_base
        self.a.task = t
        try:
            for area in areas:
                self.adopt_area(mm, area, files, sizes or {})
        finally:
            for f in files.values():
                fput(&self.a, f)
        update_hiwater_vm(mm_mut(&self.a, mm))
        self.check()
        return task_at(&self.a, t).pid

    cdef idx_t adopt_file(self, area, sizes) except 0:
        """A file of that identity, open; what stood at its path under another inode number loses the path."""
        cdef idx_t i, f
        gone = area.name.endswith(DELETED)
        path = area.name.removesuffix(DELETED) if gone else area.name
        name = path.encode("utf-8", "surrogateescape")
        i = 0 if gone else path_lookup(&self.a, name, len(name))
        if i and (inode_at(&self.a, i).ino != area.inode or inode_at(&self.a, i).dev_major != area.dev_major
                  or inode_at(&self.a, i).dev_minor != area.dev_minor):
            path_unlink(&self.a, i)
            i = 0
        if i == 0:
            key = (area.dev_major, area.dev_minor, area.inode)
            kind = "disk" if area.dev_major else "shmem" if gone else "plain"
            i = self.make_inode(path or "?", sizes.get(key, area.offset + area.end - area.start), key[:2], area.inode, kind)
        f = file_open(&self.a, i)
        if f == 0:
            raise KernelError(ENOMEM)
        if gone and inode_at(&self.a, i).nlink:
            path_unlink(&self.a, i)
        return f

    cdef object adopt_area(self, idx_t mm, area, dict files, sizes):
        cdef idx_t f = 0, v
        cdef mm_t *m = mm_mut(&self.a, mm)
        cdef int64_t nr = (area.end - area.start) >> 12
        cdef uint64_t pgoff = area.pgoff
        if area.start == VSYSCALL:
            m.vdso = m.vdso or 1
            if area.flags & VM_READ:
                m.flags |= MMF_VSYSCALL_READ
            return
        if area.end > m.task_size:
            raise KernelError(EINVAL, f"{area.start:x}-{area.end:x} is beyond a user's addresses")
        if area.is_file:
            key = (area.name, area.dev_major, area.dev_minor, area.inode)
            if key not in files:
                files[key] = self.adopt_file(area, sizes)
            f = files[key]
        kind = SPECIAL_KINDS.get(area.name, VMA_PLAIN)
        if kind == VMA_VDSO:
            m.vdso = area.start
        v = insert_area(&self.a, mm, area.start, area.end, area.flags, pgoff, f, kind)
        if v == 0:
            raise KernelError(ENOMEM)
        if area.flags & VM_ACCOUNT and vm_enough_memory(&self.a, mm, nr) < 0:
            raise KernelError(ENOMEM, "the process has promised itself more memory than this machine would")
        vm_stat_account(m, area.flags, nr)
        if f and m.exe_file == 0 and area.flags & VM_EXEC:
            fget(&self.a, f)
            m.exe_file = f
            m.start_code, m.end_code = area.start, area.end
