"""core PID: gdb opens it, and finds the areas and the bytes of the process."""

import shutil
import struct
import subprocess

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from vmtool.outside.core_process import write_process  # noqa: E402 - it needs the door

GDB = shutil.which("gdb")
PAGE = 4096
SIZES = {  # of struct elf_prstatus and elf_prpsinfo on each machine, as gcc and `sizeof` have them there
    "x86-64": (64, 62, 336, 136), "i386": (32, 3, 144, 124), "arm": (32, 40, 148, 124), "arm64": (64, 183, 392, 136),
    "arm64-16k": (64, 183, 392, 136), "arm64-64k": (64, 183, 392, 136), "riscv64": (64, 243, 376, 136),
}  # fmt: skip


def living(arch="x86-64"):
    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20, arch=arch)
    machine.spawn("prog", None, [b"/usr/bin/prog", b"one"], [b"HOME=/"])
    page = 1 << machine.info().page_shift
    place = machine.mmap(1, 0, 4 * page, 3, 0x22)
    machine.store(1, place + page + 16, b"found it\0")
    machine.mprotect(1, place + page, page, 0)
    return machine, place


def read(path):
    """Class, machine, notes by type, and segments (type, flags, vaddr, filesz, memsz, offset)."""
    data = path.read_bytes()
    wide = data[4] == 2
    (machine,) = struct.unpack_from("<H", data, 18)
    (phoff,) = struct.unpack_from("<Q", data, 32) if wide else struct.unpack_from("<I", data, 28)
    (phnum,) = struct.unpack_from("<H", data, 56 if wide else 44)
    segments, notes = [], {}
    for i in range(phnum):
        if wide:
            kind, flags, offset, vaddr, _, filesz, memsz, _ = struct.unpack_from("<IIQQQQQQ", data, phoff + 56 * i)
        else:
            kind, offset, vaddr, _, filesz, memsz, flags, _ = struct.unpack_from("<IIIIIIII", data, phoff + 32 * i)
        segments.append((kind, flags, vaddr, filesz, memsz, offset))
    at, end = segments[0][5], segments[0][5] + segments[0][3]
    while at < end:
        namesz, descsz, kind = struct.unpack_from("<III", data, at)
        at += 12 + (namesz + 3) // 4 * 4
        notes[kind] = data[at : at + descsz]
        at += (descsz + 3) // 4 * 4
    return 64 if wide else 32, machine, notes, segments[1:], data


@pytest.mark.parametrize("arch", SIZES)
def test_notes_and_segments(arch, tmp_path):
    machine, place = living(arch)
    write_process(machine, 1, str(tmp_path / "core"))
    bits, e_machine, notes, segments, data = read(tmp_path / "core")
    assert (bits, e_machine, len(notes[1]), len(notes[3])) == SIZES[arch]
    areas = [area for area in machine.maps(1) if area.name not in ("[vsyscall]", "[vectors]")]
    assert [(s[2], s[2] + s[4]) for s in segments] == [(area.start, area.end) for area in areas]
    page = 1 << machine.info().page_shift
    at = next(s for s in segments if s[2] <= place + page < s[2] + s[3])
    assert data[at[5] + place + page + 16 - at[2] :][:8] == b"found it"  # also where the program itself may not read
    assert b"prog" in notes[3] and b"/usr/bin/prog one" in notes[3]
    width = 8 if bits == 64 else 4
    words = [int.from_bytes(notes[6][i : i + width], "little") for i in range(0, len(notes[6]), width)]
    assert words[words.index(6) + 1] == page and words[-2:] == [0, 0]
    assert int.from_bytes(notes[0x46494C45][:width], "little") == sum(area.is_file for area in areas)


