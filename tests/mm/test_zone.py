"""The memory map, zones and watermarks against a 6.18 kernel's.

The captured machine (fixtures/proc/6.18-x86_64) has 24 GiB and two CPUs; it initialises memory lazily, so that its
managed pages are fewer than a boot's: the formulas are tried on its own numbers.
"""

import re
from pathlib import Path

import pytest
from vmtool.mm._probe import Probe

from vmtool._core import Machine

CAPTURED = Path(__file__).resolve().parents[2] / "fixtures/proc/6.18-x86_64"
GIB, MIB = 1 << 30, 1 << 20


def captured_zones():
    zones = {}
    for part in re.split(r"^Node 0, zone +", (CAPTURED / "zoneinfo").read_text(), flags=re.M)[1:]:
        zone = zones[part.split()[0]] = {}
        for name in ("min", "low", "high", "promo", "spanned", "present", "managed", "start_pfn:", "batch:", "high_min:", "high_max:"):
            found = re.search(rf"^ +{name} +(\d+)$", part, re.M)
            if found:
                zone[name.rstrip(":")] = int(found[1])
        zone["protection"] = [int(n) for n in re.search(r"protection: \((.*)\)", part)[1].split(", ")]
    return zones


@pytest.fixture(scope="module")
def like_captured():
    p = Probe()
    assert p.boot(24 * GIB, nr_cpus=2) == 0
    return p


@pytest.mark.parametrize("name", ["DMA", "DMA32", "Normal"])
def test_zones_span_what_the_captured_kernels_span(like_captured, name):
    ours = {z["name"]: z for z in like_captured.zones()}[name]
    theirs = captured_zones()[name]
    assert {k: ours[k] for k in ("start_pfn", "spanned", "present")} == {k: theirs[k] for k in ("start_pfn", "spanned", "present")}


def test_managed_pages_of_dma_are_the_captured_ones(like_captured):
    """All of it above 1M: the image lies behind it."""
    assert {z["name"]: z["managed"] for z in like_captured.zones()}["DMA"] == captured_zones()["DMA"]["managed"]


@pytest.mark.parametrize("mib, kib", [(128, 84380), (256, 213212), (1024, 986204), (3072, 3046000), (4096, 4011852), (5120, 5037924)])
def test_memory_is_what_debians_kernel_has_of_it(mib, kib):
    """MemTotal of 6.18.15 under QEMU when its init runs: what firmware has, and what boot takes beyond image, page structures, per-CPU
    areas, hash tables and bounce buffers, is 256K up to 1G of RAM and a MiB beyond."""
    machine = Machine()
    machine.boot(ram_bytes=mib << 20)
    assert 0 <= machine.meminfo()["MemTotal"] - kib <= (300 if mib <= 1024 else 1100)


def test_watermarks_reserves_and_pcp_limits_follow_the_kernels_formulas():
    p = Probe()
    p.boot(24 * GIB, nr_cpus=2)
    theirs = captured_zones()
    p.set_managed([theirs[name]["managed"] for name in ("DMA", "DMA32", "Normal")])
    p.set_wmarks(min_free_kbytes=67584)
    for ours in p.zones():
        expected = theirs[ours["name"]]
        assert ours["protection"] == expected["protection"][:4], ours["name"]
        for name in ("min", "low", "high", "promo", "batch", "high_min", "high_max"):
            assert ours[name] == expected[name], (ours["name"], name)


def test_min_free_kbytes_with_thp_is_two_blocks_and_nine_a_zone(like_captured):
    assert like_captured.machine()["min_free_kbytes"] == 67584  # sysctl vm.min_free_kbytes of the captured machine


@pytest.mark.parametrize("ram, thp", [(1 * GIB, 0), (256 * MIB, 1)])
def test_min_free_kbytes_without_thp_is_four_roots_of_lowmem(ram, thp):
    """Documentation/admin-guide/sysctl/vm.rst, mm/page_alloc.c: 4 * sqrt(lowmem_kbytes). Below 512 MiB there is no THP."""
    p = Probe()
    p.boot(ram, thp=thp)
    managed = sum(z["managed"] for z in p.zones())
    assert p.machine()["min_free_kbytes"] == int((managed * 4 * 16) ** 0.5)


def test_hash_tables_are_those_of_the_captured_dmesg(like_captured):
    """Dentry cache hash table entries: 4194304 (order: 13), Inode-cache: 2097152 (order: 12)."""
    assert [n for what, _, n in like_captured.reserved() if what == "hash tables"] == [1 << 13, 1 << 12]


def test_memmap_takes_64_bytes_a_frame(like_captured):
    assert [n for what, _, n in like_captured.reserved() if what == "memmap"] == [24 * GIB // 4096 * 64 // 4096]


def test_reserved_ranges_do_not_overlap(like_captured):
    ranges = sorted((start, start + n) for _, start, n in like_captured.reserved())
    assert all(a[1] <= b[0] for a, b in zip(ranges, ranges[1:], strict=False))


def test_free_blocks_of_dma_are_the_captured_ones(like_captured):
    """cat /proc/buddyinfo: zone DMA 0 0 0 0 0 0 0 0 1 1 3."""
    assert [like_captured.free_area(0, order, 1) for order in range(11)] == [0] * 8 + [1, 1, 3]


@pytest.mark.parametrize("ram", [1 * GIB, 1 << 40, 8 << 40])
def test_boot_costs_the_same_whatever_the_size(ram):
    p = Probe()
    assert p.boot(ram) == 0
    assert p.chunks() < 24 + (ram >> 36)  # the memmap's own mapping: 8 bytes for each 128 MiB
    assert p.fsck() == []


@pytest.mark.parametrize("ram, result", [(15 * MIB, -22), (16 * MIB, 0), (127 * MIB, 0), (128 * MIB, 0), (1 << 44, -22), (15 << 40, 0)])
def test_ram_has_limits(ram, result):
    assert Probe().boot(ram) == result


@pytest.mark.parametrize("ram", [3 * GIB, 3 * GIB + 4096, 3 * GIB + 10 * MIB, 4 * GIB])
def test_ram_above_3_gib_continues_above_4(ram):
    p = Probe()
    assert p.boot(ram) == 0
    assert p.machine()["max_pfn"] == (0x100000 + (ram - 3 * GIB) // 4096 if ram > 3 * GIB else 0xC0000)
    assert sum(z["present"] for z in p.zones()) == ram // 4096 - 98  # page 0 and 0x9f..0xff are no RAM
    assert p.fsck() == []


def test_a_pc_beyond_4g_keeps_bounce_buffers_below():
    """The same kernel with 5 GiB: software IO TLB 64MB, whose end is bff25000 (what ACPI has lies above); none with 3 GiB."""
    for gib, expected in ((5, [(0xC0000 - 0x4000, 0x4000)]), (3, [])):
        machine = Machine()
        machine.boot(ram_bytes=gib << 30)
        assert [(start, nr) for start, nr, what in machine.reserved() if what == "swiotlb"] == expected
