"""A machine whose records say anything at all ends in an answer or in one of vmtool's own errors: no crash, no hang, no other exception."""

import subprocess
import sys
from pathlib import Path

import pytest

from vmtool.errors import InternalError

from .damage import saved_story

ROOT = Path(__file__).parents[2]
MACHINE = 0  # its pool
# Offsets in machine_t (vmtool/mm/types.pxd) and cpu_t (cpu_types.pxd), with the bytes of the field.
FIELDS = {
    "max_pfn": (24, 8), "nr_cpus": (56, 4), "trace_head": (80, 4), "kernel": (96, 1), "tlb_geom[0].sets": (176, 2),
    "tlb_geom[0].ways": (178, 2), "tlb_geom[0].stride": (180, 2), "tlb_geom[5].base": (222, 2), "arch.id": (240, 4),
    "arch.levels": (248, 4), "arch.level_bits[0]": (276, 4), "zone[0].spanned_pages": (456, 8),
}
WRONG = {
    "max_pfn": (0, "its zones of memory"), "nr_cpus": (3, "its number of processors"), "trace_head": (0xFFFFFF, "its counts of records"),
    "kernel": (0x1B, "its names"), "tlb_geom[0].sets": (15, "the geometry of its TLB"), "tlb_geom[0].ways": (65, "the geometry of its TLB"),
    "tlb_geom[0].stride": (3, "the geometry of its TLB"), "tlb_geom[5].base": (0xFFF0, "the geometry of its TLB"),
    "arch.id": (99, "its paging format"), "arch.levels": (9, "its paging format"), "arch.level_bits[0]": (30, "its paging format"),
    "zone[0].spanned_pages": (1 << 50, "its zones of memory"),
}


@pytest.fixture(scope="module")
def saved():
    return saved_story()[1]


def with_field(saved, field, value):
    """The chunk of the machine's record with one field changed."""
    at, nr_bytes = FIELDS[field]
    data = bytearray(saved.chunks[MACHINE, 0])
    data[at : at + nr_bytes] = value.to_bytes(nr_bytes, "little")
    return {(MACHINE, 0): data}


@pytest.mark.parametrize("field", WRONG)
def test_what_every_walk_takes_for_granted_is_checked_when_the_file_is_opened(saved, field):
    value, what = WRONG[field]
    with pytest.raises(InternalError, match=f"^{what} cannot be$"):
        saved.open(with_field(saved, field, value))


def test_the_fields_above_are_where_they_are_said_to_be(saved):
    """Else the test before would change something else: a machine with the same value there opens."""
    machine = saved.open()
    record = saved.chunks[MACHINE, 0]
    values = {field: int.from_bytes(record[at : at + nr_bytes], "little") for field, (at, nr_bytes) in FIELDS.items()}
    assert values["max_pfn"] == machine.max_pfn()
    assert values["nr_cpus"] == 2
    assert (values["arch.levels"], values["arch.level_bits[0]"], values["kernel"]) == (4, 9, ord("6"))
    assert (values["tlb_geom[0].sets"], values["tlb_geom[0].ways"], values["tlb_geom[0].stride"]) == (16, 4, 4)  # Skylake's 64 entries
    assert values["trace_head"] == len(machine.trace())
    assert values["zone[0].spanned_pages"] == machine.zones()[0].spanned


def test_counts_that_the_file_has_no_records_for(saved):
    header = bytearray(saved.header)
    names = [name for name, _, _ in type(saved.open()).pools()]
    for name in ("vma", "task", "inode", "content", "pid"):
        at = 8 + 16 * names.index(name)
        header[at : at + 4] = (1 << 31).to_bytes(4, "little")
        with pytest.raises(InternalError, match="cannot be$"):
            saved.open(header=bytes(header))
        header[at : at + 4] = saved.header[at : at + 4]


@pytest.mark.parametrize("first", range(0, 1000, 250))
def test_any_damage_ends_in_an_answer(first):
    """Views, fsck and calls on machines with a few words changed (damage.py); a crash or a hang names its number as the last on stderr."""
    words = [sys.executable, "-m", "tests.mm.damage", str(first), "250"]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr[-300:]
