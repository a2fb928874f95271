"""Handlers: heaptrace."""

from __future__ import annotations

from vmtool.errors import HostError, KernelError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmtool.cli.report import Output
    from vmtool.store.session import Session

NAME = "heaptrace"


def heaptrace(session: Session, words: list[str], log: bool, syscalls: str | None, final: bool, heap_start: int, mmap_top: int,
              json: bool) -> Output:
    from vmtool.outside.traces import open_trace
    pid, path = _pid_and_path(words)
    opened = open_trace(path)
    if opened.is_split:
        raise UsageError(f"{path} is a directory: not the trace of a heap")
    machine = session.machine
    is_fresh = pid is None
    if is_fresh:
        layout = {"start_brk": heap_start, "mmap_base": mmap_top, "vdso": mmap_top}  # nothing grows into what is above
        pid = machine.spawn(NAME, None, [NAME.encode()], [], layout)
    trace = machine.heap_trace(pid, None, log, syscalls is not None)
    out: list[bytes] = []
    if log:
        start = machine.mm(pid).start_brk
        out.append(f"# glibc 2.36\n# heap_start {start:x}\n# mmap_top {mmap_top if is_fresh else machine.mm(pid).mmap_base:x}\n".encode())
    calls = _open(syscalls)
    try:
        for lines in _whole_lines(opened.parts[0]):
            try:
                trace.feed(lines)
            except KernelError as wrong:
                raise HostError(f"{path}: {wrong.detail}") from None
            out.append(trace.take_log())
            _write(calls, trace.take_calls(), syscalls)
    finally:
        if calls is not None:
            calls.close()
    if final:
        out.append(trace.final().encode())
    if json or not (log or final):
        return _summary(machine, pid, trace, json)
    return b"".join(out)


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


def _summary(machine, pid, trace, json):
    counts = trace.counts()
    peak_kb = (machine.mm(pid).hiwater_rss << machine.info().page_shift) // 1024
    calls = dict(zip(counts._fields[1:7], counts[1:7], strict=True))
    if json:
        from vmtool.cli import json_text
        return json_text.text({"pid": pid, "nr_operations": counts.nr_operations, **calls, "nr_minor_faults": counts.minor,
                               "nr_major_faults": counts.major, "peak_rss_kb": peak_kb})
    text = " ".join([f"{name.removeprefix('nr_')}={value}" for name, value in calls.items()])
    return (f"process {pid}: {counts.nr_operations} operations\nsystem calls: {text}\nfaults: minor={counts.minor} major={counts.major}\n"
            f"peak RSS: {peak_kb} kB\n")
