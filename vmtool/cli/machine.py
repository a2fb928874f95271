"""Handlers: init, sysctl, fsck, completion."""

from vmtool.cli.report import Result
from vmtool.errors import UsageError

FSCK_BROKEN = 1


def init(machine, ram, arch, cpus, swap, tlb, pcid, kpti, aslr, kernel, force):
    machine.boot(ram_bytes=ram, arch=arch, kernel=kernel, nr_cpus=cpus, swap_bytes=swap, tlb=tlb, pcid=pcid, kpti=kpti, aslr_seed=aslr)


def sysctl(machine, settings, values, all, write, json):
    shown = {}
    if all or not settings:
        settings = (*machine.sysctl_names(), *settings)
    for word in settings:
        name, equals, value = word.partition("=")
        name = name.strip()
        if equals:
            machine.set_sysctl(name, value.strip())
        elif write:
            raise UsageError(f"{word!r} is not NAME=VALUE")
        shown[name] = machine.sysctl(name)
    if json:
        return lambda: _json(shown)
    return "".join(f"{value}\n" if values else f"{name} = {value}\n" for name, value in shown.items())


def fsck(session, json):
    broken = session.verify() + session.machine.fsck()
    text = _json(broken) if json else "".join(f"{line}\n" for line in broken)
    return Result(text, FSCK_BROKEN if broken else 0)


def completion(settings, shell):
    from click.shell_completion import get_completion_class

    from vmtool.cli.click_app import application
    return get_completion_class(shell)(application(), {}, "vmtool", "_VMTOOL_COMPLETE").source()


def _json(value):
    from vmtool.cli.json_text import text
    return text(value)
