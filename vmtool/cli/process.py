"""Handlers: processes and their limits."""

from vmtool.units import U64_MAX


def spawn(machine, name, exe, env, args, json):
    image = None
    if exe is not None:
        from vmtool.outside.elf import read_image
        image = read_image(exe)
    name = name or (_base_name(exe) if exe is not None else "demo")
    pid = machine.spawn(name, image, _argv(exe or name, args), list(env))
    return _pid(pid, json)


def fork(machine, pid, json):
    return _pid(machine.fork(pid), json)


def exec_(machine, pid, exe, env, args):
    from vmtool.outside.elf import read_image
    machine.task(pid)  # ESRCH before trouble with the host's file
    image = read_image(exe)
    machine.exec(pid, _base_name(exe), image, _argv(exe, args), list(env))


def exit_(machine, pid, status):
    machine.exit(pid, status & 0xFF)  # as _exit() cuts it


def kill(machine, pid, signal):
    machine.kill(pid, signal)


def switch(machine, pid, cpu):
    machine.switch(pid, cpu)


def ps(machine, json):
    tasks = machine.tasks()
    spaces = {task.pid: machine.mm(task.pid) for task in tasks if task.has_mm}
    if json:
        from vmtool.cli import json_text
        return lambda: json_text.text([
            {**json_text.record(task), "mm": json_text.record(spaces[task.pid], "auxv") if task.has_mm else None} for task in tasks])
    from vmtool.views import ps as view
    page_shift = machine.info().page_shift
    return lambda: view.render(tasks, spaces, page_shift)


def setrlimit(machine, pid, name, value):
    machine.setrlimit(pid, name, None if value == U64_MAX else value)


def oom_score_adj(machine, pid, value):
    machine.set_oom_score_adj(pid, value)


def _argv(first, args):
    return [_bytes(word) for word in (first, *args)]


def _bytes(text):
    return text.encode("utf-8", "surrogateescape")


def _base_name(path):
    return path.rpartition("/")[2]


def _pid(pid, json):
    return f'{{"pid": {pid}}}\n' if json else f"{pid}\n"
