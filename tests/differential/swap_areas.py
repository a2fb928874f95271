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

WHERE = "/dev/shm"
TOOLS = {name: shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")  # where root's path need not lead
         for name in ("losetup", "mkswap", "swapon", "swapoff")}  # fmt: skip
GROUPS = "/sys/fs/cgroup/memory"
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


class SwapAreas:
    """Those that a script switched on, and its groups; close() puts everything back."""

    def __init__(self) -> None:
        self.areas: list[tuple[str, str]] = []  # (device, file)
        self.groups: list[str] = []
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
        """What is written has ended."""
        for device, _ in self.areas:
            for _ in range(2000):
                with open(f"/sys/block/{os.path.basename(device)}/inflight", encoding="utf-8") as f:
                    if f.read().split() == ["0", "0"]:
                        break
                time.sleep(0.0005)

    def cgroup(self, w: Words) -> None:
        verb, name = w.next(), w.next()
        path = f"{GROUPS}/vmtool-{os.getpid()}-{name}"
        if verb == "create":
            os.mkdir(path)
            self.groups.append(path)
        else:
            _write(f"{path}/cgroup.procs", w.next())

    def reclaim(self, w: Words) -> None:
        """All of a group that can go. Reclaim goes by counts that may be two seconds old, unless somebody asks for them."""
        path = f"{GROUPS}/vmtool-{os.getpid()}-{w.option('--cgroup')}"
        with open(f"{path}/memory.stat", encoding="utf-8") as f:
            f.read()
        _write(f"{path}/memory.force_empty", "0")
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
        for group in reversed(self.groups):
            for _ in range(200):  # until the last process is gone
                with contextlib.suppress(OSError):
                    os.rmdir(group)
                    break
                time.sleep(0.005)


def _vmstat() -> dict[str, int]:
    with open("/proc/vmstat", encoding="utf-8") as f:
        found = dict(line.split() for line in f)
    return {name: int(found[name]) for name in VMSTAT}


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
