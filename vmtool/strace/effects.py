"""What one memory call of a log does to an address space, as far as an order of calls depends on it.

What is modelled: the ranges that a call takes, gives back and was given, in whole pages, with what decided the address (Op in order.py).
mremap that grew in place needed the room behind it to be free; one that moved was given the highest hole while the old range was still
there. A call that failed, or whose answer never came, did nothing.
Simplified: a file is taken to be on a disk, whose large mappings are placed for huge pages, unless its name says otherwise; what mremap
moves is taken for anonymous memory.
Invariant: a text that cannot be read has no effect here; it is reported when the call is carried out.
"""

from vmtool.strace import hot, parser
from vmtool.strace.geometry import Geometry
from vmtool.strace.lexer import Event
from vmtool.strace.order import FIX, FREE, GROW, MAP, USE, Op
from vmtool.uapi import MAP_32BIT, MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_SHARED, MREMAP_FIXED

AT_ITS_PLACE = MAP_FIXED | MAP_FIXED_NOREPLACE
RWX = 7
RANGES = frozenset({"munmap", "mprotect", "madvise", "mlock", "munlock", "msync", "mlock2", "pkey_mprotect", "mseal"})
MAPPINGS = frozenset({"mmap", "mmap2", "old_mmap", "mremap", "brk"}) | RANGES
_NOT_ON_DISK = ("/memfd:", "/dev/", "/SYSV", "/run/shm/")


def memory_op(event: Event, geometry: Geometry) -> Op | None:
    """The effect of a memory call; None: it has none that matters."""
    key, _, name, text, _ = event
    try:
        if name in ("mmap", "mmap2", "old_mmap"):
            return _mmap(key, text, geometry)
        if name == "mremap":
            return _mremap(key, text, geometry)
        if name == "brk":
            addr, value, _ = hot.brk(text)
            return None if value is None else Op(key, GROW, brk=(addr, value))
        if name in RANGES:
            return _range(key, name, text, geometry)
    except ValueError:
        pass
    return None


def _mmap(key: int, text: str, geometry: Geometry) -> Op | None:
    m = parser.mmap(text)
    if m.result.value is None or m.result.errno:
        return None
    gives = geometry.pages(m.result.value, m.length)
    is_open = bool(m.prot & RWX)
    if m.flags & (AT_ITS_PLACE | MAP_32BIT):
        return Op(key, FIX, gives, is_open=is_open)
    hint = geometry.down(m.addr)
    huge_offset = -1
    if m.flags & MAP_ANONYMOUS:
        huge_offset = 0 if not m.flags & MAP_SHARED and hint == 0 and (gives[1] - gives[0]) % geometry.huge == 0 else -1
    elif not m.fd.path.startswith(_NOT_ON_DISK):
        huge_offset = m.offset
    return Op(key, MAP, gives, hint=hint, huge_offset=huge_offset, is_open=is_open)


def _mremap(key: int, text: str, geometry: Geometry) -> Op | None:
    old, old_len, new_len, flags, _, result = parser.mremap(text)
    if result.value is None or result.errno:
        return None
    before, after = geometry.pages(old, old_len), geometry.pages(result.value, new_len)
    if result.value == old:
        if after[1] > before[1]:
            return Op(key, FIX, after, needs=(before[1], after[1]), is_open=True)
        return Op(key, FREE, frees=(after[1], before[1])) if before[1] > after[1] else None
    if flags & MREMAP_FIXED:
        return Op(key, FIX, after, frees=before, is_open=True)
    return Op(key, MAP, after, frees=before, huge_offset=0 if (after[1] - after[0]) % geometry.huge == 0 else -1, is_open=True)


def _range(key: int, name: str, text: str, geometry: Geometry) -> Op | None:
    addr, length, prot, _, value, errno = hot.ranges(text)
    if value is None or errno or not length:
        return None
    pages = geometry.pages(addr, length)
    if name == "munmap":
        return Op(key, FREE, frees=pages)
    return Op(key, USE, uses=pages, is_open=name.endswith("mprotect") and bool(prot & RWX))
