"""maps as one text: what the machine writes itself is what the formatter of a single area writes, whatever the areas are."""

import errno
import functools
import itertools

import pytest

import vmtool
from vmtool.procfs import pid_maps

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
PRIVATE, SHARED, FIXED, GROWSDOWN, ANONYMOUS = 2, 1, 0x10, 0x100, 0x20


def both(machine, pid):
    line = functools.partial(pid_maps.line, word_bytes=machine.word_bytes(pid))
    return machine.maps_text(pid, line), "".join(map(line, machine.maps(pid)))


@pytest.mark.parametrize("arch", ["x86-64", "x86-64-la57", "i386", "arm", "arm64", "arm64-16k", "arm64-64k", "riscv64"])
def test_areas_of_every_kind(arch):
    machine = vmtool.Machine()
    machine.boot(ram_bytes=1 << 29, arch=arch)
    size = 1 << machine.info().page_shift
    pid = machine.spawn("a", None, [b"a"], [])
    machine.brk(pid, machine.brk(pid) + 3 * size)
    machine.mkfile("/a b", 8 * size)
    machine.mmap(pid, 0, 2 * size, 1, PRIVATE, "/a b", size)
    for prot, flags in itertools.product(range(8), (PRIVATE, SHARED)):
        machine.mmap(pid, 0, size, prot, flags | ANONYMOUS)
    named = machine.mmap(pid, 0x10000000, 2 * size, 3, PRIVATE | ANONYMOUS | FIXED)
    machine.set_vma_name(pid, named, size, "pool")
    text, wanted = both(machine, pid)
    assert text == wanted
    assert text.count("\n") > 16 and "[anon:pool]" in text
    assert text == machine.procfs[f"{pid}/maps"]


def test_shared_memory_without_a_link_has_a_name_and_a_file_has_none():
    """madvise_vma_behavior(): vm_file && !vma_is_anon_shmem() is EBADF."""
    machine = vmtool.Machine()
    machine.boot(ram_bytes=1 << 28)
    pid = machine.spawn("a", None, [b"a"], [])
    shared = machine.mmap(pid, 0, 2 * PAGE, 3, SHARED | ANONYMOUS)
    machine.set_vma_name(pid, shared, PAGE, "pool")
    text, wanted = both(machine, pid)
    assert text == wanted
    assert "[anon_shmem:pool]" in text and "/dev/zero (deleted)" in text
    machine.mkfile("/a", PAGE)
    mapped = machine.mmap(pid, 0, PAGE, 1, SHARED, "/a")
    with pytest.raises(vmtool.errors.KernelError) as refused:
        machine.set_vma_name(pid, mapped, PAGE, "pool")
    assert refused.value.errno == errno.EBADF


def test_an_area_beside_the_stack_and_one_at_the_break():
    """[stack] and [heap] are told by where they lie, to the byte."""
    machine = vmtool.Machine()
    machine.boot(ram_bytes=1 << 28)
    pid = machine.spawn("a", None, [b"a"], [])
    stack = next(area for area in machine.maps(pid) if area.name == "[stack]")
    machine.mmap(pid, stack.start - PAGE, PAGE, 3, PRIVATE | ANONYMOUS | FIXED)
    machine.mprotect(pid, stack.end - PAGE, PAGE, 1)
    start = machine.brk(pid)
    machine.brk(pid, start + 2 * PAGE)
    machine.mprotect(pid, start, PAGE, 1)
    text, wanted = both(machine, pid)
    assert text == wanted
    assert "[heap]" in text and "[stack]" in text
