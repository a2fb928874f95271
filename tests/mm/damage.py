"""A machine with records that say anything at all, as a file would hold them that someone wrote with care: every checksum would be right.

    python -m tests.mm.damage FIRST COUNT     damage COUNT copies of one machine, look at each in every way; says what should not be

What damage a number makes depends on nothing else, so a finding can be had again.
"""

import random
import sys
import time
from itertools import islice

from vmtool.errors import VmtoolError

from .story import PAGE, Story, core

POOLS = core.Machine.pools()  # (name, bytes of a record, records in a chunk)
HEADER_START, POOL_HEADER = 8, 16  # of Machine.header(): a mark, then count, free_head, nr_free, unused of each pool
SLOW = 5.0  # seconds for one look, where a sound machine takes a few ms
HUGE = 2 << 20
CALLS = 12  # of those that change something, for each damaged machine


class Saved:
    """A machine as the store keeps it: chunks and a header."""

    def __init__(self, machine):
        self.header = machine.header()
        self.chunks = {key: bytes(machine.chunk(*key)) for key in machine.dirty()}

    def open(self, chunks=None, header=None):
        changed = chunks or {}
        return core.Machine(lambda *key: bytes(changed.get(key) or self.chunks.get(key, b"")) or None, header or self.header)


def saved_story():
    story = Story()
    m, pid = story.m, story.pid
    m.set_trace(True)
    m.mkfile("/big", 300 * PAGE)
    big = m.mmap(pid, 0, 64 * PAGE, 3, 1, "/big")
    m.touch(pid, big, 20 * PAGE, "w")
    m.read(pid, "/big", 0, 100 * PAGE)
    m.set_sysctl("vm.nr_hugepages", "5")
    story.pool = m.mmap(pid, 0, 2 * HUGE, 3, 0x40022)
    story.pool_shared = m.mmap(pid, 0, 2 * HUGE, 3, 0x40021)
    m.touch(pid, story.pool, HUGE, "w")
    m.touch(pid, story.pool_shared, 1, "w")
    m.exit(m.fork(story.child), 3)
    m.munmap(pid, story.heap + 5 * PAGE, PAGE)
    m.trace_reset()
    m.touch(pid, big + 30 * PAGE, PAGE, "r")
    return story, Saved(m)


def number(rng, nr_bytes, old):
    """Another value for a word: near what it was, small enough for a record's number, or any."""
    value = rng.choice((old ^ 1 << rng.randrange(8 * nr_bytes), rng.choice((0, 1, 2, -1, -2)), rng.randrange(64), rng.randrange(5000),
                        rng.randrange(300000), old + rng.choice((-1, 1, PAGE, -PAGE)), rng.getrandbits(8 * nr_bytes)))
    return value & (1 << 8 * nr_bytes) - 1


def damaged(saved, seed):
    """A few words changed: chunks and header."""
    rng = random.Random(seed)
    chunks, header = {}, bytearray(saved.header)
    pools = sorted({pool for pool, _ in saved.chunks})
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        pool = 0 if rng.random() < 0.15 else rng.choice(pools)
        if rng.random() < 0.06:
            at = HEADER_START + POOL_HEADER * pool + 4 * rng.randrange(3)
            header[at : at + 4] = number(rng, 4, int.from_bytes(header[at : at + 4], "little")).to_bytes(4, "little")
            continue
        key = rng.choice([key for key in saved.chunks if key[0] == pool])
        data = chunks.setdefault(key, bytearray(saved.chunks[key]))
        nr_bytes = min(rng.choice((1, 2, 4, 4, 4, 8, 8)), POOLS[pool][1])
        places = (rng.randrange(0, len(data), nr_bytes) for _ in range(50))
        at = next((at for at in places if any(data[at : at + nr_bytes]) or rng.random() < 0.1), 0)
        data[at : at + nr_bytes] = number(rng, nr_bytes, int.from_bytes(data[at : at + nr_bytes], "little")).to_bytes(nr_bytes, "little")
    return chunks, bytes(header)


