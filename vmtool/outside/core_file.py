"""ELF core files: the physical memory of a machine, its page tables above all, for a real MMU to walk.

What `core --physical` writes is ELF64, little-endian, ET_CORE, for every architecture: a PT_NOTE and a PT_LOAD for each run of frames
that hold something, at p_paddr; what no segment covers is zeros. The note, `VMTOOL` type 1, is text: `arch=x86-64`, then a line for each
process, `pid=12 root=0x1234000 [root_kernel=0x5000]`, the values of CR3 or TTBR0, and TTBR1.
QEMU's dump-guest-memory makes files of this kind.

    ELF header | program headers | note | frames, run by run, each run aligned to a page

The file appears whole or not at all: it is made beside its place, and moved there.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from vmtool.errors import HostError

ET_CORE, PT_LOAD, PT_NOTE = 4, 1, 4
PN_XNUM, SHT_NULL = 0xFFFF, 0
EHDR, PHDR, SHDR, NHDR = struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQQQ"), struct.Struct("<IIQQQQIIQQ"), struct.Struct("<III")
MACHINES = {"x86-64": 62, "x86-64-la57": 62, "i386": 3, "i386-pae": 3, "arm": 40, "arm64": 183, "arm64-16k": 183, "arm64-64k": 183,
            "riscv64": 243, "riscv64-sv39": 243, "riscv64-sv57": 243}
"""e_machine by `init --arch`. Whoever loads physical memory goes by the note: an ELF64 file of a 32-bit machine is not a program's core."""


class Run:
    """Frames in a row: the first one's number, and how many."""

    __slots__ = ("pfn", "nr")

    def __init__(self, pfn: int) -> None:
        self.pfn, self.nr = pfn, 1


def note(name: bytes, kind: int, text: bytes) -> bytes:
    """One note: name and text padded to four bytes."""
    return NHDR.pack(len(name) + 1, len(text), kind) + _padded(name + b"\0") + _padded(text)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def machine_note(machine) -> bytes:
    """The architecture, and where each process's tables begin."""
    lines = [f"arch={machine.info().arch}\n"]
    for pid, root, upper in machine.roots():
        lines.append(f"pid={pid} root=0x{root:x}" + (f" root_kernel=0x{upper:x}" if upper is not None else "") + "\n")
    return note(b"VMTOOL", 1, "".join(lines).encode())


def write_physical(machine, path: str, tables_only: bool = False) -> tuple[int, int]:
    """Write the frames that hold something, or only those of page tables. Returns how many frames and segments. HostError."""
    shift = machine.info().page_shift
    runs = list(_runs(machine, tables_only))
    text = machine_note(machine)
    with whole_file(path) as out:
        heads = [(PT_NOTE, 0, 0, len(text), len(text))] + [(PT_LOAD, 0, run.pfn << shift, run.nr << shift, run.nr << shift) for run in runs]
        write_headers(out, MACHINES[machine.info().arch], heads, text, 1 << shift)
        for run in runs:
            at = run.pfn
            while at < run.pfn + run.nr:
                found = machine.held(at, tables_only)
                if found is None or found[0] >= run.pfn + run.nr:
                    break
                out.write(found[1])
                at = found[0] + 1
    return sum(run.nr for run in runs), len(runs)


def _runs(machine, tables_only: bool) -> Iterator[Run]:
    run = None
    found = machine.held(0, tables_only)
    while found is not None:
        pfn = found[0]
        if run is not None and pfn == run.pfn + run.nr:
            run.nr += 1
        else:
            if run is not None:
                yield run
            run = Run(pfn)
        found = machine.held(pfn + 1, tables_only)
    if run is not None:
        yield run


def write_headers(out: BinaryIO, machine: int, heads: list[tuple[int, int, int, int, int]], text: bytes, page: int) -> None:
    """The ELF header, the program headers (type, vaddr, paddr, filesz, memsz) with their places in the file, and the notes behind them."""
    many = len(heads) >= PN_XNUM  # then the number stands in a section header
    notes_at = EHDR.size + PHDR.size * len(heads) + (SHDR.size if many else 0)
    at = notes_at + len(text)
    sections_at = EHDR.size + PHDR.size * len(heads) if many else 0
    out.write(EHDR.pack(b"\x7fELF\x02\x01\x01" + bytes(9), ET_CORE, machine, 1, 0, EHDR.size, sections_at, 0, EHDR.size, PHDR.size,
                        PN_XNUM if many else len(heads), SHDR.size if many else 0, 1 if many else 0, 0))
    at += -at % page
    for kind, vaddr, paddr, filesz, memsz in heads:
        if kind == PT_NOTE:
            out.write(PHDR.pack(PT_NOTE, 4, notes_at, vaddr, paddr, filesz, memsz, 4))
        else:
            out.write(PHDR.pack(PT_LOAD, 7, at, vaddr, paddr, filesz, memsz, page))
            at += filesz
    if many:
        out.write(SHDR.pack(0, SHT_NULL, 0, 0, 0, 0, 0, len(heads), 0, 0))
    out.write(text)
    out.write(bytes(-(notes_at + len(text)) % page))


class whole_file:
    """A file of the host that appears under its name when the block ends well, and not at all when it does not."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def __enter__(self) -> BinaryIO:
        try:
            fd, self.made = tempfile.mkstemp(prefix=f".{os.path.basename(self.path)}.", dir=os.path.dirname(self.path))
        except OSError as error:
            raise HostError(f"{self.path}: {error.strerror}") from None
        except ValueError:
            raise HostError("a path with a NUL is none") from None
        self.out = os.fdopen(fd, "wb", 1 << 20)
        return self.out

    def __exit__(self, kind, error, trace) -> None:
        try:
            self.out.close()
            if kind is None:
                mask = os.umask(0)
                os.umask(mask)
                os.chmod(self.made, 0o666 & ~mask)
                os.replace(self.made, self.path)
        except OSError as failed:
            kind = failed
            raise HostError(f"{self.path}: {failed.strerror}") from None
        finally:
            if kind is not None:
                os.unlink(self.made)
        if isinstance(error, OSError):
            raise HostError(f"{self.path}: {error.strerror}") from None
