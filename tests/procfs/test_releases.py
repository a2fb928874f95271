"""The formats of each release against files that a kernel of it printed (fixtures/proc/releases): fields, order, widths."""

import re
from pathlib import Path

import pytest

from vmtool.errors import KernelError
from vmtool.procfs.releases import CURRENT, number, rows_of, v
from vmtool.procfs.tree import Tree
from vmtool.records import KERNELS

CAPTURES = Path(__file__).resolve().parents[2] / "fixtures" / "proc" / "releases"
RECORDED = sorted((p.name for p in CAPTURES.iterdir()), key=number)
# what the configuration or the hardware of the recorded machine switches: it may be missing here
CONFIGURED = {"HardwareCorrupted", "Zswap", "Zswapped", "Unaccepted", "nr_unaccepted", "untag_mask", "x86_Thread_features",
              "x86_Thread_features_locked", "zswpin", "zswpout", "zswpwb"}
# and the other way round
OF_THIS_PROCESSOR = {"DirectMap1G"}  # fmt: skip

core = pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)


def machine_of(kernel):
    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20, kernel=kernel)
    pid = machine.spawn("render", None, [b"render"], [])
    heap = machine.brk(pid)
    machine.brk(pid, heap + (128 << 10))
    machine.touch(pid, heap, 64 << 10, "w")
    machine.mmap(pid, 0, 1 << 20, 3, 0x22)
    return machine


@pytest.fixture(scope="module", params=RECORDED)
def release(request):
    return request.param, Tree(machine_of(request.param))


def captured(kernel, name):
    return (CAPTURES / kernel / name).read_text()


def form(line):
    """A line with its numbers made alike: what is left is labels, blanks, and where numbers end."""
    return re.sub(r"( *)\b\d+\b", lambda m: "#" * len(m[0]) if len(m[0]) > 7 else "#", line)


def keyed(text):
    """{key: line} of lines that begin with one."""
    return {re.split(r"[:\s]", line.strip())[0] if ":" not in line else line.split(":")[0]: line for line in text.splitlines()}


@pytest.mark.parametrize("name", ["meminfo", "vmstat", "1/status", "1/smaps_rollup"])
def test_fields_their_order_and_widths(release, name):
    kernel, tree = release
    if name == "1/smaps_rollup" and kernel == "3.10":
        with pytest.raises(KernelError, match="ENOENT"):
            tree.read(name)
        return
    ours, theirs = keyed(tree.read(name).decode()), keyed(captured(kernel, name.removeprefix("1/")))
    for key in OF_THIS_PROCESSOR - set(theirs):
        ours.pop(key, None)
    assert list(ours) == [key for key in theirs if key in ours]
    assert set(theirs) - set(ours) <= CONFIGURED
    if name == "meminfo":
        assert ("HardwareCorrupted" in ours) == (kernel != "6.18")
        assert {key: form(line) for key, line in ours.items()} == {key: form(theirs[key]) for key in ours}


def test_blocks_of_smaps(release):
    kernel, tree = release

    def blocks(text):
        return [[form(line) for line in block.splitlines() if not line.startswith("VmFlags")]
                for block in re.split(r"(?m)^[0-9a-f]+-[0-9a-f]+ .*\n", text)[1:]]  # fmt: skip

    ours, theirs = blocks(tree.read("1/smaps").decode()), blocks(captured(kernel, "smaps"))
    assert len(ours) > 5
    assert {tuple(block) for block in ours} <= {tuple(block) for block in theirs} or ours[0] == theirs[0]
    assert all(block == theirs[0] for block in ours)


def test_zones(release):
    kernel, tree = release

    def lines(text):
        return [re.sub(r"\d+$|\(.*\)", "#", line) for line in text.splitlines()]

    ours, theirs = lines(tree.read("zoneinfo").decode()), lines(captured(kernel, "zoneinfo"))
    theirs = [line for line in theirs if "nr_unaccepted" not in line]
    assert ours == theirs


def test_page_types_and_the_heads_of_swaps_and_limits(release):
    kernel, tree = release
    ours, theirs = (text.splitlines() for text in (tree.read("pagetypeinfo").decode(), captured(kernel, "pagetypeinfo")))
    theirs = [re.sub("          CMA ", "", line) for line in theirs if "type          CMA" not in line]
    assert [line[:44] for line in ours if ", type" in line] == [line[:44] for line in theirs if ", type" in line]
    assert [line for line in ours if line.startswith("Number")] == [line for line in theirs if line.startswith("Number")]
    assert tree.read("swaps").decode() == captured(kernel, "swaps").splitlines(keepends=True)[0]
    limits = [text.splitlines() for text in (tree.read("1/limits").decode(), captured(kernel, "limits"))]
    assert [line[:26] + line[67:] for line in limits[0]] == [line[:26] + line[67:] for line in limits[1]]


