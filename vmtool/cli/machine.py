"""Handlers: init, sysctl, fsck, completion."""

from __future__ import annotations

import errno

from vmtool.cli import json_text
from vmtool.cli.likeness import did_you_mean
from vmtool.cli.report import Result
from vmtool.errors import KernelError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmtool._core import Machine
    from vmtool.cli.execute import Settings
    from vmtool.cli.report import Output
    from vmtool.store.session import Session

FSCK_BROKEN = 1


def init(machine: Machine, ram: int, arch: str, cpus: int, swap: int, read_ahead: int, tlb: str, pcid: bool, kpti: bool, pku: bool,
         soft_dirty: bool, aslr: int | None, kernel: str, sysroot: str | None, force: bool) -> None:
    try:
        machine.boot(ram_bytes=ram, arch=arch, kernel=kernel, nr_cpus=cpus, swap_bytes=swap, tlb=tlb, pcid=pcid, kpti=kpti, pku=pku,
                     soft_dirty=soft_dirty, sysroot=directory(sysroot), aslr_seed=aslr)
    except KernelError as failure:
        from vmtool.cli import possible
        raise KernelError(failure.errno, possible.explain(type(machine), ram, arch, tlb) or failure.detail) from None
    machine.set_sysctl("queue/read_ahead_kb", str(read_ahead >> 10))


def directory(sysroot: str | None) -> str:
    """Its absolute path, for later commands may run elsewhere."""
    if sysroot is None:
        return ""
    import os
    if not os.path.isdir(sysroot):
        raise UsageError(f"--sysroot: {sysroot!r} is not a directory")
    return os.path.abspath(sysroot)


def sysctl(machine: Machine, settings: Sequence[str], values: bool, all: bool, write: bool, json: bool) -> Output:
    shown = {}
    if all or not settings:
        settings = (*machine.sysctl_names(), *settings)
    for word in settings:
        name, equals, value = word.partition("=")
        name = name.strip()
        if write and not equals:
            raise UsageError(f"{word!r} is not NAME=VALUE")
        try:
            if equals:
                machine.set_sysctl(name, value.strip())
            shown[name] = machine.sysctl(name)
        except KernelError as failure:
            if failure.errno == errno.EACCES:  # it can only be written: told as it was, and passed over where it is asked for
                if equals:
                    shown[name] = value.strip()
                continue
            if failure.errno != errno.ENOENT:
                raise
            raise KernelError(errno.ENOENT, name + did_you_mean(name, machine.sysctl_names())) from None
    if json:
        return lambda: json_text.text({name: int(value) if value.isdecimal() else value for name, value in shown.items()})
    return "".join(f"{value}\n" if values else f"{name} = {value}\n" for name, value in shown.items())


def fsck(session: Session, json: bool) -> Output:
    broken = session.verify() + session.machine.fsck()
    text = json_text.text(broken) if json else "".join(f"{line}\n" for line in broken)
    return Result(text, FSCK_BROKEN if broken else 0)


def completion(settings: Settings, shell: str) -> Output:
    from click.shell_completion import get_completion_class

    from vmtool.cli import shells
    from vmtool.cli.click_app import application
    shells.register()
    shell_class = get_completion_class(shell)
    assert shell_class is not None, shell
    return shell_class(application(), {}, "vmtool", "_VMTOOL_COMPLETE").source()
