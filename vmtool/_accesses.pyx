# cython: language_level=3
"""What a program does with its memory: reads, writes, the stack; a signal ends it here, in one place."""

from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc

from vmtool._files cimport check_panic, on_cpu
from vmtool._processes cimport signal_of
from vmtool._state cimport State
from vmtool._walks cimport find, find_mm, top_table
from vmtool.mm.access_stream cimport access_stream as mm_access_stream
from vmtool.mm.access cimport load_bytes, siginfo_t, store_bytes, touch_range, would_fault
from vmtool.mm.arena cimport arena_t, mm_at, mm_mut, task_at, task_mut
from vmtool.mm.arch cimport ARCH_I386_PAE, arch_name, page_size, page_start
from vmtool.mm.sys_kill cimport exit_by_signal
from vmtool.mm.mmu cimport access_t, mmu_judge, mmu_walk, walk_t
from vmtool.mm.task cimport thread_sp
from vmtool.mm.types cimport *

from vmtool import records as r
from vmtool.errors import KernelError, Signal

ACCESS_KINDS = {"r": ACCESS_READ, "w": ACCESS_WRITE, "x": ACCESS_EXEC}

cdef extern from "Python.h":
    uint64_t u64 "PyLong_AsUnsignedLongLongMask" (object number) except? 0xFFFFFFFFFFFFFFFF  # what stands above 64 bits falls away
    void PyTuple_SET_ITEM(object made, Py_ssize_t i, object item)
    void Py_INCREF(object item)

cdef extern from *:
    """
    #define new_record(kind, size) PyType_GenericAlloc((PyTypeObject *)(kind), size)
    """
    object new_record(object kind, Py_ssize_t size)

cdef object TOUCHED = None  # records.Touched, once it was asked for


cdef object touched(uint64_t minor, uint64_t major):
    """At each line of a script: the record's own __new__ would count its fields, and tuple's copy a tuple."""
    global TOUCHED
    cdef object first = minor, second = major, made
    if TOUCHED is None:
        TOUCHED = r.Touched
    made = new_record(TOUCHED, 2)
    Py_INCREF(first)
    PyTuple_SET_ITEM(made, 0, first)
    Py_INCREF(second)
    PyTuple_SET_ITEM(made, 1, second)
    return made


cdef struct faults_t:  # of a task so far
    uint64_t minor
    uint64_t major


cdef inline faults_t faults_of(arena_t *a, idx_t task) noexcept nogil:
    return faults_t(task_at(a, task).min_flt, task_at(a, task).maj_flt)


cdef object after_access(State self, idx_t task, int failed, const siginfo_t *info, faults_t before, bint probe):
    """Counts of an access, or its signal, of which the process dies unless it only probes: that catches any signal but SIGKILL."""
    cdef task_t *t = task_at(&self.a, task)
    cdef uint64_t minor = t.min_flt - before.minor, major = t.maj_flt - before.major
    cdef bint dies = not probe or info.signo == SIGKILL
    self.checked()
    if not failed:
        return touched(minor, major)
    check_panic(self)
    if dies:
        exit_by_signal(&self.a, task, info.signo)
    raise signal_of(info, minor, major, dies)


def touch(State self, pid, addr, length, access, probe=False):
    cdef idx_t t = on_cpu(self, pid)
    cdef siginfo_t info
    cdef faults_t before
    cdef uint64_t start = u64(addr), n = u64(length)
    cdef int kind = ACCESS_KINDS[access], failed
    before = faults_of(&self.a, t)
    with nogil:
        failed = touch_range(&self.a, t, start, n, kind, &info)
    return after_access(self, t, failed, &info, before, probe)


def store(State self, pid, addr, data, probe=False):
    cdef idx_t t = on_cpu(self, pid)
    cdef siginfo_t info
    cdef faults_t before
    cdef const char *bytes_ = data
    cdef int failed
    before = faults_of(&self.a, t)
    failed = store_bytes(&self.a, t, u64(addr), bytes_, len(data), &info)
    return after_access(self, t, failed, &info, before, probe)


