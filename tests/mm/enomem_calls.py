"""The calls that test_enomem_calls refuses memory to: every function that a header sys_*.pxd has, and what allocates beside them."""

import contextlib
import errno

from tests.mm.enomem import PAGE, core
from vmtool.errors import KernelError

HUGE = 2 << 20
RW, SHARED, PRIVATE, HUGETLB, FIXED, POPULATE, GROWSDOWN = 3, 0x21, 0x22, 0x40000, 0x10, 0x8000, 0x100
CALLS = {}
TABLES = {}


class World:
    """A machine with a process in a group, of every kind of mapping one, some of it written, some swapped out."""

    def __init__(self):
        self.m = m = core.Machine()
        m.boot(ram_bytes=128 << 20, nr_cpus=1, pku=True)
        m.set_sysctl("transparent_hugepage/enabled", "madvise")
        m.set_sysctl("vm.nr_hugepages", "6")
        m.swapon(4 << 20)
        m.mkfile("/lib", 40 * PAGE, b"l" * 40 * PAGE)
        m.mkfile("/data", 20 * PAGE, b"d" * 20 * PAGE)
        self.pid = pid = m.spawn("a", None, [b"a"], [])
        m.lift_limit(pid, 8)  # RLIMIT_MEMLOCK
        self.anon = m.mmap(pid, 0, 40 * PAGE, RW, PRIVATE)
        m.touch(pid, self.anon, 16 * PAGE, "w")
        self.fresh = m.mmap(pid, 0, 40 * PAGE, 1, PRIVATE)
        self.lib = m.mmap(pid, 0, 40 * PAGE, 1, 2, "/lib")
        m.touch(pid, self.lib, PAGE, "r")
        self.own = m.mmap(pid, 0, 20 * PAGE, RW, 2, "/data")
        m.touch(pid, self.own, 2 * PAGE, "w")
        self.data = m.mmap(pid, 0, 20 * PAGE, RW, 1, "/data")
        m.touch(pid, self.data, PAGE, "w")
        self.shm = m.mmap(pid, 0, 20 * PAGE, RW, SHARED)
        m.touch(pid, self.shm, 4 * PAGE, "w")
        self.thp = (m.mmap(pid, 0, 4 * HUGE, RW, PRIVATE) + HUGE - 1) // HUGE * HUGE
        m.madvise(pid, self.thp, 3 * HUGE, 14)
        m.touch(pid, self.thp, PAGE, "w")
        self.pool = m.mmap(pid, 0, 3 * HUGE, RW, PRIVATE | HUGETLB)
        m.touch(pid, self.pool, HUGE, "w")
        self.cold = m.mmap(pid, 0, 16 * PAGE, RW, PRIVATE | 0x4000)
        for page in range(16):
            m.store(pid, self.cold + page * PAGE, b"%d" % page)
        m.madvise(pid, self.cold, 16 * PAGE, 21)
        m.sync()
        m.mincore(pid, self.cold, PAGE)  # what was written has arrived: those pages can be freed
        with contextlib.suppress(KernelError):  # fewer than asked for
            m.reclaim(16)
        m.madvise(pid, self.lib, PAGE, 20)  # COLD: nothing waits in batches
        m.switch(pid)
        self.far = 0x600000000000
        self.low, self.high = sorted((self.anon, self.fresh))
        self.rest = m.savepoint()
        assert m.fsck() == []

    def back(self):
        self.m.rollback(self.rest)
        return self

    def group(self):
        self.m.cgroup_create("g")
        self.m.cgroup_move("g", self.pid)


def call(covers, title=""):
    """The function prepares the machine and returns the call."""
    def note(prepare):
        name = f"{covers}: {title}" if title else covers
        assert name not in CALLS
        CALLS[name] = prepare
        return prepare
    return note


def simple(covers, title, act):
    """A call on the machine as it stands."""
    call(covers, title)(lambda w: lambda: act(w, w.m, w.pid))


