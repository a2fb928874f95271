"""Lines and fixed figures of /proc/meminfo on other architectures, as Debian's kernels printed them with 1G and with 64M of memory."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

THP = {"AnonHugePages", "ShmemHugePages", "ShmemPmdMapped", "FileHugePages", "FilePmdMapped"}
HUGETLB = {"HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "HugePages_Surp", "Hugepagesize", "Hugetlb"}
HIGH = ["HighTotal", "HighFree", "LowTotal", "LowFree"]


def meminfo(arch, ram):
    machine = core.Machine()
    machine.boot(ram_bytes=ram, arch=arch)
    return machine.meminfo()


@pytest.mark.parametrize("arch, ram, kb", [
    ("arm", 1 << 30, 245760), ("arm", 64 << 20, 966656), ("arm64", 1 << 30, 135288315904), ("arm64-16k", 1 << 30, 68447887360),
    ("i386", 1 << 30, 122880), ("i386-pae", 1 << 30, 122880), ("x86-64-la57", 1 << 30, 13743895347199)])
def test_room_for_vmalloc(arch, ram, kb):
    assert meminfo(arch, ram)["VmallocTotal"] == kb


@pytest.mark.parametrize("arch, ram, kb", [("arm", 1 << 30, 262144), ("arm", 64 << 20, 0), ("i386", 1 << 30, 151432 + 3920)])
def test_high_memory(arch, ram, kb):
    """i386: firmware keeps the last 128K of a recorded machine, and what boot reserved of HighMem was not this machine's."""
    found = meminfo(arch, ram)
    names = list(found)
    at = names.index("Mlocked")
    assert names[at + 1 : at + 5] == HIGH
    assert found["HighTotal"] + found["LowTotal"] == found["MemTotal"]
    assert found["HighFree"] + found["LowFree"] == found["MemFree"]
    assert abs(found["HighTotal"] - kb) <= 4096


@pytest.mark.parametrize("arch, absent, direct", [
    ("x86-64", set(HIGH), {"DirectMap4k", "DirectMap2M", "DirectMap1G"}), ("i386", set(), {"DirectMap4k", "DirectMap4M"}),
    ("i386-pae", set(), {"DirectMap4k", "DirectMap2M"}), ("arm", THP | HUGETLB, set()), ("arm64", set(HIGH), set()),
    ("arm64-16k", set(HIGH), set())])
def test_which_lines_there_are(arch, absent, direct):
    names = set(meminfo(arch, 1 << 30))
    assert not absent & names
    assert {name for name in names if name.startswith("DirectMap")} == direct
    assert (THP | HUGETLB) - absent <= names


def test_size_of_a_huge_page():
    assert [meminfo(arch, 1 << 30)["Hugepagesize"] for arch in ("i386", "i386-pae", "arm64", "arm64-16k")] == [4096, 2048, 2048, 32768]
