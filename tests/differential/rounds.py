"""The live kernel's khugepaged, driven by its settings for a moment, which are put back."""

import contextlib
import functools
import mmap
import time
from collections.abc import Iterator

ROOM = "/sys/kernel/mm/transparent_hugepage/khugepaged"
WHOLE_ROUNDS = 2
"""The first may have begun before; the second sees every space."""
PATIENCE = 20.0
"""Seconds: the thread has the lowest priority."""
HUGE = 2 << 20


def read(name: str) -> str:
    with open(f"{ROOM}/{name}", encoding="ascii") as f:
        return f.read().strip()


def write(name: str, value: str) -> None:
    with open(f"{ROOM}/{name}", "w", encoding="ascii") as f:
        f.write(value)


@contextlib.contextmanager
def setting(name: str, value: str) -> Iterator[None]:
    before = read(name)
    write(name, value)
    try:
        yield
    finally:
        write(name, before)


@functools.cache
def _join() -> mmap.mmap:
    """An area of our own that may have huge pages: so there is always a space to go round."""
    area = mmap.mmap(-1, 4 * HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area[2 * HUGE] = 1
    area.madvise(mmap.MADV_HUGEPAGE)
    return area


def scan_all() -> None:
    """Let it go round twice, quickly."""
    _join()
    first = int(read("full_scans"))
    with setting("pages_to_scan", "1000000"), setting("scan_sleep_millisecs", "1"):
        begun = time.monotonic()
        while int(read("full_scans")) < first + WHOLE_ROUNDS:
            if time.monotonic() - begun > PATIENCE:
                raise TimeoutError(f"khugepaged did not go round in {PATIENCE} s")
            time.sleep(0.002)
