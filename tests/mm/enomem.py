"""The first, the second, … allocation of a call refused, each on the machine as it was; and what the call left otherwise, record by record.

What is compared: records in use of the pools below, field by field; frames that a table, a user page, the page cache or the kernel has,
with their bytes; what meminfo counts. Not compared, because a call that fails leaves it as it is in Linux too: free pages and the lists
they are on, slabs and sheaves that have grown, the TLB, counters of events, and where on an LRU list a page is (fsck looks whether they
fit together).
"""

import re
import struct
from functools import cached_property
from pathlib import Path

import pytest

from vmtool.errors import InternalError, KernelError, Signal

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

MM = Path(__file__).parents[2] / "vmtool" / "mm"
PAGE = 4096
CHUNK = 16384
RECORDS = {
    "vma": "mm_types:vma_t", "mm": "mm_types:mm_t", "task": "task_types:task_t", "anon_vma": "mm_types:anon_vma_t", "avc": "mm_types:avc_t",
    "inode": "fs_types:inode_t", "file": "fs_types:file_t", "xnode": "fs_types:xnode_t", "name": "fs_types:name_t",
    "swap": "reclaim_types:swap_slot_t", "vmap_area": "kmem_types:vmap_area_t", "cred": "kmem_types:cred_t",
    "kmem": "kmem_types:kmem_obj_t", "folio_x": "reclaim_types:folio_x_t", "pid": "", "hash": "", "swap_orders": "", "cluster": "",
}  # fmt: skip
SPARSE = {"pid", "swap", "hash", "folio_x", "cluster", "swap_orders"}  # no free list: every record counts
CACHES = ("mm.vma_cache", "mm.pte_cache_addr", "mm.pte_cache_table", "mm.pte_cache_pgd", "mm.rss_cpu", "mm.pad", "vma.prio")
PG_TAIL, PG_BUDDY, PG_SLAB, PG_TABLE, PG_ANON, PG_PCP, PG_KERNEL = 1 << 20, 1 << 21, 1 << 22, 1 << 23, 1 << 24, 1 << 25, 1 << 27
FRAME = struct.Struct("<IiIHHIIII")
FRAME_FIELDS = ("flags", "mapcount", "index_lo", "index_hi", "extra_refs", "content", "mapping", "lru_next", "lru_prev")
LRU_STATE = 1 << 2 | 1 << 5 | 1 << 8  # referenced, on a list, active: a batch that was drained
GROWN = ("MemFree", "MemAvailable", "Slab", "SReclaimable", "SUnreclaim", "KReclaimable", "Buffers", "Active", "Inactive", "Active(anon)",
         "Inactive(anon)", "Active(file)", "Inactive(file)", "Unevictable")  # fmt: skip
SIZES = {"uint8_t": 1, "char": 1, "uint16_t": 2, "int16_t": 2, "uint32_t": 4, "int32_t": 4, "idx_t": 4, "pfn_t": 4}
NUMBERS = {name: int(number) for path in (MM / "scalars.pxd", *MM.glob("*_types.pxd"))
           for name, number in re.findall(r"^    (\w+) = (\d+)", path.read_text(), re.MULTILINE)}  # fmt: skip


def fields_of(where):
    """[(offset, name)] of a struct as C lays it out, from its header."""
    if not where:
        return [(0, "value")]
    module, name = where.split(":")
    body = re.search(rf"cdef struct {name}:.*\n((?:    .*\n|\n)+)", (MM / f"{module}.pxd").read_text()).group(1)
    at, found = 0, []
    for line in body.splitlines():
        declared = re.match(r"    (\w+) ([^#]+)", line)
        for field in declared.group(2).split(",") if declared else ():
            size = SIZES.get(declared.group(1), 8)
            at = (at + size - 1) // size * size
            found.append((at, field.strip().partition("[")[0]))
            for count in re.findall(r"\[(\w+)\]", field):
                size *= int(count) if count.isdigit() else NUMBERS[count]
            at += size
    return found


class Image:
    """A savepoint to be asked for records."""

    pools = {name: (number, size) for number, (name, size, _) in enumerate(core.Machine.pools())}
    fields = {pool: fields_of(where) for pool, where in RECORDS.items()}

    def __init__(self, machine):
        self.point = machine.savepoint()
        self.chunks = self.point[1]
        self.meminfo = {name: kb for name, kb in machine.meminfo().items() if name not in GROWN}

    def chunk(self, pool, number):
        held = self.chunks.get((self.pools[pool][0], number))
        return held[1] if held else bytes(CHUNK)

    @cached_property
    def owners(self):
        """What kind of frame has a content, by its number."""
        of_frames = [data for (pool, _), (_, data) in self.chunks.items() if pool == self.pools["frame"][0]]
        return {frame[5]: kind_of(frame) for data in of_frames for frame in FRAME.iter_unpack(data) if frame[5]}


