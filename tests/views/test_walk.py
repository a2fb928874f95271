"""pagewalk: the table of levels, and crash's vtop."""

from vmtool.records import Walk, WalkStep
from vmtool.views import walk, walk_bits, walk_fault

ROOT = 0x11F8000
NAMES = ((0, "P"), (1, "RW"), (2, "US"), (3, "PWT"), (4, "PCD"), (5, "A"), (6, "D"), (7, "PAT"), (8, "G"), (63, "NX"))
HOW = ("x86-64", "CR3", 4, 48, 64, 12)


def step(level, table, index, entry, flags, low, leaf=False):
    return WalkStep(level, table, index, table + 8 * index, entry, flags, True, leaf, low + 8, low, NAMES, 51, 12, 0, 0)


STEPS = (
    step("pgd", ROOT, 255, 0x11F9067, ("P", "RW", "US", "A", "D"), 39),
    step("pud", 0x11F9000, 511, 0x11FA067, ("P", "RW", "US", "A", "D"), 30),
    step("pmd", 0x11FA000, 511, 0x11FB067, ("P", "RW", "US", "A", "D"), 21),
    step("pte", 0x11FB000, 478, 0x80000000012FC867, ("P", "RW", "US", "A", "D", "NX"), 12, leaf=True),
)
MAPPED = Walk(0x7FFF_FFFD_E010, ROOT, STEPS, 0x12FC010, 4096, "", *HOW, 0, False)
MISSING = STEPS[3]._replace(entry=0, flags=(), present=False)
ABSENT = Walk(0x7FFF_FFFD_E010, ROOT, (*STEPS[:3], MISSING), None, 0, "not present", *HOW, 4, False)


def test_every_level_then_the_frame():
    lines = walk.render(MAPPED).splitlines()
    assert lines[0] == "address 0x7ffffffde010, CR3 0x11f8000"
    assert lines[1].split() == ["level", "table", "index", "entry", "at", "entry", "flags"]
    assert [line.split()[:3] for line in lines[2:6]] == [["pgd", "11f8000", "255"], ["pud", "11f9000", "511"],
                                                         ["pmd", "11fa000", "511"], ["pte", "11fb000", "478"]]  # fmt: skip
    assert lines[5].split()[3:] == ["11fbef0", "80000000012fc867", "P", "RW", "US", "A", "D", "NX"]
    assert lines[6] == "frame 0x12fc, physical address 0x12fc010, page of 4 kB"


def test_where_a_walk_ended():
    assert walk.render(ABSENT).splitlines()[-1] == "no translation: not present at pte; error code 0x4 (not present, user)"
    beyond = Walk(1 << 62, ROOT, (), None, 0, "non-canonical", *HOW, 0, False)
    assert walk.render(beyond).splitlines()[1:] == ["no translation: non-canonical"]


def test_size_of_a_huge_page():
    huge = Walk(0x200010, ROOT, STEPS[:3], 0x400010, 2 << 20, "", *HOW, 0, False)
    assert walk.render(huge).splitlines()[-1] == "frame 0x400, physical address 0x400010, page of 2 MB"


def test_vtop_as_crash_prints_it():
    # the layout of crash's x86_64_uvtop(): widths 10 and 16, every line's own blanks
    assert walk.render_vtop(MAPPED) == (
        "VIRTUAL     PHYSICAL        \n"
        "7ffffffde010  12fc010         \n"
        "\n"
        "   PGD: 11f87f8 => 11f9067\n"
        "   PUD: 11f9ff8 => 11fa067\n"
        "   PMD: 11faff8 => 11fb067\n"
        "   PTE: 11fbef0 => 80000000012fc867\n"
        "  PAGE: 12fc000  \n"
        "\n"
        "      PTE         PHYSICAL  FLAGS\n"
        "80000000012fc867   12fc000  (PRESENT|RW|USER|ACCESSED|DIRTY|NX)\n"
        "\n"
    )


def test_vtop_of_what_is_not_mapped():
    lines = walk.render_vtop(ABSENT).splitlines()
    assert lines[1].endswith("  (not mapped)")
    assert lines[-2:] == ["   PTE: 11fbef0 => 0", ""]


def test_vtop_names_huge_and_zero_pages():
    huge = Walk(0x200010, ROOT, (*STEPS[:2], STEPS[2]._replace(entry=0x4000E7, leaf=True)), 0x400010, 2 << 20, "", *HOW, 0, False)
    assert walk.render_vtop(huge).endswith(
        "  PAGE: 400000  (2MB)\n\n PTE    PHYSICAL  FLAGS\n4000e7   400000   (PRESENT|RW|USER|ACCESSED|DIRTY|PSE)\n\n"
    )
    assert "  PAGE: 12fc000  (ZERO PAGE)\n" in walk.render_vtop(MAPPED, is_zero_page=True)


