"""meminfo, vmstat, buddyinfo: captured text read into what the core gives, and printed again."""

import pytest

from procfs.captured import CAPTURES, text
from vmtool.procfs import buddyinfo, meminfo, vmstat
from vmtool.records import ZoneInfo

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
