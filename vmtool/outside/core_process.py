"""A process's ELF core file, as the kernel writes one, for gdb: registers, names, areas, and the bytes that were dumped.

    ELF header | program headers | NT_PRSTATUS NT_PRPSINFO NT_AUXV NT_FILE | areas, each as much as coredump_filter 0x33 takes

Counterpart: Linux v6.18 fs/binfmt_elf.c:elf_core_dump(), fs/coredump.c:vma_dump_size(), include/linux/elfcore.h.
Simplified: a process here executes nothing, so its registers are those of execve(): the program counter at the entry, the stack pointer
where `push` left it. One thread. Notes that need a real processor (floating point, xstate) are not there, nor [vsyscall]'s page.
"""

from __future__ import annotations

import struct

from vmtool.outside.core_file import EHDR, MACHINES, PHDR, PT_LOAD, PT_NOTE, note, whole_file
from vmtool.uapi import VM_DONTDUMP, VM_EXEC, VM_IO, VM_READ, VM_SHARED, VM_WRITE

NT_PRSTATUS, NT_PRPSINFO, NT_AUXV, NT_FILE = 1, 3, 6, 0x46494C45
AT_UID = 11
SPECIAL = ("[vdso]", "[vvar]", "[vvar_vclock]", "[sigpage]")  # always_dump_vma(): those with a name of their own
GATES = ("[vsyscall]", "[vectors]")
EHDR32, PHDR32 = struct.Struct("<16sHHIIIIIHHHHHH"), struct.Struct("<IIIIIIII")
PIECE = 1 << 20

# Of each machine: words of pr_reg, and which hold the program counter, the stack pointer, and what else is not 0.
REGISTERS = {
    62: (27, 16, 19, {15: 0xFFFFFFFFFFFFFFFF, 17: 0x33, 18: 0x202, 20: 0x2B}),  # orig_rax cs eflags ss
    3: (17, 12, 15, {7: 0x2B, 8: 0x2B, 11: 0xFFFFFFFF, 13: 0x23, 14: 0x202, 16: 0x2B}),  # ds es orig_eax cs eflags ss
    40: (18, 15, 13, {16: 0x10, 17: 0xFFFFFFFF}),  # cpsr ORIG_r0
    183: (34, 32, 31, {33: 0x1000}),  # pstate
    243: (32, 0, 2, {}),
}


