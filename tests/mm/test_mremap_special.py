"""mremap of [vvar], [vvar_vclock] and [vdso]: whole or not at all. Every expected answer is the live 6.18 kernel's."""

import errno

import pytest

from vmtool._core import Machine
from vmtool.errors import KernelError

MAYMOVE, FIXED = 1, 2
PRIVATE_ANONYMOUS = 0x22
PAGE = 4096
TARGET = 0x7E0000085000


@pytest.fixture
def machine():
    m = Machine()
    m.boot(ram_bytes=256 << 20)
    m.spawn("render", None, [b"/usr/bin/render"], [])
    yield m
    assert m.fsck() == []


def area(machine, name):
    return next(v for v in machine.maps(1) if v.name == name)


def test_a_range_that_ends_within_vvar_is_einval_after_the_areas_before_it_moved(machine):
    machine.mmap(1, 0, PAGE, 3, PRIVATE_ANONYMOUS)
    low = machine.mmap(1, 0, 2 * PAGE, 3, PRIVATE_ANONYMOUS)
    with pytest.raises(KernelError) as failed:
        machine.mremap(1, low, 6 * PAGE, 6 * PAGE, MAYMOVE | FIXED, TARGET)
    assert failed.value.errno == errno.EINVAL


def test_the_whole_vvar_moves(machine):
    vvar = area(machine, "[vvar]")
    assert machine.mremap(1, vvar.start, vvar.end - vvar.start, vvar.end - vvar.start, MAYMOVE | FIXED, TARGET) == TARGET
    assert area(machine, "[vvar]").start == TARGET


def test_a_page_of_the_vdso_stays(machine):
    vdso = area(machine, "[vdso]")
    with pytest.raises(KernelError) as failed:
        machine.mremap(1, vdso.start, PAGE, PAGE, MAYMOVE | FIXED, TARGET)
    assert failed.value.errno == errno.EINVAL
    assert area(machine, "[vdso]") == vdso
