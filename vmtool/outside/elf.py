"""ELF images: a host's program and its interpreter, as execve() needs them.

What is modelled: what load_elf_binary() reads before it maps anything (Linux v6.12
fs/binfmt_elf.c:load_elf_binary(), load_elf_phdrs()): the file header, the program headers,
PT_INTERP, PT_GNU_STACK; and PT_GNU_RELRO, which the interpreter acts on. Section headers are not
looked at, as the kernel does not; a stripped or damaged table of them changes nothing.

Checks, in the kernel's order, with its errno; those that it makes after the old program is gone
(it then kills the process) are errors here too, so that a caller never starts on half an image:

    execute permission, regular file                    EACCES
    magic, type, machine, size and place of the headers ENOEXEC
    the interpreter's name: length, final NUL           ENOEXEC
    the interpreter: found, permitted                   ENOENT, EACCES
    the interpreter: magic, machine, headers            ELIBBAD (shorter than a header: EIO)
    PT_LOAD: none                                       ENOEXEC
    PT_LOAD: p_filesz above p_memsz, beyond TASK_SIZE   EINVAL

Simplified: `#!` scripts are not followed, only named. GNU properties (IBT, shadow stacks) are not read.
"""

import errno
import os
import stat
import struct
from typing import NamedTuple

from vmtool.outside.host import HostFile, fail, read_file
from vmtool.records import Image, Segment

TASK_SIZE = (1 << 47) - 4096
TASK_SIZE_32 = 0xFFFFE000
PATH_MAX = 4096
ELF_MIN_ALIGN = 4096  # no more bytes of program headers than a page
ET_EXEC, ET_DYN = 2, 3
PT_LOAD, PT_INTERP, PT_GNU_STACK, PT_GNU_RELRO = 1, 3, 0x6474E551, 0x6474E552
MACHINES = {62: 64, 3: 32}  # e_machine -> bits
MACHINE_NAMES = {2: "SPARC", 3: "386", 8: "MIPS", 20: "PPC", 21: "PPC64", 22: "S390", 40: "ARM", 43: "SPARCV9", 50: "IA_64", 62: "X86_64",
                 183: "AARCH64", 243: "RISCV", 258: "LOONGARCH"}
EHDR = {64: "<16sHHIQQQIHHHHHH", 32: "<16sHHIIIIIHHHHHH"}
PHDR = {64: "<IIQQQQQQ", 32: "<IIIIIIII"}
EHDR_BYTES = {64: 64, 32: 52}
HEADERS = 1 << 16  # bytes that hold the headers of any program that a linker makes


class Ehdr(NamedTuple):
    """Elf64_Ehdr and Elf32_Ehdr, without the e_."""

    ident: bytes
    type: int
    machine: int
    version: int
    entry: int
    phoff: int
    shoff: int
    flags: int
    ehsize: int
    phentsize: int
    phnum: int
    shentsize: int
    shnum: int
    shstrndx: int


class Phdr(NamedTuple):
    """Elf64_Phdr, and Elf32_Phdr in its order."""

    p_type: int
    p_flags: int
    p_offset: int
    p_vaddr: int
    p_paddr: int
    p_filesz: int
    p_memsz: int
    p_align: int


def read_image(path: str, nr_bytes: int | None = None) -> Image:
    """The host's ELF program at `path` with its interpreter, ready for Machine.spawn() and exec().

    Returns: an Image whose `data` is the whole file, or its first `nr_bytes`; `interp` is the image that PT_INTERP names, else None.
    HostError: see the table above.
    """
    elf = _Elf(_open_exec(path, nr_bytes=nr_bytes), path, errno.ENOEXEC)
    name = elf.interpreter()
    interp = None
    if name is not None:
        shown = os.fsdecode(name)
        host = _open_exec(shown, f"interpreter of {path}", nr_bytes)
        if len(host.data) < EHDR_BYTES[elf.bits]:
            fail(errno.EIO, shown, "shorter than an ELF header")
        its_elf = _Elf(host, shown, errno.ELIBBAD)
        if its_elf.bits != elf.bits:
            fail(errno.ELIBBAD, shown, f"{its_elf.bits}-bit interpreter of a {elf.bits}-bit program")
        interp = its_elf.image(None)
    return elf.image(interp)


