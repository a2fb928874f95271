"""A small machine whose lower rooms are driven one by one (vmtool.mm._probe)."""

import pytest

probe = pytest.importorskip("vmtool.mm._probe_tlb", reason="the Cython modules are not built: run `make`")

MIB = 1 << 20


@pytest.fixture
def machine():
    """256 MiB, one CPU; fsck must be silent when the test ends."""
    p = probe.TlbProbe()
    assert p.boot(256 * MIB) == 0
    yield p
    assert p.err == 0
    assert p.fsck() == []


@pytest.fixture
def one_process():
    """A whole machine through its door: 1 GiB, process 1; fsck must be silent when the test ends."""
    from vmtool._core import Machine
    machine = Machine()
    machine.boot(ram_bytes=1 << 30)
    machine.spawn("a", None, [b"a"], [])
    yield machine
    assert machine.fsck() == []


@pytest.fixture
def empty():
    """An arena without a machine: for rooms that need none."""
    return probe.TlbProbe()


@pytest.fixture
def cache():
    """The page cache alone, over a disk of its own (vmtool.mm._probe_cache); fsck must be silent when the test ends."""
    from vmtool.mm._probe_cache import Cache
    c = Cache()
    yield c
    assert c.err == 0
    assert c.fsck() == []