def test_areas_that_exec_maps_for_the_kernel(release):
    kernel, tree = release

    def special(text):
        return [line for line in text.splitlines() if "[v" in line]

    ours, theirs = special(tree.read("1/maps").decode()), special(captured(kernel, "maps"))
    if kernel == "6.18":  # Debian's boots without [vsyscall]
        ours = [line for line in ours if "vsyscall" not in line]
    assert ours == theirs


def test_before_6_6_the_end_of_bss_is_called_heap_too():
    def heaps(kernel):
        return [line.split()[0] for line in Tree(machine_of(kernel)).read("1/maps").decode().splitlines() if line.endswith("[heap]")]

    assert heaps("6.12") == ["00405000-00425000"]
    assert heaps("6.1") == ["00404000-00405000", "00405000-00425000"]
    recorded = [line.split()[0] for line in captured("6.1", "maps").splitlines() if line.endswith("[heap]")]
    assert len(recorded) == 2 and recorded[0].split("-")[1] == recorded[1].split("-")[0]


def test_an_old_kernel_knows_fewer_flags():
    from vmtool.procfs.vmflags import LETTERS, letters_of

    named = {letters: bit for bit, letters in LETTERS}
    assert letters_of(CURRENT) == LETTERS
    assert (named["lf"], "??") in letters_of(v(4, 15)) and (named["lf"], "lf") in letters_of(v(6, 12))
    assert not {"wf", "um", "lf", "??"} & {letters for _, letters in letters_of(v(3, 10))}


@pytest.mark.parametrize("kernel", [kernel for kernel in RECORDED if kernel != "6.18"])
def test_flags_that_only_old_kernels_have(kernel):
    """By the recorded files: which kinds of areas are soft-dirty, and that the loader's are write-denied until 5.15."""
    def kinds(text):
        found = {}
        for head, flags in re.findall(r"(?m)^[0-9a-f]+-[0-9a-f]+ (.*)\n(?:[A-Z].*\n)*?VmFlags: (.*)", text):
            words = head.split()
            kind = words[4] if len(words) > 4 and words[4].startswith("[") else "file" if len(words) > 4 else "anon"
            found.setdefault(kind, set()).update({(kind, "sd" in flags.split(), "dw" in flags.split())})
        return found

    ours, theirs = kinds(Tree(machine_of(kernel)).read("1/smaps").decode()), kinds(captured(kernel, "smaps"))
    for kind in ("[heap]", "[stack]", "[vdso]", "[vvar]", "file"):
        if kind in ours and kind in theirs:
            assert ours[kind] <= theirs[kind], kind
    assert {"[heap]", "[stack]", "file"} <= set(ours) & set(theirs)


def test_soft_dirty_pages():
    for kernel, is_set in (("4.4", True), ("6.12", True), ("6.18", False)):
        tree = Tree(machine_of(kernel))
        pagemap, mm = tree.look("1/pagemap").entry, tree.machine.mm(1)
        for addr, is_area in ((mm.start_brk, True), (mm.start_brk + (100 << 10), True), (mm.start_brk - (1 << 30) & 0xFFFFF000, False)):
            entry = int.from_bytes(pagemap.pread(tree, addr >> 12 << 3, 8, 1), "little")
            assert bool(entry >> 55 & 1) == (is_set and is_area), (kernel, hex(addr))


def test_every_kernel_that_init_takes_prints_all_its_files():
    for kernel in KERNELS:
        tree = Tree(machine_of(kernel))
        for name, kind in [*tree.list("/"), *((f"1/{name}", kind) for name, kind in tree.list("/1"))]:
            if kind == "f" and not name.endswith(("pagemap", "clear_refs", "/mem")):
                tree.read(name)
        assert len(tree.read("vmstat").splitlines()) > 90


def test_a_pagemap_of_before_4_2_has_the_page_shift_in_it():
    tree = Tree(machine_of("3.10"))
    pagemap = tree.look("1/pagemap").entry
    heap = tree.machine.mm(1).start_brk
    entry = int.from_bytes(pagemap.pread(tree, heap >> 12 << 3, 8, 1), "little")
    assert entry >> 55 & 0x3F == 12 and entry >> 63
    assert pagemap.pread(tree, 0, 8, 1) == (12 << 55).to_bytes(8, "little")


def test_rows_with_since_and_until():
    assert [row[0] for row in rows_of((("a", 0, v(4, 4)), ("b", v(4, 4), CURRENT)), v(4, 4))] == ["b"]
    assert number("6.18.3-amd64") == CURRENT and number("3.10") < number("4.4")


def test_an_unknown_kernel_is_refused():
    with pytest.raises(KernelError, match="2.6"):
        core.Machine().boot(ram_bytes=256 << 20, kernel="2.6")
