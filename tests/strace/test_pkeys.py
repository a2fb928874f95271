"""Logs of programs that use protection keys and mseal(): keys are given out as the log says, on a machine that has them."""

import pytest

from vmtool.strace import sidecar
from vmtool.strace.merge import LogFile
from vmtool.strace.replay import Hooks, Replay

core = pytest.importorskip("vmtool._core", reason="the extension modules are not built")

LOG = """\
execve("/nowhere/prog", ["prog"], 0x7ffe /* 1 var */) = 0
mmap(0x10000000, 16384, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = 0x10000000
mmap(0x20000000, 4096, PROT_EXEC, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = 0x20000000
pkey_alloc(0, PKEY_DISABLE_WRITE) = 2
pkey_alloc(0, PKEY_DISABLE_ACCESS|PKEY_DISABLE_WRITE) = 3
pkey_alloc(0, 0x8) = -1 EINVAL (Invalid argument)
pkey_mprotect(0x10000000, 8192, PROT_READ|PROT_WRITE, 2) = 0
pkey_mprotect(0x10002000, 4096, PROT_READ, 9) = -1 EINVAL (Invalid argument)
pkey_free(3) = 0
pkey_free(3) = -1 EINVAL (Invalid argument)
mseal(0x10000000, 4096, 0) = 0
munmap(0x10000000, 16384) = -1 EPERM (Operation not permitted)
mseal(0x10000001, 4096, 0) = -1 EINVAL (Invalid argument)
"""


def replayed(**how):
    """The machine after the log, and what differed from it."""
    machine, differences = core.Machine(), []
    machine.boot(ram_bytes=64 << 20, **how)
    lines = iter(LOG.splitlines(keepends=True))
    Replay(machine, sidecar.load("{}", None), Hooks(None, None, differences.append)).run([LogFile("log", 0, lines)])
    return machine, differences


def test_a_machine_with_keys_gives_the_logs_answers():
    machine, differences = replayed(pku=True)
    keys = {smap.vma.start: smap.protection_key for smap in machine.smaps(1)}
    assert differences == [] and (keys[0x10000000], keys[0x10001000], keys[0x10002000], keys[0x20000000]) == (2, 2, 0, 1)
    assert machine.pkru(1) == 0x55555554 & ~0xF0 | 2 << 4 | 3 << 6 and machine.fsck() == []


def test_one_without_follows_the_protections_alone():
    machine, differences = replayed()
    assert differences == [] and machine.smaps(1)[0].protection_key is None