def load(State self, pid, addr, length, probe=False):
    cdef idx_t t = on_cpu(self, pid)
    cdef siginfo_t info
    cdef faults_t before
    cdef uint64_t n = u64(length)
    cdef char *buf
    cdef int failed
    if n > 1 << 32:
        raise KernelError(ENOMEM, "more than 4G in one load")
    buf = <char *>malloc(n + 1)
    if buf == NULL:
        raise MemoryError()
    try:
        before = faults_of(&self.a, t)
        failed = load_bytes(&self.a, t, u64(addr), buf, n, &info)
        after_access(self, t, failed, &info, before, probe)
        return buf[:n]
    finally:
        free(buf)


def translate(State self, pid, addr, access="r"):
    cdef idx_t t = find(self, pid)
    cdef walk_t w
    cdef access_t how = access_t(ACCESS_KINDS[access], False, False, task_at(&self.a, t).pkru)
    cdef siginfo_t info
    cdef uint64_t at = u64(addr)
    mmu_walk(&self.a, top_table(self, find_mm(self, pid), None), at, &w)
    self.check()
    if at < mm_at(&self.a, task_at(&self.a, t).mm).task_size and w.ok and not mmu_judge(&self.a.m.arch, &w, &how):
        return w.phys
    if would_fault(&self.a, t, at, how.kind, &info) < 0:
        raise signal_of(&info, 0, 0, False)
    if w.ok:
        raise KernelError(EFAULT, f"{at:#x} takes a page fault that the kernel resolves")
    raise KernelError(EFAULT, f"{at:#x} is not present: an access takes a page fault that the kernel resolves")


def translate_supervisor(State self, pid, addr, access="r", ac=False):
    cdef idx_t t = find(self, pid)
    cdef walk_t w
    cdef access_t how = access_t(ACCESS_KINDS[access], True, ac, task_at(&self.a, t).pkru)
    if self.a.m.arch.id > ARCH_I386_PAE:
        raise KernelError(EOPNOTSUPP, f"SMEP and SMAP are x86's, {arch_name(self.a.m.arch.id).decode()} has neither")
    mmu_walk(&self.a, mm_at(&self.a, find_mm(self, pid)).pgd, u64(addr), &w)
    self.check()
    if w.noncanonical:
        return None, None
    code = mmu_judge(&self.a.m.arch, &w, &how)
    return w.phys if w.ok and not code else None, code


def push(State self, pid, nr_bytes):
    cdef idx_t t = on_cpu(self, pid)
    cdef mm_t *m = mm_mut(&self.a, task_at(&self.a, t).mm)
    cdef vaddr_t *sp = thread_sp(task_mut(&self.a, t)) if thread_sp(task_at(&self.a, t))[0] else &m.sp
    cdef siginfo_t info
    cdef faults_t before
    cdef uint64_t new_sp, page
    cdef int failed = 0
    if not 0 <= nr_bytes <= sp[0]:
        raise KernelError(EINVAL, f"{nr_bytes} bytes are more than the stack pointer can go down")
    new_sp = sp[0] - <uint64_t>nr_bytes
    before = faults_of(&self.a, t)
    page = page_start(&self.a.m.arch, sp[0] - 1)
    while nr_bytes and page + page_size(&self.a.m.arch) > new_sp and failed == 0:
        failed = touch_range(&self.a, t, page if page > new_sp else new_sp, 1, ACCESS_WRITE, &info)
        page -= page_size(&self.a.m.arch)
    if not failed:
        sp[0] = new_sp
    after_access(self, t, failed, &info, before, False)
    return new_sp


def access_stream(State self, pid, accesses, probe=False):
    cdef idx_t t = on_cpu(self, pid)
    cdef Py_buffer data
    cdef siginfo_t info
    cdef faults_t before
    cdef int failed
    cdef uint64_t nr_done = 0
    before = faults_of(&self.a, t)
    PyObject_GetBuffer(accesses, &data, PyBUF_SIMPLE)  # not a typed memoryview: State.chunk() says why
    with nogil:
        failed = mm_access_stream(&self.a, t, <const unsigned char *>data.buf, data.len // 16, &info, &nr_done)
    PyBuffer_Release(&data)
    try:
        return after_access(self, t, failed, &info, before, probe)
    except Signal as stopped:
        stopped.nr_done = nr_done
        raise
