"""meminfo, vmstat, buddyinfo: captured text read into what the core gives, and printed again."""

import pytest

from procfs.captured import CAPTURES, text
from vmtool.procfs import buddyinfo, meminfo, pagetypeinfo, slabinfo, swaps, system, vmstat, zoneinfo
from vmtool.records import MachineInfo, SlabCache, ZoneInfo

NO_ZONE = ZoneInfo(0, "", *[0] * 11, (), (0,) * 11, (), (), (), {})


@pytest.mark.parametrize("capture", CAPTURES)
def test_captured_meminfo_comes_back(capture):
    source = text(f"{capture}/meminfo")
    values = {line.split(":")[0]: int(line.split()[1]) for line in source.splitlines()}
    assert len(values) > 50
    assert meminfo.render(values) == source


def test_many_huge_pages_keep_their_column():
    assert meminfo.render({"HugePages_Total": 1234567, "HugePages_Free": 0}) == "HugePages_Total:   1234567\nHugePages_Free:        0\n"


@pytest.mark.parametrize("capture", CAPTURES)
def test_captured_vmstat_comes_back(capture):
    source = text(f"{capture}/vmstat")
    assert vmstat.render({line.split()[0]: int(line.split()[1]) for line in source.splitlines()}) == source


@pytest.mark.parametrize("capture", CAPTURES)
def test_captured_buddyinfo_comes_back(capture):
    source = text(f"{capture}/buddyinfo")
    zones = []
    for line in source.splitlines():
        words = line.replace(",", " ").split()
        zones.append(NO_ZONE._replace(node=int(words[1]), name=words[3], present=1, free_area=tuple(map(int, words[4:]))))
    assert buddyinfo.render(zones) == source


def test_zones_without_memory_are_left_out_of_buddyinfo():
    assert buddyinfo.render([NO_ZONE._replace(name="Movable")]) == ""


def captured_zones(capture):
    """zoneinfo back into records: (zones, the node's counters)."""
    zones, node_stats, stats = [], {}, {}
    for line in text(f"{capture}/zoneinfo").splitlines():
        words = line.replace(",", " ").split()
        if words[0] == "Node":
            stats = {}
            zones.append(NO_ZONE._replace(node=int(words[1]), name=words[3], stats=stats))
        elif line == "  per-node stats":
            stats = node_stats
        elif words[0] == "pages":
            stats = zones[-1].stats
            zones[-1] = zones[-1]._replace(free=int(words[2]))
        elif line.startswith(" " * 14):
            pcp = zones[-1].pcp
            zones[-1] = zones[-1]._replace(pcp=(*pcp[:-1], (*pcp[-1], int(words[1]))))
        elif words[0] == "protection:":
            zones[-1] = zones[-1]._replace(protection=tuple(int(word.strip("()")) for word in words[1:]))
        elif line.startswith(" " * 8):
            zones[-1] = zones[-1]._replace(**{words[0]: int(words[1])})
        elif line.startswith(" " * 6):
            stats[words[0]] = int(words[1])
        elif words[0] == "cpu:":
            zones[-1] = zones[-1]._replace(pcp=(*zones[-1].pcp, ()))
        elif words[0] == "start_pfn:":
            zones[-1] = zones[-1]._replace(start_pfn=int(words[1]))
    return zones, node_stats


@pytest.mark.parametrize("capture", CAPTURES)
def test_captured_zoneinfo_comes_back(capture):
    zones, node_stats = captured_zones(capture)
    assert [zone.name for zone in zones][:3] == ["DMA", "DMA32", "Normal"] and zones[0].pcp and node_stats
    # a kswapd that gave up is not modelled
    captured = text(f"{capture}/zoneinfo").replace("node_unreclaimable:  1", "node_unreclaimable:  0")
    assert zoneinfo.render(zones, node_stats, 12) == captured


def test_threshold_grows_with_zone_and_cpus():
    # what live kernels print: 1 GiB and one CPU; the limit of large machines
    assert zoneinfo.stat_threshold(1 << 18, 1, 12) == 2 * 1 * (1 + 4)
    assert zoneinfo.stat_threshold(1 << 28, 64, 12) == 125


@pytest.mark.parametrize("capture", CAPTURES)
def test_captured_pagetypeinfo_comes_back(capture):
    source = text(f"{capture}/pagetypeinfo")
    zones = {}
    for line in source.splitlines():
        words = line.replace(",", " ").split()
        if not words or words[0] != "Node":
            continue
        zone = zones.setdefault(words[3], NO_ZONE._replace(node=int(words[1]), name=words[3], present=1))
        if words[4] == "type":
            zones[zone.name] = zone._replace(free_by_type=(*zone.free_by_type, tuple(map(int, words[6:]))))
        else:
            zones[zone.name] = zone._replace(pageblocks=tuple(map(int, words[4:])))
    assert len(zones) == 3
    assert pagetypeinfo.render(zones.values(), 9) == source
    # the core need not know of isolation
    short = [z._replace(free_by_type=z.free_by_type[:4], pageblocks=z.pageblocks[:4]) for z in zones.values()]
    assert pagetypeinfo.render(short, 9) == source


def test_long_free_lists_are_not_counted_to_their_end():
    zone = NO_ZONE._replace(name="Normal", present=1, free_by_type=((99_999, 100_000, 250_000, *[0] * 8),), pageblocks=(1,))
    assert " 99999 >100000 >100000      0 " in pagetypeinfo.render([zone], 9)


@pytest.mark.parametrize("capture", CAPTURES)
def test_captured_slabinfo_comes_back(capture):
    source = text(f"{capture}/slabinfo")
    caches = []
    for line in source.splitlines()[2:]:
        name, *numbers = line.replace(":", " ").split()
        n = [int(word) for word in numbers if word.isdigit()]
        caches.append(SlabCache(name, *n[:5], n[8], n[9], False))
    assert len(caches) > 50
    assert slabinfo.render(caches) == source


def test_swaps_as_the_kernel_prints_them():
    assert swaps.render() == text(f"{CAPTURES[0]}/swaps")
    areas = [("/swap file", 2097148, 0, -2, False), ("/dev/vda2", 16777212, 10000000, 5, True)]
    lines = swaps.render(areas).splitlines()[1:]
    assert lines[0] == "/swap\\040file" + " " * 27 + "file\t\t2097148\t\t0\t\t-2"
    assert lines[1] == "/dev/vda2" + " " * 31 + "partition\t16777212\t10000000\t5"


INFO = MachineInfo("x86-64", "6.18", 1 << 30, 2, 0, 12, 4, 9, 9, (1 << 47) - 4096, False, False, False, False, False, 0, "", "", 12345)


def test_time_is_the_machines_clock():
    assert system.render_uptime(INFO) == "123.45 246.90\n"
    assert "cpu  0 0 0 24690 " in system.render_stat(INFO, [])


@pytest.mark.parametrize("capture", CAPTURES)
def test_stat_has_the_lines_of_a_real_one(capture):
    def keys(source):
        return [line.split()[0] for line in source.splitlines()]

    got, want = system.render_stat(INFO, []), text(f"{capture}/stat")
    assert keys(got) == keys(want)
    for ours, real in zip(got.splitlines(), want.splitlines(), strict=True):
        assert ours.startswith("intr") or len(ours.split()) == len(real.split())
    assert len(system.render_loadavg([]).split()) == len(text(f"{capture}/loadavg").split())
