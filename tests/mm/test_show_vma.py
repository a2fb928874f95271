"""The last column of maps: which name an area has, by release, and the area that is in no address space."""

import re
import subprocess
import sys

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE, RW, FIXED, SHARED = 4096, 3, 0x100022, 0x21
LIVE = """
import ctypes, mmap
libc = ctypes.CDLL(None)
libc.sbrk.restype = libc.mmap.restype = ctypes.c_void_p
now = libc.sbrk(0)
libc.brk(ctypes.c_void_p((now | 0xfff) + 1))  # whole pages
end = libc.sbrk(0)
at = libc.mmap(ctypes.c_void_p(end), ctypes.c_size_t(4096), 1, 0x100022, -1, ctypes.c_long(0))
text = open("/proc/self/maps").read()
print([line[73:] for line in text.splitlines() if line.startswith(f"{end:08x}-")])
"""


def machine_of(kernel, arch="x86-64"):
    m = core.Machine()
    m.boot(ram_bytes=256 << 20, kernel=kernel, arch=arch)
    m.spawn("a", None, [b"a"], [])
    return m


def beside_the_heap(m):
    """Names of the area that begins where the break is, and of the one that holds the heap."""
    m.brk(1, m.brk(1) + PAGE)
    end = m.brk(1)
    m.mmap(1, end, PAGE, 1, FIXED)
    return [vma.name for vma in m.maps(1) if vma.start == end or vma.end == end]


@pytest.mark.parametrize(("kernel", "names"), [("6.1", ["[heap]", "[heap]"]), ("6.12", ["[heap]", ""]), ("6.18", ["[heap]", ""])])
def test_what_touches_the_heap_was_one_before_6_6(kernel, names):
    m = machine_of(kernel)
    assert beside_the_heap(m) == names


def test_what_touches_the_heap_on_this_kernel():
    said = subprocess.run([sys.executable, "-c", LIVE], capture_output=True, text=True, check=True).stdout
    release = tuple(int(n) for n in re.findall(r"\d+", open("/proc/sys/kernel/osrelease").read())[:2])
    assert said.strip() == ("['']" if release >= (6, 6) else "['[heap]']")


@pytest.mark.parametrize(("kernel", "names"), [("6.1", ["[heap]"]), ("6.18", [])])
def test_whose_neighbours_are_alike_is_told_by_the_same_rule(kernel, names):
    """An area below the heap, of the same rights and not merged with it."""
    m = machine_of(kernel)
    start = m.mm(1).start_brk
    m.brk(1, start + PAGE)
    m.touch(1, start, 1, "w")
    m.mmap(1, start + 8 * PAGE, PAGE, RW, FIXED)
    m.touch(1, start + 8 * PAGE, 1, "w")
    m.mremap(1, start + 8 * PAGE, PAGE, PAGE, 3, start + PAGE)  # of another offset: they do not become one
    found = [what for at, end, what in m.like_borders(1) if end == start + 2 * PAGE]
    assert found == names


def test_a_name_is_that_of_the_first_rule_that_fits():
    m = machine_of("6.18")
    heap, stack = m.mm(1).start_brk, m.mm(1).start_stack
    m.brk(1, heap + PAGE)
    m.set_vma_name(1, heap, PAGE, "given")
    shared = m.mmap(1, 0, PAGE, RW, SHARED)
    m.set_vma_name(1, shared, PAGE, "given")
    alone = m.mmap(1, 0, PAGE, RW, 0x22)
    m.set_vma_name(1, alone, PAGE, "given")
    names = {vma.start: vma.name for vma in m.maps(1)}
    assert (names[heap], names[shared], names[alone]) == ("[heap]", "[anon_shmem:given]", "[anon:given]")
    assert next(vma.name for vma in m.maps(1) if vma.start <= stack < vma.end) == "[stack]"


@pytest.mark.parametrize(("arch", "gate"), [
    ("x86-64", ("[vsyscall]", 0xFFFFFFFFFF600000, 4)), ("arm", ("[vectors]", 0xFFFF0000, 5)), ("i386", None)])
def test_the_gate_area(arch, gate):
    last = machine_of("6.18", arch).maps(1)[-1]
    assert (last.name, last.start, last.flags & 7) == gate if gate else last.name == "[stack]"
