"""Layouts inferred from the first lines of a randomized program: those of a recorded run of cat, with the kernel's maps beside."""

from functools import partial

import pytest

from vmtool.images import Image, Segment
from vmtool.strace import layout, sidecar
from vmtool.strace.geometry import VDSO_PAGES, Geometry, geometry_of
from vmtool.strace.layout import Layout
from vmtool.strace.merge import LogFile
from vmtool.strace.replay import Hooks, Replay

GEOMETRY = Geometry(4096, 2 << 20, 8 * 4096, (1 << 47) - 4096)  # of x86-64
clues, span = partial(layout.clues, g=GEOMETRY), partial(layout.span, g=GEOMETRY)
infer = partial(layout.infer, g=GEOMETRY)


def expected_brk(image, person=0):
    return layout.expected_brk(image, person, GEOMETRY)


def is_randomized(image, found, person=0):
    return layout.is_randomized(image, found, person, GEOMETRY)


def elsewhere(image, found, person=0):
    return layout.elsewhere(image, found, person, GEOMETRY)


def image(path, segments, relro, interp=None):
    return Image(
        path=path,
        dev_major=254,
        dev_minor=0,
        inode=1,
        size=1,
        data=None,
        is_dyn=True,
        is_32=False,
        entry=0,
        phoff=64,
        phnum=9,
        phentsize=56,
        segments=tuple(Segment(*s) for s in segments),
        gnu_stack=6,
        interp=interp,
        relro=relro,
    )


LD_SO = image(
    "/usr/lib/ld.so",
    [
        (0, 0, 0xD60, 0xD60, 4, 4096),
        (0x1000, 0x1000, 0x25641, 0x25641, 5, 4096),
        (0x27000, 0x27000, 0x9A9C, 0x9A9C, 4, 4096),
        (0x31900, 0x31900, 0x1A98, 0x1C58 + 0x1000, 6, 4096),
    ],
    (0x31900, 0x1700),
)
CAT = image(
    "/usr/bin/cat",
    [
        (0, 0, 0x1720, 0x1720, 4, 4096),
        (0x2000, 0x2000, 0x4DA9, 0x4DA9, 5, 4096),
        (0x7000, 0x7000, 0x1E0C, 0x1E0C, 4, 4096),
        (0x9A90, 0x9A90, 0x630, 0x7D8, 6, 4096),
    ],
    (0x9A90, 0x570),
    LD_SO,
)


def following(bias, ld):
    lines = [
        ("brk", f"NULL) = {bias + 0x20A000:#x}\n"),
        ("mmap", f"NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {ld - 0x8000 - 8192:#x}\n"),
        ("mprotect", f"{ld - 0x100000:#x}, 16384, PROT_READ) = 0\n"),  # libc's: inside a mapping of the log
        ("mprotect", f"{bias + 0x9000:#x}, 4096, PROT_READ) = 0\n"),
        ("mprotect", f"{ld + 0x31000:#x}, 8192, PROT_READ) = 0\n"),
    ]
    return [(i, 7, name, text, 0) for i, (name, text) in enumerate(lines)]


def test_bases_come_from_the_relro_parts_and_the_break():
    found = infer(CAT, clues(following(0x5559444D8000, 0x7FA95F20E000)))
    assert (found.exe_base, found.interp_base, found.start_brk) == (0x5559444D8000, 0x7FA95F20E000, 0x5559446E2000)
    assert found.mmap_base == 0x7FA95F20E000 + span(LD_SO)


def test_without_relro_lines_the_first_mapping_tells_where_the_linker_is():
    found = infer(CAT, clues(following(0x5559444D8000, 0x7FA95F20E000)[:2]))
    assert (found.exe_base, found.interp_base) == (None, 0x7FA95F20E000)


def test_a_program_that_is_not_randomized_has_its_break_after_its_bss():
    assert expected_brk(CAT) == 0x55555555F000
    lines = [(1, 7, "brk", f"NULL) = {expected_brk(CAT):#x}\n", 0)]
    assert not is_randomized(CAT, clues(lines)) and is_randomized(CAT, clues(following(0x5559444D8000, 0x7FA95F20E000)))


def test_half_a_line_is_no_clue():
    assert clues([(1, 7, "brk", "NULL <unfinished ...>\n", 2)]).brk is None