def prepared(covers, title, *acts):
    """The last of some acts, after the others."""
    def prepare(w):
        for act in acts[:-1]:
            act(w, w.m, w.pid)
        return lambda: acts[-1](w, w.m, w.pid)
    call(covers, title)(prepare)


def lowered(m, pid, addr):
    """A break that stays above what was asked for is how the kernel says no."""
    if m.brk(pid, addr) > addr:
        raise KernelError(errno.ENOMEM, "the break stays")


def mmap_calls():
    simple("sys_mmap", "anonymous", lambda w, m, p: m.mmap(p, w.far, 9 * PAGE, RW, PRIVATE))
    simple("sys_mmap", "merged", lambda w, m, p: m.mmap(p, 0, PAGE, 1, PRIVATE))
    prepared("sys_mmap", "merged with both", lambda w, m, p: m.munmap(p, w.anon + 4 * PAGE, 4 * PAGE),
             lambda w, m, p: m.mmap(p, w.anon + 4 * PAGE, 4 * PAGE, RW, PRIVATE | FIXED))
    simple("sys_mmap", "shared", lambda w, m, p: m.mmap(p, w.far, 9 * PAGE, RW, SHARED))
    simple("sys_mmap", "of a file", lambda w, m, p: m.mmap(p, w.far, 9 * PAGE, RW, 2, "/lib"))
    simple("sys_mmap", "of a file, shared", lambda w, m, p: m.mmap(p, w.far, 9 * PAGE, RW, 1, "/data"))
    simple("sys_mmap", "over the middle", lambda w, m, p: m.mmap(p, w.anon + 4 * PAGE, 4 * PAGE, 1, PRIVATE | FIXED))
    simple("sys_mmap", "over the middle, as it is", lambda w, m, p: m.mmap(p, w.anon + 4 * PAGE, 4 * PAGE, RW, PRIVATE | FIXED | POPULATE))
    simple("sys_mmap", "shared over several", lambda w, m, p: m.mmap(p, w.low + 4 * PAGE, w.high - w.low, RW, SHARED | FIXED))
    simple("sys_mmap", "populated", lambda w, m, p: m.mmap(p, w.far, 3 * PAGE, RW, PRIVATE | POPULATE))
    simple("sys_mmap", "locked", lambda w, m, p: m.mmap(p, w.far, 3 * PAGE, RW, PRIVATE | 0x2000))
    simple("sys_mmap", "huge pages of the pool", lambda w, m, p: m.mmap(p, 0, 2 * HUGE, RW, PRIVATE | HUGETLB))
    simple("sys_mmap", "huge pages of the pool, shared", lambda w, m, p: m.mmap(p, 0, 2 * HUGE, RW, SHARED | HUGETLB))
    simple("sys_mmap", "huge pages over others", lambda w, m, p: m.mmap(p, w.pool + HUGE, HUGE, RW, PRIVATE | HUGETLB | FIXED))
    simple("mmap_region", "a stack", lambda w, m, p: m.mmap(p, w.far, 3 * PAGE, RW, PRIVATE | GROWSDOWN))
    simple("sys_munmap", "the middle", lambda w, m, p: m.munmap(p, w.anon + 4 * PAGE, 4 * PAGE))
    simple("sys_munmap", "the start", lambda w, m, p: m.munmap(p, w.anon, 4 * PAGE))
    simple("sys_munmap", "all of it", lambda w, m, p: m.munmap(p, w.own, 20 * PAGE))
    simple("sys_munmap", "the middle of several", lambda w, m, p: m.munmap(p, w.low + PAGE, w.high - w.low + 8 * PAGE))
    simple("sys_munmap", "half a huge page", lambda w, m, p: m.munmap(p, w.thp + 8 * PAGE, HUGE))
    simple("sys_munmap", "one huge page of the pool", lambda w, m, p: m.munmap(p, w.pool + HUGE, HUGE))
    simple("sys_munmap", "what is in swap", lambda w, m, p: m.munmap(p, w.cold, 8 * PAGE))
    simple("sys_brk", "the first time", lambda w, m, p: m.brk(p, m.mm(p).start_brk + 9 * PAGE))
    prepared("sys_brk", "more", lambda w, m, p: m.brk(p, m.mm(p).start_brk + 9 * PAGE),
             lambda w, m, p: m.brk(p, m.mm(p).start_brk + 12 * PAGE))
    prepared("sys_brk", "less", lambda w, m, p: m.brk(p, m.mm(p).start_brk + 9 * PAGE),
             lambda w, m, p: lowered(m, p, m.mm(p).start_brk + 2 * PAGE))
    prepared("do_brk_flags", "locked", lambda w, m, p: m.mlockall(p, 2), lambda w, m, p: m.brk(p, m.mm(p).start_brk + 3 * PAGE))