def test_vtop_of_a_page_in_swap():
    # swap area 1, slot 5: type in bits 59-63, the complement of the offset in bits 9-58
    entry = 1 << 59 | (~(5 << 9) & ((1 << 59) - 1))
    swapped = ABSENT._replace(steps=(*STEPS[:3], STEPS[3]._replace(entry=entry, present=False)))
    assert walk.render_vtop(swapped).splitlines()[-2].split() == [f"{entry:x}", "1", "5"]


def test_the_address_is_cut_into_fields():
    lines = walk_bits.render_bits(MAPPED, walk.end(MAPPED)).splitlines()
    assert lines[:6] == [
        "address 0x7ffffffde010",
        "  +-------+-------+-------+-------+--------+",
        "  | 47-39 | 38-30 | 29-21 | 20-12 |   11-0 |",
        "  |   pgd |   pud |   pmd |   pte | offset |",
        "  |   255 |   511 |   511 |   478 |   0x10 |",
        "  +-------+-------+-------+-------+--------+",
    ]
    assert lines[-1] == "frame 0x12fc, physical address 0x12fc010, page of 4 kB"


def test_each_flag_has_its_box():
    boxes = walk_bits.entry_boxes(STEPS[3], 64)
    assert [(box.high, box.low, box.name, box.value) for box in boxes] == [
        (63, 63, "NX", "1"), (62, 52, "", ""), (51, 12, "frame", "0x12fc000"), (11, 9, "", "0x4"), (8, 8, "G", "0"), (7, 7, "PAT", "0"),
        (6, 6, "D", "1"), (5, 5, "A", "1"), (4, 4, "PCD", "0"), (3, 3, "PWT", "0"), (2, 2, "US", "1"), (1, 1, "RW", "1"), (0, 0, "P", "1")]


def test_the_boxes_hold_every_bit():
    for one in STEPS:
        boxes = walk_bits.entry_boxes(one, 64)
        assert sum((box.high - box.low + 1) for box in boxes) == 64
        value = sum(int(box.value or "0", 0) << (0 if box.name in ("frame", "table") else box.low) for box in boxes)
        assert value == one.entry


def test_a_line_a_level():
    lines = walk_bits.render_flat(MAPPED, walk.end(MAPPED)).splitlines()
    assert lines[0] == ("address=0x7ffffffde010 level=pgd CR3=0x11f8000 index=255 bits=47-39 entry_at=0x11f87f8 entry=0x11f9067 "
                        "flags=P,RW,US,A,D")
    assert lines[1].split()[2] == "table=0x11f9000"
    assert len(lines) == 5


def test_what_the_processor_tells_of_a_fault():
    assert walk_fault.fault(MAPPED) == ""
    assert walk_fault.fault(MAPPED._replace(error=5)) == "error code 0x5 (protection, user)"
    assert walk_fault.fault(ABSENT._replace(error=0xD)) == "error code 0xd (protection, user, reserved bit)"
    arm = ABSENT._replace(arch="arm", nr_levels=2)
    assert walk_fault.fault(arm._replace(steps=STEPS[:2])) == "FSR 0x7 (translation fault, level 2)"
    assert walk_fault.fault(arm._replace(steps=STEPS[:1])) == "FSR 0x5 (translation fault, level 1)"
    assert walk_fault.fault(arm._replace(steps=STEPS[:2], error=5)) == "FSR 0xf (permission fault, level 2)"
    arm64 = ABSENT._replace(arch="arm64")
    assert walk_fault.fault(arm64) == "ESR 0x92000007 (data abort, translation fault, level 3)"
    assert walk_fault.fault(arm64._replace(steps=STEPS[:2])) == "ESR 0x92000005 (data abort, translation fault, level 1)"
    assert walk_fault.fault(arm64._replace(is_old=True, error=0)) == "ESR 0x9200000b (data abort, access flag fault, level 3)"
    larger = arm64._replace(arch="arm64-16k", nr_levels=3, steps=STEPS[:1])
    assert walk_fault.fault(larger) == "ESR 0x92000005 (data abort, translation fault, level 1)"


def test_vtop_of_other_processors_has_their_own_names():
    names = ("VALID", "USER", "AF", "nG", "DBM", "PXN", "UXN", "DIRTY")
    page = STEPS[3]._replace(entry=0x00E8_0000_4FB6_8F43, flags=names, base_high=47)
    shown = walk.render_vtop(MAPPED._replace(steps=(*STEPS[:3], page), arch="arm64", register="TTBR0"))
    assert shown.splitlines()[-2].split() == ["e800004fb68f43", "4fb68000", f"({'|'.join(names)})"]
    swapped = ABSENT._replace(steps=(*STEPS[:3], MISSING._replace(entry=0x1040)), arch="arm64", register="TTBR0")
    assert "SWAP" not in walk.render_vtop(swapped)


def test_an_entry_is_as_wide_as_it_is():
    narrow = walk.render(MAPPED._replace(entry_bits=32, steps=(STEPS[0],)))
    assert narrow.splitlines()[2].split()[4] == "011f9067"
