"""Parameters: names, defaults and ranges of the kernel; what setting one changes."""

import math
import os
from pathlib import Path

import pytest

from vmtool.errors import KernelError

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

HOST = {"vm": Path("/proc/sys/vm"), "kernel": Path("/proc/sys/kernel"), "thp": Path("/sys/kernel/mm/transparent_hugepage"),
        "block": Path("/sys/block")}


@pytest.fixture
def machine():
    m = core.Machine()
    m.boot(ram_bytes=1 << 30)
    return m


def host_file(name):
    if name.startswith("transparent_hugepage/"):
        return HOST["thp"] / name.partition("/")[2]
    if name.startswith("hugepages/"):
        return HOST["thp"].parent / name
    if name.startswith("queue/"):
        return next(HOST["block"].iterdir()) / name
    room, _, rest = name.partition(".")
    return HOST[room] / rest


def test_every_name_is_one_of_the_running_kernels(machine):
    if os.uname().sysname != "Linux" or not HOST["vm"].exists():
        pytest.skip("the names are compared with a Linux kernel's")
    for name in (*machine.sysctl_names(), "vm.drop_caches"):
        if name == "tmpfs/huge":  # an option of mounts
            continue
        assert host_file(name).exists(), name


@pytest.mark.parametrize(("name", "default"), [
    ("vm.overcommit_memory", "0"), ("vm.overcommit_ratio", "50"), ("vm.overcommit_kbytes", "0"), ("vm.swappiness", "60"),
    ("vm.page-cluster", "3"), ("vm.max_map_count", "65530"), ("vm.dirty_ratio", "20"), ("vm.dirty_background_ratio", "10"),
    ("vm.vfs_cache_pressure", "100"), ("vm.watermark_scale_factor", "10"), ("vm.lowmem_reserve_ratio", "256\t256\t32\t0\t0"),
    ("vm.nr_hugepages", "0"), ("transparent_hugepage/enabled", "always [madvise] never"),
    ("queue/read_ahead_kb", "128"), ("transparent_hugepage/defrag", "always defer defer+madvise [madvise] never"),
])  # fmt: skip
def test_defaults_of_6_18(machine, name, default):
    assert machine.sysctl(name) == default


def test_each_readable_parameter_takes_the_value_it_has(machine):
    for name in machine.sysctl_names():
        value = machine.sysctl(name)
        if name in ("vm.dirty_bytes", "vm.dirty_background_bytes"):  # 0, while the ratio counts, is EINVAL on the kernel too
            continue
        if name == "hugepages/hugepages-1048576kB/nr_overcommit_hugepages":  # and whatever is written to that
            continue
        machine.set_sysctl(name, value[value.index("[") + 1 : value.index("]")] if "[" in value else value)
        assert machine.sysctl(name) == value or name in ("vm.overcommit_ratio", "vm.overcommit_kbytes")


@pytest.mark.parametrize(("name", "value"), [
    ("vm.overcommit_memory", "3"), ("vm.overcommit_memory", "-1"), ("vm.swappiness", "201"), ("vm.page-cluster", "32"),
    ("vm.dirty_ratio", "101"), ("vm.watermark_scale_factor", "0"), ("vm.watermark_scale_factor", "3001"), ("vm.max_map_count", "-1"),
    ("vm.min_free_kbytes", "-1"), ("vm.drop_caches", "0"), ("vm.drop_caches", "5"), ("vm.nr_hugepages", "-1"),
    ("vm.swappiness", "many"), ("vm.swappiness", ""), ("vm.swappiness", "1 2"), ("vm.swappiness", "1_0"), ("vm.swappiness", "09"),
    ("vm.max_map_count", "99999999999999999999999"), ("queue/read_ahead_kb", "-1"),
    ("queue/read_ahead_kb", "4294967296"), ("transparent_hugepage/enabled", "sometimes"),
])  # fmt: skip
def test_a_value_out_of_range_is_refused(machine, name, value):
    before = None if name == "vm.drop_caches" else machine.sysctl(name)
    with pytest.raises(KernelError) as refused:
        machine.set_sysctl(name, value)
    assert refused.value.name == "EINVAL" and name in str(refused.value)
    assert before is None or machine.sysctl(name) == before


def test_an_unknown_name(machine):
    for call in (lambda: machine.sysctl("vm.nothing"), lambda: machine.set_sysctl("vm.nothing", "1")):
        with pytest.raises(KernelError) as unknown:
            call()
        assert unknown.value.name == "ENOENT"


def test_numbers_are_read_as_the_kernel_reads_them(machine):
    machine.set_sysctl("vm.max_map_count", "0x10")
    assert machine.sysctl("vm.max_map_count") == "16"
    machine.set_sysctl("vm.max_map_count", "010")
    assert machine.sysctl("vm.max_map_count") == "8"


def test_the_overcommit_limit_is_a_ratio_or_an_amount(machine):
    machine.set_sysctl("vm.overcommit_kbytes", "4000")
    assert (machine.sysctl("vm.overcommit_ratio"), machine.meminfo()["CommitLimit"]) == ("0", 4000)
    machine.set_sysctl("vm.overcommit_ratio", "100")
    assert (machine.sysctl("vm.overcommit_kbytes"), machine.meminfo()["CommitLimit"]) == ("0", machine.meminfo()["MemTotal"])