def mremap_calls():
    prepared("sys_mremap", "moved back", lambda w, m, p: m.mremap(p, w.anon + 4 * PAGE, 4 * PAGE, 4 * PAGE, 3, w.far),
             lambda w, m, p: m.mremap(p, w.far, 4 * PAGE, 4 * PAGE, 3, w.anon + 4 * PAGE))
    simple("sys_mremap", "grown in place", lambda w, m, p: m.mremap(p, w.fresh, 40 * PAGE, 41 * PAGE, 1))
    simple("sys_mremap", "shrunk", lambda w, m, p: m.mremap(p, w.anon, 40 * PAGE, 8 * PAGE))
    simple("sys_mremap", "moved", lambda w, m, p: m.mremap(p, w.anon, 40 * PAGE, 60 * PAGE, 3, w.far))
    simple("sys_mremap", "a part moved", lambda w, m, p: m.mremap(p, w.anon + 4 * PAGE, 8 * PAGE, 8 * PAGE, 3, w.far))
    simple("sys_mremap", "moved over another", lambda w, m, p: m.mremap(p, w.anon, 8 * PAGE, 8 * PAGE, 3, w.fresh + 8 * PAGE))
    simple("sys_mremap", "left behind", lambda w, m, p: m.mremap(p, w.anon, 40 * PAGE, 40 * PAGE, 5))
    simple("sys_mremap", "a file's moved", lambda w, m, p: m.mremap(p, w.own, 20 * PAGE, 20 * PAGE, 3, w.far))
    simple("sys_mremap", "shared, moved", lambda w, m, p: m.mremap(p, w.shm, 20 * PAGE, 24 * PAGE, 3, w.far))
    simple("sys_mremap", "a huge page moved", lambda w, m, p: m.mremap(p, w.thp, HUGE, HUGE, 3, w.far))
    simple("sys_mremap", "half a huge page moved", lambda w, m, p: m.mremap(p, w.thp, 8 * PAGE, 8 * PAGE, 3, w.far + PAGE))
    simple("sys_mremap", "huge pages of the pool moved", lambda w, m, p: m.mremap(p, w.pool, 3 * HUGE, 3 * HUGE, 3, w.far))
    simple("sys_mremap", "what is in swap moved", lambda w, m, p: m.mremap(p, w.cold, 16 * PAGE, 16 * PAGE, 3, w.far))
    prepared("sys_mremap", "locked and grown", lambda w, m, p: m.mlock(p, w.anon, 40 * PAGE),
             lambda w, m, p: m.mremap(p, w.anon, 40 * PAGE, 44 * PAGE, 3, w.far))


