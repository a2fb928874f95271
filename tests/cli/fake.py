"""A machine of a few dictionaries behind the interface of `_core.pyi` and `_door/`: enough for the command line to talk to.

It keeps no promise about memory management; what it must do is answer, fail with an errno, raise a
signal, and remember which calls it got.
"""

import errno

from vmtool import records as r
from vmtool.errors import KernelError, Signal

PAGE = 4096
HEAP = 0x555555559000
MMAP_BASE = 0x7FFFF7FFF000
STACK = 0x7FFFFFFDE000


def _zero(record, **fields):
    """A record of zeros but for what is given."""
    return record(**{**dict.fromkeys(record._fields, 0), **fields})


class FakeMachine:
    """Processes with a heap, a stack and anonymous mappings; files as bytes."""

    def __init__(self):
        self.calls = []
        self.processes = {}
        self.contents = {}
        self.sysctls = {"vm.swappiness": "60", "vm.overcommit_memory": "0", "queue/read_ahead_kb": "128"}
        self.booted = None
        self.clock = 0
        self.is_tracing = False

    # What no method below answers is recorded, checked for its PID, and done.
    def __getattr__(self, name):
        def call(*args, **kwargs):
            self.calls.append((name, args, kwargs))
            if args and isinstance(args[0], int) and name not in ("drop_caches", "set_trace", "traced_file"):
                self.process(args[0])
        return call

    def process(self, pid):
        try:
            return self.processes[pid]
        except KeyError:
            raise KernelError(errno.ESRCH) from None

    def boot(self, **how):
        self.booted = how

    def tick(self):
        self.clock += 1
        return self.clock

    def trace_reset(self):
        pass

    def nr_traced(self):
        return 0

    def info(self):
        geometry = 12, 4, 9, 9, (1 << 47) - 4096
        return r.MachineInfo("x86-64", "6.18", 1 << 30, 1, 0, *geometry, False, False, False, False, False, 0, "", "", self.clock)

    def sysctl(self, name):
        if name == "vm.drop_caches":
            raise KernelError(errno.EACCES, f"{name} can only be written")
        if name not in self.sysctls:
            raise KernelError(errno.ENOENT, name)
        return self.sysctls[name]

    def set_sysctl(self, name, value):
        if name != "vm.drop_caches":
            self.sysctl(name)
            self.sysctls[name] = value

    def sysctl_names(self):
        return sorted(self.sysctls)

    def spawn(self, name, image, argv, env):
        pid = len(self.processes) + 1
        self.processes[pid] = {"name": name, "brk": HEAP + 0x21000, "areas": [(HEAP, HEAP + 0x21000)], "bytes": {}, "argv": argv}
        return pid

    def fork(self, pid):
        child = {**self.process(pid), "areas": list(self.process(pid)["areas"]), "bytes": dict(self.process(pid)["bytes"])}
        self.processes[len(self.processes) + 1] = child
        return len(self.processes)

    def exit(self, pid, status=0):
        del self.processes[pid]

    def cmdline(self, pid):
        return b"".join(word + b"\0" for word in self.process(pid)["argv"])

    def environ(self, pid):
        return b""

    def task(self, pid):
        name = self.process(pid)["name"]
        return r.TaskInfo(pid, 0, name, "R", 0, 0, False, 0, 0, 0, 0, 1, 0, 0, True, 0, pid, 0)

    def tasks(self):
        return [self.task(pid) for pid in sorted(self.processes)]

    def mm(self, pid):
        return _zero(r.MmInfo, start_brk=HEAP, brk=self.process(pid)["brk"], exe="/demo", auxv=b"")

    def maps_text(self, pid, line):
        return "".join(map(line, self.maps(pid)))

    def maps(self, pid):
        heap = [r.Vma(start, end, 0x73, 0, 0, 0, 0, 0, "[heap]" if start == HEAP else "", False, 0, 0)
                for start, end in self.process(pid)["areas"]]
        files = [r.Vma(0x400000, 0x402000, 0x71, 0, 0, 8, 1, 77, "/lib/libfake.so.6", True, 0, 1)]
        return files + heap + [r.Vma(STACK, STACK + 0x21000, 0x173, 0, 0, 0, 0, 0, "[stack]", False, 0, 0)]

    def brk(self, pid, addr=None):
        process = self.process(pid)
        if addr is not None:
            if addr > MMAP_BASE:
                raise KernelError(errno.ENOMEM)
            process["brk"] = addr
            process["areas"][0] = (HEAP, -(-addr // PAGE) * PAGE)
        return process["brk"]

    def mmap(self, pid, addr, length, prot, flags, path=None, offset=0):
        self.calls.append(("mmap", (pid, addr, length, prot, flags, path, offset), {}))
        process = self.process(pid)
        if length == 0:
            raise KernelError(errno.EINVAL)
        if length > 1 << 40:
            raise KernelError(errno.ENOMEM)
        if path is not None and path not in self.contents:
            raise KernelError(errno.ENOENT, path)
        start = addr or MMAP_BASE - PAGE * 16 * len(process["areas"])
        process["areas"].append((start, start + length))
        return start

    def munmap(self, pid, addr, length):
        self.calls.append(("munmap", (pid, addr, length), {}))
        if addr % PAGE or addr + length > 1 << 47:
            raise KernelError(errno.EINVAL)

    def mremap(self, pid, addr, old_len, new_len, flags=0, new_addr=0):
        self.calls.append(("mremap", (pid, addr, old_len, new_len, flags, new_addr), {}))
        return new_addr or addr

    def mincore(self, pid, addr, length):
        return bytes(1 - i % 2 for i in range(-(-length // PAGE)))

    def touch(self, pid, addr, length, access, probe=False):
        self.calls.append(("touch", (pid, addr, length, access, probe), {}))
        if not any(start <= addr and addr + length <= end for start, end in self.process(pid)["areas"]):
            if not probe:
                del self.processes[pid]
            raise Signal(11, "SEGV_MAPERR", addr, killed=not probe)
        return r.Touched(-(-length // PAGE), 0)

    def store(self, pid, addr, data, probe=False):
        self.touch(pid, addr, max(len(data), 1), "w", probe)
        self.process(pid)["bytes"].update({addr + i: byte for i, byte in enumerate(data)})
        return r.Touched(1, 0)

    def load(self, pid, addr, length, probe=False):
        self.touch(pid, addr, length, "r", probe)
        return bytes(self.process(pid)["bytes"].get(addr + i, 0) for i in range(length))

    def translate(self, pid, addr, access="r"):
        return addr & 0xFFFFFF

    def translate_supervisor(self, pid, addr, access="r", ac=False):
        self.calls.append(("translate_supervisor", (pid, addr, access, ac), {}))
        return (addr & 0xFFFFFF, 0) if ac else (None, 1)

    def pkey_alloc(self, pid, flags=0, access_rights=0):
        self.calls.append(("pkey_alloc", (pid, flags, access_rights), {}))
        return 1

    def pkru(self, pid, value=None):
        self.calls.append(("pkru", (pid, value), {}))
        return 0x55555554 if value is None else value

    def push(self, pid, nr_bytes):
        return STACK - nr_bytes

    def mkfile(self, path, size, data=None, dev=None, inode=0, tmpfs=False):
        self.calls.append(("mkfile", (path, size, data, dev, inode, tmpfs), {}))
        if path in self.contents:
            raise KernelError(errno.EEXIST, path)
        if size > 1 << 30:
            raise KernelError(errno.EFBIG)
        self.contents[path] = (data or b"").ljust(size, b"\0")

    def content(self, path, offset=0):
        if offset > (1 << 63) - 1:
            raise OverflowError("too large to convert")
        if path not in self.contents:
            raise KernelError(errno.ENOENT, path)
        return self.contents[path]

    def read(self, pid, path, offset, length):
        self.process(pid)
        return self.content(path, offset)[offset:offset + length]

    def write(self, pid, path, offset, data):
        self.process(pid)
        old = self.content(path, offset)
        if offset > 1 << 30:
            raise KernelError(errno.EFBIG)
        old = old.ljust(offset, b"\0")
        self.contents[path] = old[:offset] + data + old[offset + len(data):]
        return len(data)

    def files(self):
        return [self.file(path) for path in sorted(self.contents)]

    def file(self, path):
        return r.FileInfo(path, 8, 1, 77, len(self.content(path)), 1, 0, 0, 0, False)

    def fincore(self, path):
        return [0]

    def meminfo(self):
        return {"MemTotal": 1000, "MemFree": 500}

    def smaps(self, pid):
        return [r.Smap(vma, _zero(r.MemStats, resident=PAGE), PAGE, PAGE, False, None) for vma in self.maps(pid)]

    def smaps_rollup(self, pid):
        return HEAP, STACK, _zero(r.MemStats, resident=3 * PAGE)

    def walk(self, pid, addr, root=None):
        self.process(pid)
        steps = [r.WalkStep(level, 0x1000 * i, i, 0x1000 * i + 8 * i, 0x67 + 0x1000 * i, ("P", "RW"), True, level == "pte",
                            47 - 9 * (i - 1), 39 - 9 * (i - 1), ((0, "P"), (1, "RW")), 51, 12, 0, 0)
                 for i, level in enumerate(("pgd", "pud", "pmd", "pte"), 1)]
        return r.Walk(addr, 0x1000, tuple(steps), 0x4000 + addr % PAGE, PAGE, "", "x86-64", "CR3", 4, 48, 64, 12, 0, False)

    def pagemap(self, pid, addr, length):
        self.process(pid)
        first = addr - addr % PAGE
        return [r.PagemapEntry(at, 1 << 63 | 1 << 56 | 0x123) for at in range(first, addr + length, PAGE)]

    def frames(self, pfns):
        return [_zero(r.Frame, pfn=pfn, zone="DMA32", flags=("uptodate", "lru"), kind="anon", mapping="") for pfn in pfns]

    def frames_summary(self):
        return [("free", 1000), ("anon", 24)]

    def reserved(self):
        return [(0, 1, "hole"), (0x1000, 512, "kernel code"), (0x3000, 16, "slabs")]

    def kernel_pages(self):
        names = "slab_reclaimable slab_unreclaimable kmalloc_large stacks cached_stacks vmalloc swap_tables by_hand"
        return dict.fromkeys(names.split(), 0)

    def vmalloc_areas(self):
        return [r.VmallocArea(0xFFFFC90000000000, 0xFFFFC90000005000, 4, "stack")]

    def vmalloc_start(self):
        return 0

    def boot_areas(self):
        return []

    def modules(self):
        return [r.Module("ext4", 1224704, 0, "-", 0xFFFFFFFFC0412000)]

    def kmalloc(self, size, gfp=""):
        return 0xFFFF888000001000

    vmalloc = alloc_pages = kmalloc

    def kfree(self, address):
        pass

    vfree = free_pages = kfree

    def kernel_map(self, borders, root=None):
        return [(0xFFFF888000000000, 0xFFFF8880001FFFFF, "pte", 0x8000000000000103, ("P", "RW", "G", "NX")),
                (0xFFFF888000200000, 0xFFFFFFFFFFFFFFFF, "pmd", 0, ())]

    def tlb(self, cpu=None):
        return [_zero(r.TlbEntry, level=1, kind="d", vpn=HEAP >> 12, pfn=0x123, page_shift=12)]

    def tlb_stats(self):
        return [_zero(r.TlbStats, misses=3)]

    def vmstat(self):
        return {"nr_free_pages": 1000, "pgpgin": 4, "pgpgout": 0, "pgfault": 3}

    def zones(self):
        return [_zero(r.ZoneInfo, name="DMA", free=1000, present=2000, managed=2000, protection=(0, 0), free_area=(1,) * 11,
                      free_by_type=((1,) * 11,) * 6,
                      pageblocks=(1,) * 6, pcp=((0, 0, 1, 0, 0),), stats={"nr_free_pages": 1000})]

    def thp_disable(self, pid):
        self.process(pid)
        return 0

    def thp_sizes(self):
        return [64, 2048]

    def mthp_stats(self, size_kb):
        return {"nr_anon": 0}

    def fragmentation(self):
        return [r.Fragmentation(0, "DMA", (0,) * 8 + (8, 58, 193), (-1000,) * 11)]

    def node_stats(self):
        return {"nr_inactive_anon": 1}

    def slabs(self):
        return [_zero(r.SlabCache, name="vm_area_struct", objsize=176, num_objs=23, objperslab=23, pagesperslab=1)]

    def heap_figures(self, pid):
        raise KernelError(errno.EINVAL, f"process {pid} has no heap")

    def heap_map(self, pid, nr):
        return self.heap_figures(pid)

    def malloc(self, pid, *sizes):
        self.process(pid)
        return 0x5555555592A0

    calloc = realloc = memalign = malloc

    def word_bytes(self, pid):
        return 8

    def fsck(self):
        return []

    def swaps(self):
        return []

    def kmsg(self):
        return [(1500000, "Out of memory: Killed process 1 (a)")]

    def reclaim(self, nr_pages, group=None):
        return nr_pages

    def cgroup(self, name):
        return {"memory.current": 4096, "memory.max": None}

    def cgroup_move(self, name, pid):
        self.process(pid)

    def set_trace(self, on):
        self.calls.append(("set_trace", (on,), {}))
        self.is_tracing = on

    def tracing(self):
        return self.is_tracing

    def trace(self):
        return []


class FakeFile:
    """A state file in memory: what was committed, by pickling, so that what was not is lost."""

    def __init__(self):
        self.saved = None
        self.commits = 0
        self.entries = []

    def open(self, settings, access, force=False):
        from vmtool.errors import StateError
        is_new = self.saved is None or access == "boots"
        if access == "boots" and self.saved is not None and not force:
            raise StateError(f"{settings.state}: is there already (--force replaces it)")
        if is_new and access not in ("boots", "spawns"):
            raise StateError(f"{settings.state}: there is no machine")
        return FakeSession(self, access != "reads", is_new)


class FakeSession:
    """One transaction after another on a FakeFile."""

    def __init__(self, file, write, is_new):
        self.file = file
        self.write = write
        self.is_new = is_new
        self.machine = None
        self.renew()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def renew(self):
        self.machine = FakeMachine()
        if self.file.saved is not None and not self.is_new:
            from copy import deepcopy
            self.machine.__dict__.update(deepcopy(self.file.saved))
            self.machine.calls = []

    def commit(self, entry=b""):
        assert self.write, "a reader commits nothing"
        self.is_new = False
        self.file.saved = dict(self.machine.__dict__)
        self.file.commits += 1
        self.file.entries.append(entry)

    def verify(self):
        return []

    def close(self):
        self.machine = None
