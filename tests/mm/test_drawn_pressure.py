"""Drawn mixtures on a small machine that is short of memory: swap that fills, groups with limits, files whose disk fails, large folios.

No call loses a frame or an account, none loops, and when all processes are gone all of it is there again.
VMTOOL_DRAWN_N draws more of them.
"""

import os
from random import Random

import pytest

from tests.mm.mixture import Told

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

MIB, PAGE, HUGE = 1 << 20, 4096, 2 << 20
RW, FIXED, ANON, SHARED = 3, 0x10, 0x20, 1
BASE, FILES_AT, AREA, FILE = 0x40000000, 0x80000000, 24 * MIB, 8 * MIB
ADVICE = (3, 4, 8, 9, 14, 15, 18, 20, 21, 21, 22, 23)  # WILLNEED DONTNEED FREE REMOVE HUGEPAGE NOHUGEPAGE DONTDUMP COLD PAGEOUT POPULATE
PATHS, GROUPS = ("/one", "/two", "/dev/shm/three"), ("a", "a/b", "a/c", "d")
LIMITS = ("memory.max", "memory.high", "memory.low", "memory.min", "memory.swap.max", "memory.swap.high", "memory.oom.group")
THP = "transparent_hugepage/"
SETTINGS = {"vm.swappiness": (0, 1, 60, 100, 200), "vm.page-cluster": (0, 3, 5), "vm.drop_caches": (1, 2, 3), "vm.compact_memory": (1,),
            "vm.overcommit_memory": (0, 1), "vm.oom_kill_allocating_task": (0, 1), "vm.min_free_kbytes": (500, 2000, 8000),
            "vm.watermark_boost_factor": (0, 15000), "vm.watermark_scale_factor": (10, 500), "vm.dirty_bytes": (8192, 1 << 20),
            "vm.dirty_background_bytes": (4096, 1 << 19), "vm.dirty_ratio": (20,), "vm.vfs_cache_pressure": (0, 100, 1000),
            THP + "enabled": ("always", "madvise", "never"), THP + "hugepages-64kB/enabled": ("always", "never"),
            THP + "hugepages-512kB/enabled": ("inherit", "never"), THP + "shmem_enabled": ("always", "within_size", "never"),
            THP + "khugepaged/scan_sleep_millisecs": (100, 10000), "queue/read_ahead_kb": (0, 128, 4096)}
NR_CALLS, MOST_PROCESSES = 250, 5
NR_MIXTURES = int(os.environ.get("VMTOOL_DRAWN_N", "6"))
FOUND = (200, 846)  # mixtures that went wrong once


