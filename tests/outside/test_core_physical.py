"""core --physical: another MMU, given the memory and the root register, finds the same answers.

Two judges: a walk written from the manuals (physical.py), and QEMU's MMU.
"""

import os
import random
from itertools import product

import pytest

from tests.outside import physical, qemu
from vmtool.errors import HostError, KernelError

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

RAM = {"arm": 256 << 20, "arm64-64k": 4 << 30, "x86-64": 3 << 30, "x86-64-la57": 3 << 30, "arm64": 4 << 30, "arm64-16k": 4 << 30,
       "riscv64": 6 << 30, "riscv64-sv39": 6 << 30, "riscv64-sv57": 6 << 30}
HUGE = {"x86-64": 2 << 20, "x86-64-la57": 2 << 20, "i386": 4 << 20, "i386-pae": 2 << 20, "arm64": 2 << 20,
        "arm64-16k": 32 << 20, "arm64-64k": 512 << 20, "riscv64": 2 << 20, "riscv64-sv39": 2 << 20, "riscv64-sv57": 2 << 20}
POOLS = {"x86-64": 2, "x86-64-la57": 2, "i386": 1, "i386-pae": 1, "arm": 0, "arm64": 4, "arm64-16k": 3, "arm64-64k": 2,
         "riscv64": 2, "riscv64-sv39": 2, "riscv64-sv57": 2}
RW, ANON, ANON_FIXED = 3, 0x22, 0x32
ARCHS = ("x86-64", "x86-64-la57", "x86-64 --kpti", "x86-64-la57 --kpti", "i386", "i386-pae", "arm", "arm64", "arm64-16k", "arm64-64k",
         "riscv64", "riscv64-sv39", "riscv64-sv57")
NR_RANDOM = int(os.environ.get("VMTOOL_QEMU_N", "1500"))


