"""Handlers: replay, record, import."""

import os

from vmtool.cli import kinds, report
from vmtool.errors import HostError, KernelError, UsageError

DIFFERENCES_SHOWN = 100


def replay(session, trace, kind, pid, sidecar, faults, maps_at_exit, maps_at_exec, strict, keep, keep_going, json):
    from vmtool.outside.traces import head, open_trace
    from vmtool.strace.accesses import guess_form
    opened = open_trace(trace)
    if kind is None:
        kind = "strace" if opened.is_split or opened.sidecar is not None else guess_form(head(opened.parts[0]))
    if kind != "strace":
        if opened.is_split:
            raise UsageError(f"{trace} is a directory of logs: not a trace of kind {kind}")
        return _accesses(session, opened.parts[0], kind, pid, keep, keep_going, json)
    if pid is not None:
        raise UsageError("an strace log makes its own processes: --pid is for accesses")
    engine = _engine(session.machine, opened, sidecar, faults, strict, _Outputs(session.machine, maps_at_exit, maps_at_exec))
    failed = _run(lambda: engine.run(_log_files(opened)), keep)
    return _finish(failed, lambda: _summary(engine, json))


def _engine(machine, opened, sidecar, faults, strict, outputs):
    from vmtool.outside.facts import HostFacts
    from vmtool.outside.traces import text_lines
    from vmtool.strace.faults import Faults
    from vmtool.strace.replay import Hooks, Replay
    from vmtool.strace.sidecar import load
    facts = HostFacts()
    text = _read(sidecar) if sidecar is not None else opened.sidecar
    if text is not None:
        facts = load(text, facts)
    events = None
    if faults is not None:
        from vmtool.outside.traces import open_trace
        events = Faults(text_lines(open_trace(faults).parts[0].stream, faults))
    elif opened.faults is not None:
        events = Faults(text_lines(opened.faults, "faults"))
    hooks = Hooks(outputs.at_exit, outputs.at_exec, outputs.difference, lambda text: report.complain("replay", text))
    return Replay(machine, facts, hooks, is_strict=strict, faults=events)


def _log_files(opened):
    from vmtool.outside.traces import text_lines
    from vmtool.strace.clean import clean
    from vmtool.strace.merge import LogFile
    return [LogFile(part.name, part.tid, clean(text_lines(part.stream, part.name))) for part in opened.parts]


def _run(function, keep):
    """Replays; what stopped it when that is to be kept, else it is raised and the transaction with it."""
    try:
        function()
    except HostError as failure:
        if not keep:
            raise
        return failure
    return None


def _finish(failed, text):
    """The result: shown after the commit, with the failure of a --keep before it."""
    def show():
        if failed is not None:
            report.complain("replay", report.message_of(failed))
        return report.Result(text(), 1 if failed is not None else 0)
    return show


def _accesses(session, part, kind, pid, keep, keep_going, json):
    from vmtool.outside.traces import blocks, text_lines
    from vmtool.strace import accesses
    machine = session.machine
    if pid is not None:
        machine.task(pid)
    elif kind == "list":
        raise UsageError("a list of accesses needs --pid")
    totals = None

    def go():
        nonlocal totals
        if kind in accesses.SAMPLED:
            from vmtool.strace.clean import clean
            totals = accesses.replay_samples(machine, pid, clean(text_lines(part.stream, part.name)), kind, say)
        else:
            totals = accesses.replay_text(machine, pid, blocks(part), kind, say, keep_going)

    def say(text):
        report.complain("replay", text)

    failed = _run(go, keep)
    return _finish(failed, lambda: "" if totals is None else _totals(totals, json))


def _totals(totals, json):
    if json:
        from vmtool.cli import json_text
        return json_text.text({"nr_accesses": totals.accesses, "nr_minor_faults": totals.minor, "nr_major_faults": totals.major,
                               "nr_signals": totals.signals, "nr_passed_over_lines": totals.passed_over,
                               "notes": [{"text": note, "nr_times": 1} for note in totals.notes]})
    from vmtool.views.replay import render_totals
    return render_totals(totals)


