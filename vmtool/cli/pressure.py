"""Handlers: memory pressure: swap, reclaim, the kernel's log, control groups."""

from __future__ import annotations

from errno import EACCES, EINVAL, ENOENT

from vmtool.errors import KernelError, UsageError
from vmtool.units import parse_unsigned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine
    from vmtool.cli.report import Output

OOM_GROUP = "memory.oom.group"
LIMITS = {"memory.max", "memory.high", "memory.low", "memory.min", "memory.swap.max", "memory.swap.high", "memory.reclaim"}


def swapon(machine: Machine, size: int, priority: int | None, rotational: bool, file: bool) -> None:
    machine.swapon(size, priority, rotational, file)


def swapoff(machine: Machine, path: str | None) -> None:
    machine.swapoff(path)


def reclaim(machine: Machine, pages: int, group: str | None, json: bool) -> Output:
    nr_pages = machine.reclaim(pages, group)
    return f'{{"nr_pages": {nr_pages}}}\n' if json else f"{nr_pages}\n"


def compact(machine: Machine) -> None:
    machine.set_sysctl("vm.compact_memory", "1")


def sleep(machine: Machine, seconds: str) -> None:
    whole, _, part = seconds.partition(".")
    if not (whole + part).isdigit() or not seconds.isascii() or len(seconds) > 18:
        raise UsageError(f"{seconds!r} is no number of seconds")
    machine.sleep(int(whole or 0) * 1000000 + int((part + "000000")[:6]))


def dmesg(machine: Machine, json: bool) -> Output:
    lines = machine.kmsg()
    if json:
        from vmtool.cli.json_text import text
        return text([{"time_us": time_us, "text": line} for time_us, line in lines])
    from vmtool.views import kmsg
    return kmsg.render(lines)


def cgroup(machine: Machine, verb: str, name: str, words: tuple[str, ...], max: int | None, high: int | None, low: int | None,
           min: int | None, swap_max: int | None, json: bool) -> Output:
    limits = {"memory.max": max, "memory.high": high, "memory.low": low, "memory.min": min, "memory.swap.max": swap_max}
    if verb != "create" and any(value is not None for value in limits.values()):
        raise UsageError("limits as options go with create; set changes them later")
    expected = {"create": (0, 0), "move": (1, 1), "set": (2, 2), "show": (0, 1), "remove": (0, 0)}[verb]
    if not expected[0] <= len(words) <= expected[1]:
        raise UsageError({"move": "move NAME PID", "set": "set NAME FILE VALUE", "show": "show NAME [FILE]"}.get(verb, f"{verb} NAME"))
    if verb == "show":
        return show(machine.cgroup(name), name, words[0] if words else None, json)
    if verb == "create":
        machine.cgroup_create(name)
        for file, value in limits.items():
            if value is not None:
                machine.cgroup_set(name, file, value)
    elif verb == "remove":
        machine.cgroup_remove(name)
    elif verb == "move":
        if not (words[0].isascii() and words[0].isdigit()):
            raise UsageError(f"{words[0]!r} is no PID")
        machine.cgroup_move(name, int(words[0]))
    else:
        if words[0] not in LIMITS and words[0] != OOM_GROUP and words[0] in machine.cgroup(name):
            raise KernelError(EACCES, f"{name}/{words[0]} can only be read")
        machine.cgroup_set(name, words[0], limit(words[0], words[1]))
    if not json:
        return ""
    from vmtool.cli.json_text import text
    return text({"name": name})


def limit(file, word):
    """None: max. What is no number is EINVAL, as where it is written to the file: page_counter_memparse(), kstrtoint()."""
    if word == "max" and file in LIMITS:
        return None
    try:
        return parse_unsigned(word)
    except ValueError as wrong:
        raise KernelError(EINVAL, f"{file}: {wrong}") from None


def show(files, name, file, json):
    if file is not None:
        if file not in files:
            raise KernelError(ENOENT, f"{name}/{file}")
        files = {file: files[file]}
    if json:
        from vmtool.cli.json_text import text
        return text(files)
    if file is not None:
        return content(files[file])
    return "".join([f"{one}\n{indented(content(value))}" for one, value in files.items()])


def content(value):
    """As the file prints it."""
    if isinstance(value, dict) and "some" in value:
        return "".join([f"{kind} avg10={psi['avg10']:.2f} avg60={psi['avg60']:.2f} avg300={psi['avg300']:.2f} total={psi['total']}\n"
                        for kind, psi in value.items()])
    if isinstance(value, dict):
        return "".join([f"{key} {number}\n" for key, number in value.items()])
    return "max\n" if value is None else f"{value}\n"


def indented(text):
    return "".join([f"  {line}\n" for line in text.splitlines()])