def inhabited(arch):
    """A machine with two processes that share and do not share pages, and huge pages of all sizes that there are."""
    machine = core.Machine()
    machine.boot(ram_bytes=RAM.get(arch.split()[0], 1 << 30), arch=arch.split()[0], kpti=arch.endswith("--kpti"))
    machine.spawn("a", None, [b"a"], [])
    page = 1 << machine.info().page_shift
    base = machine.mmap(1, 0, 64 * page, RW, ANON)
    for at in range(0, 64, 3):
        machine.store(1, base + at * page, b"%d" % at)
    machine.mprotect(1, base, 4 * page, 0)
    machine.mprotect(1, base + 4 * page, 4 * page, 1)
    size = HUGE.get(arch.split()[0])
    if size:
        huge = machine.mmap(1, 0x40000000, 2 * size, RW, ANON_FIXED)
        machine.madvise(1, huge, 2 * size, 14)
        machine.touch(1, huge + size // 2, 1, "w")
        machine.touch(1, huge + size, 1, "w")
        assert machine.walk(1, huge).page_bytes == machine.walk(1, huge + size).page_bytes == size
    if arch.startswith("arm64"):
        machine.set_sysctl(f"transparent_hugepage/hugepages-{64 if arch == 'arm64' else 2048}kB/enabled", "always")
        folios = machine.mmap(1, 0x30000000, 16 << 20, RW, ANON_FIXED)
        machine.touch(1, folios, 8 << 20, "w")
        machine.munmap(1, folios + 5 * page, page)
    pooled = [pool_page(machine, name) for name in machine.sysctl_names() if name.endswith("kB/nr_hugepages") and "16777216" not in name]
    assert len(pooled) == POOLS[arch.split()[0]]
    machine.fork(1)
    if arch.startswith("arm64"):
        machine.store(2, folios + (3 << 20), b"child")
        assert sum(machine.walk(pid, folios + at).steps[-1].entry >> 52 & 1 for pid in (1, 2) for at in range(0, 8 << 20, page)) > 100
    machine.store(2, base + 9 * page, b"child")
    return machine


def pool_page(machine, name):
    """One of a pool, mapped and touched; what entries map it is told by the walk."""
    size = int(name.split("-")[-1].split("kB")[0]) << 10
    machine.set_sysctl(name, "1")
    at = machine.mmap(1, 0, size, RW, ANON | 0x40000 | size.bit_length() - 1 << 26)
    machine.touch(1, at, 1, "w")
    assert machine.walk(1, at + size - 1).phys - machine.walk(1, at).phys == size - 1
    return at


def addresses(machine, pid, nr_random, draw):
    """Every mapped page's, some of the kernel's, and random ones."""
    info = machine.info()
    page = 1 << info.page_shift
    found = []
    for area in machine.maps(pid):
        found += [at + draw.randrange(page) for at in range(area.start, min(area.end, area.start + 80 * page), page)]
        if area.end - area.start > 80 * page:
            found += [draw.randrange(area.start, area.end) for _ in range(80)]
    width = 32 if machine.mm(pid).task_size < 1 << 32 else 64
    kernel = {"x86-64": 0xFFFF888000000000, "x86-64-la57": 0xFF11000000000000, "arm64": 0xFFFF000000000000, "arm64-16k": 0xFFFF800000000000,
              "arm64-64k": 0xFFFF000000000000, "riscv64": 0xFFFFAF8000000000, "riscv64-sv39": 0xFFFFFFD600000000,
              "riscv64-sv57": 0xFF60000000000000}
    base = kernel.get(info.arch, 0xC0000000)
    found += [base + draw.randrange(info.ram_bytes) for _ in range(nr_random)]
    if info.arch.startswith("x86-64"):
        found += [0xFFFFFFFF81000000 + draw.randrange(1 << 25) for _ in range(nr_random // 10)]
        found += [0xFFFFFE0000000000 + draw.randrange(1 << 17) for _ in range(nr_random // 10)]
    found += [draw.randrange(1 << width) for _ in range(nr_random)]
    found += [draw.choice(found) ^ 1 << draw.randrange(width) for _ in range(nr_random)]
    return [at for at in found if at < 1 << width]


@pytest.fixture(scope="module", params=ARCHS)
def exported(request, tmp_path_factory):
    from vmtool.outside.core_file import write_physical

    machine = inhabited(request.param)
    path = tmp_path_factory.mktemp("core") / "tables"
    write_physical(machine, str(path), tables_only=True)
    return machine, physical.PhysicalCore(path)


def roots_of(machine):
    """The tables that a walk of a process can begin at."""
    return ("user", "kernel") if machine.info().kpti else (None,)


def test_a_walk_by_the_manual_finds_what_translate_finds(exported):
    machine, found = exported
    assert found.arch == machine.info().arch
    assert sorted(found.roots) == [1, 2]
    draw = random.Random(7)
    nr_mapped = 0
    for pid, root in product((1, 2), roots_of(machine)):
        for at in addresses(machine, pid, NR_RANDOM, draw):
            expected = machine.walk(pid, at, root).phys
            assert physical.walk(found, pid, at, root) == expected, (found.arch, pid, root, hex(at))
            nr_mapped += expected is not None
    assert nr_mapped > NR_RANDOM


def test_qemus_mmu_finds_what_translate_finds(exported, tmp_path):
    machine, found = exported
    if qemu.program(found.arch) is None:
        pytest.skip(f"the judge of {found.arch} is {qemu.PROGRAMS[qemu.family(found.arch)]}, which is not installed")
    draw = random.Random(8)
    for pid, root in product((1, 2), roots_of(machine)):
        asked = addresses(machine, pid, NR_RANDOM, draw)
        place = tmp_path / f"{pid}{root}"
        place.mkdir()
        with qemu.Qemu(found, str(place), 2 << 30 if found.arch in ("arm", "i386", "i386-pae") else 8 << 30) as judge:
            answers = judge.translate(pid, asked, root)
        wrong = [(hex(at), answer, machine.walk(pid, at, root).phys) for at, answer in zip(asked, answers, strict=True)
                 if answer != machine.walk(pid, at, root).phys]
        assert not wrong, (found.arch, pid, root, len(wrong), wrong[:5])


LETTERS = {"X": 63, "G": 8, "P": 7, "D": 6, "A": 5, "C": 4, "T": 3, "U": 2, "W": 1}


def letters_of(walk):
    """As x86's `info tlb` shows the entry that maps an address. P is bit 7 above the PTEs alone; in them it is PAT."""
    leaf, is_pte = walk.steps[-1].entry, len(walk.steps) == walk.nr_levels
    return "".join([letter if leaf >> bit & 1 and not (letter == "P" and is_pte) else "-" for letter, bit in LETTERS.items()])


def test_qemu_reads_the_flags_that_pagewalk_shows(exported, tmp_path):
    """Every entry that maps anything, the kernel's too; and it finds every page of the process."""
    machine, found = exported
    if qemu.family(found.arch) != "x86":
        pytest.skip("`info tlb` is x86's")
    if qemu.program(found.arch) is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    for pid, root in product((1, 2), roots_of(machine)):
        place = tmp_path / f"{pid}{root}"
        place.mkdir()
        with qemu.Qemu(found, str(place), 2 << 30 if found.arch.startswith("i386") else 8 << 30) as judge:
            judge.translate(pid, [0x1000], root)
            shown = judge.info_tlb()
        assert {at: letters_of(machine.walk(pid, at, root)) for at in shown} == shown
        page = 1 << machine.info().page_shift
        pages = [at for area in machine.maps(pid) for at in range(area.start, min(area.end, area.start + 80 * page), page)]
        walks = {at: machine.walk(pid, at, root) for at in pages}
        assert {at & -walk.page_bytes for at, walk in walks.items() if walk.phys is not None} <= set(shown)


def test_all_frames_are_there(tmp_path):
    from vmtool.outside.core_file import write_physical

    machine = inhabited("x86-64")
    heap = machine.brk(1, 0)
    machine.brk(1, heap + 4096)
    machine.store(1, heap, b"in a frame")
    write_physical(machine, str(tmp_path / "core"))
    found = physical.PhysicalCore(tmp_path / "core")
    assert found.read(machine.walk(1, heap).phys, 10).to_bytes(10, "little") == b"in a frame"


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    from vmtool.outside.core_file import write_physical

    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20)
    with pytest.raises(HostError, match="No such file or directory"):
        write_physical(machine, str(tmp_path / "nowhere" / "core"))
    with pytest.raises(HostError):
        write_physical(machine, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_no_process_no_core(tmp_path):
    from vmtool.outside.core_process import write_process

    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20)
    with pytest.raises(KernelError, match="ESRCH"):
        write_process(machine, 7, str(tmp_path / "core"))
