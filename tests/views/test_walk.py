"""pagewalk: the table of levels, and crash's vtop."""

from vmtool.records import Walk, WalkStep
from vmtool.views import walk

ROOT = 0x11F8000
STEPS = (
    WalkStep("pgd", ROOT, 255, 0x11F87F8, 0x11F9067, ("P", "RW", "US", "A", "D"), True, False),
    WalkStep("pud", 0x11F9000, 511, 0x11F9FF8, 0x11FA067, ("P", "RW", "US", "A", "D"), True, False),
    WalkStep("pmd", 0x11FA000, 511, 0x11FAFF8, 0x11FB067, ("P", "RW", "US", "A", "D"), True, False),
    WalkStep("pte", 0x11FB000, 478, 0x11FBEF0, 0x80000000012FC867, ("P", "RW", "US", "A", "D", "NX"), True, True),
)
MAPPED = Walk(0x7FFF_FFFD_E010, ROOT, STEPS, 0x12FC010, 4096, "")
ABSENT = Walk(0x7FFF_FFFD_E010, ROOT, (*STEPS[:3], STEPS[3]._replace(entry=0, flags=(), present=False)), None, 0, "not present")


def test_every_level_then_the_frame():
    lines = walk.render(MAPPED).splitlines()
    assert lines[0] == "address 0x7ffffffde010, root 0x11f8000"
    assert lines[1].split() == ["level", "table", "index", "entry", "at", "entry", "flags"]
    assert [line.split()[:3] for line in lines[2:6]] == [["pgd", "11f8000", "255"], ["pud", "11f9000", "511"],
                                                         ["pmd", "11fa000", "511"], ["pte", "11fb000", "478"]]  # fmt: skip
    assert lines[5].split()[3:] == ["11fbef0", "80000000012fc867", "P", "RW", "US", "A", "D", "NX"]
    assert lines[6] == "frame 0x12fc, physical address 0x12fc010, page of 4 kB"


def test_where_a_walk_ended():
    assert walk.render(ABSENT).splitlines()[-1] == "no translation: not present at pte"
    assert walk.render(Walk(1 << 62, ROOT, (), None, 0, "non-canonical")).splitlines()[1:] == ["no translation: non-canonical"]


def test_size_of_a_huge_page():
    huge = Walk(0x200010, ROOT, STEPS[:3], 0x400010, 2 << 20, "")
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
    huge = Walk(0x200010, ROOT, (*STEPS[:2], STEPS[2]._replace(entry=0x4000E7, leaf=True)), 0x400010, 2 << 20, "")
    assert walk.render_vtop(huge).endswith(
        "  PAGE: 400000  (2MB)\n\n PTE    PHYSICAL  FLAGS\n4000e7   400000   (PRESENT|RW|USER|ACCESSED|DIRTY|PSE)\n\n"
    )
    assert "  PAGE: 12fc000  (ZERO PAGE)\n" in walk.render_vtop(MAPPED, is_zero_page=True)


def test_vtop_of_a_page_in_swap():
    # swap area 1, slot 5: type in bits 59-63, the complement of the offset in bits 9-58
    entry = 1 << 59 | (~(5 << 9) & ((1 << 59) - 1))
    swapped = ABSENT._replace(steps=(*STEPS[:3], STEPS[3]._replace(entry=entry, present=False)))
    assert walk.render_vtop(swapped).splitlines()[-2].split() == [f"{entry:x}", "1", "5"]
