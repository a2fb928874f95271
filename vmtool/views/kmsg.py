"""The kernel's log as dmesg prints it: seconds since boot in brackets, then the line."""

from collections.abc import Iterable


def render(lines: Iterable[tuple[int, str]]) -> str:
    """`lines`: microseconds since boot, and the text."""
    return "".join([f"[{time_us // 1000000:5}.{time_us % 1000000:06}] {line}\n" for time_us, line in lines])