def test_min_free_kbytes_moves_the_watermarks(machine):
    machine.set_sysctl("vm.min_free_kbytes", "8192")
    assert sum(z.min for z in machine.zones() if z.managed) in (2047, 2048)  # 8 MiB in pages, each zone's share rounded down
    machine.set_sysctl("vm.watermark_scale_factor", "1000")
    assert all(z.low - z.min == z.managed // 10 for z in machine.zones() if z.managed)


ROOT = "transparent_hugepage/"


def four_roots(machine):
    """calculate_min_free_kbytes(). Debian's 6.18.15 in QEMU with 256M (managed 3840 and 49469, high 283 and 3661 then): 1806 at boot,
    when high was still 0; 10524 when `madvise` was written; 1777 with `never`, and so on whichever of the three files turned them on
    and off."""
    return math.isqrt(sum(z.managed - z.high for z in machine.zones() if z.managed) * 4 * 16)


@pytest.mark.parametrize("name", ["enabled", "hugepages-2048kB/enabled"])
def test_min_free_kbytes_is_worked_out_anew_when_huge_pages_come_and_go(machine, name):
    """start_stop_khugepaged(): with them 11 pageblocks a zone, or a twentieth of lowmem."""
    assert machine.sysctl("vm.min_free_kbytes") == "45056"
    least = four_roots(machine)
    machine.set_sysctl(ROOT + name, "never")
    assert machine.sysctl("vm.min_free_kbytes") == str(least)
    assert abs(sum(z.min for z in machine.zones() if z.managed) - least // 4) <= 2
    machine.set_sysctl(ROOT + name, "always")
    assert machine.sysctl("vm.min_free_kbytes") == "45056"
    machine.set_sysctl(ROOT + name, "never")
    machine.set_sysctl(ROOT + "shmem_enabled", "advise")
    assert machine.sysctl("vm.min_free_kbytes") == "45056"
    assert machine.kmsg() == [] and machine.fsck() == []


def test_what_was_written_by_hand_stays_when_it_is_more(machine):
    machine.set_sysctl("vm.min_free_kbytes", "100000")
    least = four_roots(machine)
    machine.set_sysctl(ROOT + "enabled", "never")
    assert machine.sysctl("vm.min_free_kbytes") == "100000"
    told = f"min_free_kbytes is not updated to {least} because user defined value 100000 is preferred"
    assert [text for _, text in machine.kmsg()] == [told]
    machine.set_sysctl(ROOT + "enabled", "madvise")
    assert machine.sysctl("vm.min_free_kbytes") == "100000"


def test_huge_pages_raise_what_was_written_by_hand(machine):
    """The log's words, and that the raised value stays with `never`, are that kernel's."""
    machine.set_sysctl("vm.min_free_kbytes", "5000")
    machine.set_sysctl(ROOT + "enabled", "always")
    assert machine.sysctl("vm.min_free_kbytes") == "45056"
    told = "khugepaged: raising min_free_kbytes from 5000 to 45056 to help transparent hugepage allocations"
    assert [text for _, text in machine.kmsg()] == [told]
    machine.set_sysctl(ROOT + "enabled", "never")
    assert machine.sysctl("vm.min_free_kbytes") == "45056"


def test_lowmem_reserve_ratio_sets_the_protection(machine):
    machine.set_sysctl("vm.lowmem_reserve_ratio", "128")  # the first alone
    dma, dma32 = machine.zones()[:2]
    assert dma.protection[1] == dma32.managed // 128
    assert machine.sysctl("vm.lowmem_reserve_ratio") == "128\t256\t32\t0\t0"


def test_drop_caches_is_written_only(machine):
    machine.mkfile("/f", 65536, b"f" * 65536)
    pid = machine.spawn("a", None, [b"a"], [])
    machine.read(pid, "/f", 0, 65536)
    machine.set_sysctl("vm.drop_caches", "3")
    assert machine.fincore("/f") == []
    with pytest.raises(KernelError) as refused:
        machine.sysctl("vm.drop_caches")
    assert refused.value.name == "EACCES"
    assert "vm.drop_caches" not in machine.sysctl_names()


def test_transparent_huge_pages_for_all(machine):
    pid = machine.spawn("a", None, [b"a"], [])
    machine.set_sysctl("transparent_hugepage/enabled", "always")
    assert machine.sysctl("transparent_hugepage/enabled") == "[always] madvise never"
    addr = machine.mmap(pid, 0, 4 << 20, 3, 0x22)
    machine.touch(pid, addr, 4 << 20, "w")
    assert machine.meminfo()["AnonHugePages"] == 4096


@pytest.mark.parametrize("name", ["dirty", "dirty_background"])
def test_the_last_set_of_a_ratio_and_of_its_bytes_counts(machine, name):
    machine.set_sysctl(f"vm.{name}_bytes", "65536")
    assert machine.sysctl(f"vm.{name}_ratio") == "0"
    machine.set_sysctl(f"vm.{name}_ratio", "7")
    assert (machine.sysctl(f"vm.{name}_bytes"), machine.sysctl(f"vm.{name}_ratio")) == ("0", "7")
    with pytest.raises(KernelError):
        machine.set_sysctl(f"vm.{name}_bytes", "0")


@pytest.mark.parametrize("arch", ["x86-64", "arm64-16k"])
def test_read_ahead_is_kept_in_whole_pages(arch):
    """As of a disk here: `echo 130 > /sys/block/DISK/queue/read_ahead_kb` reads as 128 where pages are of 4K."""
    m = core.Machine()
    m.boot(ram_bytes=1 << 30, arch=arch)
    assert m.sysctl("queue/read_ahead_kb") == "128"
    most = {"x86-64": "4294967292", "arm64-16k": "4294967280"}[arch]
    for value, shown in (("0", "0"), ("3", "0"), ("130", "128"), ("8192", "8192"), ("4294967295", most)):
        m.set_sysctl("queue/read_ahead_kb", value)
        assert m.sysctl("queue/read_ahead_kb") == shown
    assert m.fsck() == []
