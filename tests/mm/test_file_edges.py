"""The ends of a file's offsets, and holes that end where its first page ends. Every expected answer is the live 6.18 kernel's."""

import errno

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
HUGE = 2 << 20
PATH = "/tmp/scene.dat"
PROT_RW, MAP_SHARED, MAP_PRIVATE = 3, 1, 2
LAST = 0x7FFFFFFFFFFFE000


@pytest.fixture
def machine():
    m = core.Machine()
    m.boot(ram_bytes=256 << 20)
    m.mkfile(PATH, 16 * PAGE, b"x" * 16 * PAGE)
    m.spawn("render", None, [b"render"], [])
    m.read(1, PATH, 0, 16 * PAGE)
    yield m
    assert m.fsck() == []


@pytest.mark.parametrize("offset", [0xFFFFFFFF000, 16 << 40, 1 << 62, LAST])
def test_a_mapping_may_begin_far_behind_what_the_file_system_can_hold(machine, offset):
    addr = machine.mmap(1, 0, PAGE, PROT_RW, MAP_PRIVATE, PATH, offset)
    assert next(v for v in machine.maps(1) if v.start == addr).pgoff == offset // PAGE


def test_the_last_offset_of_all_is_placed_where_a_huge_page_would_fit(machine):
    """Rounded up to 2 MB it is negative, so __thp_get_unmapped_area() believes that the range holds one."""
    assert machine.mmap(1, 0, PAGE, PROT_RW, MAP_PRIVATE, PATH, LAST) % HUGE == LAST % HUGE


@pytest.mark.parametrize("length, offset", [(PAGE, LAST + PAGE), (2 * PAGE, LAST), (PAGE, 1 << 63), (PAGE, (1 << 64) - PAGE)])
def test_an_offset_that_would_be_negative_is_eoverflow(machine, length, offset):
    with pytest.raises(core.KernelError) as failed:
        machine.mmap(1, 0, length, PROT_RW, MAP_PRIVATE, PATH, offset)
    assert failed.value.errno == errno.EOVERFLOW


def mapped(machine, addr):
    """A digit for each of the 16 pages: whether it has an entry."""
    return "".join("1" if e.entry >> 63 else "0" for e in machine.pagemap(1, addr, 16 * PAGE))


@pytest.mark.parametrize("offset, length, left", [
    (100, 100, "1000000000000000"),  # the kernel takes the hole's end, -1, for the end of everything
    (0, 100, "0000000000000000"),
    (0, PAGE - 1, "0000000000000000"),
    (0, PAGE, "0111111111111111"),
    (PAGE + 100, 100, "1111111111111111"),
    (100, PAGE, "1111111111111111"),
    (100, 2 * PAGE, "1011111111111111"),
])
def test_a_hole_that_ends_in_the_first_page_unmaps_all_behind_it(machine, offset, length, left):
    addr = machine.mmap(1, 0, 16 * PAGE, PROT_RW, MAP_SHARED, PATH)
    machine.touch(1, addr, 16 * PAGE, "r")
    machine.punch_hole(PATH, offset, length)
    assert mapped(machine, addr) == left
    assert machine.file(PATH).nr_pages >= 15


def test_private_copies_stay_when_a_hole_unmaps_everything(machine):
    addr = machine.mmap(1, 0, 16 * PAGE, PROT_RW, MAP_PRIVATE, PATH)
    machine.touch(1, addr, 16 * PAGE, "r")
    machine.touch(1, addr + 5 * PAGE, PAGE, "w")
    machine.punch_hole(PATH, 100, 100)
    assert mapped(machine, addr) == "1000010000000000"


@pytest.mark.parametrize(("offset", "wanted"), [(0xFFFFFFFD000, 0), (0xFFFFFFFE000, errno.EFBIG), (0x3FFFFFFFF000000, errno.EFBIG)])
def test_a_hole_beyond_the_largest_size_is_too_large(offset, wanted):
    """vfs_fallocate(), before anything else of the file is asked; s_maxbytes of ext4 as the live kernel has it."""
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30)
    machine.spawn("a", None, [b"a"], [])
    machine.mkfile("/g.dat", 10000, b"x" * 10000)
    base = machine.mmap(1, 0, 8192, 3, 1, "/g.dat", offset)
    try:
        machine.madvise(1, base, 8192, 9)
        failed = 0
    except core.KernelError as e:
        failed = e.errno
    assert failed == wanted
    shared = machine.mmap(1, 0, 8192, 3, 0x21)
    machine.madvise(1, shared, 8192, 9)
    assert machine.fsck() == []
