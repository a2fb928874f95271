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

from vmtool.images import Image, Segment
from vmtool.outside.host import HostFile, fail, read_file

TASK_SIZE = {
    "x86-64": {"EM_X86_64": (64, (1 << 47) - 4096), "EM_386": (32, 0xFFFFE000)},
    "x86-64-la57": {"EM_X86_64": (64, (1 << 56) - 4096), "EM_386": (32, 0xFFFFE000)},
    "i386": {"EM_386": (32, 0xC0000000)},
    "i386-pae": {"EM_386": (32, 0xC0000000)},
    "arm": {"EM_ARM": (32, 0xBF000000)},
    "arm64": {"EM_AARCH64": (64, 1 << 48)},
    "arm64-16k": {"EM_AARCH64": (64, 1 << 47)},
    "arm64-64k": {"EM_AARCH64": (64, 1 << 48)},
    "riscv64": {"EM_RISCV": (64, 1 << 47)},
    "riscv64-sv39": {"EM_RISCV": (64, 1 << 38)},
    "riscv64-sv57": {"EM_RISCV": (64, 1 << 56)},
}
"""Which ELF machines an architecture runs: the width, and where user space ends."""
PATH_MAX = 4096
ELF_MIN_ALIGN = {"arm64-16k": 16384, "arm64-64k": 65536}  # else 4096: a page, and no more bytes of program headers
EHDR_BYTES = {64: 64, 32: 52}
HEADERS = 1 << 16  # bytes that hold the headers of any program that a linker makes


def read_image(path: str, nr_bytes: int | None = None, arch: str = "x86-64", sysroot: str = "") -> Image:
    """The host's ELF program at `path` with its interpreter, ready for Machine.spawn() and exec().

    `arch`: a name of `init --arch`. `sysroot`: a directory under which the interpreter lies, as PT_INTERP names it.
    Returns: an Image whose `data` is the whole file, or its first `nr_bytes`; `interp` is the image that PT_INTERP names, else None.
    HostError: see the table above.
    """
    elf = _Elf(_open_exec(path, nr_bytes=nr_bytes), path, errno.ENOEXEC, arch)
    name = elf.interpreter()
    interp = None
    if name is not None:
        shown = os.fsdecode(name)
        host = _open_exec(sysroot + shown, f"interpreter of {path}", nr_bytes)
        if sysroot:
            host = host._replace(path=shown)
        if len(host.data) < EHDR_BYTES[elf.bits]:
            fail(errno.EIO, shown, "shorter than an ELF header")
        its_elf = _Elf(host, shown, errno.ELIBBAD, arch)
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

    def __init__(self, host: HostFile, path: str, number: int, arch: str) -> None:
        self.host, self.path, self.errno, self.arch = host, path, number, arch
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
        from io import BytesIO

        from elftools.common.utils import struct_parse
        from elftools.elf.structs import ELFStructs

        # not ELFFile: it wants sound section headers, which execve() never reads
        structs = ELFStructs(little_endian=True, elfclass=self.bits)
        structs.create_basic_structs()
        stream = BytesIO(self.host.data)
        self.ehdr = e = struct_parse(structs.Elf_Ehdr, stream, 0)
        if e.e_type not in ("ET_EXEC", "ET_DYN"):
            self.bad("neither a program nor a shared object")
        bits, self.task_size = TASK_SIZE[self.arch].get(e.e_machine, (0, 0))
        if bits != self.bits:
            self.bad(f"made for another machine ({str(e.e_machine).removeprefix('EM_')}, {self.bits}-bit) than {self.arch}")
        structs.create_advanced_structs(e.e_type, e.e_machine, e.e_ident.EI_OSABI)
        size = e.e_phentsize * e.e_phnum
        if e.e_phentsize != structs.Elf_Phdr.sizeof() or not 0 < size <= ELF_MIN_ALIGN.get(self.arch, 4096):
            self.bad(f"{e.e_phnum} program headers of {e.e_phentsize} bytes")
        if e.e_phoff + size > len(self.host.data):
            self.bad("the program headers are cut off")
        self.phdrs = [struct_parse(structs.Elf_Phdr, stream, e.e_phoff + i * e.e_phentsize) for i in range(e.e_phnum)]

    def interpreter(self) -> bytes | None:
        """The path in the first PT_INTERP, without its NUL."""
        for p in self.phdrs:
            if p.p_type != "PT_INTERP":
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
        found = []
        for p in self.phdrs:
            if p.p_type != "PT_LOAD":
                continue
            if p.p_filesz > p.p_memsz or p.p_vaddr + p.p_memsz > self.task_size:
                self.bad(f"a segment of {p.p_filesz} bytes in {p.p_memsz} at {p.p_vaddr:#x}", errno.EINVAL)
            found.append(Segment(p.p_vaddr, p.p_offset, p.p_filesz, p.p_memsz, p.p_flags & 7, p.p_align))
        if not found:
            self.bad("no PT_LOAD segment")
        return tuple(found)

    def image(self, interp: Image | None) -> Image:
        host, e = self.host, self.ehdr
        stack = [p.p_flags for p in self.phdrs if p.p_type == "PT_GNU_STACK"]
        relro = [(p.p_vaddr, p.p_memsz) for p in self.phdrs if p.p_type == "PT_GNU_RELRO"]
        return Image(
            path=host.path, dev_major=host.dev_major, dev_minor=host.dev_minor, inode=host.inode, size=host.size, data=host.data,
            is_dyn=e.e_type == "ET_DYN", is_32=self.bits == 32, entry=e.e_entry, phoff=e.e_phoff, phnum=e.e_phnum,
            phentsize=e.e_phentsize, segments=self.segments(), gnu_stack=stack[-1] if stack else None, interp=interp,
            relro=relro[-1] if relro else None,
        )
