"""Which processor a log comes from, by what it shows; one that the machine is not, is not replayed on it.

What is modelled: the signs that a log has of its processor, the first of which decides:
    read(3, "\\177ELF…            e_machine of the first library that the dynamic linker reads
    /lib/aarch64-linux-gnu/…      the directory of that library, the name of the interpreter
    set_tls(…), sysmips(…)        system calls of one processor alone
    mmap(NULL, …) = 0xffffb7fd0000      a place that another one's address space does not have; so does the environment of an execve
Simplified: a log without any sign (a static program without such a call, 32-bit addresses) is taken for the machine's own.
Invariant: once a sign was seen no other is looked for, so that an emulator or a cross compiler is no foreigner.
"""

import re
from typing import NamedTuple

from vmtool.strace.tally import LogError

EARLY = 3000  # lines of a log that may hold a sign; later ones are a program's own business


class Processor(NamedTuple):
    """Its name, and the machines (`init --arch`) that run its programs; none: no machine does."""

    name: str
    archs: tuple[str, ...] = ()


X86_64 = Processor("x86-64", ("x86-64", "x86-64-la57"))
I386 = Processor("i386", ("i386", "i386-pae", "x86-64", "x86-64-la57"))
ARM = Processor("arm", ("arm",))
ARM64 = Processor("arm64", ("arm64", "arm64-16k", "arm64-64k"))
RISCV = Processor("riscv", ("riscv64", "riscv64-sv39", "riscv64-sv57"))
MIPS, POWERPC, S390, SPARC, ALPHA, IA64, M68K, PARISC, SH, LOONGARCH = (Processor(name) for name in (
    "mips", "powerpc", "s390", "sparc", "alpha", "ia64", "m68k", "parisc", "sh", "loongarch"))

E_MACHINE = {3: I386, 62: X86_64, 40: ARM, 183: ARM64, 8: MIPS, 10: MIPS, 20: POWERPC, 21: POWERPC, 22: S390, 243: RISCV, 2: SPARC,
             18: SPARC, 43: SPARC, 0x9026: ALPHA, 50: IA64, 4: M68K, 15: PARISC, 42: SH, 258: LOONGARCH}

_CALLS = {ARM: "set_tls get_tls ARM_set_tls ARM_cacheflush ARM_breakpoint arm_fadvise64_64 arm_sync_file_range syscall_983045 SYS_983045 "
               "syscall_983042 SYS_983042",
          MIPS: "sysmips cachectl", POWERPC: "swapcontext subpage_prot rtas spu_run spu_create switch_endian debug_setcontext multiplexer",
          S390: "s390_runtime_instr s390_pci_mmio_read s390_pci_mmio_write s390_guarded_storage s390_sthyi",
          RISCV: "riscv_flush_icache riscv_hwprobe", SPARC: "memory_ordering utrap_install kern_features getpagesize",
          ALPHA: "getxpid getxuid getxgid osf_brk osf_mmap osf_sigprocmask osf_settimeofday osf_getsysinfo osf_setsysinfo",
          IA64: "perfmonctl clone2 getunwind", M68K: "atomic_cmpxchg_32 atomic_barrier", X86_64: "arch_prctl",
          I386: "modify_ldt vm86 vm86old"}
_CALLS[Processor("arm or mips", ("arm",))] = "cacheflush"
CALLS = {name: processor for processor, names in _CALLS.items() for name in names.split()}

_TRIPLET = re.compile(r"/(\w+)-(?:\w+-)?linux-(?:gnu|musl|uclibc|android)\w*/(?:[^/]+/)*[^/]+\.so\b"
                      r"|/ld-(?:linux-|musl-)(\w+)|/(ld64\.so\.[12])")
_FAMILIES = (("x86_64", X86_64), ("x86", X86_64), ("i386", I386), ("i486", I386), ("i586", I386), ("i686", I386), ("aarch64", ARM64),
             ("arm", ARM), ("mips", MIPS), ("powerpc", POWERPC), ("ppc", POWERPC), ("s390", S390), ("ld64.so.1", S390),
             ("ld64.so.2", POWERPC), ("riscv", RISCV), ("sparc", SPARC),
             ("alpha", ALPHA), ("ia64", IA64), ("m68k", M68K), ("hppa", PARISC), ("sh4", SH),
             ("loongarch", LOONGARCH))

# where mmap() without a hint puts the first areas: below the end of the address space, and never there on x86-64
_ARM_STACK = (0xBE000000, 0xBF000000)  # 32-bit x86 has it above
_PLACES = ((0x3F00000000, 0x4000000000, RISCV, "39 bits"), (0x7F00000000, 0x8000000000, ARM64, "39 bits"),
           (0xFF00000000, 0x10000000000, MIPS, "40 bits"), (0x3FF00000000, 0x40000000000, S390, "42 bits"),
           (0x20000000000, 0x20100000000, ALPHA, "its own place"), (0x3FFF00000000, 0x400000000000, POWERPC, "46 bits"),
           (0xF00000000000, 0x1000000000000, ARM64, "48 bits"), (0xFFF0000000000000, 0xFFFFFFFF00000000, SPARC, "64 bits"))


class Foreign(LogError):
    """The log is another processor's."""


class Origin:
    """What is known of a log's processor."""

    def __init__(self, arch: str) -> None:
        self.arch = arch  # the machine's, '' when there is none
        self.is_settled = not arch

    def _sign(self, line: int, processor: Processor | None, what: str) -> None:
        if processor is None or self.is_settled:
            return
        self.is_settled = True
        if self.arch in processor.archs:
            return
        if not processor.archs:
            raise Foreign(line, f"a log of {processor.name} ({what}): no machine here runs its programs, this one is {self.arch}")
        raise Foreign(line, f"a log of {processor.name} ({what}): it needs a machine of init --arch {processor.archs[0]}, "
                            f"this one is {self.arch}")

    def call(self, line: int, name: str) -> None:
        """The first call of a name."""
        if name in CALLS:
            self._sign(line, CALLS[name], f"{name}() is its own")

    def path(self, line: int, path: str) -> None:
        """A program, an interpreter or a library that was opened."""
        found = None if self.is_settled else _TRIPLET.search(path)
        if found is not None:
            word = next(group for group in found.groups() if group)
            self._sign(line, next((processor for start, processor in _FAMILIES if word.startswith(start)), None),
                       f"it looks for {found[0]}")

    def elf(self, line: int, header: bytes) -> None:
        """The first bytes of a file that was read."""
        if header[:4] == b"\x7fELF" and len(header) >= 20:
            number = int.from_bytes(header[18:20], "big" if header[5] == 2 else "little")
            self._sign(line, E_MACHINE.get(number), f"e_machine of the ELF file that it reads is {number}")

    def address(self, line: int, addr: int) -> None:
        """What mmap() without a hint answered, when the machine's own answer is another."""
        for start, end, processor, what in _PLACES:
            if start <= addr < end:
                self._sign(line, processor, f"{addr:#x} is at the end of an address space of {what}")

    def stack(self, line: int, addr: int) -> None:
        """Where execve found the environment: the caller's stack, at the end of its address space."""
        if _ARM_STACK[0] <= addr < _ARM_STACK[1]:
            self._sign(line, ARM, f"{addr:#x} is on the stack of an address space that ends at {_ARM_STACK[1]:#x}")
        self.address(line, addr)