def chunks_that_differ(before, after, pool):
    number = Image.pools[pool][0]
    for chunk in sorted({at for which, at in before.chunks.keys() | after.chunks.keys() if which == number}):
        old, new = before.chunk(pool, chunk), after.chunk(pool, chunk)
        if old != new:
            yield chunk, old, new


def field_changes(pool, old, new):
    fields = Image.fields[pool]
    for (at, name), (end, _) in zip(fields, [*fields[1:], (len(old), "")], strict=True):
        if old[at:end] != new[at:end]:
            yield f"{pool}.{name}"


def record_changes(before, after, pool):
    size = Image.pools[pool][1]
    for _, olds, news in chunks_that_differ(before, after, pool):
        for at in range(0, CHUNK, size):
            old, new = olds[at : at + size], news[at : at + size]
            if old == new:
                continue
            was, is_now = (True, True) if pool in SPARSE else (any(old[4:]), any(new[4:]))
            if was and is_now:
                yield from field_changes(pool, old, new)
            elif was or is_now:
                yield f"{pool} {'lost' if was else 'new'}"


def kind_of(frame):
    flags, mapcount, index, _, refs, content, mapping, _, _ = frame
    if flags & (PG_BUDDY | PG_SLAB | PG_PCP) or not (flags or mapcount or refs or content or mapping):
        return ""
    if flags & PG_TAIL:
        return "tail"
    return "table" if flags & PG_TABLE else "kernel" if flags & PG_KERNEL else "anon" if flags & PG_ANON else "cache" if mapping else "page"


def frame_changes(before, after):
    for _, olds, news in chunks_that_differ(before, after, "frame"):
        for old, new in zip(FRAME.iter_unpack(olds), FRAME.iter_unpack(news), strict=True):
            was, is_now = kind_of(old), kind_of(new)
            if was != is_now:
                yield f"{was or is_now} frame {'lost' if was else 'new'}"
            elif was and old != new:
                for name, one, other in zip(FRAME_FIELDS, old, new, strict=True):
                    if (one & ~LRU_STATE != other & ~LRU_STATE if name == "flags" else one != other) and not name.startswith("lru_"):
                        yield f"{was} frame.{name}"
    for chunk, olds, news in chunks_that_differ(before, after, "content"):
        for n in range(4):
            kind = before.owners.get(4 * chunk + n)
            if kind and olds[n * PAGE : (n + 1) * PAGE] != news[n * PAGE : (n + 1) * PAGE]:
                yield f"{kind} bytes"


def changes(before, after):
    """What differs, in words: POOL.FIELD, POOL new, POOL lost, KIND frame …, KIND bytes, meminfo's names."""
    found = {change for pool in RECORDS for change in record_changes(before, after, pool)} - set(CACHES)
    found |= set(frame_changes(before, after))
    found |= {name for name in before.meminfo if before.meminfo[name] != after.meminfo[name]}
    return found


def answer(call):
    """What a call came to, in a word, and what it returned."""
    try:
        return "ok", call()
    except KernelError as error:
        return error.name, None
    except Signal as signal:
        return f"signal {signal.signo}", None
    except InternalError as error:
        return "host", str(error)


def areas_of(machine):
    """What /proc/PID/maps shows of every process."""
    return [[area[:9] for area in machine.maps(task.pid)] for task in machine.tasks() if task.state != "Z"]


class Attempt:
    """One call with its nth allocation refused: what it came to, and how the machine differs from what it was."""

    def __init__(self, machine, before, call, nth):
        self.nth = nth
        machine.fail_nth(nth)
        self.said, self.value = answer(call)
        self.left = machine.fail_nth(0)
        if answer(machine.check)[0] == "host":  # whatever the call said: nothing of it is saved
            self.said, self.value = answer(machine.check)
        self.is_last = self.left > 0
        self.damage = [] if self.said == "host" else machine.fsck()
        self.changes = set() if self.said in ("host", "ok") else changes(before, Image(machine))
        self.areas = [] if self.said == "host" else areas_of(machine)
        if self.said != "ok" and self.said != "host":
            self.again, _ = answer(call)
            self.damage += machine.fsck()
        else:
            self.again = self.said


def attempts(machine, call, dense):
    """An Attempt for each n up to `dense`, then ever fewer; nothing is refused in the last one.

    Each is on the machine as it is now, and so it is afterwards.
    """
    before = Image(machine)
    found, nth = [], 0
    while not (found and found[-1].is_last):
        nth += 1 + nth // dense
        found.append(Attempt(machine, before, call, nth))
        machine.rollback(before.point)
    assert changes(before, Image(machine)) == set() and machine.fsck() == []
    return found
