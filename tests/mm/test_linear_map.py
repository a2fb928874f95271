"""arm64's direct map: where its tables lie and what they say, beside a plain model of map_mem() that takes a frame from RAM's end for each
table, and beside Debian's 6.18.15 (fixtures/kernel_map)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .story import core
from .test_kernel_areas import Recording, machine_of, runs_of

MIB, GIB = 1 << 20, 1 << 30
RAM_START = 1 << 30
ARCHS = {"arm64": (12, [9, 9, 9, 9], 0xFFFF000000000000), "arm64-16k": (14, [11, 11, 11], 0xFFFF800000000000),
         "arm64-64k": (16, [13, 13, 10], 0xFFFF000000000000)}


class Model:
    """Tables as early_pgtable_alloc() gives them to a mapping of all regions, one after the other, upwards."""

    def __init__(self, arch, ram, text):
        self.shift, self.bits, _ = ARCHS[arch]
        self.next = RAM_START + ram
        self.tables = {}  # (level, number): physical address
        regions = [(0, text[0]), (text[1], ram), text] if text else [(0, ram)]
        block = self.span(1)
        self.blocks = range(-(-text[0] // block), text[1] // block) if text else range(0)
        for start, end in regions:
            at = start
            while at < end:
                if at // block in self.blocks:
                    at += block
                    continue
                for level in range(len(self.bits) - 2, -1, -1):
                    self.tables.setdefault((level, at // self.span(level + 1)), None) or self.take(level, at // self.span(level + 1))
                at = min((at // block + 1) * block, end)

    def span(self, level):
        return 1 << self.shift + sum(self.bits[:level])

    def take(self, level, number):
        self.next -= 1 << self.shift
        self.tables[level, number] = self.next


def image_of(machine, arch):
    """Text and rodata, from RAM's start."""
    kept = {what: (start, start + nr) for start, nr, what in machine.reserved()}
    shift = ARCHS[arch][0]
    return [(frame << shift) - RAM_START for frame in (kept["kernel code"][0], kept["kernel rodata"][1])]


def compare(machine, arch, ram, places):
    shift, bits, base = ARCHS[arch]
    model = Model(arch, ram, image_of(machine, arch))
    walked = {}
    for place in places:
        walk = machine.walk(1, base + place)
        assert walk.phys == RAM_START + place
        steps = walk.steps[1:]
        assert len(steps) == len(bits) - 1 - (place // model.span(1) in model.blocks)
        for level, step in zip(range(len(bits) - 2, -1, -1), steps, strict=False):
            assert step.table == model.tables[level, place // model.span(level + 1)], (hex(place), level)
            walked[level, place // model.span(level + 1)] = step.table
        if len(steps) == len(bits) - 1:
            assert steps[-1].entry >> 52 & 1 == 0  # NO_CONT_MAPPINGS
    kept = [(start, nr) for start, nr, what in machine.reserved() if what == "kernel page tables"]
    assert kept == [(model.next >> shift, len(model.tables))]
    assert machine.walk(1, base + ram).phys is None
    return walked


@settings(max_examples=60, deadline=None)
@given(arch=st.sampled_from([*ARCHS]), ram=st.one_of(st.integers(16, 6000), st.sampled_from([16384, 70000])),
       seed=st.randoms(use_true_random=False))
def test_each_table_lies_where_map_mem_put_it(arch, ram, seed):
    machine = core.Machine()
    machine.boot(ram_bytes=ram * MIB, arch=arch)
    machine.spawn("a", None, [b"a"], [])
    places = [0, ram * MIB - 1, *(seed.randrange(end) % (ram * MIB) for end in [ram * MIB] * 40 + [48 * MIB] * 20)]
    compare(machine, arch, ram * MIB, places)
    assert machine.fsck() == []


@pytest.mark.parametrize("arch, start", [("arm64", 0xFFFF000000000000), ("arm64-16k", 0xFFFF800000000000)])
def test_the_direct_map_is_the_recorded_one(arch, start):
    """All entries in front of where the recorded boot had put what it made read-only, and the kinds of all."""
    recorded = Recording(f"6.18.15-debian-{arch}")
    machine = machine_of(arch=arch)
    assert runs_of(machine, start, start + (50 << 20)) == recorded.within(start, start + (50 << 20))
    both = (recorded.within(start, start + GIB), runs_of(machine, start, start + GIB))
    kinds = [{(bits, level) for _, _, bits, level in runs} for runs in both]
    assert kinds[0] == kinds[1]


def test_the_tables_take_as_much_as_the_recorded_ones():
    """The last range of its /proc/iomem, which paging_init() took first."""
    iomem = Recording("6.18.15-debian-arm64").parts["/proc/iomem"].splitlines()
    start, end = (int(word, 16) for word in [line for line in iomem if line.startswith("  7")][-1].split()[0].split("-"))
    reserved = machine_of(arch="arm64").reserved()
    kept = [(first << 12, (first + nr << 12) - 1) for first, nr, what in reserved if what == "kernel page tables"]
    assert kept == [(start, end)]


def test_a_table_that_is_changed_has_its_other_entries_still():
    """Where a module's rodata has its alias, the neighbours are as they were."""
    machine = machine_of(arch="arm64")
    rodata = machine.walk(1, 0xFFFF80007AAB4000).phys
    entries = {}
    for at in range(rodata & -(2 << 20), (rodata & -(2 << 20)) + (2 << 20), 4096):
        step = machine.walk(1, 0xFFFF000000000000 + at - RAM_START).steps[-1]
        entries[at] = step.entry & ~(at | 2)  # the last bit says a page or a block
        assert step.entry & 0x0000FFFFFFFFF000 == at
    assert {hex(e) for e in entries.values()} == {"0x68000000000705", "0x60000000000785"}
    assert entries[rodata] & 0x80