def protect_calls():
    simple("sys_mprotect", "the middle", lambda w, m, p: m.mprotect(p, w.anon + 4 * PAGE, 4 * PAGE, 1))
    simple("sys_mprotect", "all of it", lambda w, m, p: m.mprotect(p, w.anon, 40 * PAGE, 1))
    simple("sys_mprotect", "charged from now on", lambda w, m, p: m.mprotect(p, w.fresh + 4 * PAGE, 4 * PAGE, RW))
    simple("sys_mprotect", "several", lambda w, m, p: m.mprotect(p, w.low + PAGE, w.high - w.low + 8 * PAGE, 0))
    simple("sys_mprotect", "half a huge page", lambda w, m, p: m.mprotect(p, w.thp + 8 * PAGE, 8 * PAGE, 1))
    simple("sys_mprotect", "a huge page of the pool", lambda w, m, p: m.mprotect(p, w.pool + HUGE, HUGE, 1))
    prepared("sys_mprotect", "locked, writable now", lambda w, m, p: m.mprotect(p, w.own, 20 * PAGE, 1),
             lambda w, m, p: m.mlock(p, w.own, 20 * PAGE), lambda w, m, p: m.mprotect(p, w.own, 8 * PAGE, RW))
    simple("sys_mprotect", "execute only", lambda w, m, p: m.mprotect(p, w.anon + 4 * PAGE, 4 * PAGE, 4))
    prepared("sys_mprotect", "merged again", lambda w, m, p: m.mprotect(p, w.anon + 4 * PAGE, 4 * PAGE, 1),
             lambda w, m, p: m.mprotect(p, w.anon + 4 * PAGE, 4 * PAGE, RW))
    prepared("sys_mprotect", "merged with one without pages", lambda w, m, p: m.mprotect(p, w.fresh, 9 * PAGE, RW),
             lambda w, m, p: m.touch(p, w.fresh, PAGE, "w"), lambda w, m, p: m.mprotect(p, w.fresh + 9 * PAGE, 9 * PAGE, RW))
    prepared("sys_mprotect", "one without pages takes one in", lambda w, m, p: m.mprotect(p, w.fresh + 9 * PAGE, 9 * PAGE, RW),
             lambda w, m, p: m.mprotect(p, w.fresh, 9 * PAGE, 5), lambda w, m, p: m.mprotect(p, w.fresh + 9 * PAGE, 9 * PAGE, RW),
             lambda w, m, p: m.touch(p, w.fresh + 9 * PAGE, PAGE, "w"), lambda w, m, p: m.mprotect(p, w.fresh + 9 * PAGE, 9 * PAGE, 5))
    simple("sys_pkey_alloc", "", lambda w, m, p: m.pkey_alloc(p))
    prepared("sys_pkey_free", "", lambda w, m, p: m.pkey_alloc(p), lambda w, m, p: m.pkey_free(p, 1))
    prepared("sys_mprotect", "with a key", lambda w, m, p: m.pkey_alloc(p),
             lambda w, m, p: m.pkey_mprotect(p, w.anon + 4 * PAGE, 4 * PAGE, RW, 1))
    simple("wrpkru", "", lambda w, m, p: m.pkru(p, 0))
    simple("sys_mseal", "the middle", lambda w, m, p: m.mseal(p, w.anon + 4 * PAGE, 4 * PAGE))
    simple("sys_mseal", "several", lambda w, m, p: m.mseal(p, w.low + PAGE, PAGE))