def lines(text):
    """The calls of one process: (line, thread, name, text, whole)."""
    return [(n, 7, *line.split("(", 1), 0) for n, line in enumerate(text.splitlines(True), 1)]


def test_a_legacy_layout_begins_with_ld_so():
    # setarch -L, ls: maps has ld.so from 2b7647093000, [vdso] up to 2b76470d0000, the program at 5602...
    found = clues(lines("brk(NULL) = 0x560260bcb000\n"
                        "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x2b76470d0000\n"
                        "mprotect(0x560248b6f000, 4096, PROT_READ) = 0\nmprotect(0x2b76470c4000, 8192, PROT_READ) = 0\n"))
    place = infer(CAT, found)
    assert (place.is_bottom_up, place.interp_base, place.mmap_base) == (True, 0x2B7647093000, 0x2B7647093000)


def test_a_stack_without_a_limit_moves_the_mappings_and_not_the_program():
    # ulimit -s unlimited, without randomization: [vdso] ends at 155555521000, where ld.so begins
    found = clues(lines("brk(NULL) = " + hex(expected_brk(CAT)) + "\n"
                        "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x155555517000\n"))
    assert not is_randomized(CAT, found)
    place = elsewhere(CAT, found)
    assert (place.interp_base, place.exe_base, place.start_brk) == (0x155555521000, None, None)
    assert place.mmap_base == 0x155555521000 + span(LD_SO)


def test_the_usual_place_needs_no_layout():
    found = clues(lines("brk(NULL) = " + hex(expected_brk(CAT)) + "\n"
                        "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fc0000\n"))
    assert elsewhere(CAT, found) == Layout()


def test_a_32_bit_program_begins_above_a_third_of_its_space():
    """As the kernel placed them: 0x56555000 by default, 0x41000000 where ADDR_LIMIT_3GB ends the space at 3 GB."""
    narrow = CAT._replace(is_32=True, interp=LD_SO._replace(is_32=True))
    end = expected_brk(CAT) - 0x555555554000
    assert expected_brk(narrow) == 0x56555000 + end and expected_brk(narrow, 0x8000000) == 0x41000000 + end
    found = clues(lines(f"brk(NULL) = {0x41000000 + end:#x}\nmmap(NULL, 8192, 0x3, 0x22, -1, 0) = 0xb7fc1000\n"))
    assert is_randomized(narrow, found) and not is_randomized(narrow, found, 0x8000000) and elsewhere(narrow, found, 0x8000000) == Layout()


@pytest.mark.parametrize("arch", VDSO_PAGES)
def test_the_size_of_the_vdso_is_the_machines(arch):
    core = pytest.importorskip("vmtool._core", reason="the extension modules are not built")
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30, arch=arch)
    areas = machine.maps(machine.spawn("demo", None, [b"demo"], [], None, 0))
    vdso = geometry_of(machine.info()).vdso
    assert sum(a.end - a.start for a in areas if a.name in ("[vdso]", "[vvar]", "[vvar_vclock]", "[sigpage]")) == vdso


@pytest.mark.parametrize("arch, stack, brk, mapped", [
    ("arm", 0xBEFFFE44, 0x22000, 0xB6FFB000), ("arm64", 0xFFFFFFFFE44, 0x422000, 0xFFFFB7FFD000),
    ("i386", 0xBFFFFE44, 0x804B000, 0xB7FD0000)])
def test_an_unknown_program_of_another_processor_is_where_its_log_has_it(arch, stack, brk, mapped):
    core = pytest.importorskip("vmtool._core", reason="the extension modules are not built")
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30, arch=arch)
    lines = [f'execve("/bin/nowhere", ["x"], {stack:#x} /* 20 vars */) = 0\n', f"brk(NULL) = {brk:#x}\n",
             f"brk({brk + 0x21000:#x}) = {brk + 0x21000:#x}\n",
             f"mmap{'' if arch == 'arm64' else '2'}(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {mapped:#x}\n"]
    differences = []
    Replay(machine, sidecar.load("{}", None), Hooks(None, None, differences.append)).run([LogFile("log", 0, iter(lines))])
    assert differences == []
    assert machine.fsck() == []
