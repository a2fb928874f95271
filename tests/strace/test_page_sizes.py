"""Logs and traces on machines whose pages are not of 4 KiB: what a call or an access takes is in the machine's own pages."""

import pytest

from vmtool.strace import accesses
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


@pytest.mark.parametrize("arch, end", [("x86-64", (1 << 47) - 4096), ("arm64", 1 << 48), ("arm64-16k", 1 << 47), ("riscv64-sv39", 1 << 38),
                                       ("i386-pae", 0xC0000000)])
def test_accesses_reach_to_the_end_of_a_programs_addresses(arch, end):
    """TASK_SIZE of each: what is below it a program may map, what is above it is the kernel's."""
    machine, said = booted(arch), []
    last = end - 4 * PAGES.get(arch, 4096)
    line = "render-7 [000] d.... 1.000001: page_fault_user: address=0x{:x} ip=0x400000 error_code=0x6\n"
    totals = accesses.replay_samples(machine, None, [line.format(last), line.format(end)], "perf-mem", said.append)
    assert (totals.accesses, totals.signals, totals.minor) == (1, 0, 1)
    assert any("not made" in note and note.startswith("1 ") for note in totals.notes)
    assert [vma.start for vma in machine.maps(7) if vma.start < 1 << 62 and "[vectors]" not in vma.name] == [last]
    totals = accesses.replay_text(machine, None, [f" S {last:x},4\n L 10000,4\n".encode()], "lackey", said.append, False)
    assert (totals.accesses, totals.signals, totals.minor) == (2, 0, 2)


def test_what_execve_mapped_writable_is_written_up_to_the_end_of_the_space():
    """The dynamic linker's data beyond 47 bits have an anon_vma as those of a program below have."""
    _, areas, _ = replayed(
        "arm64", 'execve("/bin/nowhere", ["x"], 0xffffffffe44 /* 20 vars */) = 0', "brk(NULL) = 0x422000",
        "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0xffffb7ffd000",
        "mprotect(0xffffb8030000, 4096, PROT_READ) = 0")
    data = [vma for vma in areas if vma.is_file and vma.flags & 2]
    assert [vma.start > 1 << 47 for vma in data] == [False, True] and all(vma.anon_vma for vma in data)