class Mixture(Told):
    """A machine, and calls on it that a seed draws."""

    def __init__(self, seed):
        super().__init__(Random(seed))
        self.machine = core.Machine()
        self.machine.boot(ram_bytes=self.draw.choice((112, 128, 192)) * MIB, swap_bytes=self.draw.choice((0, 1, 4, 16)) * MIB,
                          nr_cpus=self.draw.choice((1, 2)))
        self.mapped = self.machine.meminfo()["Mapped"]  # of processes outside: [vdso]
        for path in PATHS:
            self.call("mkfile", path, FILE, None, None, 0, path.startswith("/dev/shm"))
        for group in GROUPS:
            self.call("cgroup_create", group)
        self.pids = []
        self.spawn()

    def spawn(self):
        pid = self.call("spawn", "a", None, [b"a"], [])
        if pid is None:
            return
        self.pids.append(pid)
        if self.draw.random() < 0.7:
            self.call("cgroup_move", self.draw.choice(GROUPS), pid)
        self.call("mmap", pid, BASE, AREA, RW, FIXED | ANON | self.draw.choice((2, 2, SHARED)))
        for i, path in enumerate(PATHS):
            self.call("mmap", pid, FILES_AT + i * FILE, FILE, RW, FIXED | self.draw.choice((2, SHARED, SHARED)), path)

    def place(self):
        """An address and a length: of the area, or of a file's."""
        start, size = (BASE, AREA) if self.draw.random() < 0.6 else (FILES_AT, len(PATHS) * FILE)
        at = start + self.draw.choice((self.draw.randrange(0, size, PAGE), self.draw.randrange(0, size, HUGE)))
        return at, min(self.draw.choice((PAGE, 7 * PAGE, HUGE, HUGE, 3 * HUGE, size)), start + size - at)

    def step(self):
        draw = self.draw
        if not self.pids:
            self.spawn()
            return
        pid = draw.choice(self.pids)
        at, length = self.place()
        act = draw.choice((self.touch, self.touch, self.touch, self.touch, self.change, self.change, self.file, self.file, self.file,
                           self.group, self.group, self.setting, self.swap, self.process, self.time))
        act(pid, at, length)
        living = {task.pid for task in self.machine.tasks() if task.has_mm}
        self.pids = [pid for pid in self.pids if pid in living]

    def touch(self, pid, at, length):
        self.call("touch", pid, at, length, self.draw.choice("wwwrr"), True)

    def change(self, pid, at, length):
        draw = self.draw
        kind = draw.randrange(10)
        if kind < 5:
            self.call("madvise", pid, at, length, draw.choice(ADVICE))
        elif kind == 5:
            self.call(draw.choice(("mlock", "munlock")), pid, at, min(length, HUGE))
        elif kind == 6:
            self.call("munmap", pid, at, length)
        elif kind == 7:
            self.call("mmap", pid, at, length, RW, FIXED | ANON | draw.choice((2, SHARED)))
        elif kind == 8:
            self.call("mprotect", pid, at, length, draw.choice((0, 1, 3)))
        else:
            self.call("mremap", pid, at, length, draw.choice((length, max(PAGE, length // 2 // PAGE * PAGE), 2 * length)), 1)

    def file(self, pid, at, length):
        draw, path = self.draw, self.draw.choice(PATHS)
        offset = draw.choice((0, draw.randrange(FILE), draw.randrange(0, FILE, PAGE)))
        kind = draw.randrange(12)
        if kind < 4:
            self.call("read", pid, path, offset, draw.choice((1, PAGE, 65536, FILE)))
        elif kind < 7:
            self.call("write", pid, path, offset, bytes(draw.choice((1, PAGE, 100000))))
        elif kind < 10:
            self.call("fail_io", path, draw.random() < 0.4, draw.choice((0, 1, 2, 5, 1000)))
        elif kind == 10:
            self.call("truncate", path, draw.choice((0, offset, FILE, FILE + 12345)))
        else:
            self.call("punch_hole", path, offset, max(1, length // 3))

    def group(self, pid, at, length):
        draw, group = self.draw, self.draw.choice(GROUPS)
        kind = draw.randrange(8)
        if kind < 5:
            name = draw.choice(LIMITS)
            values = (0, 1) if name == "memory.oom.group" else (0, MIB, 3 * MIB, 10 * MIB, 40 * MIB, None)
            self.call("cgroup_set", group, name, draw.choice(values))
        elif kind == 5:
            self.call("cgroup_move", draw.choice((*GROUPS, "/")), pid)
        elif kind == 6:
            self.call("cgroup_remove", group)
            self.call("cgroup_create", group)
        else:
            self.call("reclaim", draw.choice((1, 32, 1000, 10000)), draw.choice((None, group)))

    def setting(self, pid, at, length):
        name = self.draw.choice(list(SETTINGS))
        self.call("set_sysctl", name, str(self.draw.choice(SETTINGS[name])))

    def swap(self, pid, at, length):
        if self.draw.random() < 0.4:
            self.call("swapoff")
        else:
            self.call("swapon", self.draw.choice((1, 2, 8)) * MIB, self.draw.choice((None, 0, 5)), self.draw.random() < 0.5)

    def process(self, pid, at, length):
        if len(self.pids) >= MOST_PROCESSES:
            self.call("kill", pid, 9)
        elif self.draw.random() < 0.6:
            child = self.call("fork", pid)
            self.pids += [child] if child else []
        else:
            self.spawn()

    def time(self, pid, at, length):
        self.call(*self.draw.choice((("sleep", 700_000), ("sleep", 31_000_000), ("sync",))))


@pytest.mark.parametrize("seed", [*range(NR_MIXTURES), *FOUND])
def test_nothing_is_lost_when_memory_is_short(seed):
    mixture = Mixture(seed)
    for n in range(NR_CALLS):
        mixture.step()
        if n % 10 == 9:
            assert mixture.machine.fsck() == [], mixture.told[-12:]
    for pid in mixture.pids:
        mixture.call("kill", pid, 9)
    assert mixture.machine.fsck() == []
    meminfo = mixture.machine.meminfo()
    assert (meminfo["AnonPages"], meminfo["Mapped"]) == (0, mixture.mapped)
