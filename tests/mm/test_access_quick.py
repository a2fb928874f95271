"""The quick road of an access and the general one leave the same machine, record by record.

A trace makes every access take the general road, so the same calls with and without one must end alike in every pool but the trace's own;
so does VMTOOL_QUICK=0, under which the whole suite passes (`VMTOOL_QUICK=0 make test`).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mm.test_random_calls import Player
from vmtool.errors import InternalError, Signal

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
NAMES = [name for name, _size, _per_chunk in core.Machine.pools()]
TRACE_WORDS = 3  # of the machine's record: whether it is on, its number, its head


def chunks(machine) -> dict[tuple[str, int], bytes]:
    """Every chunk that was ever written; one of zeros counts as never written."""
    found = {}
    for pool, number in machine.dirty():
        try:
            data = bytes(machine.chunk(pool, number))
        except InternalError:
            continue
        if any(data) and NAMES[pool] != "trace":
            found[NAMES[pool], number] = data
    return found


def differences(one, other) -> list[tuple[str, int, int]]:
    """(pool, chunk, number of 32-bit words that differ)."""
    a, b = chunks(one), chunks(other)
    empty = bytes(1 << 14)
    found = []
    for key in sorted(a.keys() | b.keys()):
        x, y = memoryview(a.get(key, empty)).cast("I"), memoryview(b.get(key, empty)).cast("I")
        words = sum(p != q for p, q in zip(x, y, strict=True))
        if words > (TRACE_WORDS if key[0] == "machine" else 0):
            found.append((*key, words))
    return found


class Pair:
    """Two machines, one of which traces."""

    def __init__(self, ram_bytes=1 << 30, **boot):
        self.machines = core.Machine(), core.Machine()
        for machine in self.machines:
            machine.boot(ram_bytes=ram_bytes, **boot)
        self.machines[0].set_trace(True)

    def __getattr__(self, name):
        def both(*args):
            first, second = (getattr(machine, name)(*args) for machine in self.machines)
            assert first == second
            return first

        return both


def pair_with_area(nr_pages, **boot):
    pair = Pair(**boot)
    pid = pair.spawn("a", None, [b"a"], [])
    return pair, pid, pair.mmap(pid, 0, nr_pages * PAGE, 3, 0x22)


@pytest.mark.parametrize("boot", [{}, {"nr_cpus": 2}, {"pcid": True}, {"tlb": "none"}, {"tlb": "l1d=16x4,l2=64x4"}], ids=str)
def test_writes_copies_and_reuses_leave_the_same_machine(boot):
    pair, pid, base = pair_with_area(3000, **boot)
    pair.touch(pid, base + 100 * PAGE, 2500 * PAGE, "w")
    pair.store(pid, base + 700 * PAGE, b"x" * 9000)
    child = pair.fork(pid)
    pair.touch(pid, base, 1500 * PAGE, "w")
    pair.touch(pid, base, 3000 * PAGE, "r")
    pair.touch(child, base + 600 * PAGE, 500 * PAGE, "w")
    pair.exit(child)
    pair.touch(pid, base, 3000 * PAGE, "w")
    assert differences(*pair.machines) == []
    assert pair.fsck() == []


@pytest.mark.parametrize("boot", [{}, {"nr_cpus": 2}, {"arch": "arm64"}], ids=str)
def test_reads_of_untouched_memory_leave_the_same_machine(boot):
    pair, pid, base = pair_with_area(3000, **boot)
    pair.touch(pid, base + 100 * PAGE, 1500 * PAGE, "r")
    pair.touch(pid, base, 700 * PAGE, "w")
    pair.touch(pid, base, 3000 * PAGE, "r")
    pair.mprotect(pid, base + 1000 * PAGE, 1000 * PAGE, 0)
    pair.mprotect(pid, base + 2000 * PAGE, 1000 * PAGE, 1)
    pair.madvise(pid, base + 2000 * PAGE, 1000 * PAGE, 4)
    pair.touch(pid, base + 2000 * PAGE, 1000 * PAGE, "r")
    shared = pair.mmap(pid, 0, 100 * PAGE, 3, 0x21)
    pair.touch(pid, shared, 100 * PAGE, "r")
    assert pair.task(pid).min_flt > 4000
    assert differences(*pair.machines) == []
    assert pair.fsck() == []


def test_a_run_ends_where_an_entry_or_an_area_does():
    """Pages that were read, written, shared with a child or not touched, in turn; then an area that may not be written."""
    pair, pid, base = pair_with_area(1300)
    for page in range(0, 1200, 3):
        pair.touch(pid, base + page * PAGE, 1, "rw"[page % 2])
    child = pair.fork(pid)
    for page in range(0, 1200, 7):
        pair.touch(pid, base + page * PAGE, 2 * PAGE, "w")
    pair.mprotect(pid, base + 1100 * PAGE, 50 * PAGE, 1)
    pair.mlock(pid, base + 1000 * PAGE, 60 * PAGE)
    for who in (child, pid):
        pair.touch(who, base + 123, 1000 * PAGE - 200, "w")
        pair.touch(who, base + 1000 * PAGE, 100 * PAGE, "w")
    for machine in pair.machines:
        with pytest.raises(Signal) as killed:
            machine.touch(pid, base + 900 * PAGE, 300 * PAGE, "w")
        assert (killed.value.addr, killed.value.code) == (base + 1100 * PAGE, "SEGV_ACCERR")
    assert differences(*pair.machines) == []
    assert pair.fsck() == []


@pytest.mark.parametrize("boot", [{}, {"nr_cpus": 2}, {"pcid": True}, {"tlb": "l1d=16x4,l2=64x4"}, {"arch": "arm64"}], ids=str)
def test_accesses_by_entries_that_are_there_leave_the_same_machine(boot):
    """Entries that are young or old, dirty or clean, of the area's own pages, the zero page, and shared ones that faults map around."""
    pair, pid, base = pair_with_area(3000, **boot)
    pair.touch(pid, base, 2000 * PAGE, "w")
    pair.touch(pid, base + 2000 * PAGE, 500 * PAGE, "r")
    pair.clear_refs(pid, 1)
    pair.touch(pid, base + 100 * PAGE, 1000 * PAGE, "r")
    pair.touch(pid, base, 3000 * PAGE, "r")
    pair.mprotect(pid, base + 300 * PAGE, 300 * PAGE, 1)
    pair.mprotect(pid, base + 700 * PAGE, 700 * PAGE, 0)
    pair.mprotect(pid, base + 700 * PAGE, 700 * PAGE, 3)
    pair.touch(pid, base + 350 * PAGE, 200 * PAGE, "r")
    pair.touch(pid, base + 600 * PAGE, 2400 * PAGE, "w")
    shared = pair.mmap(pid, 0, 1000 * PAGE, 3, 0x21)
    pair.touch(pid, shared, 300 * PAGE, "w")
    pair.touch(pid, shared + 500 * PAGE, 300 * PAGE, "r")
    pair.mlock(pid, shared + 600 * PAGE, 20 * PAGE)
    pair.madvise(pid, shared, 550 * PAGE, 4)
    pair.touch(pid, shared + 7 * PAGE, 3 * PAGE, "w")
    pair.touch(pid, shared, 900 * PAGE, "r")
    pair.clear_refs(pid, 1)
    pair.touch(pid, shared, 1000 * PAGE, "w")
    pair.mkfile("/file", 700 * PAGE + 5)
    pair.read(pid, "/file", 300 * PAGE, 7 * PAGE)
    for flags, offset in ((1, 0), (2, 3 * PAGE)):
        mapped = pair.mmap(pid, 0, 690 * PAGE, 1, flags, "/file", offset)
        pair.touch(pid, mapped + 250 * PAGE, 200 * PAGE, "r")
        pair.madvise(pid, mapped + 300 * PAGE, 50 * PAGE, 4)
        pair.touch(pid, mapped, 690 * PAGE, "r")
    assert differences(*pair.machines) == []
    assert pair.fsck() == []


