"""Handlers: files and the page cache."""

from vmtool.cli.access import bytes_as, one_of
from vmtool.errors import UsageError


def mkfile(machine, path, size, source, dev, inode):
    data = None
    if source is not None:
        from vmtool.outside.host import read_file
        data = read_file(source, size).data
    machine.mkfile(path, size, data, dev, inode)


def truncate(machine, path, size):
    machine.truncate(path, size)


def rename(machine, path, to):
    machine.rename(path, to)


def rmfile(machine, path):
    machine.rmfile(path)


def fallocate(machine, path, offset, length, punch_hole):
    if not punch_hole:
        raise UsageError("--punch-hole is needed: it is the only mode there is")
    machine.punch_hole(path, offset, length)


def read(machine, pid, path, offset, length, form, json):
    data = machine.read(pid, path, offset, length)
    if json:
        return f'{{"bytes": {len(data)}, "hex": "{data.hex()}"}}\n'
    return f"{len(data)}\n" if form == "count" else bytes_as(form, data)


def write(machine, pid, path, offset, data, hex, json):
    nr_bytes = machine.write(pid, path, offset, one_of(data, hex, "DATA"))
    return f'{{"bytes": {nr_bytes}}}\n' if json else f"{nr_bytes}\n"


def fincore(machine, path, bytes, pages, json):
    file = machine.file(path)
    cached = machine.fincore(path)
    if json:
        from vmtool.cli import json_text
        return lambda: json_text.text({**json_text.record(file), "pages": cached})
    if pages:
        return lambda: "".join(f"{index}\n" for index in cached)
    page_bytes = 1 << machine.info().page_shift
    from vmtool.views import fincore as view
    return lambda: view.render(file, page_bytes, in_bytes=bytes)


def drop_caches(machine, what):
    machine.drop_caches(int(what))


def sync(machine):
    machine.sync()
