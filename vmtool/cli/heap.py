"""Handlers: the C library's heap of a process."""

from __future__ import annotations

import errno

from vmtool.errors import KernelError, UsageError
from vmtool.units import U64_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine
    from vmtool.cli.report import Output

OPTIONS = {"M_MXFAST": 1, "M_TRIM_THRESHOLD": -1, "M_TOP_PAD": -2, "M_MMAP_THRESHOLD": -3, "M_MMAP_MAX": -4, "M_CHECK_ACTION": -5,
           "M_PERTURB": -6, "M_ARENA_TEST": -7, "M_ARENA_MAX": -8}


def malloc(machine: Machine, pid: int, size: int, json: bool) -> Output:
    return _block(machine.malloc(pid, size), json)


def calloc(machine: Machine, pid: int, n: int, size: int, json: bool) -> Output:
    return _block(machine.calloc(pid, n, size), json)


def realloc(machine: Machine, pid: int, addr: int, size: int, json: bool) -> Output:
    new = machine.realloc(pid, addr, size)
    if new == 0 and size == 0 and addr:
        return '{"address": null}\n' if json else "NULL\n"
    return _block(new, json)


def memalign(machine: Machine, pid: int, alignment: int, size: int, json: bool) -> Output:
    if alignment > (U64_MAX >> 1) + 1:
        raise KernelError(errno.EINVAL, f"{alignment} is not a power of two that an address can be a multiple of")
    return _block(machine.memalign(pid, alignment, size), json)


def free_ptr(machine: Machine, pid: int, addr: int) -> None:
    machine.free(pid, addr)


def mallopt(machine: Machine, pid: int, name: str, value: int) -> None:
    param = OPTIONS.get(name)
    if param is None:
        done = machine.set_tunable(pid, name, value)
        if done is None:
            raise UsageError(f"{name!r} is no parameter of mallopt (one of {', '.join(OPTIONS)}), nor a tunable")
    else:
        done = -(1 << 31) <= value < 1 << 31 and machine.mallopt(pid, param, value)
    if not done:
        raise KernelError(errno.EINVAL, f"{name} cannot be {value}")


def malloc_trim(machine: Machine, pid: int, pad: int, json: bool) -> Output:
    released = machine.malloc_trim(pid, pad)
    return f'{{"is_released": {"true" if released else "false"}}}\n' if json else f"{released}\n"


def _block(address, json):
    """The answer of an allocation; NULL is ENOMEM."""
    if address == 0:
        raise KernelError(errno.ENOMEM)
    return f'{{"address": "0x{address:x}"}}\n' if json else f"0x{address:x}\n"


def heap(machine: Machine, pid: int, view: str, json: bool) -> Output:
    from vmtool.views import heap as shown
    if view == "map" and not json:
        runs = machine.heap_map(pid, shown.WIDTH * shown.ROWS)
        return lambda: shown.draw(runs)
    figures, bins = machine.heap_figures(pid), machine.heap_bins(pid)
    chunks = machine.heap_chunks(pid, json) if view != "summary" else b""
    if json:
        from vmtool.cli import json_text
        head = json_text.text(shown.objects(figures, bins)).rstrip()[:-1]
        if view == "summary":
            return head + "}\n"
        return head.encode() + b', "chunks": [' + chunks + b"\n]}\n"
    text = shown.figures(figures) + ("\n" + shown.bins(bins) if bins else "")
    return text if view == "summary" else (text + ("\n" + shown.ROW if chunks else "")).encode() + chunks