def test_what_is_left_out_is_what_the_kernel_leaves_out(tmp_path):
    """coredump_filter 0x33: a file's pages are not dumped but for its first; what a process wrote to is."""
    machine, place = living()
    machine.mkfile("/data", 8 * PAGE, b"d" * 8 * PAGE)
    private = machine.mmap(1, 0, 4 * PAGE, 3, 0x2, "/data")
    shared = machine.mmap(1, 0, 4 * PAGE, 3, 0x1, "/data")
    written = machine.mmap(1, 0, 4 * PAGE, 3, 0x2, "/data", 4 * PAGE)
    machine.store(1, written, b"w")
    untouched = machine.mmap(1, 0, 64 * PAGE, 3, 0x22)
    hidden = machine.mmap(1, 0, PAGE, 3, 0x22)
    machine.touch(1, hidden, PAGE, "w")
    machine.madvise(1, hidden, PAGE, 16)  # MADV_DONTDUMP
    write_process(machine, 1, str(tmp_path / "core"))
    sizes = {s[2]: s[3] for s in read(tmp_path / "core")[3]}
    assert (sizes[private], sizes[shared], sizes[written], sizes[hidden]) == (0, 0, 4 * PAGE, 0)
    assert sizes.get(untouched, 0) in (0, 64 * PAGE)


@pytest.mark.parametrize("arch", ["x86-64", "i386", "arm64"])
def test_what_is_in_swap_is_dumped_and_stays_there(arch, tmp_path):
    """Linux faults it in for the dump; shared memory and what the swap cache still has, too. A page of zeros is zeros."""
    machine = core.Machine()
    machine.boot(ram_bytes=64 << 20, arch=arch)
    machine.spawn("prog", None, [b"/prog"], [])
    machine.swapon(64 << 20)
    private, shared = machine.mmap(1, 0, 8 * PAGE, 3, 0x22), machine.mmap(1, 0, 4 * PAGE, 3, 0x21)
    texts = {private + i * PAGE: b"page %d " % i * 400 for i in range(7)} | {shared + i * PAGE: b"shared %d " % i * 300 for i in range(4)}
    for at, text in texts.items():
        machine.store(1, at, text)
    machine.touch(1, private + 7 * PAGE, 1, "w")
    machine.madvise(1, private, 8 * PAGE, 21)  # MADV_PAGEOUT
    machine.madvise(1, shared, 4 * PAGE, 21)
    machine.load(1, private, 1)  # one comes back, its neighbours to the swap cache
    before = machine.vmstat(), machine.pagemap(1, private, 8 * PAGE)
    assert sum(entry.entry >> 62 & 1 for entry in before[1]) >= 5
    write_process(machine, 1, str(tmp_path / "core"))
    assert (machine.vmstat(), machine.pagemap(1, private, 8 * PAGE)) == before
    _, _, _, segments, data = read(tmp_path / "core")

    def dumped(at, n):
        s = next(s for s in segments if s[2] <= at < s[2] + s[3])
        return data[s[5] + at - s[2] :][:n]

    assert {at: dumped(at, len(text)) for at, text in texts.items()} == texts
    assert dumped(private + 7 * PAGE, PAGE) == bytes(PAGE) and machine.fsck() == []


@pytest.mark.parametrize("arch, register", [("x86-64", "rip"), ("i386", "eip"), ("arm", "pc"), ("arm64", "pc"), ("riscv64", "pc")])
def test_gdb_opens_it(arch, register, tmp_path):
    gdb = GDB if register != "pc" else shutil.which("gdb-multiarch")
    if gdb is None:
        pytest.skip("gdb is not installed" if register != "pc" else f"gdb-multiarch, which knows {arch}, is not installed")
    machine, place = living(arch)
    write_process(machine, 1, str(tmp_path / "core"))
    asked = ["info proc mappings", f"x/s {place + PAGE + 16:#x}", f"info registers {register}", "info auxv"]
    words = [word for line in (f"core-file {tmp_path / 'core'}", *asked) for word in ("-ex", line)]
    ran = subprocess.run([gdb, "-nx", "-batch", *words], capture_output=True, text=True, timeout=60)
    assert "found it" in ran.stdout, ran.stderr
    assert f"{machine.mm(1).entry:#x}" in ran.stdout
    for area in machine.maps(1):
        if area.is_file:
            assert f"{area.start:#x}" in ran.stdout and area.name in ran.stdout
    assert "AT_ENTRY" in ran.stdout
    assert "Core was generated by `/usr/bin/prog one'" in ran.stdout
