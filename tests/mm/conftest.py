"""A small machine whose lower rooms are driven one by one (vmtool.mm._probe)."""

import pytest

probe = pytest.importorskip("vmtool.mm._probe", reason="the Cython modules are not built: run `make`")

MIB = 1 << 20


@pytest.fixture
def machine():
    """256 MiB, one CPU; fsck must be silent when the test ends."""
    p = probe.Probe()
    assert p.boot(256 * MIB) == 0
    yield p
    assert p.err == 0
    assert p.fsck() == []


@pytest.fixture
def empty():
    """An arena without a machine: for rooms that need none."""
    return probe.Probe()


@pytest.fixture
def cache():
    """The page cache alone, over a disk of its own (vmtool.mm._probe_cache); fsck must be silent when the test ends."""
    from vmtool.mm._probe_cache import Cache
    c = Cache()
    yield c
    assert c.err == 0
    assert c.fsck() == []
