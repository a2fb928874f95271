"""Swap areas of a script's own, on the live kernel: a loop device over a file in memory, which does not turn; and what tells of them.

Nobody else's pages go there: the host is not short of memory, and what is asked for by MADV_PAGEOUT or of a group is the measured
processes'.
"""

import contextlib
import os
import shutil
import subprocess
import time

from tests.differential.script import Words, size
from tests.differential.tracee import Tracee, start

WHERE = "/dev/shm"
TOOLS = {name: shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")  # where root's path need not lead
         for name in ("losetup", "mkswap", "swapon", "swapoff")}  # fmt: skip
GROUPS = "/sys/fs/cgroup/memory"
CHARGE_BATCH, PAGE = 64, 4096
SYS_MMAP, SYS_MADVISE = 9, 28
PROT_READ, MAP_PRIVATE, MAP_ANONYMOUS, MADV_DONTNEED = 1, 2, 0x20, 4
VMSTAT = ("pswpin", "pswpout", "swpin_zero", "swpout_zero", "thp_swpout", "thp_swpout_fallback", "thp_split_page", "thp_split_page_failed",
          "thp_split_pmd", "thp_deferred_split_page", "swap_ra", "swap_ra_hit")
MEMINFO = ("SwapCached", "SwapTotal", "SwapFree")


def obstacle() -> str | None:
    """Why there can be none here, or None."""
    if os.geteuid() != 0:
        return "needs root, for a swap area"
    if not os.path.exists("/dev/loop-control") or not os.path.ismount(WHERE):
        return f"needs loop devices and memory at {WHERE}, for a swap area"
    if None in TOOLS.values():
        return f"needs {', '.join(name for name, path in TOOLS.items() if path is None)}, for a swap area"
    return None if os.path.exists(f"{GROUPS}/memory.force_empty") else f"needs the memory controller at {GROUPS}"


def _run(tool: str, *words: str) -> str:
    return subprocess.run([TOOLS[tool] or tool, *words], check=True, capture_output=True, text=True).stdout.strip()


class Group:
    """A group of the kernel's, whose counters can be made exact: by a process in it that faults without being charged for anything.

    Reclaim and refaults go by counts that are folded every two seconds, or when somebody asks for them and more than MEMCG_CHARGE_BATCH
    updates a CPU are waiting (memcg_vmstats_needs_flush()). A read fault that brings the zero page is such an update and no more.
    """

    def __init__(self, path: str, root: str) -> None:
        self.path = path
        os.mkdir(path)
        program = f"{root}/ticker"  # a file of its own, or it would have a part in the others' pages
        if not os.path.exists(program):
            shutil.copy(f"{root}/target", program)
        self.ticker: Tracee = start(program, root)
        self.length = ((os.cpu_count() or 1) + 2) * CHARGE_BATCH * PAGE
        self.area = self.ticker.syscall(SYS_MMAP, 0, self.length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        self._tick()  # its tables are charged to the group that it comes from
        _write(f"{path}/cgroup.procs", str(self.ticker.pid))

    def _tick(self) -> None:
        self.ticker.touch(self.area, self.length, "r")
        self.ticker.syscall(SYS_MADVISE, self.area, self.length, MADV_DONTNEED)

    def fold(self) -> None:
        self._tick()
        with open(f"{self.path}/memory.stat", encoding="utf-8") as f:
            f.read()

    def close(self) -> None:
        self.ticker.kill()
        for _ in range(200):  # until the last process is gone
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
                break
            time.sleep(0.005)


class SwapAreas:
    """Those that a script switched on, and its groups; close() puts everything back."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.areas: list[tuple[str, str]] = []  # (device, file)
        self.groups: dict[str, Group] = {}
        self.before: dict[str, int] = {}

    def swapon(self, w: Words) -> None:
        priority = w.option("--priority")
        path = f"{WHERE}/vmtool-swap.{os.getpid()}.{len(self.areas)}"
        with open(path, "wb") as f:
            f.truncate(size(w.next()))
        try:
            device = _run("losetup", "-f", "--show", path)
        except Exception:
            os.unlink(path)
            raise
        self.areas.append((device, path))
        _run("mkswap", device)
        if not self.before:
            self.before = _vmstat()
        _run("swapon", *(("-p", priority) if priority else ()), device)

    def swapoff(self) -> None:
        self.settle()
        for device, _ in self.areas:
            _run("swapoff", device)

    def settle(self) -> None:
        """What is written has ended, and what it changed is counted."""
        for device, _ in self.areas:
            for _ in range(2000):
                with open(f"/sys/block/{os.path.basename(device)}/inflight", encoding="utf-8") as f:
                    if f.read().split() == ["0", "0"]:
                        break
                time.sleep(0.0005)
        for group in self.groups.values():
            group.fold()

    def cgroup(self, w: Words) -> None:
        verb, name = w.next(), w.next()
        if verb == "create":
            self.groups[name] = Group(f"{GROUPS}/vmtool-{os.getpid()}-{name}", self.root)
        else:
            _write(f"{self.groups[name].path}/cgroup.procs", w.next())

    def reclaim(self, w: Words) -> None:
        """All of a group that can go."""
        group = self.groups[w.option("--cgroup") or ""]
        group.fold()
        _write(f"{group.path}/memory.force_empty", "0")
        self.settle()

    def cat(self, path: str) -> str:
        self.settle()
        _write("/proc/sys/vm/stat_refresh", "1")
        if path == "/proc/vmstat":
            return "\n".join(f"{name} {n - self.before[name]}" for name, n in _vmstat().items())
        with open(path, encoding="utf-8") as f:
            return f.read()

    def close(self) -> None:
        for device, path in self.areas:
            for command in ("swapoff", "losetup -d"):
                with contextlib.suppress(subprocess.CalledProcessError):  # it may be off
                    _run(*command.split(), device)
            os.unlink(path)
        for group in self.groups.values():
            group.close()


def _vmstat() -> dict[str, int]:
    with open("/proc/vmstat", encoding="utf-8") as f:
        found = dict(line.split() for line in f)
    return {name: int(found[name]) for name in VMSTAT}


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
