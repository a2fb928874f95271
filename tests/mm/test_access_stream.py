"""The loop over a trace and one access after another leave the same machine, record by record (see test_access_quick.py)."""

import struct
from random import Random

import pytest

from tests.mm.test_access_quick import PAGE, Pair, differences
from vmtool.errors import Signal

BOOTS = [{}, {"nr_cpus": 2}, {"pcid": True}, {"tlb": "none"}, {"tlb": "l1d=16x4,l2=64x4"}, {"tlb": "skylake"}, {"arch": "x86-64-la57"},
         {"arch": "i386-pae"}, {"arch": "arm64"}, {"kpti": True}]
NR_PAGES = 3000
READ, WRITE, EXEC = range(3)


def packed(accesses) -> bytes:
    return b"".join(struct.pack("<QII", *access) for access in accesses)


def drawn(random, base, nr_pages, nr, kinds=(READ, READ, READ, WRITE)):
    """Runs within a page, pages drawn by rank, some across a page's end."""
    accesses = []
    while len(accesses) < nr:
        page = min(int(random.paretovariate(0.4)), nr_pages - 2) if random.random() < 0.6 else random.randrange(nr_pages - 1)
        at = base + page * PAGE + random.randrange(PAGE)
        accesses += [(at + 8 * i, 8, random.choice(kinds)) for i in range(random.choice((1, 1, 1, 5)))]
    return accesses[:nr]


@pytest.mark.parametrize("boot", BOOTS, ids=str)
def test_drawn_streams_leave_the_same_machine(boot):
    pair = Pair(**boot)
    random = Random(repr(boot))
    pid = pair.spawn("a", None, [b"a"], [])
    base = pair.mmap(pid, 0, NR_PAGES * PAGE, 7, 0x22)
    pair.touch(pid, base, NR_PAGES // 2 * PAGE, "w")
    pair.touch(pid, base + NR_PAGES // 2 * PAGE, NR_PAGES // 4 * PAGE, "r")
    pair.access_stream(pid, packed(drawn(random, base, NR_PAGES, 4000)))
    child = pair.fork(pid)
    pair.access_stream(child, packed(drawn(random, base, NR_PAGES, 4000, (READ, READ, READ, READ, WRITE, EXEC))))
    pair.clear_refs(pid, 1)  # entries without A
    pair.access_stream(pid, packed(drawn(random, base, NR_PAGES, 4000)))
    pair.mprotect(pid, base, NR_PAGES * PAGE, 1)
    pair.access_stream(pid, packed(drawn(random, base, NR_PAGES, 4000, (READ,))))
    assert differences(*pair.machines) == []
    assert pair.fsck() == []


def test_a_stream_over_more_gigabytes_than_places_are_kept():
    """Two of them share a place; and a page of each area that is not there yet."""
    pair = Pair()
    random = Random(1)
    pid = pair.spawn("a", None, [b"a"], [])
    base = 0x600000000000
    for gib in (0, 1, 64, 65, 200):
        pair.mmap(pid, base + (gib << 30), 8 * PAGE, 3, 0x4032)
    accesses = [(base + (random.choice((0, 1, 64, 65, 200)) << 30) + random.randrange(8 * PAGE - 8), 8, random.choice((READ, WRITE)))
                for _ in range(5000)]
    pair.access_stream(pid, packed(accesses))
    assert differences(*pair.machines) == []


@pytest.mark.parametrize(("kind", "protection", "at", "size"),
                         [(WRITE, 1, 62 * PAGE + 8, 8), (READ, 0, 62 * PAGE + 8, 8),
                          (EXEC, 3, 62 * PAGE, 1), (READ, 0, 61 * PAGE + 8, 5000)])
def test_a_stream_stops_at_the_access_that_a_signal_answers(kind, protection, at, size):
    pair = Pair()
    pid = pair.spawn("a", None, [b"a"], [])
    base = pair.mmap(pid, 0, 64 * PAGE, 3, 0x22)
    pair.touch(pid, base, 64 * PAGE, "w")
    pair.mprotect(pid, base + 62 * PAGE, 2 * PAGE, protection)
    accesses = packed([*drawn(Random(2), base, 60, 500), (base + at, size, kind), (base, 8, READ)])
    ends = []
    for machine in pair.machines:
        with pytest.raises(Signal) as stopped:
            machine.access_stream(pid, accesses)
        ends.append((stopped.value.addr, stopped.value.code, stopped.value.nr_done))
    assert ends[0] == ends[1]
    assert ends[0][2] == 500
    assert differences(*pair.machines) == []
