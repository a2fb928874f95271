"""Logs and traces on machines whose pages are not of 4 KiB: what a call or an access takes is in the machine's own pages."""

import pytest

from vmtool.strace.merge import LogFile
from vmtool.strace.replay import Hooks, Replay
from vmtool.strace.sidecar import Unknown

PAGES = {"x86-64": 4096, "arm64-16k": 16384, "arm64-64k": 65536, "arm": 4096}


def booted(arch, ram=1 << 30):
    core = pytest.importorskip("vmtool._core", reason="the extension modules are not built")
    machine = core.Machine()
    machine.boot(ram_bytes=ram, arch=arch)
    return machine


def replayed(arch, *lines):
    """(the machine, the process's areas, what differed)."""
    machine, differences = booted(arch), []
    replay = Replay(machine, Unknown(), Hooks(None, None, differences.append))
    replay.run([LogFile("log", 0, [line + "\n" for line in lines])])
    assert machine.fsck() == []
    (process,) = replay.procs.all()
    return machine, machine.maps(process.space.mid), differences


@pytest.mark.parametrize("arch, shmlba", [("x86-64", 4096), ("arm64-16k", 16384), ("arm64-64k", 65536), ("arm", 16384)])
def test_shared_memory_is_attached_at_a_multiple_of_shmlba(arch, shmlba):
    addr = 0x20017345 & -shmlba
    lines = ["shmget(IPC_PRIVATE, 100, IPC_CREAT|0600) = 3", f"shmat(3, 0x20017345, SHM_RND) = {addr:#x}"]
    _, areas, differences = replayed(arch, *lines)
    assert [(vma.start, vma.end) for vma in areas if vma.name.startswith("/SYSV")] == [(addr, addr + PAGES[arch])] and not differences
    _, areas, _ = replayed(arch, *lines, f"shmdt({addr:#x}) = 0")
    assert not any(vma.name.startswith("/SYSV") for vma in areas)


@pytest.mark.parametrize("arch", ["x86-64", "arm64-16k", "arm64-64k"])
def test_remap_file_pages_counts_pages_of_the_machine(arch):
    page = PAGES[arch]
    _, areas, differences = replayed(
        arch, 'openat(AT_FDCWD, "/f", O_RDWR|O_CREAT, 0600) = 3', f"ftruncate(3, {4 * page}) = 0",
        f"mmap(0x20000000, {4 * page}, PROT_READ, MAP_SHARED|MAP_FIXED, 3, 0) = 0x20000000",
        f"remap_file_pages(0x20000000, {page}, 0, 3, 0) = 0")
    assert not differences
    assert [(vma.start, vma.end, vma.pgoff) for vma in areas if vma.name == "/f"] == [
        (0x20000000, 0x20000000 + page, 3), (0x20000000 + page, 0x20000000 + 4 * page, 1)]
