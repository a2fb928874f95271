"""The built-in demo program: what `spawn NAME` runs when no host file is given.

A fixed-address program without an interpreter: text, read-only data, data and a little .bss, so that the map of a process fits a
screen and its addresses never change. The file is real to the machine: path /usr/bin/NAME, its own inode, bytes in the page cache.
"""

from vmtool.records import Image, Segment

DEV = (8, 1)  # the first partition of the simulated disk
BASE = 0x400000
PAGE = 4096
EI_CLASS64_LSB = b"\x7fELF\x02\x01\x01" + bytes(9)


def demo_image(name):
    """An Image of 4 pages for /usr/bin/NAME; inode 0 lets the machine number it."""
    segments = (
        Segment(BASE, 0, PAGE, PAGE, 5, PAGE),
        Segment(BASE + PAGE, PAGE, PAGE, PAGE, 4, PAGE),
        Segment(BASE + 2 * PAGE, 2 * PAGE, 2 * PAGE - 0x200, 3 * PAGE, 6, PAGE),
    )
    text = b"\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05"  # mov $60,%eax; xor %edi,%edi; syscall: exit(0)
    data = bytearray(4 * PAGE)
    data[0:16] = EI_CLASS64_LSB
    data[0x200 : 0x200 + len(text)] = text
    greeting = b"hello from " + name.encode("utf-8", "surrogateescape")[:64] + b"\n"
    data[2 * PAGE : 2 * PAGE + len(greeting)] = greeting
    path = name if name.startswith("/") else "/usr/bin/" + name
    return Image(path, *DEV, 0, len(data), bytes(data), False, False, BASE + 0x200, 64, len(segments), 56, segments, 6, None, None)