def _open_exec(path: str, detail: str = "", nr_bytes: int | None = None) -> HostFile:
    """do_open_execat(): the file must be regular and executable; and readable, for its headers are wanted here."""
    try:
        mode = os.stat(path).st_mode
    except OSError as e:
        fail(e.errno or errno.EIO, path, detail)
    except ValueError:
        fail(errno.ENOENT, path.replace("\0", "\\000"), detail)
    if not stat.S_ISREG(mode):
        fail(errno.EACCES, path, "a directory" if stat.S_ISDIR(mode) else "not a regular file")
    if not os.access(path, os.X_OK):
        fail(errno.EACCES, path, "no execute permission")
    return read_file(path, nr_bytes)


class _Elf:
    """The headers of one file. `errno` is what a bad header means: ENOEXEC, or ELIBBAD in an interpreter."""

    def __init__(self, host: HostFile, path: str, number: int) -> None:
        self.host, self.path, self.errno = host, path, number
        data = host.data
        if data[:4] != b"\x7fELF":
            self.bad("a script, give its interpreter" if data[:2] == b"#!" else "not an ELF file")
        if len(data) < 20:
            self.bad("the ELF header is cut off")
        if data[5] != 1 or data[4] not in (1, 2):
            self.bad("not a little-endian 32- or 64-bit ELF file")
        self.bits = 32 * data[4]
        if len(data) < EHDR_BYTES[self.bits]:
            self.bad("the ELF header is cut off")
        self._parse()

    def bad(self, detail: str, number: int | None = None) -> None:
        fail(number or self.errno, self.path, detail)

    def _parse(self) -> None:
        data = self.host.data
        self.ehdr = e = Ehdr(*struct.unpack_from(EHDR[self.bits], data))
        if e.type not in (ET_EXEC, ET_DYN):
            self.bad("neither a program nor a shared object")
        if MACHINES.get(e.machine) != self.bits:
            self.bad(f"made for another machine ({MACHINE_NAMES.get(e.machine, e.machine)}, {self.bits}-bit)")
        size = e.phentsize * e.phnum
        if e.phentsize != struct.calcsize(PHDR[self.bits]) or not 0 < size <= ELF_MIN_ALIGN:
            self.bad(f"{e.phnum} program headers of {e.phentsize} bytes")
        if e.phoff + size > len(data):
            self.bad("the program headers are cut off")
        rows = struct.iter_unpack(PHDR[self.bits], data[e.phoff : e.phoff + size])
        if self.bits == 32:  # p_flags stands near the end there
            rows = ((kind, flags, offset, vaddr, paddr, filesz, memsz, align)
                    for kind, offset, vaddr, paddr, filesz, memsz, flags, align in rows)
        self.phdrs = [Phdr(*row) for row in rows]

    def interpreter(self) -> bytes | None:
        """The path in the first PT_INTERP, without its NUL."""
        for p in self.phdrs:
            if p.p_type != PT_INTERP:
                continue
            if not 2 <= p.p_filesz <= PATH_MAX:
                self.bad(f"an interpreter's name of {p.p_filesz} bytes")
            name = self.host.data[p.p_offset : p.p_offset + p.p_filesz]
            if len(name) != p.p_filesz:
                self.bad("the interpreter's name is cut off", errno.EIO)
            if name[-1]:
                self.bad("the interpreter's name does not end in NUL")
            return name[: name.index(0)]
        return None

    def segments(self) -> tuple[Segment, ...]:
        """Every PT_LOAD, in the order of the table."""
        limit = TASK_SIZE if self.bits == 64 else TASK_SIZE_32
        found = []
        for p in self.phdrs:
            if p.p_type != PT_LOAD:
                continue
            if p.p_filesz > p.p_memsz or p.p_vaddr + p.p_memsz > limit:
                self.bad(f"a segment of {p.p_filesz} bytes in {p.p_memsz} at {p.p_vaddr:#x}", errno.EINVAL)
            found.append(Segment(p.p_vaddr, p.p_offset, p.p_filesz, p.p_memsz, p.p_flags & 7, p.p_align))
        if not found:
            self.bad("no PT_LOAD segment")
        return tuple(found)

    def image(self, interp: Image | None) -> Image:
        host, e = self.host, self.ehdr
        stack = [p.p_flags for p in self.phdrs if p.p_type == PT_GNU_STACK]
        relro = [(p.p_vaddr, p.p_memsz) for p in self.phdrs if p.p_type == PT_GNU_RELRO]
        return Image(
            path=host.path, dev_major=host.dev_major, dev_minor=host.dev_minor, inode=host.inode, size=host.size, data=host.data,
            is_dyn=e.type == ET_DYN, is_32=self.bits == 32, entry=e.entry, phoff=e.phoff, phnum=e.phnum, phentsize=e.phentsize,
            segments=self.segments(), gnu_stack=stack[-1] if stack else None, interp=interp,
            relro=relro[-1] if relro else None,
        )