@pytest.mark.parametrize("boot", [{}, {"nr_cpus": 2}, {"ram_bytes": 6 << 30}, {"arch": "arm64"}, {"arch": "arm"}], ids=str)
def test_unmapping_leaves_the_same_machine(boot):
    """Pages of every kind between pages of the common one: with bytes, shared, locked, freed lazily, swapped, forbidden; in any order."""
    pair, pid, base = pair_with_area(3000, **boot)
    pair.touch(pid, base, 2900 * PAGE, "w")
    pair.store(pid, base + 700 * PAGE, b"x" * 9000)
    pair.mprotect(pid, base + 800 * PAGE, 50 * PAGE, 0)
    pair.mlock(pid, base + 1000 * PAGE, 20 * PAGE)
    pair.munlock(pid, base + 1000 * PAGE, 10 * PAGE)
    pair.madvise(pid, base + 1100 * PAGE, 90 * PAGE, 8)
    pair.swapon(64 << 20)
    pair.madvise(pid, base + 1200 * PAGE, 50 * PAGE, 21)
    pair.touch(pid, base + 1210 * PAGE, 10 * PAGE, "r")
    child = pair.fork(pid)
    pair.touch(pid, base + 500 * PAGE, 300 * PAGE, "w")
    pair.touch(pid, base + 850 * PAGE, 550 * PAGE, "w")
    for first, nr_pages in ((2000, 700), (1, 1), (3, 2), (1999, 1), (0, 520), (990, 350)):
        pair.munmap(pid, base + first * PAGE, nr_pages * PAGE)
        assert differences(*pair.machines) == []
    pair.madvise(pid, base + 1400 * PAGE, 300 * PAGE, 4)  # DONTNEED
    pair.exit(child)
    pair.exit(pid)
    assert differences(*pair.machines) == []
    assert pair.fsck() == []


