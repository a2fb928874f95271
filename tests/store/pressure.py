"""A machine under pressure, step by step: python -m tests.store.pressure PATH SEED, to be run and killed.

Two processes and their children write stamps into pages of their own, of shared memory and of files, in a group whose limit is a
fraction of that, with swap areas that go and come, reclaim and compaction by hand, pages thrown out, failing disks, time that passes.
What each byte must be is kept beside it. A step is a transaction; its number is in the machine itself, in a page of a process outside
the group.
"""

import random
import sys

from vmtool._core import Machine
from vmtool.errors import KernelError, Signal
from vmtool.store.session import open_machine

MIB, PAGE = 1 << 20, 4096
RW, MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS = 3, 1, 2, 0x20
COLD, PAGEOUT = 20, 21
ENOMEM, EIO = 12, 5
AREA, FILE = 384, 256  # pages
PATHS = ("/one", "/two")


class Process:
    """What a process must find: stamps by page."""

    def __init__(self, own, shared, files):
        self.own = own  # page -> stamp
        self.shared = shared  # of the whole family
        self.files = files  # path -> address of its shared mapping


class Pressure:
    """The machine, and what it must say. Two of the same seed do the same, whatever happened to their process in between."""

    def __init__(self, machine, seed):
        self.m = machine
        self.seed = seed
        self.step_nr = 0
        self.processes = {}
        self.disk = {path: {} for path in PATHS}  # page -> stamps, the last one last
        self.failed = set()  # paths whose writes have failed: an older stamp may come back, and sync says so
        self.watcher = self.page = 0

    def begin(self):
        m = self.m
        m.boot(ram_bytes=128 * MIB, nr_cpus=2, swap_bytes=8 * MIB)
        m.cgroup_create("g")
        for path in PATHS:
            m.mkfile(path, FILE * PAGE)
        m.drop_caches(3)
        self.watcher = m.spawn("watcher", None, [b"watcher"], [])
        self.page = m.mmap(self.watcher, 0, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)
        m.mlock(self.watcher, self.page, PAGE)
        for _ in range(2):
            pid = m.spawn("worker", None, [b"worker"], [])
            m.cgroup_move("g", pid)
            self.private = m.mmap(pid, 0, AREA * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)
            self.common = m.mmap(pid, 0, AREA * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS)
            files = {path: m.mmap(pid, 0, FILE * PAGE, RW, MAP_SHARED, path=path) for path in PATHS}
            self.processes[pid] = Process({}, {}, files)
        m.cgroup_set("g", "memory.max", 3 * MIB)

    # --- steps ---------------------------------------------------------------------------------------------------

    def step(self):
        """The next one. What the machine refuses is no harm; a process that it kills is gone."""
        self.step_nr += 1
        self.rng = random.Random(self.seed * 1000003 + self.step_nr)
        self.m.tick()
        act = self.rng.choice([self.store, self.store, self.store, self.store_common, self.store_mapped, self.write, self.look, self.look,
                               self.throw_out, self.reclaim, self.swap, self.fork, self.leave, self.fail, self.settle, self.limit,
                               self.compact])
        pid = self.rng.choice(sorted(self.processes))
        try:
            act(pid)
        except Signal:
            self.processes.pop(pid, None)
        except KernelError as error:
            assert error.errno not in (0, None)
        living = {task.pid for task in self.m.tasks() if task.has_mm}
        self.processes = {pid: process for pid, process in self.processes.items() if pid in living}
        if not self.processes:
            self.renew()
        self.m.store(self.watcher, self.page, self.step_nr.to_bytes(8, "little"))

    def renew(self):
        pid = self.m.spawn("worker", None, [b"worker"], [])
        self.m.cgroup_move("g", pid)
        self.m.mmap(pid, self.private, AREA * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | 0x10)
        self.m.mmap(pid, self.common, AREA * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | 0x10)
        files = {path: self.m.mmap(pid, 0, FILE * PAGE, RW, MAP_SHARED, path=path) for path in PATHS}
        self.processes[pid] = Process({}, {}, files)

    def stamp(self):
        return b"%08d" % self.step_nr

    def some(self, of):
        """A run of pages."""
        first = self.rng.randrange(of)
        return range(first, min(of, first + self.rng.choice([1, 3, 40, 200])))

    def store(self, pid):
        for page in self.some(AREA):
            self.m.store(pid, self.private + page * PAGE, self.stamp())
            self.processes[pid].own[page] = self.stamp()

    def store_common(self, pid):
        for page in self.some(AREA):
            self.m.store(pid, self.common + page * PAGE, self.stamp())
            self.processes[pid].shared[page] = self.stamp()

    def store_mapped(self, pid):
        path = self.rng.choice(PATHS)
        for page in self.some(FILE):
            self.m.store(pid, self.processes[pid].files[path] + page * PAGE, self.stamp())
            self.disk[path].setdefault(page, []).append(self.stamp())

    def write(self, pid):
        path = self.rng.choice(PATHS)
        for page in self.some(FILE):
            if self.m.write(pid, path, page * PAGE, self.stamp()) == 8:
                self.disk[path].setdefault(page, []).append(self.stamp())

    def look(self, pid):
        self.check(pid, self.some(AREA))

    def throw_out(self, pid):
        pages = self.some(AREA)
        start = self.rng.choice([self.private, self.common])
        self.m.madvise(pid, start + pages.start * PAGE, len(pages) * PAGE, self.rng.choice([COLD, PAGEOUT, PAGEOUT]))

    def reclaim(self, pid):
        self.m.reclaim(self.rng.choice([1, 32, 500, 5000]), self.rng.choice([None, "g"]))

    def swap(self, pid):
        if self.m.swaps() and self.rng.random() < 0.5:
            self.m.swapoff()
        else:
            self.m.swapon(self.rng.choice([1, 4, 8]) * MIB, rotational=self.rng.random() < 0.3)

    def fork(self, pid):
        if len(self.processes) < 5:
            parent = self.processes[pid]
            self.processes[self.m.fork(pid)] = Process(dict(parent.own), parent.shared, parent.files)

    def leave(self, pid):
        if len(self.processes) > 1:
            del self.processes[pid]
            self.m.exit(pid)

    def fail(self, pid):
        path, write = self.rng.choice(PATHS), self.rng.random() < 0.4
        if write:
            self.failed.add(path)
        self.m.fail_io(path, write, self.rng.choice([1, 3]))

    def settle(self, pid):
        self.rng.choice([self.m.sync, lambda: self.m.drop_caches(3), lambda: self.m.sleep(31000000)])()

    def compact(self, pid):
        self.m.set_sysctl("vm.compact_memory", "1")

    def limit(self, pid):
        self.m.cgroup_set("g", self.rng.choice(["memory.max", "memory.high"]), self.rng.choice([2 * MIB, 3 * MIB, 6 * MIB, None]))

    # --- what must hold ------------------------------------------------------------------------------------------------

    def retried(self, load):
        """An injected failure is over at last."""
        for _ in range(12):
            try:
                return load()
            except KernelError as error:
                assert error.errno in (EIO, ENOMEM)
        raise AssertionError("the disk fails for ever")

    def check(self, pid, pages):
        process = self.processes[pid]
        for page in pages:
            for start, stamps, what in ((self.private, process.own, "own"), (self.common, process.shared, "shared")):
                found = self.m.load(pid, start + page * PAGE, 8)
                assert found == stamps.get(page, bytes(8)), (self.step_nr, pid, what, page, found)
        for page in pages:
            path = PATHS[page & 1]
            if page < FILE:
                found = self.retried(lambda path=path, page=page: self.m.read(pid, path, page * PAGE, 8))
                written = self.disk[path].get(page, [bytes(8)])
                assert found in ([bytes(8), *written] if path in self.failed else written[-1:]), (self.step_nr, path, page, found)

    def check_all(self):
        """Without a limit, so that nobody is killed for being looked at."""
        for file in ("memory.max", "memory.high"):
            self.m.cgroup_set("g", file, None)
        for pid in sorted(self.processes):
            self.check(pid, range(AREA))

    def committed(self):
        """The step that the machine itself is at."""
        return int.from_bytes(self.m.load(self.watcher, self.page, 8), "little")


def twin(seed, nr_steps):
    """The same machine, that was never killed."""
    found = Pressure(Machine(), seed)
    found.begin()
    while found.step_nr < nr_steps:
        found.step()
    return found


def resume(machine, seed):
    """The model of a machine that was opened again: as many steps as it has done, on its twin."""
    probe = twin(seed, 0)  # whose first page it is, boot decides
    probe.m = machine
    model = twin(seed, probe.committed())
    model.m = machine
    return model


def main(path, seed):
    with open_machine(path, write=False) as session:
        pressure = resume(session.machine, int(seed))
    while True:
        with open_machine(path, write=True) as session:
            pressure.m = session.machine
            pressure.step()
            session.commit()
        print(pressure.step_nr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
