"""The built-in demo program: what `spawn NAME` runs when no host file is given.

A fixed-address program without an interpreter: text, read-only data, data and a little .bss, so that the map of a process fits a
screen and its addresses never change. The file is real to the machine: path /usr/bin/NAME, its own inode, bytes in the page cache.
"""

from vmtool.images import Image, Segment

DEV = (8, 1)  # the first partition of the simulated disk
BASE = 0x400000
EI_CLASS64_LSB = b"\x7fELF\x02\x01\x01" + bytes(9)
EI_CLASS32_LSB = b"\x7fELF\x01\x01\x01" + bytes(9)


def demo_image(name, page, is_32=False):
    """An Image of 4 pages for /usr/bin/NAME; inode 0 lets the machine number it.

    Its headers have the machine's pages and words; its code, which nobody runs, is x86's.
    """
    segments = (
        Segment(BASE, 0, page, page, 5, page),
        Segment(BASE + page, page, page, page, 4, page),
        Segment(BASE + 2 * page, 2 * page, 2 * page - 0x200, 3 * page, 6, page),
    )
    text = b"\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05"  # mov $60,%eax; xor %edi,%edi; syscall: exit(0)
    data = bytearray(4 * page)
    data[0:16] = EI_CLASS32_LSB if is_32 else EI_CLASS64_LSB
    data[0x200 : 0x200 + len(text)] = text
    greeting = b"hello from " + name.encode("utf-8", "surrogateescape")[:64] + b"\n"
    data[2 * page : 2 * page + len(greeting)] = greeting
    path = name if name.startswith("/") else "/usr/bin/" + name
    phoff, phentsize = (52, 32) if is_32 else (64, 56)
    return Image(path, *DEV, 0, len(data), bytes(data), False, is_32, BASE + 0x200, phoff, len(segments), phentsize, segments, 6, None,
                 None)
