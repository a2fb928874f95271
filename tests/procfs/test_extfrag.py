"""Both files of /sys/kernel/debug/extfrag beside buddyinfo, as a real 6.18 printed them (fixtures/cgroup), and the core's own."""

import re
from pathlib import Path

import pytest

from vmtool.procfs import extfrag
from vmtool.records import Fragmentation

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "cgroup" / "extfrag.txt"
PART = re.compile(r"== \w+\n((?:Node [^\n]*\n)+)unusable_index\n((?:Node [^\n]*\n)+)extfrag_index\n((?:Node [^\n]*\n)+)")


def parts():
    return PART.findall(RECORDED.read_text("ascii"))


def blocks_of(buddyinfo):
    """{zone: free blocks by order}."""
    return {line.split()[3]: [int(word) for word in line.split()[4:]] for line in buddyinfo.splitlines()}


def indices(blocks):
    """mm/vmstat.c:unusable_free_index(), __fragmentation_index(), in Python's whole numbers."""
    free, total = sum(n << order for order, n in enumerate(blocks)), sum(blocks)
    unusable, index = [], []
    for order in range(len(blocks)):
        suitable = sum(n << larger - order for larger, n in enumerate(blocks) if larger >= order)
        unusable.append((free - (suitable << order)) * 1000 // free if free else 1000)
        index.append(0 if not total else -1000 if suitable else 1000 - (1000 + free * 1000 // (1 << order)) // total)
    return tuple(unusable), tuple(index)


def test_the_files_of_a_real_kernel_come_from_its_buddyinfo():
    seen = set()
    for buddyinfo, unusable, index in parts():
        zones = [Fragmentation(0, zone, *indices(blocks)) for zone, blocks in blocks_of(buddyinfo).items()]
        assert extfrag.render(zones, "unusable_index") == unusable
        assert extfrag.render(zones, "extfrag_index") == index
        seen |= {n for zone in zones for n in zone.extfrag_index}
    assert len(parts()) == 4 and -1000 in seen and 999 in seen


def test_the_core_says_the_same_of_its_own_buddyinfo():
    core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
    machine = core.Machine()
    machine.boot(ram_bytes=96 << 20)
    pid = machine.spawn("hog", None, [b"hog"], [])
    addr = machine.mmap(pid, 0, 90 << 20, 3, 0x22)
    machine.touch(pid, addr, 80 << 20, "w")
    largest = []
    for step in range(3):
        if step == 1:
            for page in range(0, 80 << 20, 8192):
                machine.madvise(pid, addr + page, 4096, 4)
        elif step == 2:
            machine.exit(pid)
        zones = [zone for zone in machine.zones() if zone.present]
        assert machine.fragmentation() == [Fragmentation(0, zone.name, *indices(zone.free_area)) for zone in zones]
        largest.append(max(zone.extfrag_index[9] for zone in machine.fragmentation()))
    assert largest[0] > 0 and largest[1] > 990 and largest[2] == -1000
