"""Handlers: explain and trace, the steps of the kernel in words and as its trace events."""

from __future__ import annotations

from vmtool.cli import json_text
from vmtool.errors import HostError, KernelError, Signal, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmtool._core import Machine
    from vmtool.cli.report import Output
    from vmtool.store.session import Session



def explain(session: Session, pid: str | int | None, addr: int | None, last: int | None, json: bool) -> Output:
    machine = session.machine
    if isinstance(pid, str):
        if addr is not None or last is not None:
            raise UsageError(f"{pid} stands alone")
        machine.set_trace(pid == "on")
        return json_text.text({"is_tracing": pid == "on"}) if json else None
    if pid is not None:
        if addr is None or last is not None:
            raise UsageError("missing ADDR" if addr is None else "--last and PID exclude each other")
        return _why(machine, pid, addr, json)
    if last is not None:
        return _last(session, last, json)
    from vmtool.views import explain as view
    records, nr_steps, files, arch = machine.trace(), machine.nr_traced(), _files(machine), machine.info().arch
    if not records and not machine.tracing():  # silence would read as a command that did nothing
        raise HostError("no steps are recorded: 'explain on' records those of the commands after it")
    if json:
        return lambda: json_text.text({"is_tracing": machine.tracing(), "nr_steps": nr_steps, "steps": _steps(records, files, arch)})
    return lambda: view.render(records, nr_steps, files, arch)


def _steps(records, files, arch):
    from vmtool.views import explain as view
    from vmtool.views.functions import function_of
    steps, error_code = [], 0
    for r in records:
        error_code = r.args.get("error_code", error_code)
        steps.append({"step": r.seq, "pid": r.pid, "text": view.sentence(r, files, arch),
                      "function": function_of(r, error_code, arch) or None})
    return steps


def _files(machine):
    """Files by the records that steps name them by, asked for once; the machine must still be open."""
    known: dict[int, Any] = {}
    for record in machine.trace():
        inode = record.args.get("inode")
        if inode and inode not in known:
            known[inode] = machine.traced_file(inode)
    return known.get


def _last(session, nr_commands, json):
    """The steps of the last commands: each state that the history keeps has those of the command that made it."""
    from vmtool.cli import journal
    from vmtool.views import explain as view
    history = getattr(session, "history", None)  # what a page is made from has none
    if history is None:
        raise HostError("--last: this machine has no log")
    kept = history.step - history.first_step()
    if not 1 <= nr_commands <= kept:
        raise HostError(f"--last: the steps of 1 to {kept} commands are kept, not of {nr_commands}")
    entries, arch = dict(history.entries()), session.machine.info().arch
    told = []
    for step in range(history.step - nr_commands + 1, history.step + 1):
        machine = session.machine_at(step) if step < history.step else session.machine
        lines = journal.lines_of(entries.get(step, b""))
        told.append((step, lines[0][1] if lines else "", machine.trace(), machine.nr_traced(), _files(machine)))
    if json:
        return lambda: json_text.text([{"step": step, "command": command, "nr_steps": nr, "steps": _steps(records, files, arch)}
                              for step, command, records, nr, files in told])
    return lambda: "".join([f"{step}  {command}\n{view.render(records, nr, files, arch) or f'      no step is recorded{chr(10)}'}"
                            for step, command, records, nr, files in told])


def _why(machine: Machine, pid: int, addr: int, json: bool) -> Output:
    """Why the page at an address is where it is, and what an access would do; each is tried on the machine, which nobody saves."""
    from vmtool.procfs.pid_maps import line
    from vmtool.views import why
    areas = machine.maps(pid)
    area = next((vma for vma in areas if vma.start <= addr < vma.end), None) or _stack_above(areas, addr)
    walk = machine.walk(pid, addr)
    entry = int.from_bytes(machine.pagemap_bytes(pid, addr, 1) or bytes(8), "little")
    frame = None
    pfn = walk.phys >> machine.info().page_shift if walk.phys is not None else machine.max_pfn()
    if pfn < machine.max_pfn():
        frame = machine.frames([pfn])[0]
    users = _users(machine, pid, addr, area, frame) if frame is not None and frame.mapcount > 1 else []
    words = line(area).rstrip("\n") if area is not None else ""
    told = why.sentences(addr, area, " ".join(words.split()), walk, entry, frame, users)
    trials, files = [], {}
    point = machine.savepoint()
    machine.set_trace(True)
    for access, _ in why.ACCESSES:
        trials.append(_try(machine, pid, addr, access))
        inodes = [record.args["inode"] for record in trials[-1].steps if "inode" in record.args]
        files.update({inode: machine.traced_file(inode) for inode in inodes})
        machine.rollback(point)
        machine.set_trace(True)
    if json:
        return lambda: json_text.text(why.to_object(addr, told, trials, files.get, walk.arch))
    return lambda: why.render(told, trials, files.get, walk.arch)


def _try(machine, pid, addr, access):
    from vmtool.views import why
    machine.trace_reset()
    signal = None
    try:
        machine.touch(pid, addr, 1, access, True)
    except Signal as refused:
        signal = str(refused)
    except KernelError as refused:
        signal = str(refused)
    return why.Trial(access, machine.trace(), signal)


def _stack_above(areas, addr):
    """The area that grows down to an address, if the next one does."""
    above = next((vma for vma in areas if vma.start > addr), None)
    return above if above is not None and above.name == "[stack]" else None


def _users(machine, pid, addr, area, frame):
    """(pid, address) of the other pages that have the frame: at the same place after a fork, or where areas map the file's page."""
    found = []
    page = 1 << machine.info().page_shift
    for task in machine.tasks():
        if not task.has_mm:
            continue
        places = {addr & -page} if task.pid != pid else set()
        if area is not None and area.is_file:
            places |= {vma.start + (frame.index - vma.pgoff) * page for vma in machine.maps(task.pid) if vma.name == area.name}
        for place in sorted(places):
            entry = int.from_bytes(machine.pagemap_bytes(task.pid, place, 1) or bytes(8), "little") if place >= 0 else 0
            if entry >> 63 and entry & (1 << 55) - 1 == frame.pfn and (task.pid, place) != (pid, addr & -page):
                found.append((task.pid, place))
    return found


def trace(machine: Machine, steps: bool, json: bool) -> Output:
    records, nr_steps = machine.trace(), machine.nr_traced()
    if json:
        from vmtool.cli import objects
        return lambda: json_text.text([objects.step(r) for r in records])
    if steps:
        from vmtool.views import trace as view
        return lambda: view.render(records, nr_steps)
    from vmtool.views import ftrace
    comms = {task.pid: task.comm for task in machine.tasks()}
    info, files = machine.info(), _files(machine)
    zeros = {r.args["old_pfn"] for r in records if r.event == "cow_copy" and machine.frames([r.args["old_pfn"]])[0].kind == "zero"}
    for record in records:
        if record.event == "cow_copy":
            record.args["is_zero"] = record.args["old_pfn"] in zeros
    return lambda: ftrace.render(records, comms, files, info, nr_steps)
