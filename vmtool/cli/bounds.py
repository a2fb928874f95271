"""How much of this computer's memory a command may take: what it would need more is refused in a line, before the host has to kill it.

The machine's memory is mostly not there until it is touched; what is touched costs the host a record for each frame, its share of page
tables, and its bytes once something was stored. Model: FRAME_BYTES for a page, as mm/mmzone_types.pxd's frame_t and an entry of eight
bytes; a limit on the address space (RLIMIT_AS) as the last fence, at which an allocation fails and the command with it.
"""

from __future__ import annotations

from vmtool.errors import HostError

FRAME_BYTES = 32 + 8
WORTH_A_LOOK = 1 << 28  # smaller sizes need no question
MOST_SHOWN = 64 << 20  # bytes that one command prints


def available() -> int | None:
    """Bytes that this process may still take, None where the host does not say."""
    try:
        with open("/proc/meminfo", "rb") as file:
            found = int(file.read().partition(b"MemAvailable:")[2].split(None, 1)[0]) << 10
    except (OSError, ValueError, IndexError):
        return None
    left = _left_in_group()
    return found if left is None else min(found, left)


def _left_in_group() -> int | None:
    """What the control group that a container is leaves."""
    try:
        with open("/sys/fs/cgroup/memory.max", "rb") as most, open("/sys/fs/cgroup/memory.current", "rb") as used:
            return max(int(most.read()) - int(used.read()), 0)
    except (OSError, ValueError):
        return None


def limit_memory() -> None:
    """The fence: from here on an allocation beyond what the host has available fails."""
    left = available()
    if left is None:
        return
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", "rb") as file:
        wanted = int(file.read().split(None, 1)[0]) * resource.getpagesize() + left
    if soft == resource.RLIM_INFINITY or soft > wanted:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


def check_pages(nr_bytes: int, page_shift: int) -> None:
    """HostError when the records of that much simulated memory are more than this computer has."""
    if nr_bytes < WORTH_A_LOOK:
        return
    need, left = (nr_bytes >> page_shift) * FRAME_BYTES, available()
    if left is not None and need > left // 4:  # the host has others to serve, and the file is to be written too
        raise HostError(f"{size(nr_bytes)} of simulated memory would need {size(need)} of this computer's, where a quarter of "
                        f"{size(left)} may be taken")


def check_shown(nr_bytes: int) -> None:
    """HostError when that is more than a command should print at once."""
    if nr_bytes > MOST_SHOWN:
        raise HostError(f"{size(nr_bytes)} are more than one command prints ({size(MOST_SHOWN)}): take them in parts")


def size(nr_bytes: int) -> str:
    """`9.4G`: one decimal and the unit's letter."""
    for letter, shift in (("T", 40), ("G", 30), ("M", 20), ("K", 10)):
        if nr_bytes >> shift:
            tenths = nr_bytes * 10 >> shift
            return f"{tenths // 10}.{tenths % 10}{letter}" if tenths % 10 else f"{tenths // 10}{letter}"
    return f"{nr_bytes} bytes"
