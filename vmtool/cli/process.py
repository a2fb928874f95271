"""Handlers: processes and their limits."""

from __future__ import annotations

from vmtool.cli.kinds import data
from vmtool.errors import UsageError
from vmtool.uapi import MAP_ANONYMOUS, MAP_PRIVATE, MAP_STACK, PROT_NONE, PROT_READ, PROT_WRITE, RLIMITS
from vmtool.units import U64_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmtool._core import Machine
    from vmtool.cli.report import Output
    from vmtool.images import Image

WORD_BYTES = 8
PT_TLS = 7
DEFAULT_STACK_BYTES = 2 << 20  # glibc's ARCH_STACK_DEFAULT_SIZE, where RLIMIT_STACK is unlimited
LEAST_STACK_BYTES = 16384  # PTHREAD_STACK_MIN
DESCRIPTOR_BYTES = 0x940  # of struct pthread, with what is aligned above it
STATIC_TLS_BYTES = 0x1080  # that, and the variables of a program that links the C library alone
DTV_SLOTS = 17  # one module, DTV_SURPLUS and two words

def spawn(machine: Machine, name: str | None, exe: str | None, sysroot: str | None, env: Sequence[bytes], args: Sequence[str], threads: int,
          json: bool) -> Output:
    image = None
    if threads < 1:
        raise UsageError(f"--threads: {threads} is less than 1")
    if exe is not None:
        image = _image(machine, exe, sysroot)
    name = name or (_base_name(exe) if exe is not None else "demo")
    pid = machine.spawn(name, image, _argv(exe or name, args), list(env))
    has_libc = image is None or links_libc(image)
    for _ in range(threads - 1):
        if has_libc:
            pthread_create(machine, pid)
        else:
            machine.clone(pid)
    return _pid(pid, json)


def links_libc(image: Image) -> bool:
    """A C library has variables of each thread (errno), so a program that brings its own has PT_TLS. Else a thread is clone() alone."""
    headers = (image.phoff + i * image.phentsize for i in range(image.phnum))
    return image.interp is not None or any(int.from_bytes((image.data or b"")[at : at + 4], "little") == PT_TLS for at in headers)


def fork(machine: Machine, pid: int, json: bool) -> Output:
    return _pid(machine.fork(pid), json)


def clone(machine: Machine, pid: int, stack: bool, json: bool) -> Output:
    return _pid(pthread_create(machine, pid) if stack else machine.clone(pid), json)


def pthread_create(machine: Machine, pid: int) -> int:
    """What glibc 2.36 asks of the kernel for a thread: memory for a dtv, a stack with a guard page below it and the thread's own variables
    and descriptor at its top, then clone3(). The new thread's first act is to write below those."""
    limit = machine.getrlimits(pid)[RLIMITS["stack"]][0]
    page = 1 << machine.info().page_shift
    size = (DEFAULT_STACK_BYTES if limit is None else max(limit, LEAST_STACK_BYTES)) + page - 1 & -page
    stack = machine.mmap(pid, 0, size + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK)
    machine.mprotect(pid, stack + page, size, PROT_READ | PROT_WRITE)
    top = stack + page + size
    machine.touch(pid, top - DESCRIPTOR_BYTES, 1, "w")
    if machine.word_bytes(pid) == WORD_BYTES:
        machine.calloc(pid, DTV_SLOTS, 2 * WORD_BYTES)
    tid = machine.clone(pid, top - STATIC_TLS_BYTES)
    machine.touch(tid, top - STATIC_TLS_BYTES - WORD_BYTES, WORD_BYTES, "w")
    return tid


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


def clear_refs(machine: Machine, pid: int, what: int) -> None:
    machine.clear_refs(pid, what)


THP_DISABLE = {0: "no", 1: "yes", 3: "except-advised"}
"""What PR_GET_THP_DISABLE answers, in words."""


def thp_disable(machine: Machine, pid: int, mode: str | None, json: bool) -> Output:
    from vmtool.cli import json_text
    if mode is not None:
        machine.set_thp_disable(pid, mode != "no", 2 if mode == "except-advised" else 0)
    word = THP_DISABLE[machine.thp_disable(pid)]
    return json_text.text({"thp_disable": word}) if json else f"{word}\n"


def _argv(first, args):
    return [data(word) for word in (first, *args)]


def _base_name(path):
    return path.rpartition("/")[2]


def _pid(pid, json):
    return f'{{"pid": {pid}}}\n' if json else f"{pid}\n"


def _image(machine: Machine, exe: str, sysroot: str | None) -> Image:
    from vmtool.outside.elf import read_image
    info = machine.info()
    return read_image(exe, arch=info.arch, sysroot=(info.sysroot if sysroot is None else sysroot).rstrip("/"))