def looks(story):
    """Every view, and fsck: (name, function of a machine)."""
    found = [(name, lambda m, name=name: getattr(m, name)()) for name in
             ("fsck", "tasks", "info", "tlb", "tlb_stats", "frames_summary", "meminfo", "vmstat", "zones", "node_stats", "slabs", "trace",
              "files")]
    found.append(("frames", lambda m: m.frames(range(0x3EE00, 0x3EFFF))))
    found.append(("fincore", lambda m: m.fincore("/big")))
    found.append(("sysctl", lambda m: [m.sysctl(name) for name in m.sysctl_names()]))
    for pid in (story.pid, story.child):
        for name in ("task", "mm", "maps", "smaps", "smaps_rollup", "cmdline", "environ", "getrlimits"):
            found.append((name, lambda m, name=name, pid=pid: getattr(m, name)(pid)))
        for name in ("walk", "translate"):
            found += [(name, lambda m, name=name, pid=pid, a=addr: getattr(m, name)(pid, a))
                      for addr in (story.heap, story.lib, story.thp, story.pool)]
        for name in ("pagemap", "mincore"):
            found.append((name, lambda m, name=name, pid=pid: getattr(m, name)(pid, story.thp, 1024 * PAGE)))
    return found


def calls(story):
    """What changes a machine: (name, function)."""
    found = [(name, lambda m, name=name, words=words: getattr(m, name)(*words)) for name, *words in (
        ("drop_caches", 3), ("sync",), ("spawn", "other", None, [b"other"], []), ("mkfile", "/new", 9 * PAGE, b"abc"),
        ("truncate", "/big", 3 * PAGE), ("rmfile", "/big"), ("rename", "/big", "/other"), ("punch_hole", "/big", 0, 60 * PAGE))]
    found += [(name, lambda m, name=name, words=words: getattr(m, name)(*words)) for name, *words in (
        *[("set_sysctl", "vm.nr_hugepages", n) for n in "09"], ("set_sysctl", "hugepages/hugepages-1048576kB/nr_hugepages", "1"),
        ("set_sysctl", "hugepages/hugepages-1048576kB/demote", "1"), ("mmap", story.pid, story.pool, HUGE, 3, 0x40032),
        *[(name, story.pid, at, *words) for at in (story.pool, story.pool_shared) for name, *words in (
            ("touch", 2 * HUGE, "w"), ("munmap", HUGE), ("mprotect", 2 * HUGE, 1), ("madvise", HUGE, 4), ("madvise", HUGE, 9),
            ("mremap", 2 * HUGE, 2 * HUGE, 3, 0x7E0000000000), ("load", 5000), ("store", b"x" * 5000))])]
    for pid in (story.pid, story.child):
        found += [(name, lambda m, name=name, words=words: getattr(m, name)(*words)) for name, *words in (
            ("fork", pid), ("exit", pid), ("switch", pid, 1), ("mmap", pid, 0, 99 * PAGE, 3, 0x8022),
            ("mmap", pid, 0, 64 * PAGE, 3, 0x8002, "/big"), ("munmap", pid, 0, (1 << 47) - PAGE), ("mlockall", pid, 3),
            ("read", pid, "/big", 0, 150 * PAGE),
            ("write", pid, "/big", 0, bytes(100 * PAGE)), ("push", pid, 40 * PAGE), ("exec", pid, "other", None, [b"other"], []))]
        for addr, pages in ((story.heap, 8), (story.lib, 5), (story.shm, 4), (story.thp, 1024)):
            n = pages * PAGE
            found += [(name, lambda m, name=name, words=words: getattr(m, name)(*words)) for name, *words in (
                ("touch", pid, addr, n, "w"), ("munmap", pid, addr + PAGE, PAGE), ("mprotect", pid, addr, n, 1),
                ("mremap", pid, addr, n, 2 * n, 1), ("msync", pid, addr, n, 4), ("store", pid, addr, b"x" * 5000),
                ("load", pid, addr, 5000),
                *[("madvise", pid, addr, n, advice) for advice in (4, 8, 9, 14, 20, 21, 22, 23, 25, 102)])]
    return found


def try_one(saved, seed, actions):
    """Each action on a damaged machine of its own; those that did not end in an answer or in one of vmtool's own errors, or took long."""
    chunks, header = damaged(saved, seed)
    for name, act in actions:
        start = time.perf_counter()
        try:
            machine = saved.open(chunks, header)
            act(machine)
        except VmtoolError:
            pass
        except Exception as failure:
            yield f"{seed}: {name}: {type(failure).__name__}: {failure}"
        if time.perf_counter() - start > SLOW:
            yield f"{seed}: {name} takes long"


def main(first, count):
    story, saved = saved_story()
    for seed in range(first, first + count):
        print(f"{seed}", file=sys.stderr, flush=True)  # the last one is whose crash or hang it was
        actions = looks(story) + random.Random(seed).sample(calls(story), CALLS)
        for line in islice(try_one(saved, seed, actions), 20):
            print(line, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