def _summary(engine, json):
    from vmtool.strace.handlers import HANDLERS
    summary = engine.summary
    if json:
        from vmtool.cli import json_text
        from vmtool.views.replay import rows
        names = ("pid", "comm", "nr_calls", "nr_minor_faults", "nr_major_faults", "peak_size_kb", "peak_rss_kb")
        skipped = {name: n for name, n in sorted(summary.counts.items()) if name not in HANDLERS}
        return json_text.text({
            "processes": [dict(zip(names, row, strict=True)) for row in rows(summary.processes)],
            "nr_calls": sum(summary.counts.values()),
            "nr_skipped": sum(skipped.values()),
            "nr_differences": summary.differences,
            "nr_passed_over_lines": summary.tally.nr_strange,
            "nr_passed_over_calls": summary.nr_unreadable,
            "skipped": [{"name": name, "nr_calls": n} for name, n in skipped.items()],
            "undetermined": [{"pid": pid, "address": f"0x{a:x}", "end_address": f"0x{b:x}", "name": name} for pid, a, b,
                             name in summary.undetermined],
            "notes": [{"text": note, "nr_times": count} for note, count in summary.notes.items()]})
    from vmtool.views.replay import render
    return render(summary, HANDLERS)


class _Outputs:
    """The files of --maps-at-exit and --maps-at-exec, and the differences on stderr."""

    def __init__(self, machine, exit_dir, exec_dir):
        self.machine = machine
        self.exit_dir = _directory(exit_dir)
        self.exec_dir = _directory(exec_dir)
        self.nr_differences = 0

    def at_exit(self, process):
        if self.exit_dir is not None:
            mid = process.space.mid
            for name in ("maps", "smaps", "status"):
                _write(self.exit_dir, f"{process.pid or 'root'}.{name}", _proc_text(self.machine, mid, name))

    def at_exec(self, process):
        if self.exec_dir is not None:
            text = _proc_text(self.machine, process.space.mid, "maps")
            _write(self.exec_dir, f"{process.pid or 'root'}.exec{process.nr_execs}.maps", text)

    def difference(self, text):
        self.nr_differences += 1
        if self.nr_differences <= DIFFERENCES_SHOWN:
            report.complain("replay", text)
        elif self.nr_differences == DIFFERENCES_SHOWN + 1:
            report.complain("replay", "more differences: only counted from here on")


def _proc_text(machine, pid, name):
    from vmtool.procfs.tree import Tree
    return Tree(machine).process_file(pid, name)()


def _directory(path):
    if path is not None:
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as failure:
            raise HostError(f"{path}: {failure.strerror}") from None
    return path


def _write(directory, name, text):
    try:
        with open(os.path.join(directory, name), "wb") as out:
            out.write(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    except OSError as failure:
        raise HostError(f"{directory}/{name}: {failure.strerror}") from None


def _read(path):
    from vmtool.outside.archive import MOST_SIDECAR
    from vmtool.outside.host import read_file
    data = read_file(path, MOST_SIDECAR + 1).data
    if len(data) > MOST_SIDECAR:
        raise HostError(f"{path}: more than {MOST_SIDECAR} bytes")
    return data.decode("utf-8", "replace")


def record(settings, output, faults, aslr, command):
    from vmtool.outside.record import record as run
    if not command:
        raise UsageError("what command? (vmtool record -- COMMAND)")
    return report.Result("", run(list(command), output, with_faults=faults, is_randomized=aslr))


def import_(session, sources, tree, ram, force, json):
    from vmtool.outside.importer import import_processes, prepare_machine, read_processes
    if force and ram is None:
        raise UsageError("--force replaces a machine: it goes with --ram")
    if ram is not None and ram != "auto":
        try:
            ram = kinds.size(ram)
        except ValueError as wrong:
            raise UsageError(f"--ram: {wrong}, nor auto") from None
    processes = read_processes(sources, tree)
    if ram is not None:
        try:
            prepare_machine(session.machine, processes, None if ram == "auto" else ram)
        except KernelError as failure:
            from vmtool.cli import possible
            raise KernelError(failure.errno, possible.explain(type(session.machine), ram, "x86-64", "") or failure.detail) from None
    pids = import_processes(session.machine, processes)
    if json:
        from vmtool.cli import json_text
        objects = [{"pid": pid} for pid in pids]
        return json_text.text(objects if len(pids) > 1 else objects[0])
    return "".join([f"{pid}\n" for pid in pids])