class _Core:
    """One process as it is when it is dumped."""

    def __init__(self, machine, pid: int) -> None:
        self.machine, self.pid = machine, pid
        self.task = machine.task(pid)
        self.mm = machine.mm(pid)
        self.page = 1 << machine.info().page_shift
        self.wide = self.mm.task_size > 1 << 32
        arch = machine.info().arch
        self.e_machine = MACHINES[arch] if self.wide or not arch.startswith("x86") else MACHINES["i386"]
        self.word = "Q" if self.wide else "I"
        self.areas = [area for area in machine.maps(pid) if area.name not in GATES]

    def prstatus(self) -> bytes:
        """struct elf_prstatus: the signal's and the process's numbers, times, registers."""
        nr, pc, sp, others = REGISTERS[self.e_machine]
        regs = [0] * nr
        for index, value in others.items():
            regs[index] = value
        regs[pc], regs[sp] = self.mm.entry, self.mm.sp
        head = struct.pack("<iiihxx" + self.word * 2, 0, 0, 0, 0, 0, 0)
        ids = struct.pack("<4i", self.pid, self.task.ppid, self.pid, self.pid)
        times = struct.pack("<8" + self.word, *[0] * 8)
        return head + ids + times + struct.pack(f"<{nr}{self.word}", *regs) + struct.pack("<i", 0) + (bytes(4) if self.wide else b"")

    def prpsinfo(self) -> bytes:
        """struct elf_prpsinfo: what ps shows."""
        words = struct.unpack(f"<{len(self.mm.auxv) // 8}Q", self.mm.auxv)
        uid = dict(zip(words[::2], words[1::2], strict=True)).get(AT_UID, 0)
        uid = uid if self.wide else min(uid, 65534)  # those of 32-bit programs have 16 bits
        command = self.machine.cmdline(self.pid).rstrip(b"\0").replace(b"\0", b" ")[:79]
        head = struct.pack("<BcBb", 0, self.task.state.encode()[:1], 0, 0) + (bytes(4) + struct.pack("<QII", 0, uid, uid) if self.wide
                                                                            else struct.pack("<IHH", 0, uid, uid))
        name = self.task.comm.encode("utf-8", "surrogateescape")[:15]
        return head + struct.pack("<4i", self.pid, self.task.ppid, self.pid, self.pid) + name.ljust(16, b"\0") + command.ljust(80, b"\0")

    def auxv(self) -> bytes:
        words = struct.unpack(f"<{len(self.mm.auxv) // 8}Q", self.mm.auxv)
        return struct.pack(f"<{len(words)}{self.word}", *words)

    def files(self) -> bytes:
        """NT_FILE: range and offset, in pages, of each mapped file, then their names."""
        mapped = [area for area in self.areas if area.is_file]
        numbers = [len(mapped), self.page]
        for area in mapped:
            numbers += [area.start, area.end, area.offset // self.page]
        names = b"".join(area.name.encode("utf-8", "surrogateescape") + b"\0" for area in mapped)
        return struct.pack(f"<{len(numbers)}{self.word}", *numbers) + names

    def notes(self) -> bytes:
        kinds = ((NT_PRSTATUS, self.prstatus()), (NT_PRPSINFO, self.prpsinfo()), (NT_AUXV, self.auxv()), (NT_FILE, self.files()))
        return b"".join(note(b"CORE", kind, text) for kind, text in kinds)

    def dumped(self, area) -> int:
        """vma_dump_size() with the usual filter: anonymous memory, private or shared, and the first page of an ELF file."""
        size = area.end - area.start
        if area.name in SPECIAL:
            return size
        if area.flags & (VM_DONTDUMP | VM_IO):
            return 0
        if area.flags & VM_SHARED:
            return size if not area.is_file or area.name.endswith(" (deleted)") else 0
        if area.anon_vma:
            return size
        if area.is_file and area.pgoff == 0 and area.flags & VM_READ and self.machine.dump(self.pid, area.start, 4) == b"\x7fELF":
            return self.page
        return 0


def write_process(machine, pid: int, path: str) -> None:
    """Write the core file of a process. KernelError: ESRCH; HostError."""
    core = _Core(machine, pid)
    text = core.notes()
    ehdr, phdr = (EHDR, PHDR) if core.wide else (EHDR32, PHDR32)
    sizes = [core.dumped(area) for area in core.areas]
    notes_at = ehdr.size + phdr.size * (len(core.areas) + 1)
    at = notes_at + len(text)
    at += -at % core.page
    with whole_file(path) as out:
        ident = b"\x7fELF" + bytes((2 if core.wide else 1, 1, 1)) + bytes(9)
        out.write(ehdr.pack(ident, 4, core.e_machine, 1, 0, ehdr.size, 0, 0, ehdr.size, phdr.size, len(core.areas) + 1, 0, 0, 0))
        out.write(_head(core, PT_NOTE, 0, notes_at, 0, len(text), 0, 4))
        for area, size in zip(core.areas, sizes, strict=True):
            flags = (4 if area.flags & VM_READ else 0) | (2 if area.flags & VM_WRITE else 0) | (1 if area.flags & VM_EXEC else 0)
            out.write(_head(core, PT_LOAD, flags, at, area.start, size, area.end - area.start, core.page))
            at += size
        out.write(text)
        out.write(bytes(-(notes_at + len(text)) % core.page))
        for area, size in zip(core.areas, sizes, strict=True):
            for start in range(area.start, area.start + size, PIECE):
                out.write(machine.dump(pid, start, min(PIECE, area.start + size - start)))


def _head(core: _Core, kind: int, flags: int, offset: int, vaddr: int, filesz: int, memsz: int, align: int) -> bytes:
    if core.wide:
        return PHDR.pack(kind, flags, offset, vaddr, 0, filesz, memsz, align)
    return PHDR32.pack(kind, offset, vaddr, 0, filesz, memsz, flags, align)
