"""What the processor tells the kernel when a program's read ends where a walk ended.

x86: the error code on the stack (Intel SDM volume 3, 5.7). arm: the status in DFSR, FS[3:0] of the short descriptors (Arm ARM B3.13.3).
riscv64: the cause (The RISC-V Instruction Set Manual, volume II, scause); it does not say why.
arm64: ESR_EL1, exception class and fault status (Arm ARM D24.2.40); levels are counted as the manual does, 3 for the table of pages.
"""

from collections.abc import Sequence

from vmtool.records import Walk

X86_BITS = ((0, "protection"), (1, "write"), (2, "user"), (3, "reserved bit"), (4, "instruction"), (5, "protection key"))
PROT, WRITE, RSVD, INSTR, PK = 1, 2, 8, 16, 32
ARM_STATUS = {"translation": (0x5, 0x7), "access flag": (0x3, 0x6), "permission": (0xD, 0xF)}
ARM64_STATUS = {"address size": 0x0, "translation": 0x4, "access flag": 0x8, "permission": 0xC}
LOAD_PAGE_FAULT = 13
DATA_ABORT = 0x24 << 26 | 1 << 25  # from a lower exception level, by an instruction of 32 bits


def _kind(walk: Walk) -> str:
    if walk.is_old:
        return "access flag"
    if walk.error & RSVD:
        return "address size"
    return "permission" if walk.error & PROT else "translation"


def may_write(flags: Sequence[str], arch: str) -> bool:
    """Whether an entry with these flags lets a write through, at this moment."""
    if arch == "arm":
        return "AP2" not in flags
    return "RDONLY" not in flags if arch.startswith("arm") else ("W" if arch.startswith("riscv") else "RW") in flags


def was_used(flags: Sequence[str], arch: str) -> bool:
    """Whether it is marked as accessed; arm's mark is in Linux's own entry."""
    return ("L_YOUNG" if arch == "arm" else "AF" if arch.startswith("arm64") else "A") in flags


def told(code: int, arch: str = "x86-64") -> str:
    """A fault in the processor's words, by x86's error code of it."""
    if arch.startswith("arm"):
        return f"{'prefetch' if code & INSTR else 'data'} abort, {'permission' if code & PROT else 'translation'} fault"
    if arch.startswith("riscv"):
        kind, cause = ("instruction", 12) if code & INSTR else ("store", 15) if code & WRITE else ("load", LOAD_PAGE_FAULT)
        return f"{kind} page fault, scause 0x{cause:x}"
    return f"page fault, error code 0x{code:x}"


def kernel_fault(code: int) -> str:
    """A fault of the kernel's own access, in the words of its report (arch/x86/mm/fault.c:show_fault_oops())."""
    if not code & PROT:
        why = "not-present page"
    elif code & RSVD:
        why = "reserved bit violation"
    else:
        why = "protection keys violation" if code & PK else "permissions violation"
    return f"error_code(0x{code:04x}) - {why}"


def fault(walk: Walk) -> str:
    """In the processor's words; empty: the read succeeds."""
    if not walk.error and not walk.is_old:
        return ""
    kind = _kind(walk)
    if walk.arch.startswith("arm64"):
        level = 3 - (walk.nr_levels - len(walk.steps)) if walk.steps else 0
        return f"ESR 0x{DATA_ABORT | ARM64_STATUS[kind] | level:x} (data abort, {kind} fault, level {level})"
    if walk.arch.startswith("riscv"):
        return f"scause 0x{LOAD_PAGE_FAULT:x} (load page fault)"
    if walk.arch == "arm":
        level = max(len(walk.steps), 1)
        status = ARM_STATUS.get(kind, ARM_STATUS["translation"])[level - 1]
        return f"FSR 0x{status:x} ({kind} fault, level {level})"
    names = [name for bit, name in X86_BITS if walk.error >> bit & 1]
    return f"error code 0x{walk.error:x} ({', '.join(names if walk.error & PROT else ['not present', *names])})"
