"""Handlers: processes and their limits."""

from __future__ import annotations

from vmtool.units import U64_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmtool._core import Machine
    from vmtool.cli.report import Output
    from vmtool.records import Image


def spawn(machine: Machine, name: str | None, exe: str | None, sysroot: str | None, env: Sequence[bytes], args: Sequence[str],
          json: bool) -> Output:
    image = None
    if exe is not None:
        image = _image(machine, exe, sysroot)
    name = name or (_base_name(exe) if exe is not None else "demo")
    pid = machine.spawn(name, image, _argv(exe or name, args), list(env))
    return _pid(pid, json)


def fork(machine: Machine, pid: int, json: bool) -> Output:
    return _pid(machine.fork(pid), json)


def exec_(machine: Machine, pid: int, exe: str, sysroot: str | None, env: Sequence[bytes], args: Sequence[str]) -> None:
    machine.task(pid)  # ESRCH before trouble with the host's file
    image = _image(machine, exe, sysroot)
    machine.exec(pid, _base_name(exe), image, _argv(exe, args), list(env))


def exit_(machine: Machine, pid: int, status: int) -> None:
    machine.exit(pid, status & 0xFF)  # as _exit() cuts it


def kill(machine: Machine, pid: int, signal: int) -> None:
    machine.kill(pid, signal)


def switch(machine: Machine, pid: int, cpu: int) -> None:
    machine.switch(pid, cpu)


def setrlimit(machine: Machine, pid: int, name: int, value: int) -> None:
    machine.setrlimit(pid, name, None if value == U64_MAX else value)


def oom_score_adj(machine: Machine, pid: int, value: int) -> None:
    machine.set_oom_score_adj(pid, value)


def _argv(first, args):
    return [_bytes(word) for word in (first, *args)]


def _bytes(text):
    return text.encode("utf-8", "surrogateescape")


def _base_name(path):
    return path.rpartition("/")[2]


def _pid(pid, json):
    return f'{{"pid": {pid}}}\n' if json else f"{pid}\n"


def _image(machine: Machine, exe: str, sysroot: str | None) -> Image:
    from vmtool.outside.elf import read_image
    return read_image(exe, arch=machine.info().arch, sysroot=(sysroot or "").rstrip("/"))