def test_unmapping_in_a_full_machine_leaves_the_same_machine():
    """Below the high watermark what is freed leaves the per-CPU lists at once; afterwards it stays there."""
    pair = Pair(ram_bytes=96 << 20)
    pair.swapon(256 << 20)
    pid = pair.spawn("a", None, [b"a"], [])
    nr_pages = pair.vmstat()["nr_free_pages"] + 2000
    base = pair.mmap(pid, 0, nr_pages * PAGE, 3, 0x4022)
    pair.touch(pid, base, nr_pages * PAGE, "w")
    assert pair.vmstat()["pswpout"] > 0
    for first in range(0, nr_pages - 1000, 1700):
        pair.munmap(pid, base + first * PAGE, 1000 * PAGE)
        assert differences(*pair.machines) == []
    pair.exit(pid)
    assert differences(*pair.machines) == []
    assert pair.fsck() == []


SCRIPT = """
import hashlib
from tests.mm.test_access_quick import chunks, pair_with_area, PAGE
from tests.mm.test_random_calls import Player
player = Player(5)
for _ in range(150):
    player.call()
m = player.m
pid = m.spawn("a", None, [b"a"], [])
base = m.mmap(pid, 0, 900 * PAGE, 3, 0x22)
m.touch(pid, base, 500 * PAGE, "r")
m.touch(pid, base + 200 * PAGE, 600 * PAGE, "w")
child = m.fork(pid)
m.touch(child, base, 900 * PAGE, "w")
for protection in 1, 0, 3:
    m.mprotect(child, base + 70 * PAGE, 500 * PAGE, protection)
m.munmap(pid, base + 50 * PAGE, 700 * PAGE)
print(sorted((pool, number, hashlib.sha256(data).hexdigest()) for (pool, number), data in chunks(m).items()))
"""


def test_the_switch_changes_nothing_but_the_road():
    told = []
    for quick in ("0", "1"):
        ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=Path(__file__).parents[2],
                             env={**os.environ, "VMTOOL_QUICK": quick}, timeout=120)  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        told.append(ran.stdout)
    assert told[0] == told[1]
    assert len(told[0]) > 1000


def test_the_last_owner_reuses_the_page_on_either_road():
    pair, pid, base = pair_with_area(600)
    pair.touch(pid, base, 600 * PAGE, "w")
    pair.exit(pair.fork(pid))
    before = pair.vmstat()["pgreuse"]
    pair.touch(pid, base, 600 * PAGE, "w")
    assert pair.vmstat()["pgreuse"] - before == 600
    assert differences(*pair.machines) == []


def test_a_copy_of_what_lies_in_a_batch_empties_it_on_either_road():
    pair, pid, base = pair_with_area(600)
    pair.touch(pid, base, 600 * PAGE, "w")
    pair.fork(pid)
    pair.touch(pid, base + 590 * PAGE, 10 * PAGE, "w")
    assert differences(*pair.machines) == []


@pytest.mark.parametrize("seed", range(100, 110))
def test_random_calls_leave_the_same_machine(seed):
    one, other = Player(seed), Player(seed)
    one.m.set_trace(True)
    for number in range(200):
        assert one.call() == other.call()
        if number % 20 == 19:
            assert differences(one.m, other.m) == [], number
