"""Drawn mixtures of calls on each paging format, with huge pages of every size in play: no call loses a frame or an account, none loops.

VMTOOL_DRAWN_N draws more mixtures of a format than the few of a test run.
"""

import os
from random import Random

import pytest

from tests.mm.mixture import Told

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

HUGE = {"x86-64": 2 << 20, "x86-64-la57": 2 << 20, "i386": 4 << 20, "i386-pae": 2 << 20, "arm": 2 << 20, "arm64": 2 << 20,
        "arm64-16k": 32 << 20, "arm64-64k": 512 << 20, "riscv64": 2 << 20, "riscv64-sv39": 2 << 20, "riscv64-sv57": 2 << 20}
RAM = {"arm": 128 << 20, "arm64-64k": 4 << 30}
BASE, NR_HUGE = 0x40000000, 6  # the area that all of them work in
RW, ANON_FIXED, SHARED_ANON_FIXED, MAYMOVE, MREMAP_FIXED = 3, 0x32, 0x31, 1, 2
MAP_HUGETLB, MAP_HUGE_SHIFT, MAP_NORESERVE, MAP_POPULATE = 0x40000, 26, 0x4000, 0x8000
ADVICE = (4, 8, 9, 14, 15, 20, 21, 25)  # DONTNEED FREE REMOVE HUGEPAGE NOHUGEPAGE COLD PAGEOUT COLLAPSE
NR_CALLS, MOST_PROCESSES = 150, 4
NR_MIXTURES = int(os.environ.get("VMTOOL_DRAWN_N", "3"))
SIZES = "transparent_hugepage/"


class Mixture(Told):
    """A machine, and calls on it that a seed draws."""

    def __init__(self, arch, seed):
        super().__init__(Random(f"{arch} {seed}"))
        self.huge = HUGE[arch]
        self.machine = core.Machine()
        self.machine.boot(ram_bytes=RAM.get(arch, 1 << 30), arch=arch, swap_bytes=256 << 20, nr_cpus=self.draw.choice((1, 2)))
        self.page = 1 << self.machine.info().page_shift
        self.pids = [self.machine.spawn("a", None, [b"a"], [])]
        self.machine.set_sysctl("vm.overcommit_memory", "1")
        self.pools = sorted({name.rpartition("/")[0] for name in self.machine.sysctl_names() if name.startswith("hugepages/")})
        for name in self.machine.sysctl_names():
            if name.startswith(SIZES) and name.endswith("enabled") and (name.count("/") == 1 or self.draw.random() < 0.3):
                self.setting(name)

    def setting(self, name):
        how = self.draw.choice([word.strip("[]") for word in self.machine.sysctl(name).split()])
        self.call("set_sysctl", name, how)

    def step(self):
        draw, pid = self.draw, self.draw.choice(self.pids)
        addr = BASE + draw.choice((draw.randrange(0, NR_HUGE * self.huge, self.page), draw.randrange(NR_HUGE) * self.huge))
        length = draw.choice((self.page, self.huge, self.huge // 2, self.page * draw.randrange(1, 40), 2 * self.huge))
        kind = draw.randrange(24)
        if kind < 5:
            self.call("touch", pid, addr, draw.choice((1, min(length, 64 * self.page))), draw.choice("wwr"), True)
        elif kind < 7:
            self.call("mmap", pid, addr, length, RW, ANON_FIXED)
        elif kind == 7:
            self.call("mmap", pid, BASE, NR_HUGE * self.huge, RW, ANON_FIXED)
        elif kind == 8:
            self.call("mmap", pid, addr, length, RW, SHARED_ANON_FIXED)
        elif kind < 11:
            self.call("munmap", pid, addr, length)
        elif kind == 11:
            self.call("mprotect", pid, addr, length, draw.choice((0, 1, 3)))
        elif kind == 12:
            self.call(draw.choice(("mlock", "munlock")), pid, addr, min(length, self.huge))
        elif kind < 16:
            self.call("madvise", pid, addr, length, draw.choice(ADVICE))
        elif kind == 16:
            self.call("mremap", pid, addr, length, draw.choice((length, 2 * length, max(self.page, length // 2))), MAYMOVE)
        elif kind == 17:
            self.processes(pid)
        elif kind >= 20 and self.pools:
            self.pool(pid)
        elif kind == 18:
            self.call("sleep", 20_000_000)  # khugepaged comes by
        else:
            self.call("set_sysctl", *draw.choice((("vm.drop_caches", "2"), ("vm.compact_memory", "1"))))

    def pool(self, pid):
        """One size of huge pages of their own: how many there are, an area of them, what is done to it."""
        draw, pool = self.draw, self.draw.choice(self.pools)
        size = int(pool.rpartition("-")[2].removesuffix("kB")) << 10
        at = BASE + draw.randrange(max(NR_HUGE * self.huge // size, 1)) * size if size <= 2 * self.huge else BASE
        kind = draw.randrange(8)
        if kind == 0:
            self.call("set_sysctl", f"{pool}/nr_hugepages", str(draw.randrange(6)))
        elif kind == 1:
            self.call("set_sysctl", f"{pool}/{draw.choice(('nr_overcommit_hugepages', 'demote'))}", str(draw.randrange(3)))
        elif kind <= 3:
            flags = draw.choice((ANON_FIXED, SHARED_ANON_FIXED)) | draw.choice((0, 0, MAP_NORESERVE, MAP_POPULATE))
            self.call("mmap", pid, at, size * draw.randrange(1, 4), draw.choice((1, RW, RW)),
                      flags | MAP_HUGETLB | size.bit_length() - 1 << MAP_HUGE_SHIFT)
        elif kind == 4:
            self.call("touch", pid, at + draw.choice((0, size // 2)), 1, draw.choice("wwr"), True)
        elif kind == 5:
            self.call("mremap", pid, at, size, size, MAYMOVE | MREMAP_FIXED, at + draw.randrange(8, 12) * size)
        elif kind == 6:
            self.call("madvise", pid, at, draw.choice((size, 2 * size, size + self.page)), draw.choice(ADVICE))
        else:
            protect = ("mprotect", pid, at, size, draw.choice((0, 1, 3)))
            self.call(*draw.choice((("munmap", pid, at, size), ("munmap", pid, at, size), protect)))

    def processes(self, pid):
        if len(self.pids) < MOST_PROCESSES:
            child = self.call("fork", pid)
            self.pids += [child] if child else []
        elif pid != self.pids[0]:
            self.call("kill", pid, 9)
        living = {task.pid for task in self.machine.tasks() if task.has_mm}
        self.pids = [pid for pid in self.pids if pid in living]


@pytest.mark.parametrize("seed", range(NR_MIXTURES))
@pytest.mark.parametrize("arch", HUGE)
def test_nothing_is_lost_in_a_mixture_of_calls(arch, seed):
    mixture = Mixture(arch, seed)
    for n in range(NR_CALLS):
        mixture.step()
        if n % 10 == 9:
            assert mixture.machine.fsck() == [], mixture.told[-12:]
    for pid in mixture.pids:
        mixture.call("kill", pid, 9)
    assert mixture.machine.fsck() == []
    assert mixture.machine.meminfo()["AnonPages"] == 0
    for pool in mixture.pools:
        assert mixture.machine.sysctl(f"{pool}/free_hugepages") == mixture.machine.sysctl(f"{pool}/nr_hugepages")
