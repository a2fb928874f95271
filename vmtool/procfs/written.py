"""What a write to a file of a process says, as the kernel reads it: at most so many bytes, up to a NUL, blanks off, one number.

Counterparts: Linux v6.18 lib/kstrtox.c:kstrtoint(), lib/string_helpers.c:strim(), fs/proc/task_mmu.c:clear_refs_write(),
fs/proc/base.c:oom_score_adj_write(), comm_write(). A write that is longer than the kernel's buffer is taken up to there: the writer
gets the count, and asks again or not.
"""

import errno
import re

from vmtool.errors import KernelError

PROC_NUMBUF = 13  # with the NUL
TASK_COMM_LEN = 16
BLANKS = b" \t\n\v\f\r\xa0"  # isspace() of lib/ctype.c
U64_MAX, INT_MAX = (1 << 64) - 1, (1 << 31) - 1
NUMBERS = {10: re.compile(rb"([0-9]+)"), 16: re.compile(rb"0[xX]([0-9a-fA-F]+)"), 8: re.compile(rb"([0-7]+)")}


def number(data: bytes, base: int) -> tuple[int, int]:
    """(the number, bytes taken). `base` 0: as the number begins. KernelError: EINVAL, ERANGE beyond an int."""
    buffer = data[: PROC_NUMBUF - 1]
    return kstrtoint(buffer.split(b"\0", 1)[0].strip(BLANKS), base), len(buffer)


def kstrtoint(text: bytes, base: int) -> int:
    sign, digits = (text[:1], text[1:]) if text[:1] in (b"-", b"+") else (b"+", text)
    if base == 0:
        base = 16 if NUMBERS[16].match(digits) else 8 if digits[:1] == b"0" else 10
    found = NUMBERS[base].match(digits)
    if found is None:
        raise KernelError(errno.EINVAL, "not a number")
    value = int(found[1], base)
    if value > U64_MAX:  # seen before what follows it
        raise KernelError(errno.ERANGE, "a number beyond all words")
    if digits[found.end():] not in (b"", b"\n"):
        raise KernelError(errno.EINVAL, "more than a number")
    if value > INT_MAX + (sign == b"-"):
        raise KernelError(errno.ERANGE, f"{value} is no int")
    return -value if sign == b"-" else value


def comm(data: bytes) -> str:
    """A newline is a letter like others: `echo` leaves one in the name."""
    return data[: TASK_COMM_LEN - 1].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