def advice_calls():
    parts = {"NORMAL": (0, "lib"), "RANDOM": (1, "lib"), "SEQUENTIAL": (2, "lib"), "WILLNEED": (3, "lib"), "WILLNEED of swap": (3, "cold"),
             "DONTNEED": (4, "anon"), "FREE": (8, "anon"), "REMOVE": (9, "shm"), "DONTFORK": (10, "anon"), "DOFORK": (11, "anon"),
             "HUGEPAGE": (14, "anon"), "NOHUGEPAGE": (15, "thp"), "DONTDUMP": (16, "anon"), "DODUMP": (17, "anon"),
             "WIPEONFORK": (18, "anon"), "KEEPONFORK": (19, "anon"), "COLD": (20, "anon"), "PAGEOUT": (21, "anon"),
             "POPULATE_READ": (22, "own"), "POPULATE_WRITE": (23, "own"), "POPULATE_WRITE of swap": (23, "cold"),
             "GUARD_INSTALL": (102, "anon"), "GUARD_REMOVE": (103, "anon")}  # fmt: skip
    for name, (advice, area) in parts.items():
        simple("sys_madvise", name, lambda w, m, p, advice=advice, area=area: m.madvise(p, getattr(w, area) + PAGE, 7 * PAGE, advice))
    for name, advice in {"DONTNEED": 4, "FREE": 8, "COLD": 20, "PAGEOUT": 21, "GUARD_INSTALL": 102}.items():
        simple("sys_madvise", f"{name} of half a huge page", lambda w, m, p, advice=advice: m.madvise(p, w.thp + PAGE, 7 * PAGE, advice))
    simple("sys_madvise", "GUARD_INSTALL where nothing was", lambda w, m, p: m.madvise(p, w.fresh + PAGE, 3 * PAGE, 102))
    simple("sys_madvise", "GUARD_INSTALL where nothing is", lambda w, m, p: m.madvise(p, w.thp + 2 * HUGE, 4 * PAGE, 102))
    simple("sys_madvise", "DONTNEED of the pool", lambda w, m, p: m.madvise(p, w.pool, HUGE, 4))
    simple("sys_madvise", "PAGEOUT of a file", lambda w, m, p: m.madvise(p, w.data, 4 * PAGE, 21))
    simple("sys_madvise", "PAGEOUT of shared memory", lambda w, m, p: m.madvise(p, w.shm, 4 * PAGE, 21))
    simple("sys_madvise", "POPULATE_WRITE of huge pages", lambda w, m, p: m.madvise(p, w.thp + HUGE, HUGE, 23))
    prepared("sys_madvise", "COLLAPSE", lambda w, m, p: m.madvise(p, w.thp + HUGE, HUGE, 15),
             lambda w, m, p: m.touch(p, w.thp + HUGE, 30 * PAGE, "w"), lambda w, m, p: m.madvise(p, w.thp + HUGE, HUGE, 14),
             lambda w, m, p: m.madvise(p, w.thp + HUGE, HUGE, 25))
    prepared("sys_madvise", "DOFORK, merged again", lambda w, m, p: m.madvise(p, w.anon + 4 * PAGE, 4 * PAGE, 10),
             lambda w, m, p: m.madvise(p, w.anon + 4 * PAGE, 4 * PAGE, 11))
    simple("set_anon_vma_name", "the middle", lambda w, m, p: m.set_vma_name(p, w.anon + 4 * PAGE, 4 * PAGE, "one"))
    simple("set_anon_vma_name", "two", lambda w, m, p: m.set_vma_name(p, w.low, 80 * PAGE, "one"))
    prepared("set_anon_vma_name", "none any more", lambda w, m, p: m.set_vma_name(p, w.anon, 40 * PAGE, "one"),
             lambda w, m, p: m.set_vma_name(p, w.anon + 4 * PAGE, 4 * PAGE, None))


def lock_calls():
    simple("sys_mlock", "the middle", lambda w, m, p: m.mlock(p, w.anon + 14 * PAGE, 4 * PAGE))
    simple("sys_mlock", "on fault", lambda w, m, p: m.mlock(p, w.anon + 14 * PAGE, 4 * PAGE, True))
    simple("sys_mlock", "a file's", lambda w, m, p: m.mlock(p, w.own, 6 * PAGE))
    simple("sys_mlock", "what is in swap", lambda w, m, p: m.mlock(p, w.cold, 3 * PAGE))
    simple("sys_mlock", "half a huge page", lambda w, m, p: m.mlock(p, w.thp + PAGE, 4 * PAGE))
    prepared("sys_munlock", "the middle", lambda w, m, p: m.mlock(p, w.anon, 40 * PAGE),
             lambda w, m, p: m.munlock(p, w.anon + 4 * PAGE, 4 * PAGE))
    prepared("sys_mlockall", "what is there", lambda w, m, p: m.munmap(p, w.thp + HUGE, 3 * HUGE), lambda w, m, p: m.mlockall(p, 1))
    simple("sys_mlockall", "what will be", lambda w, m, p: m.mlockall(p, 2))
    simple("sys_mlockall", "both, on fault", lambda w, m, p: m.mlockall(p, 7))
    prepared("sys_munlockall", "", lambda w, m, p: m.mlockall(p, 5), lambda w, m, p: m.munlockall(p))


