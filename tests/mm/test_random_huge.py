"""Drawn mixtures of huge pages, shared memory, a tmpfs, swap, advice and time: fsck is clean all along, and no byte is lost."""

import contextlib
import random

import pytest

from vmtool.errors import KernelError, Signal

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE, SECOND = 4096, 1000000
THP = "transparent_hugepage/"
SETTINGS = [(THP + "enabled", ("always", "madvise", "never")),
            (THP + "shmem_enabled", ("always", "within_size", "advise", "never", "deny", "force")),
            ("tmpfs/huge", ("always", "within_size", "advise", "never")), (THP + "khugepaged/max_ptes_none", ("0", "100", "511")),
            (THP + "khugepaged/max_ptes_swap", ("0", "511")), (THP + "khugepaged/pages_to_scan", ("1", "600", "4096")),
            (THP + "hugepages-64kB/shmem_enabled", ("always", "inherit", "advise", "never"))]
ADVICE = (14, 14, 15, 25, 25, 4, 8, 9, 20, 21, 102, 103)  # hugepage, nohugepage, collapse, dontneed, free, remove, cold, pageout, guards


class Story:
    """Random calls on a machine; every failure that the kernel allows is one."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.m = core.Machine()
        self.m.boot(ram_bytes=self.r.choice((128, 600, 1024)) << 20, nr_cpus=self.r.choice((1, 2)))
        if self.r.random() < 0.7:
            self.m.swapon(64 << 20)
        self.pids = [self.m.spawn("a", None, [b"a"], [])]
        self.areas, self.files, self.stored = [], [], {}

    def range(self):
        base, nr = self.r.choice(self.areas)
        first = self.r.choice((0, self.r.randrange(nr)))
        return base + first * PAGE, min(self.r.choice((1, 16, 512, nr)), nr - first) * PAGE

    def step(self):
        r, m = self.r, self.m
        pid, kind = r.choice(self.pids), r.randrange(14)
        if kind == 0 or not self.areas:
            base, nr = 0x40000000 + r.randrange(8) * (16 << 20), r.choice((512, 700, 1024, 1536))
            self.areas.append((base, nr))
            if self.files and r.random() < 0.3:
                m.mmap(pid, base, nr * PAGE, 3, r.choice((0x11, 0x12)), r.choice(self.files))
            else:
                m.mmap(pid, base, nr * PAGE, 3, r.choice((0x31, 0x32, 0x32, 0x4031)))
        elif kind <= 4:
            m.touch(pid, *self.range(), r.choice("wwr"))
        elif kind <= 7:
            m.madvise(pid, *self.range(), r.choice(ADVICE))
        elif kind == 8:
            m.sleep(r.choice((0, 10, 5000)) * SECOND)
        elif kind == 9:
            m.set_sysctl(*(lambda name, values: (name, r.choice(values)))(*r.choice(SETTINGS)))
        elif kind == 10:
            r.choice((lambda: m.reclaim(r.choice((10, 500, 3000))), lambda: m.mlock(pid, *self.range()),
                      lambda: m.munmap(pid, *self.range())))()
        elif kind == 11:
            self.family(pid)
        else:
            self.file(pid)

    def family(self, pid):
        if len(self.pids) > 1 and self.r.random() < 0.5:
            self.m.exit(pid, 0)
            self.pids.remove(pid)
        elif len(self.pids) < 4:
            self.pids.append(self.m.fork(pid))

    def file(self, pid):
        r, m = self.r, self.m
        if not self.files or r.random() < 0.3:
            path = f"/dev/shm/f{len(self.files)}"
            m.mkfile(path, r.choice((0, 100000, 3 << 20)))
            self.files.append(path)
            self.stored[path] = None
            return
        path, offset = r.choice(self.files), r.choice((0, 5000, 1 << 20))
        if r.random() < 0.5:
            data = bytes([r.randrange(1, 256)]) * r.choice((1, 5000, 300000))
            self.stored[path] = (offset, data[: m.write(pid, path, offset, data)])
        elif r.random() < 0.5:
            self.stored[path] = None
            m.truncate(path, r.choice((0, 5000, 1 << 20, 3 << 20)))
        else:
            self.stored[path] = None
            m.punch_hole(path, offset, r.choice((100, 40000, 1 << 20)))

    def check(self):
        assert self.m.fsck() == []


@pytest.mark.parametrize("seed", range(24))
def test_drawn_mixtures(seed):
    story = Story(seed)
    for i in range(50):
        with contextlib.suppress(KernelError, Signal):
            story.step()
        alive = {task.pid for task in story.m.tasks()}
        story.pids = [pid for pid in story.pids if pid in alive]
        if not story.pids:
            break
        if i % 5 == 4:
            story.check()
    for pid in story.pids:
        story.m.exit(pid, 0)
    story.check()


@pytest.mark.parametrize("seed", range(8))
def test_what_was_written_to_files_is_read_back(seed):
    """Nobody maps them writable here: only the writes themselves, collapse, splitting, swap and time are at work."""
    story = Story(seed + 100)
    story.areas = [(0x40000000, 1024)]
    for _ in range(40):
        with contextlib.suppress(KernelError, Signal):
            kind = story.r.randrange(6)
            if kind <= 2:
                story.file(1)
            elif kind == 3 and story.files:
                story.m.mmap(1, 0x40000000, 1024 * PAGE, 1, 0x11, story.r.choice(story.files))
                story.m.madvise(1, 0x40000000, 2 << 20, story.r.choice((14, 25, 25, 20, 21)))
            elif kind == 4:
                story.m.reclaim(story.r.choice((10, 500)))
            else:
                story.m.set_sysctl("tmpfs/huge", story.r.choice(("always", "within_size", "never")))
                story.m.sleep(20 * SECOND)
        for path, last in story.stored.items():
            if last is not None:
                assert story.m.read(1, path, last[0], len(last[1])) == last[1]
    story.check()
