"""Handlers: memory accesses, through the MMU."""

from __future__ import annotations

from errno import EFAULT

from vmtool.errors import KernelError, Signal, UsageError

LARGE = 1 << 26  # bytes of one piece; more than one command prints, too

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine
    from vmtool.cli.report import Output


def touch(machine: Machine, pid: int, addr: int, length: int, access: str, probe: bool, json: bool) -> Output:
    if length >= LARGE:
        minor, major = _touch_large(machine, pid, addr, length, access, probe)
    else:
        minor, major = machine.touch(pid, addr, length, access, probe)
    if json:
        return f'{{"nr_minor_faults": {minor}, "nr_major_faults": {major}}}\n'
    return f"minor={minor} major={major}\n"


def _touch_large(machine, pid, addr, length, access, probe):
    """The same in pieces, so that it can be told how far it is; the counts of faults are those of all pieces."""
    from vmtool.cli import bounds, progress
    bounds.check_pages(length, machine.info().page_shift)
    minor = major = 0
    shown, at, end = progress.current, addr, addr + length
    shown.total = length
    while at < end:
        size = min(LARGE - at % LARGE, end - at)
        try:
            touched = machine.touch(pid, at, size, access, probe)
        except Signal as signal:
            signal.minor += minor
            signal.major += major
            raise
        minor, major = minor + touched.minor, major + touched.major
        at += size
        shown.done = at - addr
    return type(touched)(minor, major)


def store(machine: Machine, pid: int, addr: int, text: bytes | None, hex: bytes | None, probe: bool) -> None:
    machine.store(pid, addr, one_of(text, hex, "TEXT"), probe)


def load(machine: Machine, pid: int, addr: int, length: int, form: str, probe: bool, json: bool) -> Output:
    if length > LARGE:
        from vmtool.cli.bounds import check_shown
        check_shown(length)
    data = machine.load(pid, addr, length, probe)
    if json:
        from vmtool.cli.json_text import text
        return text({"address": f"0x{addr:x}", "length_bytes": len(data), "hex": data.hex()})
    if form == "dump":
        from vmtool.views import dump
        return dump.render(addr, data)
    return bytes_as(form, data)


def translate(machine: Machine, pid: int, addr: int, access: str, supervisor: bool, ac: bool, json: bool) -> Output:
    if supervisor or ac:
        if not supervisor:
            raise UsageError("--ac is for --supervisor: a program's own accesses do not ask for it")
        phys = _by_the_kernel(machine, pid, addr, access, ac)
    else:
        phys = machine.translate(pid, addr, access)
    return f'{{"physical_address": "0x{phys:x}"}}\n' if json else f"0x{phys:x}\n"


def _by_the_kernel(machine, pid, addr, access, ac):
    phys, code = machine.translate_supervisor(pid, addr, access, ac)
    what = {"r": "read access", "w": "write access", "x": "instruction fetch"}[access]
    if code is None:
        raise KernelError(EFAULT, f"supervisor {what} at 0x{addr:x}: not canonical, a general-protection fault")
    if phys is None:
        from vmtool.views.walk_fault import kernel_fault
        raise KernelError(EFAULT, f"supervisor {what} at 0x{addr:x}: {kernel_fault(code)}")
    return phys


def push(machine: Machine, pid: int, bytes: int, json: bool) -> Output:
    sp = machine.push(pid, bytes)
    return f'{{"address": "0x{sp:x}"}}\n' if json else f"0x{sp:x}\n"


def bytes_as(form, data):
    """Bytes as they are, or as lower-case hex digits without spaces."""
    return data if form == "raw" else data.hex() + "\n"


def one_of(plain, hex, metavar):
    """The bytes that came as an argument or by --hex."""
    if plain is None and hex is None:
        raise UsageError(f"either {metavar} or --hex is needed")
    return plain if hex is None else hex
