"""Handlers: memory accesses, through the MMU."""

from __future__ import annotations

from vmtool.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine
    from vmtool.cli.report import Output


def touch(machine: Machine, pid: int, addr: int, length: int, access: str, probe: bool, json: bool) -> Output:
    touched = machine.touch(pid, addr, length, access, probe)
    if json:
        return f'{{"nr_minor_faults": {touched.minor}, "nr_major_faults": {touched.major}}}\n'
    return f"minor={touched.minor} major={touched.major}\n"


def store(machine: Machine, pid: int, addr: int, text: bytes | None, hex: bytes | None, probe: bool) -> None:
    machine.store(pid, addr, one_of(text, hex, "TEXT"), probe)


def load(machine: Machine, pid: int, addr: int, length: int, form: str, probe: bool, json: bool) -> Output:
    data = machine.load(pid, addr, length, probe)
    if json:
        from vmtool.cli.json_text import text
        return text({"address": f"0x{addr:x}", "length_bytes": len(data), "hex": data.hex()})
    if form == "dump":
        from vmtool.views import dump
        return dump.render(addr, data)
    return bytes_as(form, data)


def translate(machine: Machine, pid: int, addr: int, json: bool) -> Output:
    phys = machine.translate(pid, addr)
    return f'{{"physical_address": "0x{phys:x}"}}\n' if json else f"0x{phys:x}\n"


def push(machine: Machine, pid: int, bytes: int, json: bool) -> Output:
    sp = machine.push(pid, bytes)
    return f'{{"address": "0x{sp:x}"}}\n' if json else f"0x{sp:x}\n"


def bytes_as(form, data):
    """Bytes as they are, or as lower-case hex digits without spaces."""
    return data if form == "raw" else data.hex() + "\n"


def one_of(plain, hex, metavar):
    """The bytes that came as an argument or by --hex."""
    if (plain is None) == (hex is None):
        raise UsageError(f"either {metavar} or --hex" + (", not both" if hex is not None else " is needed"))
    return plain if hex is None else hex
