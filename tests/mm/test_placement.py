"""vm.mmap_min_addr: what may be asked for, and what the kernel chooses."""

import pytest

from vmtool.errors import KernelError

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
FIXED, ANON = 0x32, 0x22


@pytest.fixture
def machine():
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30)
    machine.spawn("a", None, [b"a"], [])
    return machine


def test_the_limits_of_a_machine_with_the_usual_settings(machine):
    """Asked of a 6.18 kernel as an unprivileged user: the sysctl says 4096, CONFIG_LSM_MMAP_MIN_ADDR is 65536."""
    assert machine.sysctl("vm.mmap_min_addr") == "4096"
    with pytest.raises(KernelError, match="EPERM"):
        machine.mmap(1, 0, PAGE, 3, FIXED)
    assert machine.mmap(1, 0x1000, PAGE, 3, FIXED) == 0x1000
    assert machine.mmap(1, 0x1000, PAGE, 3, ANON) == 0x10000
    assert machine.mmap(1, 0x2000, PAGE, 3, ANON) > 0x10000  # 0x10000 is taken


@pytest.mark.parametrize("limit, lowest, hint", [(0, 0, 0x10000), (0x20000, 0x20000, 0x20000)])
def test_another_limit(machine, limit, lowest, hint):
    machine.set_sysctl("vm.mmap_min_addr", str(limit))
    assert machine.mmap(1, lowest, PAGE, 3, FIXED) == lowest
    if lowest:
        with pytest.raises(KernelError, match="EPERM"):
            machine.mmap(1, lowest - PAGE, PAGE, 3, FIXED)
        machine.munmap(1, lowest, PAGE)
    assert machine.mmap(1, 0x3000, PAGE, 3, ANON) == hint
