"""The C library's variables are checked by fsck: each check is tried by damaging one record."""

import pytest
from vmtool._heap import fsck_sentences

from tests.libc.heaps import Run

TRACE = b"m 1 24\nm 2 5000\nm 3 24\nf 2\nm 4 30000\nm 5 300000\nf 1\n"


@pytest.fixture
def machine():
    run = Run(TRACE)
    assert run.machine.fsck() == []
    return run.machine


DAMAGE = [
    ("libc-record", "mm", 1, "libc", 7),
    ("libc-lost", "mm", 1, "libc", 0),
    ("heap-bin", "libc", 1, "bins[0]", 0x1230),
    ("heap-binmap", "libc", 1, "binmap[3]", 0),
    ("heap-fastbin", "libc", 1, "fastbinsY[2]", 0x123),
    ("heap-top", "libc", 1, "top", 0x1230),
    ("heap-system-mem", "libc", 1, "system_mem", 1 << 40),
    ("heap-mapped", "libc", 1, "mmapped_mem", 0),
    ("heap-parameters", "libc", 1, "tcache_bins", 65),
    ("heap-arenas", "libc", 1, "narenas", 0),
]


@pytest.mark.parametrize(("name", "pool", "record", "field", "value"), DAMAGE, ids=[row[0] for row in DAMAGE])
def test_a_damaged_record_is_found(machine, name, pool, record, field, value):
    machine.poke(pool, record, field, value)
    assert [line for line in machine.fsck() if line.startswith(name + ":")]


def test_a_task_without_a_heap_is_found(machine):
    machine.poke("mm", 1, "libc", 0)
    assert [line for line in machine.fsck() if line.startswith("heap-task:")]


def test_every_check_is_tried():
    assert {row[0] for row in DAMAGE} | {"heap-task"} == set(fsck_sentences())


def test_what_a_program_did_to_its_heap_is_no_fault_of_the_machine(machine):
    machine.store(1, 0x555560000290 + 8, b"\xff" * 8)
    assert machine.fsck() == []
