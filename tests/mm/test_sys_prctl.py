"""prctl(): PR_SET_THP_DISABLE and its flags, PR_SET_VMA's names; and mincore()'s order of checks, which Linux fixed the same way."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.live_calls import U64_MAX, answer, live  # noqa: E402

PRCTL, MINCORE, SET_THP, GET_THP = 157, 27, 41, 42
BASE, PAGE, MIB = 0x20000000, 4096, 1 << 20
RW, FIXED = 3, 0x100022  # MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
THP = [(disable, flags) for disable in (0, 1, 2) for flags in (0, 1, 2, 3, 4, 1 << 32, U64_MAX)]


@pytest.fixture
def machine():
    m = core.Machine()
    m.boot(ram_bytes=256 << 20)
    m.spawn("a", None, [b"a"], [])
    m.mmap(1, BASE, 4 * PAGE, RW, FIXED)
    m.munmap(1, BASE + 2 * PAGE, PAGE)
    yield m
    assert m.fsck() == []


def test_huge_pages_switched_off_as_on_this_kernel(machine):
    body = f"""
for disable, flags in given:
    answers.append([call({PRCTL}, {SET_THP}, disable, flags, 0, 0), call({PRCTL}, {GET_THP}, 0, 0, 0, 0)])
"""
    ours = [[answer(machine.set_thp_disable, 1, bool(disable), flags), machine.thp_disable(1)] for disable, flags in THP]
    theirs = live(body, THP)
    if theirs[THP.index((1, 2))][0] == "EINVAL":
        pytest.skip("the kernel here is older than PR_THP_DISABLE_EXCEPT_ADVISED")
    assert ours == theirs


RANGES = [(BASE + 1, U64_MAX), (BASE, U64_MAX), (BASE, 0), (0x1000, 0), (0x1000, 1), (BASE, 1), (BASE, 2 * PAGE), (BASE, 2 * PAGE + 1),
          (BASE + 2 * PAGE, PAGE), (BASE + 3 * PAGE, PAGE), (0x7FFFFFFFF000, 0), (0x7FFFFFFFF000, 1),
          (0x7FFFFFFFE000, PAGE + 1), (0x800000000000, 0), (0xFFFFFFFFFF600000, PAGE), (0xFFFFFFFFFF600000, 0), (U64_MAX - PAGE + 1, PAGE),
          (BASE, 1 << 46), (1, 0)]  # fmt: skip


def test_mincore_refuses_what_this_kernel_refuses(machine):
    body = f"""
libc.mmap(ctypes.c_void_p({BASE}), ctypes.c_size_t({4 * PAGE}), {RW}, {FIXED}, -1, ctypes.c_long(0))
libc.munmap(ctypes.c_void_p({BASE + 2 * PAGE}), ctypes.c_size_t({PAGE}))
vec = mmap.mmap(-1, {MIB})
room = ctypes.addressof((ctypes.c_char * {MIB}).from_buffer(vec))
answers = [call({MINCORE}, start, length, room) for start, length in given]
"""
    ours = [answer(machine.mincore, 1, start, length) for start, length in RANGES]
    assert [0 if isinstance(said, bytes) else said for said in ours] == live(body, RANGES)


def test_mincore_answers_a_byte_a_page(machine):
    machine.touch(1, BASE + PAGE, 1, "w")
    assert [machine.mincore(1, BASE, length) for length in (0, 1, PAGE, PAGE + 1)] == [b"", b"\0", b"\0", b"\0\1"]


@pytest.mark.parametrize(("name", "said"), [
    ("a" * 79, 0), ("a" * 80, "EINVAL"), ("x y!~", 0), ("\x7f", "EINVAL"), ("a\x1f", "EINVAL"), ("\u00e4", "EINVAL"), ("\udcff", "EINVAL"),
    *((f"a{c}b", "EINVAL") for c in "\\`$[]"), ("ends\0[here]", 0), (None, 0)])
def test_which_names_an_area_may_have(machine, name, said):
    """set_anon_vma_name(): 80 bytes with the NUL; printable ASCII without \\ ` $ [ ]. (The judge's kernel is built without.)"""
    assert answer(machine.set_vma_name, 1, BASE, PAGE, name) == said
    shown = next(vma.name for vma in machine.maps(1) if vma.start == BASE)
    assert shown == (f"[anon:{name.partition(chr(0))[0]}]" if said == 0 and name else "")


def test_the_name_is_looked_at_before_the_range(machine):
    assert answer(machine.set_vma_name, 1, BASE + 1, PAGE, "[") == "EINVAL"
    assert answer(machine.set_vma_name, 1, 0x1000, PAGE, "[") == "EINVAL"
    assert answer(machine.set_vma_name, 1, 0x1000, 0, "[") == "EINVAL"
    assert answer(machine.set_vma_name, 1, 0x1000, 0, "x") == 0
    assert answer(machine.set_vma_name, 1, 0x1000, PAGE, "x") == "ENOMEM"
