"""Handlers: heaptrace."""

from __future__ import annotations

from vmtool.errors import HostError, KernelError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from vmtool.cli.report import Output
    from vmtool.store.session import Session

NAME = "heaptrace"
LINES_A_BLOCK = 8192
CALLS = ("nr_brk", "nr_mmap", "nr_munmap", "nr_mremap", "nr_madvise", "nr_mprotect")


class _Run:
    """One process that makes the trace's calls."""

    def __init__(self, machine, pid, layout, label, settings, log, calls):
        self.machine, self.label = machine, label
        self.pid = machine.spawn(NAME, None, [NAME.encode()], [], layout) if pid is None else pid
        self.trace = machine.heap_trace(self.pid, None, log, calls)
        for name, value in settings:
            _set(machine, self.pid, name, value)

    def facts(self):
        """What the run cost, by the names that JSON has."""
        counts = self.trace.counts()
        peak_kb = (self.machine.mm(self.pid).hiwater_rss << self.machine.info().page_shift) // 1024
        figures = self.trace.figures()
        return {"nr_operations": counts.nr_operations, **dict(zip(CALLS, counts[1:7], strict=True)), "nr_minor_faults": counts.minor,
                "nr_major_faults": counts.major, "peak_rss_kb": peak_kb, "system_bytes": figures.system_bytes + figures.mapped_bytes,
                "live_bytes": figures.live_bytes + figures.mapped_bytes, "pinned_bytes": figures.pinned_bytes}


def heaptrace(session: Session, words: Sequence[str], kind: str | None, log: bool, syscalls: str | None, final: bool,
              what_if: Sequence[str], samples: int, plot: str | None, heap_start: int, mmap_top: int, json: bool) -> Output:
    from vmtool.outside.traces import head, open_trace
    from vmtool.strace import heaplogs
    pid, path = _pid_and_path(words)
    opened = open_trace(path)
    if opened.is_split:
        raise UsageError(f"{path} is a directory: not the trace of a heap")
    if pid is not None and what_if:
        raise UsageError("--what-if compares fresh processes: no PID")
    part, machine = opened.parts[0], session.machine
    layout = {"start_brk": heap_start, "mmap_base": mmap_top, "vdso": mmap_top}  # nothing grows into what is above
    variants = [(text, _settings(text)) for text in what_if]
    base = _Run(machine, pid, layout, "as it is", (), log, syscalls is not None)
    others = [_Run(machine, None, layout, text, settings, False, False) for text, settings in variants]
    sampler = _Sampler(base, samples or (64 if plot else 0))
    kind = kind or heaplogs.guess_form(head(part))
    out = [_header(machine, base.pid, mmap_top if pid is None else machine.mm(base.pid).mmap_base)] if log else []
    unknown = _feed(part, kind, sampler, others, out, syscalls)
    if final:
        out.append(base.trace.final().encode())
    facts = [run.facts() for run in (base, *others)]
    for run in others:
        machine.exit(run.pid)
    if plot is not None:
        from vmtool.outside.heap_plot import save
        _save(plot, save(sampler.rows))
    labels = [run.label for run in (base, *others)]
    if json:
        return _json(base.pid, facts, labels, sampler.rows if samples else None, unknown)
    text = b"".join(out) if log or final else _summary(base.pid, facts[0], unknown)
    if samples:
        text += _samples(sampler.rows)
    return text + _comparison(labels, facts) if others else text


def _feed(part, kind, sampler, others, out, syscalls):
    """The whole trace to all processes; how many frees of blocks it knew nothing about."""
    from vmtool.strace.heaplogs import Heaplog
    numbers = Heaplog()
    blocks = _whole_lines(part) if kind == "trace" else _converted(part, kind, numbers)
    calls = _open(syscalls)
    try:
        for lines in blocks:
            try:
                sampler.feed(lines)
                for run in others:
                    run.trace.feed(lines)
            except KernelError as wrong:
                raise HostError(f"{part.name}: {wrong.detail}") from None
            out.append(sampler.run.trace.take_log())
            _write(calls, sampler.run.trace.take_calls(), syscalls)
    finally:
        if calls is not None:
            calls.close()
    return numbers.nr_unknown


class _Sampler:
    """Feeds a run and looks at its heap now and then: at most twice as often as asked for, evenly."""

    def __init__(self, run, nr_samples):
        self.run, self.nr_samples = run, nr_samples
        self.interval = 1
        self.rows: list[tuple[int, ...]] = []

    def feed(self, lines):
        if not self.nr_samples:
            self.run.trace.feed(lines)
            return
        while lines:
            done = self.run.trace.counts().nr_operations
            lines = lines[self.run.trace.feed(lines, done - done % self.interval + self.interval):]
            done = self.run.trace.counts().nr_operations
            if done and done % self.interval == 0 and (not self.rows or self.rows[-1][0] != done):
                self.look(done)

    def look(self, done):
        f = self.run.trace.figures()
        self.rows.append((done, f.system_bytes + f.mapped_bytes, f.live_bytes + f.mapped_bytes, f.hole_bytes, f.largest_hole_bytes,
                          f.pinned_bytes, self.run.trace.rss_bytes()))
        if len(self.rows) > 2 * self.nr_samples:
            self.interval *= 2
            self.rows = [row for row in self.rows if row[0] % self.interval == 0]


