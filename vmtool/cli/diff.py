"""Handler of diff: which chunks differ, whose they are, and then what differs in words. The objects are compared by `views.diff`."""

from __future__ import annotations

from vmtool.cli import report
from vmtool.errors import HostError, UsageError
from vmtool.store.chunks import POOL_SHIFT
from vmtool.store.image import Image, differing
from vmtool.store.schema import CHUNK_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmtool.cli.report import Output
    from vmtool.store.session import Session
    from vmtool.views.diff import Change

DIFFERENT = 1  # exit status, as diff(1)'s
SHOWN_BYTES = 16


def diff(session: Session, machines: Sequence[str], json: bool) -> Output:
    if len(machines) > 2:
        raise UsageError(f"unexpected argument {machines[2]!r}")
    opened: list[Session] = []
    try:
        images = [_image(session, word, opened) for word in machines]
        if len(images) == 1:
            images.append(Image(session))
        found, is_same = _compare(*images)
        arch = images[1].machine.info().arch
    finally:
        for other in opened:
            other.close()
    from vmtool.views import diff as view

    def show():
        if json:
            from vmtool.cli.json_text import text
            shown = text([view.change_object(change) for change in found])
        else:
            shown = view.render(found, arch)
        return report.Result(shown, 0 if is_same else DIFFERENT)
    return show


def _image(session, word, opened):
    """@STEP of this machine, or another state file."""
    if word[:1] != "@":
        from vmtool.store.session import open_machine
        opened.append(open_machine(word, False))
        return Image(opened[-1])
    history = session.history
    if not word[1:].isdecimal() or not word.isascii() or len(word) > 12:
        raise UsageError(f"{word!r} is not @STEP")
    step = int(word[1:])
    if not history.first_step() <= step <= history.last_step():
        raise HostError(f"{word}: the steps that are kept are {history.first_step()} to {history.last_step()}")
    return Image(session, step)


def _compare(old: Image, new: Image) -> tuple[list[Change], bool]:
    """(what differs, whether nothing does, not even in what no view shows)."""
    keys = differing(old, new)
    if not keys and old.header == new.header:
        return [], True
    from vmtool.views import diff as view
    pools = [name for name, _, _ in old.machine.pools()]
    by_pool: dict[str, list[int]] = {}
    for key in keys:
        by_pool.setdefault(pools[key >> POOL_SHIFT], []).append(key)
    pfns = _records(old, new, by_pool.get("frame", ()))
    found = view.changes(old.machine, new.machine, pfns)
    found = view.ordered(found + _bytes(old, new, by_pool.get("content", ())))
    old.machine.check()
    new.machine.check()
    if not found:  # nothing that a view shows: the order of a list, a record that is free
        found = [(("records", (pool, len(_records(old, new, keys)))), {}, {}) for pool, keys in by_pool.items()]
    return found, False


def _records(old, new, keys):
    """The numbers of the records that differ in chunks of one pool."""
    found = []
    for key in keys:
        _, size, per = old.machine.pools()[key >> POOL_SHIFT]
        first = (key & ((1 << POOL_SHIFT) - 1)) * per
        one, other = old.read(key), new.read(key)
        found += [first + at // size for at in range(0, size * per, size) if one[at:at + size] != other[at:at + size]]
    return found


def _bytes(old, new, keys):
    """What differs in the bytes of frames that are in use in both and are no page tables: the entries say what these hold."""
    both = [image.machine for image in (old, new)]
    (page_bytes, *other) = {1 << machine.info().page_shift for machine in both}
    if not keys or other:  # frames of two sizes are not alike
        return []
    pool = keys[0] >> POOL_SHIFT
    piece_bytes = both[0].pools()[pool][1]
    pieces = page_bytes // piece_bytes  # of a page, the first of which is its number
    contents = {number - number % pieces for number in _records(old, new, keys)}
    pfns = sorted({pfn for machine in both for pfn in machine.content_frames(contents)})
    pfns = [pfn for pfn in pfns if pfn < min(machine.max_pfn() for machine in both)]
    found = []
    for pfn in pfns:
        (was,), (now,) = [machine.frames([pfn]) for machine in both]
        numbers = [machine.frame_contents([pfn])[0] for machine in both]
        if was.kind != now.kind or was.kind in ("pgtable", "free", "pcp") or was.kind == "file" and 0 in numbers:
            continue
        one, other = [_content(image, pool, number * piece_bytes, page_bytes) for image, number in zip((old, new), numbers, strict=True)]
        places = [at for at in range(page_bytes) if one[at] != other[at]]
        if places:
            first, nr = places[0], places[-1] - places[0] + 1
            shown = slice(first, first + min(nr, SHOWN_BYTES))
            found.append((("bytes", (pfn, first, nr)), {"hex": one[shown].hex()}, {"hex": other[shown].hex()}))
    return found


def _content(image, pool, start, page_bytes):
    """The bytes of a frame's content, which begins so far into the pool; the first is zeros."""
    if not start:
        return bytes(page_bytes)
    first, last = start // CHUNK_BYTES, (start + page_bytes - 1) // CHUNK_BYTES
    data = b"".join([image.read(pool << POOL_SHIFT | chunk) for chunk in range(first, last + 1)])
    return data[start % CHUNK_BYTES:][:page_bytes]