def file_calls():
    simple("sys_msync", "", lambda w, m, p: m.msync(p, w.data, 4 * PAGE, 4))
    simple("sys_mincore", "", lambda w, m, p: m.mincore(p, w.anon, 40 * PAGE))
    simple("read", "cached", lambda w, m, p: m.read(p, "/data", 0, 9 * PAGE))
    prepared("read", "from the disk", lambda w, m, p: m.mkfile("/new", 9 * PAGE, b"n" * 9 * PAGE),
             lambda w, m, p: m.read(p, "/new", 0, 9 * PAGE))
    simple("write", "over", lambda w, m, p: m.write(p, "/data", 5, b"w" * 9000))
    prepared("write", "a new file", lambda w, m, p: m.mkfile("/new", 0), lambda w, m, p: m.write(p, "/new", 0, b"w" * 3 * PAGE))
    prepared("write", "tmpfs", lambda w, m, p: m.mkfile("/dev/shm/new", 0, tmpfs=True),
             lambda w, m, p: m.write(p, "/dev/shm/new", 0, b"w" * 3 * PAGE))
    simple("truncate", "", lambda w, m, p: m.truncate("/data", 5000))
    simple("punch_hole", "", lambda w, m, p: m.punch_hole("/data", 500, 9000))
    simple("open_new", "", lambda w, m, p: m.close_file(m.open_new("/made", 5000, inode=77)))
    simple("mkfile", "", lambda w, m, p: m.mkfile("/made", 5000, b"m" * 5000))
    simple("sync", "", lambda w, m, p: m.sync())
    simple("drop_caches", "", lambda w, m, p: m.drop_caches(3))


def process_calls():
    simple("fork", "", lambda w, m, p: m.fork(p))
    prepared("fork", "in a group", lambda w, m, p: w.group(), lambda w, m, p: m.fork(p))
    call("fork", "of a child's memory")(lambda w: (lambda child: (w.m.switch(child), lambda: w.m.fork(child))[1])(w.m.fork(w.pid)))
    simple("clone", "", lambda w, m, p: m.clone(p))
    prepared("do_execve", "", lambda w, m, p: m.kill(m.spawn("b", None, [b"b"], []), 9), lambda w, m, p: m.switch(p),
             lambda w, m, p: m.exec(p, "b", None, [b"b"], [b"X=1"]))
    prepared("spawn", "", lambda w, m, p: m.kill(m.spawn("b", None, [b"b"], []), 9), lambda w, m, p: m.switch(p),
             lambda w, m, p: m.spawn("b", None, [b"b"], []))
    simple("exit", "", lambda w, m, p: m.exit(p))
    simple("sys_kill", "", lambda w, m, p: m.kill(p, 9))
    simple("exit_by_signal", "", lambda w, m, p: m.kill(p, 11))
    simple("switch", "", lambda w, m, p: m.switch(p))
    call("switch", "to another")(lambda w: (lambda child: lambda: w.m.switch(child))(w.m.fork(w.pid)))
    for what in (1, 2, 3, 4, 5):
        simple("clear_refs", str(what), lambda w, m, p, what=what: m.clear_refs(p, what))
    simple("access_remote_vm", "read", lambda w, m, p: m.read_mem(p, w.anon + 14 * PAGE, 4 * PAGE))
    simple("access_remote_vm", "write", lambda w, m, p: m.write_mem(p, w.lib, b"x" * 5000))
    simple("access_remote_vm", "read from swap", lambda w, m, p: m.read_mem(p, w.cold, 2 * PAGE))
    simple("prctl_set_thp_disable", "", lambda w, m, p: m.set_thp_disable(p, True))
    simple("prctl_get_thp_disable", "", lambda w, m, p: m.thp_disable(p))
    simple("do_prlimit", "", lambda w, m, p: m.setrlimit(p, 3, 1 << 20, 2 << 20))
    simple("set_soft_limit", "", lambda w, m, p: m.setrlimit(p, 3, 1 << 20))
    simple("cgroup_create", "", lambda w, m, p: m.cgroup_create("h"))
    prepared("cgroup_move", "", lambda w, m, p: m.cgroup_create("h"), lambda w, m, p: m.cgroup_move("h", p))
    simple("sys_swapon", "", lambda w, m, p: m.swapon(2 << 20))
    simple("sys_swapoff", "", lambda w, m, p: m.swapoff())
    simple("reclaim", "", lambda w, m, p: m.reclaim(8))
    simple("sysctl", "nr_hugepages", lambda w, m, p: m.set_sysctl("vm.nr_hugepages", "8"))
    simple("kmalloc", "", lambda w, m, p: m.kmalloc(3000))
    simple("vmalloc", "", lambda w, m, p: m.vmalloc(5 * PAGE))
    simple("malloc", "", lambda w, m, p: m.malloc(p, 5000))


