"""Where the live kernel can judge: a sentence when it cannot, and the settings that are held while it does."""

import contextlib
import fcntl
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator

from tests.differential import target
from tests.differential.kernel import write_text

RELEASE = "6.18"
READ_AHEAD_KB = "128"


def obstacle() -> str | None:
    """Why the comparison cannot run here, or None."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return f"needs Linux on x86-64, this is {platform.system()} on {platform.machine()}"
    if not platform.release().startswith(RELEASE + "."):
        return f"needs a {RELEASE} kernel, this is {platform.release()}"
    for path, wanted in (("/sys/kernel/mm/transparent_hugepage/enabled", "[madvise]"), ("/proc/sys/vm/overcommit_memory", "0")):
        if wanted not in _read(path):
            return f"needs {path} = {wanted.strip('[]')}, it is {_read(path)}"
    if len(_read("/proc/swaps").splitlines()) > 1:
        return "needs a machine without swap"
    return None


def has_protection_keys() -> bool:
    """Such a processor makes memory that is mapped --x unreadable, by a key; the simulated one has no keys: no script asks for it there."""
    return " ospke " in _read("/proc/cpuinfo")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as f:
            return f.read().strip()
    except OSError as e:
        return e.strerror or "unreadable"


def file_system(path: str) -> str:
    """The type of the file system that holds `path`, as /proc/self/mountinfo names it."""
    best, kind = "", ""
    for line in _read("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4]
        if (path + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind


def _read_ahead_file(path: str) -> str | None:
    dev = os.stat(path).st_dev
    base = f"/sys/dev/block/{os.major(dev)}:{os.minor(dev)}"
    return next((p for p in (f"{base}/queue/read_ahead_kb", f"{base}/../queue/read_ahead_kb") if os.path.exists(p)), None)


class Unsuitable(Exception):
    """The place for the files will not do; the text says why."""


def _lock_file(path: str) -> int:
    """A file that anybody may lock: in a sticky directory another user's may not be opened with O_CREAT (fs.protected_regular)."""
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)


@contextlib.contextmanager
def workplace() -> Iterator[str]:
    """A directory with the programs, on ext4 with the default readahead, and this process on one CPU.

    As root the device's readahead is set for the while; else it must be so already. One at a time, for that setting is the machine's.
    """
    lock = _lock_file(os.path.join(tempfile.gettempdir(), "vmtool-differential.lock"))
    fcntl.flock(lock, fcntl.LOCK_EX)
    root = tempfile.mkdtemp(prefix="vmtool-diff.", dir=os.environ.get("VMTOOL_DIFF_DIR", "/var/tmp"))
    cpus = os.sched_getaffinity(0)
    setting, before = None, ""
    try:
        if file_system(root) != "ext4":
            raise Unsuitable(f"needs a directory on ext4 (VMTOOL_DIFF_DIR), {root} is on {file_system(root)}")
        setting = _read_ahead_file(root)
        before = _read(setting) if setting else "unknown"
        if before != READ_AHEAD_KB:
            if setting is None or not os.access(setting, os.W_OK):
                raise Unsuitable(f"needs a readahead of {READ_AHEAD_KB} kB for {root}, it is {before}")
            write_text(setting, READ_AHEAD_KB)
        os.sched_setaffinity(0, {max(cpus)})
        os.chmod(root, 0o755)
        os.makedirs(f"{root}/d")
        target.write_programs(root)
        yield root
    finally:
        os.sched_setaffinity(0, cpus)
        if setting and before != READ_AHEAD_KB and os.access(setting, os.W_OK):
            write_text(setting, before)
        shutil.rmtree(root, ignore_errors=True)
        os.close(lock)
