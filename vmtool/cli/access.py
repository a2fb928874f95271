"""Handlers: memory accesses, through the MMU."""

from vmtool.errors import UsageError


def touch(machine, pid, addr, length, access, probe, json):
    touched = machine.touch(pid, addr, length, access, probe)
    if json:
        return f'{{"minor": {touched.minor}, "major": {touched.major}}}\n'
    return f"minor={touched.minor} major={touched.major}\n"


def store(machine, pid, addr, text, hex, probe):
    machine.store(pid, addr, one_of(text, hex, "TEXT"), probe)


def load(machine, pid, addr, length, form, probe, json):
    data = machine.load(pid, addr, length, probe)
    if json:
        from vmtool.cli.json_text import text
        return text({"address": f"0x{addr:x}", "length": len(data), "hex": data.hex()})
    if form == "dump":
        from vmtool.views import dump
        return dump.render(addr, data)
    return bytes_as(form, data)


def translate(machine, pid, addr, json):
    phys = machine.translate(pid, addr)
    return f'{{"address": "0x{addr:x}", "phys": "0x{phys:x}"}}\n' if json else f"0x{phys:x}\n"


def push(machine, pid, bytes, json):
    sp = machine.push(pid, bytes)
    return f'{{"sp": "0x{sp:x}"}}\n' if json else f"0x{sp:x}\n"


def bytes_as(form, data):
    """Bytes as they are, or as lower-case hex digits without spaces."""
    return data if form == "raw" else data.hex() + "\n"


def one_of(plain, hex, metavar):
    """The bytes that came as an argument or by --hex."""
    if (plain is None) == (hex is None):
        raise UsageError(f"either {metavar} or --hex" + (", not both" if hex is not None else " is needed"))
    return plain if hex is None else hex