def fault_calls():
    simple("fault", "anonymous", lambda w, m, p: m.touch(p, w.anon + 20 * PAGE, 2 * PAGE, "w"))
    simple("fault", "the zero page", lambda w, m, p: m.touch(p, w.fresh, PAGE, "r"))
    prepared("fault", "far away", lambda w, m, p: m.mmap(p, w.far, PAGE, RW, PRIVATE | FIXED),
             lambda w, m, p: m.touch(p, w.far, PAGE, "w"))
    simple("fault", "a file", lambda w, m, p: m.touch(p, w.lib + 20 * PAGE, PAGE, "r"))
    prepared("fault", "a file on the disk", lambda w, m, p: m.mkfile("/new", 40 * PAGE, b"n" * 40 * PAGE),
             lambda w, m, p: m.mmap(p, w.far, 40 * PAGE, 1, 2 | FIXED, "/new"), lambda w, m, p: m.touch(p, w.far + 9 * PAGE, PAGE, "r"))
    simple("fault", "a copy of a file", lambda w, m, p: m.touch(p, w.own + 5 * PAGE, PAGE, "w"))
    simple("fault", "shared", lambda w, m, p: m.touch(p, w.data + 5 * PAGE, PAGE, "w"))
    simple("fault", "shared memory", lambda w, m, p: m.touch(p, w.shm + 9 * PAGE, PAGE, "w"))
    simple("fault", "swap", lambda w, m, p: m.touch(p, w.cold, PAGE, "r"))
    simple("fault", "swap, written", lambda w, m, p: m.touch(p, w.cold, PAGE, "w"))
    simple("fault", "a huge page", lambda w, m, p: m.touch(p, w.thp + HUGE, PAGE, "w"))
    simple("fault", "the huge zero page", lambda w, m, p: m.touch(p, w.thp + HUGE, PAGE, "r"))
    simple("fault", "a huge page of the pool", lambda w, m, p: m.touch(p, w.pool + HUGE, PAGE, "w"))
    prepared("fault", "a copy after fork", lambda w, m, p: m.fork(p), lambda w, m, p: m.touch(p, w.anon, PAGE, "w"))
    prepared("fault", "a copy of a huge page", lambda w, m, p: m.fork(p), lambda w, m, p: m.touch(p, w.thp, PAGE, "w"))
    prepared("fault", "a copy of a pool's page", lambda w, m, p: m.fork(p), lambda w, m, p: m.touch(p, w.pool, PAGE, "w"))
    simple("fault", "the stack", lambda w, m, p: m.push(p, 9 * PAGE))
    prepared("fault", "in a group", lambda w, m, p: w.group(), lambda w, m, p: m.touch(p, w.anon + 20 * PAGE, 2 * PAGE, "w"))


for table in (mmap_calls, mremap_calls, protect_calls, advice_calls, lock_calls, file_calls, process_calls, fault_calls):
    known = set(CALLS)
    table()
    TABLES[table.__name__.removesuffix("_calls")] = [name for name in CALLS if name not in known]
