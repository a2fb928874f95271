"""Handlers: files and the page cache."""

from __future__ import annotations

from vmtool.cli.access import bytes_as, one_of
from vmtool.errors import UsageError

MOST_SHOWN = 64 << 20  # bytes; beyond it `bounds` is asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine
    from vmtool.cli.report import Output


def mkfile(machine: Machine, path: str, size: int, source: str | None, dev: tuple[int, int] | None, inode: int, tmpfs: bool) -> None:
    data = None
    if source is not None:
        from vmtool.outside.host import read_file
        data = read_file(source, size).data
    machine.mkfile(path, size, data, dev, inode, tmpfs)


def truncate(machine: Machine, path: str, size: int) -> None:
    machine.truncate(path, size)


def rename(machine: Machine, path: str, to: str) -> None:
    machine.rename(path, to)


def rmfile(machine: Machine, path: str) -> None:
    machine.rmfile(path)


def fallocate(machine: Machine, path: str, offset: int, length: int, punch_hole: bool) -> None:
    if not punch_hole:
        raise UsageError("--punch-hole is needed: it is the only mode there is")
    machine.punch_hole(path, offset, length)


def fail_io(machine: Machine, path: str, way: str, times: int) -> None:
    if times > 0xFFFFFFFF:
        raise UsageError(f"--times: {times} is more than 4294967295")
    machine.fail_io(path, way == "write", times)


def read(machine: Machine, pid: int, path: str, offset: int, length: int, form: str, json: bool) -> Output:
    if form != "count" and length > MOST_SHOWN:
        from vmtool.cli.bounds import check_shown
        check_shown(min(length, max(machine.file(path).size - offset, 0)))
    data = machine.read(pid, path, offset, length)
    if json:
        shown = "" if form == "count" else f', "hex": "{data.hex()}"'
        return f'{{"length_bytes": {len(data)}{shown}}}\n'
    return f"{len(data)}\n" if form == "count" else bytes_as(form, data)


def write(machine: Machine, pid: int, path: str, offset: int, data: bytes | None, hex: bytes | None, json: bool) -> Output:
    nr_bytes = machine.write(pid, path, offset, one_of(data, hex, "DATA"))
    return f'{{"length_bytes": {nr_bytes}}}\n' if json else f"{nr_bytes}\n"


def fincore(machine: Machine, path: str, bytes: bool, pages: bool, json: bool) -> Output:
    file = machine.file(path)
    cached = machine.fincore(path)
    page_bytes = 1 << machine.info().page_shift
    if json:
        from vmtool.cli import json_text, objects
        return lambda: json_text.text({**objects.file(file, page_bytes), **({"page_indices": cached} if pages else {})})
    if pages:
        return lambda: "".join(f"{index}\n" for index in cached)
    from vmtool.views import fincore as view
    return lambda: view.render(file, page_bytes, in_bytes=bytes)


def drop_caches(machine: Machine, what: str) -> None:
    machine.drop_caches(int(what))


def sync(machine: Machine) -> None:
    machine.sync()
