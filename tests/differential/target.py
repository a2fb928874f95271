"""The programs under test: tiny ELF files, written byte by byte.

A measured process must have no life of its own: no libc, no loop, no stack use, no buffers. So the
target is one page of stubs, each ending in int3, which the recorder enters by setting registers
and leaves at the trap. Written here rather than compiled: no compiler is needed where the tests run,
and the layout (which the exec scripts vary) is an argument.

Offsets in the stub page, which is the first page of the text:

    0x00  int3                          what `touch -x` of this page runs
    0x10  syscall; int3
    0x20  read  (%rdi), then each page start below %rsi; int3
    0x40  write (%rdi) (`lock orb $0`: the byte stays), then as above; int3
    0x60  store %al at (%rdi); int3
    0x68  load (%rdi) into %eax; int3
    0x70  "f", NUL: the name under which mmap's file is opened
"""

import ctypes
import mmap
import os
import struct
import time

SYSCALL, READ, WRITE, STORE, LOAD, NAME = 0x10, 0x20, 0x40, 0x60, 0x68, 0x70
SCRATCH = 0x4C00
"""From the stub page to 1 KiB of bss in the page that execve() already made private and dirty (mincore's vector)."""

_NEXT = bytes.fromhex("4881c700100000 4881e700f0ffff 4839f7")  # add $4096,%rdi; and $-4096,%rdi; cmp %rsi,%rdi


def _loop(access: bytes) -> bytes:
    body = access + _NEXT
    return body + b"\x72" + struct.pack("b", -len(body) - 2) + b"\xcc"  # jb to the start; int3


def stub_page() -> bytes:
    page = bytearray(b"\xcc" * 4096)
    stubs = ((SYSCALL, b"\x0f\x05"), (READ, _loop(b"\x8a\x07")), (WRITE, _loop(b"\xf0\x80\x0f\0")), (STORE, b"\x88\x07"),
             (LOAD, b"\x0f\xb6\x07"), (NAME, b"f\0"))
    for at, code in stubs:
        page[at : at + len(code)] = code
    return bytes(page)


def pattern(size: int) -> bytes:
    """Contents of the data files: page i starts with int3 (so that `touch -x` stops there), then tells its number."""
    pages = (b"\xccpage %06d " % i + bytes((i * 11 + j * 5) & 0xFF for j in range(244)) for i in range((size + 4095) // 4096))
    return b"".join((page * 16)[:4096] for page in pages)[:size]


def program(base: int = 0x400000, interp: str | None = None, *, is_dyn: bool = False, nr_data: int = 2, nr_bss: int = 2,
            tail: int = 0x800, align: int = 4096, exec_stack: bool = False) -> bytes:
    """An ELF file with the classic four segments.

        base + 0       r--  headers                       1 page
        base + 0x1000  r-x  stubs, int3                   2 pages
        base + 0x3000  r--  constants                     1 page
        base + 0x4000  rw-  data (nr_data pages, the last with only `tail` bytes), then nr_bss pages of bss
    """
    page = 4096
    data_bytes = (nr_data - 1) * page + tail
    load = [
        # offset, memory offset, bytes in the file, bytes in memory, flags
        (0, 0, 0x200, 0x200, 4),
        (page, page, 2 * page, 2 * page, 5),
        (3 * page, 3 * page, page, page, 4),
        (4 * page, 4 * page, data_bytes, (nr_data + nr_bss) * page, 6),
    ]
    nr_phdrs = len(load) + 1 + bool(interp)
    name = os.fsencode(interp) + b"\0" if interp else b""
    phdrs = [struct.pack("<IIQQQQQQ", 3, 4, 64 + 56 * nr_phdrs, base + 64 + 56 * nr_phdrs, 0, len(name), len(name), 1)] if interp else []
    phdrs += [struct.pack("<IIQQQQQQ", 1, flags, off, base + at, 0, filesz, memsz, align) for off, at, filesz, memsz, flags in load]
    phdrs.append(struct.pack("<IIQQQQQQ", 0x6474E551, 6 + exec_stack, 0, 0, 0, 0, 0, 16))
    ehdr = b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 3 if is_dyn else 2, 62, 1, base + page, 64, 0, 0, 64, 56, nr_phdrs, 64, 0, 0)
    head = (ehdr + b"".join(phdrs) + name).ljust(page, b"\0")
    rodata = (b"constants " * 410)[:page]
    data = (b"data page " * 410)[:page] * nr_data
    return head + stub_page() + b"\xcc" * page + rodata + data[:data_bytes]


def write_programs(directory: str) -> None:
    """The four kinds: `target` (static), `target-pie` with its interpreter `ld.so`, `target-static-pie`."""
    kinds = {
        "target": program(),
        "target-pie": program(0, f"{directory}/ld.so", is_dyn=True),
        "target-static-pie": program(0, is_dyn=True),
        "ld.so": program(0, is_dyn=True),
    }
    for name, data in kinds.items():
        write_program(f"{directory}/{name}", data)


def write_program(path: str, data: bytes) -> None:
    with open(path, "wb") as f:
        f.write(data)
        f.flush()
        os.fchmod(f.fileno(), 0o755)
        os.fsync(f.fileno())
    read_ahead(path)


def read_ahead(path: str) -> None:
    """Bring a file into the page cache anew: in the folios of a read (those of a write are larger), referenced by nobody.

    read() and the end of a process that used a page leave their mark on it (PG_referenced, which smaps counts); a script begins without.
    """
    with open(path, "rb") as f:
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
        wait_until_cached(f.fileno())


def wait_until_cached(fd: int, seconds: float = 2.0) -> None:
    """Until mincore() says that no page of a file is under way any more; looking references none."""
    libc, until = ctypes.CDLL(None, use_errno=True), time.monotonic() + seconds
    with mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as area:
        start, held = ctypes.addressof(ctypes.c_char.from_buffer(area)), (len(area) + 4095) // 4096
        answer = (ctypes.c_ubyte * held)()
        while time.monotonic() < until and (libc.mincore(ctypes.c_void_p(start), ctypes.c_size_t(len(area)), answer) or not all(answer)):
            time.sleep(0.0005)
