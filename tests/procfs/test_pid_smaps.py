"""smaps and smaps_rollup: the kernel's lines, its truncation to kB, its order of flags."""

import pytest

from procfs.captured import CAPTURES, NO_STATS, PROCESSES, rollup, smaps, text, vma
from vmtool.procfs import pid_smaps
from vmtool.procfs.vmflags import vmflags_line
from vmtool.records import Smap

AREA = vma("10000000-10004000 rw-p 0 00:00 0 ", flags=0x73)


@pytest.mark.parametrize("process", PROCESSES)
def test_captured_smaps_come_back(process):
    source = text(f"{process}/smaps")
    assert pid_smaps.render(smaps(source)) == source


@pytest.mark.parametrize("process", PROCESSES)
def test_captured_rollup_comes_back(process):
    source = text(f"{process}/smaps_rollup")
    assert pid_smaps.render_rollup(rollup(source)) == source


@pytest.mark.parametrize("capture", CAPTURES)
def test_captures_show_most_letters(capture):
    # what the comparison above is worth: the flags that a program can set are in it
    letters = {word for line in text(f"{capture}/areas/smaps").splitlines() if line.startswith("VmFlags:") for word in line.split()}
    assert letters >= set("rd wr ex sh mr mw me ms gd pf gu lo io sr rr dc de lf ac nr wf dd hg nh mg sl".split())


def value(stats, label):
    for line in pid_smaps.entry(Smap(AREA, stats, 4096, 4096, False, None)).splitlines():
        if line.startswith(label + ":"):
            return line.split(":")[1].strip()
    raise AssertionError(label)


def test_pss_is_cut_after_the_sum():
    third = (4096 << 12) // 3  # a page shared by three: 1365.33 bytes
    assert value(NO_STATS._replace(pss=third), "Pss") == "1 kB"
    assert value(NO_STATS._replace(pss=3 * third), "Pss") == "3 kB"  # three such pages are 4095.99 bytes
    assert value(NO_STATS._replace(pss=(4096 << 12) // 5), "Pss") == "0 kB"


def test_other_values_are_bytes():
    assert value(NO_STATS._replace(resident=8192), "Rss") == "8 kB"
    assert value(NO_STATS._replace(private_hugetlb=2 << 20), "Private_Hugetlb") == "2048 kB"
    assert value(NO_STATS._replace(pss_locked=4096 << 12), "Locked") == "4 kB"


def test_wide_values_keep_the_blank_after_their_label():
    stats = NO_STATS._replace(resident=10**9 << 10, private_hugetlb=10**8 << 10)
    entry = pid_smaps.entry(Smap(AREA, stats, 4096, 4096, True, None))
    assert "\nRss:            1000000000 kB\n" in entry
    assert "\nPrivate_Hugetlb: 100000000 kB\n" in entry
    assert "\nTHPeligible:           1\n" in entry


def test_flags_in_the_order_of_their_bits():
    assert vmflags_line(0x100873) == "VmFlags: rd wr mr mw me gu ac \n"
    assert vmflags_line(0) == "VmFlags: \n"
    assert vmflags_line(0x8000000) == "VmFlags: sd \n"