def _set(machine, pid, name, value):
    from vmtool.cli.heap import mallopt
    mallopt(machine, pid, name, value)


def _settings(text):
    """NAME=VALUE[,NAME=VALUE…]."""
    from vmtool.units import parse_signed
    found = []
    for word in text.split(","):
        name, equals, value = word.partition("=")
        try:
            found.append((name, parse_signed(value)))
        except ValueError:
            equals = ""
        if not equals or not name:
            raise UsageError(f"--what-if: {word!r} is not NAME=VALUE")
    return found


def _pid_and_path(words):
    """[PID] FILE."""
    if len(words) > 2:
        raise UsageError("[PID] FILE is all there can be")
    if len(words) == 1:
        return None, words[0]
    from vmtool.cli.kinds import pid
    try:
        return pid(words[0]), words[1]
    except ValueError as wrong:
        raise UsageError(str(wrong)) from None


def _whole_lines(part) -> Iterator[bytes]:
    """The trace in blocks that end with a line."""
    from vmtool.outside.traces import blocks
    rest = b""
    for block in blocks(part):
        end = block.rfind(b"\n") + 1
        if end == 0:
            rest += block
            if len(rest) > 1 << 20:
                raise HostError(f"{part.name}: not the trace of a heap: a line of more than a megabyte")
            continue
        yield rest + block[:end]
        rest = block[end:]
    if rest:
        yield rest


def _converted(part, kind, numbers) -> Iterator[bytes]:
    from vmtool.outside.traces import text_lines
    block = []
    for operation in numbers.lines(kind, text_lines(part.stream, part.name)):
        block.append(operation)
        if len(block) == LINES_A_BLOCK:
            yield "\n".join(block).encode() + b"\n"
            block = []
    if block:
        yield "\n".join(block).encode() + b"\n"


def _open(path):
    if path is None:
        return None
    try:
        return open(path, "wb")
    except OSError as failure:
        raise HostError(f"{path}: {failure.strerror}") from None


def _write(file, data, path):
    if file is not None:
        try:
            file.write(data)
        except OSError as failure:
            raise HostError(f"{path}: {failure.strerror}") from None


def _save(path, data):
    file = _open(path)
    with file:
        _write(file, data, path)


def _header(machine, pid, mmap_top):
    return f"# glibc 2.36\n# heap_start {machine.mm(pid).start_brk:x}\n# mmap_top {mmap_top:x}\n".encode()


def _summary(pid, facts, unknown):
    calls = " ".join([f"{name.removeprefix('nr_')}={facts[name]}" for name in CALLS])
    text = (f"process {pid}: {facts['nr_operations']} operations\nsystem calls: {calls}\n"
            f"faults: minor={facts['nr_minor_faults']} major={facts['nr_major_faults']}\npeak RSS: {facts['peak_rss_kb']} kB\n"
            f"at the end: {facts['system_bytes']} bytes from the kernel, {facts['live_bytes']} live, {facts['pinned_bytes']} not live "
            "below a live one\n")
    if unknown:
        text += f"ends of blocks that the log did not show beginning: {unknown}\n"
    return text.encode()


SAMPLE = ("nr_operations", "system_bytes", "live_bytes", "hole_bytes", "largest_hole_bytes", "pinned_bytes", "rss_bytes")


def _samples(rows):
    from vmtool.views.table import table
    headings = ("operations", "heap", "live", "holes", "largest hole", "pinned", "RSS")
    return ("\n" + table(headings, rows)).encode()


def _comparison(labels, facts):
    from vmtool.views.table import table
    headings = ("run", "brk", "mmap", "munmap", "mremap", "madvise", "minor faults", "peak RSS kB", "heap", "live", "pinned")
    names = (*CALLS[:5], "nr_minor_faults", "peak_rss_kb", "system_bytes", "live_bytes", "pinned_bytes")
    rows = [(label, *[fact[name] for name in names]) for label, fact in zip(labels, facts, strict=True)]
    return ("\n" + table(headings, rows, left="run")).encode()


def _json(pid, facts, labels, rows, unknown):
    from vmtool.cli import json_text
    value: dict[str, Any] = {"pid": pid, **facts[0]}
    if unknown:
        value["nr_unknown"] = unknown
    if rows is not None:
        value["samples"] = [dict(zip(SAMPLE, row, strict=True)) for row in rows]
    if len(labels) > 1:
        value["what_if"] = [{"settings": label, **fact} for label, fact in zip(labels[1:], facts[1:], strict=True)]
    return json_text.text(value)
