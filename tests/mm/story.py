"""A small story for fsck's tests to damage: two processes with each kind of mapping, and the numbers of their records."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
PROT_READ, PROT_WRITE, MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS, MADV_HUGEPAGE, MADV_COLD = 1, 2, 1, 2, 0x20, 14, 20


class Cases(dict):
    """Damages by the name of the check that must tell of each."""

    def case(self, name):
        """The function damages something and returns the line that fsck must print."""
        def note(function):
            self[name] = function
            return function
        return note


class Story:
    """A parent on CPU 0 and its child on CPU 1, with each kind of mapping; the numbers of their records."""

    def __init__(self, **boot):
        self.m = m = core.Machine()
        m.boot(ram_bytes=1 << 30, nr_cpus=2, **boot)  # below 512 MiB the kernel turns huge pages off
        m.mkfile("/lib", 5 * PAGE, b"x" * 5 * PAGE)
        self.pid = m.spawn("render", None, [b"render"], [])
        self.heap = m.mmap(self.pid, 0, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
        self.lib = m.mmap(self.pid, 0, 5 * PAGE, PROT_READ, MAP_PRIVATE, "/lib")
        self.shm = m.mmap(self.pid, 0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS)
        self.thp = m.mmap(self.pid, 0, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
        m.madvise(self.pid, self.thp, 4 << 20, MADV_HUGEPAGE)
        for addr, length, access in ((self.heap, 8, "w"), (self.lib, 5, "r"), (self.shm, 4, "w"), (self.thp, 1024, "w")):
            m.touch(self.pid, addr, length * PAGE, access)
        self.child = m.fork(self.pid)
        m.touch(self.pid, self.heap, PAGE, "w")  # the parent has its first page for itself again
        m.switch(self.child, 1)
        m.switch(self.pid, 0)
        m.drop_caches(1)  # what waits in batches goes to the LRU lists; mapped pages of files, which stay, wait to be deactivated,
        m.madvise(self.pid, self.lib, PAGE, MADV_COLD)  # until this drains them
        self.mm, self.child_mm = self.mm_of(self.pid), self.mm_of(self.child)

    def mm_of(self, pid):
        return self.m.peek("task", self.m.peek("pid", pid, "task"), "mm")

    def area(self, addr, mm=None):
        """The record of the area that starts at an address."""
        v = self.m.peek("mm", mm or self.mm, "vma_first")
        while self.m.peek("vma", v, "vm_start") != addr:
            v = self.m.peek("vma", v, "vm_next")
        return v

    def entry(self, addr):
        """(record of the table's contents, field, value) of the entry that maps an address."""
        step = self.m.walk(self.pid, addr).steps[-1]
        return self.m.peek("frame", step.table // PAGE, "content"), f"entry[{step.index}]", step.entry

    def frame(self, addr):
        return self.m.walk(self.pid, addr).phys // PAGE

    def change(self, pool, record, field, by=1):
        """Add to a field. Returns what it was."""
        value = self.m.peek(pool, record, field)
        self.m.poke(pool, record, field, value + by)
        return value
