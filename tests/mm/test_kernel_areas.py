"""The kernel's half when boot is over, beside what Debian's 6.18.15 had in its memory under QEMU (fixtures/kernel_map).

A plain model says from the sections of an image what its pages are at both of their addresses. It is held to the recording, with and
without page-table isolation, and the machine's own image, which is the same kernel's, and a small one, to it.
"""

from itertools import groupby
from pathlib import Path

import pytest

from vmtool.procfs import vmallocinfo
from vmtool.procfs.modules import render
from vmtool.views import kernel_map as view

from .story import Cases, core

RECORDED = Path(__file__).parents[2] / "fixtures" / "kernel_map"
PAGE, LARGE, NX, GLOBAL = 4096, 2 << 20, 1 << 63, 0x100
DIRECT, IMAGE, MODULES = 0xFFFF888000000000, 0xFFFFFFFF81000000, 0xFFFFFFFFC0000000
FIXMAP, CPU_ENTRY = 0xFFFFFFFFFF000000, 0xFFFFFE0000000000
ARCHS = ("x86-64", "x86-64-la57")
FRAME = 0x000FFFFFFFFFF000
CASES = Cases()


class Recording:
    """Parts of a file of fixtures/kernel_map."""

    def __init__(self, name):
        parts = (RECORDED / name).read_text().split("@ ")
        self.parts = {title: text for title, _, text in (part.partition("\n") for part in parts)}
        self.symbols = {words[-1]: int(words[0], 16) for words in map(str.split, self.parts["symbols"].splitlines())}
        self.runs = []
        for line in self.parts["map"].splitlines():
            addresses, bits, level = line.split()
            start, end = (int(word, 16) for word in addresses.split("-"))
            self.runs.append((start, (end or 1 << 64), int(bits, 16), level))

    def within(self, start, end):
        return clip(self.runs, start, end)

    def meminfo(self, name):
        return next(int(line.split()[1]) for line in self.parts["/proc/meminfo"].splitlines() if line.startswith(name + ":"))


def clip(runs, start, end):
    return [(max(s, start), min(e, end), bits, level) for s, e, bits, level in runs if s < end and e > start]


def machine_of(**boot):
    machine = core.Machine()
    machine.boot(ram_bytes=boot.pop("ram", 1 << 30), **boot)
    machine.spawn("a", None, [b"a"], [])
    return machine


def runs_of(machine, start, end):
    found = machine.kernel_map([start])
    return clip([(s, last + 1, entry, level) for s, last, level, entry, _ in found], start, end)


def modelled(sections, kpti, address, *, is_image):
    """[(start, end, bits, level)] of the image's large pages at `address` (of the text): of the image itself, or of its alias."""
    text, etext, rodata, erodata, data, init, init_end, idt, end, cuts = sections
    common, dirty = 0x21 | (0 if kpti else GLOBAL), 0x42
    pages = {}
    for at in range(text, end, PAGE):
        bits = common | dirty | NX
        if at < etext or rodata <= at < erodata or at == idt:
            bits &= ~dirty
        elif is_image and (etext <= at < rodata or erodata <= at < data):
            bits &= ~0x40
        if is_image and at < etext:
            bits &= ~NX
        gone = etext <= at < rodata or erodata <= at < data or init <= at < init_end
        pages[at] = 0 if is_image and kpti and gone else bits
    if is_image and kpti:
        for at in range(text, text + LARGE, PAGE):
            pages[at] |= GLOBAL  # the entry code is user mode's, too
    made = []
    for large in range(text, end, LARGE):
        bits = [pages[at] for at in range(large, large + LARGE, PAGE)]
        if bits[0] and len(set(bits)) == 1 and not (is_image and any(large < cut < large + LARGE for cut in cuts)):
            made.append((large, large + LARGE, bits[0] | 0x80, "pmd"))
        elif set(bits) == {0}:
            made.append((large, large + LARGE, 0, "pmd"))
        else:
            made += [(large + i * PAGE, large + (i + 1) * PAGE, value, "pte") for i, value in enumerate(bits)]
    joined = []
    for (bits, level), run in groupby(made, lambda m: m[2:]):
        run = [*run]
        joined.append((run[0][0] - text + address, run[-1][1] - text + address, bits, level))
    return joined


def sections_of(recording):
    s = recording.symbols
    up = [-(-s[name] // PAGE) * PAGE for name in ("_etext", "__end_rodata")]
    end = -(-s["_end"] // LARGE) * LARGE
    cuts = (s["__init_begin"], s["__init_end"], s["__start_bss_decrypted_unused"])
    return (s["_text"], up[0], s["__start_rodata"], up[1], s["_sdata"], s["__init_begin"], s["__init_end"], s["idt_table"], end, cuts)


def own_sections(machine):
    """A small machine's image has no tables of the unwinder, and nothing behind .bss."""
    kept = {what: (start * PAGE, (start + nr) * PAGE) for start, nr, what in machine.reserved() if what.startswith("kernel")}
    (text, etext), (rodata, erodata), (data, init), (bss, end) = (kept["kernel " + name] for name in ("code", "rodata", "data", "bss"))
    init, cuts = kept.get("kernel unwind tables", (0, init))[1], (bss, end) if "kernel brk" in kept else (bss,)
    end = kept.get("kernel brk", (0, end))[1]
    idt = bss + (15 if "kernel brk" in kept else 1) * PAGE
    return (text & -LARGE, etext, rodata, erodata, data, init, bss, idt, -(-end // LARGE) * LARGE, (init, *cuts))


@pytest.mark.parametrize("kpti", [False, True])
def test_the_model_is_the_recorded_kernels(kpti):
    recording = Recording("6.18.15-debian-pti" if kpti else "6.18.15-debian")
    sections = sections_of(recording)
    length = sections[8] - sections[0]
    image, alias = (modelled(sections, kpti, at, is_image=at == IMAGE) for at in (IMAGE, DIRECT + (16 << 20)))
    assert image == recording.within(IMAGE, IMAGE + length)
    assert alias == recording.within(DIRECT + (16 << 20), DIRECT + (16 << 20) + length)


@pytest.mark.parametrize("kpti", [False, True])
@pytest.mark.parametrize("arch", ARCHS)
def test_the_image_is_as_the_model_has_it(arch, kpti):
    machine = machine_of(arch=arch, kpti=kpti)
    sections = own_sections(machine)
    length = sections[8] - sections[0]
    base = machine.walk(1, 0xFF11000000000000 if arch == "x86-64-la57" else DIRECT, "kernel" if kpti else None).addr + sections[0]
    assert runs_of(machine, IMAGE, IMAGE + length) == modelled(sections, kpti, IMAGE, is_image=True)
    assert runs_of(machine, base, base + length) == modelled(sections, kpti, base, is_image=False)
    assert machine.fsck() == []


@pytest.mark.parametrize("start, end", [(IMAGE, MODULES), (MODULES, FIXMAP), (FIXMAP, 1 << 64), (CPU_ENTRY, CPU_ENTRY + (1 << 39)),
                                        (DIRECT, DIRECT + (68 << 20))],
                         ids=["image", "modules", "fixmap", "cpu entry area", "first 68M"])
@pytest.mark.parametrize("kpti", [False, True])
def test_areas_are_the_recorded_ones(start, end, kpti):
    recorded = Recording("6.18.15-debian-pti" if kpti else "6.18.15-debian").within(start, end)
    assert runs_of(machine_of(kpti=kpti), start, end) == recorded


def test_modules_and_their_text_are_those_of_the_file():
    machine = machine_of()
    assert render(machine.modules()) == Recording("6.18.15-debian").parts["/proc/modules"]
    for module in machine.modules():
        step = machine.walk(1, module.address).steps[-1]
        assert (step.level, step.entry & ~FRAME & ~LARGE) == ("pmd", 0x1A1)


def test_the_areas_of_vmallocinfo_are_those_of_the_modules():
    """execmem_alloc_rw(): data, rodata and what init alone wrote of each; with its guard each run of the map is one."""
    sizes = [size for size, words in vmallocinfo.BOOT_AREAS if words.startswith("execmem_alloc_rw")]
    pieces = [end - start for start, end, bits, _ in runs_of(machine_of(), MODULES + LARGE, MODULES + 2 * LARGE) if bits]
    assert pieces == [size - PAGE for size in sizes]


def test_what_modules_may_not_write_the_direct_map_may_not():
    machine = machine_of()
    for start, end, bits, _ in runs_of(machine, MODULES, MODULES + 3 * LARGE):
        for at in range(start, end, PAGE) if bits else ():
            alias = machine.walk(1, DIRECT + machine.walk(1, at).phys).steps[-1]
            assert alias.level == "pte" or bits & 2
            assert (alias.entry & 2) == (bits & 2)
            assert alias.entry & NX


@pytest.mark.parametrize("ram", [16 << 20, 64 << 20])
def test_a_small_machine_has_no_modules_and_all_the_rest(ram):
    machine = machine_of(ram=ram)
    assert machine.modules() == []
    assert render(machine.modules()) == ""
    sections = own_sections(machine)
    assert runs_of(machine, IMAGE, IMAGE + sections[8]) == modelled(sections, False, IMAGE, is_image=True)
    assert runs_of(machine, FIXMAP, 1 << 64) == Recording("6.18.15-debian").within(FIXMAP, 1 << 64)
    assert machine.fsck() == []


# --- DirectMap4k, 2M and 1G ---------------------------------------------------------------------------------------------------


def counted(runs, direct, image):
    """What split_page_count() has: the direct map's entries, and of the image each page that was split."""
    kb = dict.fromkeys(("pte", "pmd", "pud"), 0)
    for start, end, bits, level in clip(runs, *direct):
        kb[level] += (end - start) // 1024 if bits else 0
    for large in range(*image, LARGE):
        if clip(runs, large, large + LARGE)[0][3] == "pte":
            kb["pte"] += 2048
            kb["pmd"] -= 2048
    return [kb["pte"], kb["pmd"], kb["pud"]]


NAMES = ("DirectMap4k", "DirectMap2M", "DirectMap1G")


@pytest.mark.parametrize("name", ["6.18.15-debian", "6.18.15-debian-pti"])
def test_the_recorded_figures_follow_from_the_recorded_map(name):
    """pti=on: free_kernel_image_pages() made a large page of the image absent, and a part of it splits nothing."""
    recording = Recording(name)
    figures = counted(recording.runs, (DIRECT, DIRECT + (1 << 30)), (IMAGE, MODULES))
    assert figures == [recording.meminfo(name) for name in NAMES]


@pytest.mark.parametrize("kpti", [False, True])
def test_figures_of_a_machine_with_1g(kpti):
    machine = machine_of(kpti=kpti)
    found = machine.meminfo()
    runs = runs_of(machine, DIRECT, 1 << 64)
    assert [found[name] for name in NAMES] == counted(runs, (DIRECT, DIRECT + (1 << 30)), (IMAGE, MODULES))
    assert sum(found[name] for name in NAMES) == 1 << 20


def test_pages_of_1g_are_counted_by_each_step_that_meets_them():
    """A 6.18.44 without modules, of 24 GiB, says 25165824: 23 of them, of which BPF's pages split one, and twice again the last, which
    the first step of 2M, the second and the third have a part of each."""
    assert machine_of(ram=24 << 30).meminfo()["DirectMap1G"] == 25165824


# --- fsck -----------------------------------------------------------------------------------------------------------------------


def entry_at(machine, addr):
    step = machine.walk(1, addr).steps[-1]
    return machine.peek("frame", step.table // PAGE, "content"), f"entry[{step.index}]", step.entry


@CASES.case("kernel-wx")
def _(m):
    content, field, entry = entry_at(m, IMAGE)
    m.poke("content", content, field, entry | 2)
    return f"address {IMAGE:#x} of the kernel may be written and executed"


@CASES.case("direct-map")
def _(m):
    content, field, entry = entry_at(m, DIRECT + (64 << 20))
    m.poke("content", content, field, entry + LARGE)
    return f"address {DIRECT + (64 << 20):#x} of the direct map does not lead to frame {(64 << 20) // PAGE}"


@CASES.case("kernel-text")
def _(m):
    content, field, entry = entry_at(m, DIRECT + (18 << 20))
    m.poke("content", content, field, entry | 2)
    return (f"address {DIRECT + (18 << 20):#x} of the direct map allows to write frame {(18 << 20) // PAGE}, "
            "which is the kernel's text or rodata")


@pytest.mark.parametrize("name", CASES)
def test_damage_is_told_in_a_line_of_its_own(name):
    machine = machine_of()
    assert machine.fsck() == []
    assert f"{name}: {CASES[name](machine)}" in machine.fsck()


def test_regions_have_ptdumps_names():
    text = view.render(view.runs(machine_of().kernel_map(view.borders("x86-64")), "x86-64"), "x86-64")
    assert "0xffffffffc0400000-0xffffffffc0600000           2M     ro         PSE     GLB x  pmd" in text.splitlines()
    assert "0xffffffffff5fc000-0xffffffffff5fe000           8K     RW PWT PCD         GLB NX pte" in text.splitlines()


# --- arm64 ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start, end", [(0xFFFF800000000000, 0xFFFF800082AB0000), (0xFFFFFDFFC0000000, 1 << 64),
                                        (0xFFFF000000200000, 0xFFFF000002390000)],
                         ids=["modules and image", "memmap, PCI I/O and fixmap", "the image's alias"])
def test_areas_of_arm64_are_the_recorded_ones(start, end):
    """The image is Debian's."""
    assert runs_of(machine_of(arch="arm64"), start, end) == Recording("6.18.15-debian-arm64").within(start, end)


@pytest.mark.parametrize("start, end", [(0xFFFFC00000000000, 0xFFFFC00082B40000), (0xFFFFFFBFC0000000, 1 << 64),
                                        (0xFFFF800000200000, 0xFFFF8000023C0000)],
                         ids=["modules and image", "memmap, PCI I/O and fixmap", "the image's alias"])
def test_areas_with_pages_of_16k_are_the_recorded_ones(start, end):
    assert runs_of(machine_of(arch="arm64-16k"), start, end) == Recording("6.18.15-debian-arm64-16k").within(start, end)


def test_with_pages_of_64k_the_rules_are_the_same():
    """No Debian kernel has them: the addresses by asm/memory.h, and a run of a hint is 2M."""
    machine = machine_of(arch="arm64-64k", ram=2 << 30)
    text = [run for run in runs_of(machine, 0xFFFF800080000000, 0xFFFF800080200000 + (16 << 20)) if run[2]]
    assert [(start - 0xFFFF800080000000, bits >> 52 & 1) for start, _, bits, _ in text] == [
        (0, 0), (0x10000, 0), (0x200000, 1), (0x1000000, 0), (0x1170000, 0)]
    assert machine.walk(1, 0xFFFFFFDFC0000000).page_bytes == 65536
    assert [(module.name, module.size_bytes >> 16) for module in machine.modules()][1] == ("ext4", 18)
    assert machine.fsck() == []


def test_the_direct_map_of_arm64_is_tagged_memory():
    machine = machine_of(arch="arm64")
    recorded = dict.fromkeys(bits for _, _, bits, _ in Recording("6.18.15-debian-arm64").within(0xFFFF000000000000, 0xFFFF000000200000))
    found = dict.fromkeys(bits for _, _, bits, _ in runs_of(machine, 0xFFFF000010000000, 0xFFFF000020000000))
    assert [*recorded] == [*found] == [0x0068000000000707]
    assert machine.fsck() == []


@pytest.mark.parametrize("arch, module, direct", [("arm64", 0xFFFF80007AAB4000, 0xFFFF000000000000),
                                                  ("arm64-16k", 0xFFFFC0007AB50000, 0xFFFF800000000000)])
def test_modules_of_arm64_are_those_of_the_file(arch, module, direct):
    machine = machine_of(arch=arch)
    assert render(machine.modules()) == Recording(f"6.18.15-debian-{arch}").parts["/proc/modules"]
    rodata = machine.walk(1, module)
    alias = machine.walk(1, direct + rodata.phys - 0x40000000).steps[-1]
    assert (rodata.steps[-1].entry & 0x80, alias.entry & 0x80, alias.level) == (0x80, 0x80, "pte")


@pytest.mark.parametrize("arch, start", [("arm64", 0xFFFF800082AB0000), ("arm64-16k", 0xFFFFC00082B40000)])
def test_vmalloc_of_arm64_goes_on_behind_the_image(arch, start):
    """declare_vma(); behind what boot took there, whose entries have the same bits."""
    machine = machine_of(arch=arch)
    recorded = Recording(f"6.18.15-debian-{arch}").within(start, start + (8 << 20))
    first = machine.vmalloc(100000)
    taken = max(end for _, end, bits, level in recorded if bits and level == "pte")
    assert taken <= min(area.start for area in machine.vmalloc_areas()) < taken + (1 << 17)
    step = machine.walk(1, first).steps[-1]
    assert (step.level, step.entry & ~0x0000FFFFFFFFF000) in {(level, bits) for _, _, bits, level in recorded}
    assert machine.fsck() == []
    machine.vfree(first)
    assert machine.walk(1, first).phys is None


@pytest.mark.parametrize("arch, names", [("arm64", ("PageTables", "KernelStack", "VmallocUsed")),
                                         ("arm64-16k", ("PageTables", "KernelStack", "VmallocUsed"))])
def test_what_meminfo_says_of_the_kernel_is_as_recorded(arch, names):
    recorded, found = Recording(f"6.18.15-debian-{arch}"), machine_of(arch=arch).meminfo()
    assert [found[name] for name in names] == [recorded.meminfo(name) for name in names]


@pytest.mark.parametrize("arch", ["riscv64", "riscv64-sv39", "riscv64-sv57"])
def test_what_meminfo_says_of_riscvs_kernel_is_as_recorded(arch):
    """KernelStack was 764 in two of the three boots, 768 in one; a stack is 16."""
    name = {"riscv64": "6.12.117-debian-riscv64"}.get(arch, f"6.12.117-debian-{arch}")
    recorded, found = Recording(name), machine_of(arch=arch).meminfo()
    assert found["VmallocUsed"] == recorded.meminfo("VmallocUsed")
    assert 0 <= found["KernelStack"] - recorded.meminfo("KernelStack") <= 4


@pytest.mark.parametrize("arch", ["arm64", "arm64-16k", "arm64-64k"])
@pytest.mark.parametrize("boot", [{"ram": 64 << 20}, {"ram": 4 << 30}, {"nr_cpus": 4}])
def test_other_machines_of_arm64_are_sound(boot, arch):
    machine = machine_of(arch=arch, **boot)
    assert machine.fsck() == []
    assert bool(machine.modules()) == (boot.get("ram", 1 << 30) > 112 << 20)


# --- riscv64 -------------------------------------------------------------------------------------------------------------------------

RISCV = {"riscv64": (0xFFFFAF8000000000, 48), "riscv64-sv39": (0xFFFFFFD600000000, 39), "riscv64-sv57": (0xFF60000000000000, 57)}


def places_of_riscv(arch):
    """Start of the kernel's half, of vmalloc's range, of the direct map (asm/pgtable.h)."""
    direct, va_bits = RISCV[arch]
    return (1 << 64) - (1 << va_bits - 1), direct - (1 << va_bits - 3), direct


@pytest.mark.parametrize("arch", RISCV)
def test_areas_of_riscv_are_the_recorded_ones(arch):
    """The image is Debian's. All but vmalloc's range, where boot's areas are not mapped, and what module's pages are in the direct map."""
    start, vmalloc, direct = places_of_riscv(arch)
    machine, recorded = machine_of(arch=arch), Recording(f"6.12.117-debian-{arch}")
    ram = 1 << 30
    for first, end in ((start, vmalloc), (direct, direct + (36 << 20)), (direct + ram - (4 << 20), 1 << 64)):
        assert runs_of(machine, first, end) == recorded.within(first, end)
    assert render(machine.modules()) == recorded.parts["/proc/modules"]


@pytest.mark.parametrize("arch", RISCV)
@pytest.mark.parametrize("boot", [{"ram": 64 << 20}, {"ram": 6 << 30}, {"nr_cpus": 4}])
def test_other_machines_of_riscv_are_sound(boot, arch):
    machine = machine_of(arch=arch, **boot)
    assert machine.fsck() == []
    assert bool(machine.modules()) == (boot.get("ram", 1 << 30) > 112 << 20)


@pytest.mark.parametrize("arch, size", [("riscv64", 1 << 30), ("riscv64-sv39", 2 << 20), ("riscv64-sv57", 1 << 30)])
def test_the_direct_map_of_riscv_has_the_largest_pages(arch, size):
    """best_map_size(): with three levels an entry of the top table maps no page of its own."""
    machine = machine_of(arch=arch, ram=6 << 30)
    walk = machine.walk(1, RISCV[arch][0] + (2 << 30))
    assert (walk.page_bytes, walk.phys, walk.register) == (size, 4 << 30, "satp")


@pytest.mark.parametrize("arch, nr", [("riscv64", 198), ("riscv64-sv39", 204), ("riscv64-sv57", 197)])
def test_tables_that_all_spaces_share_are_there_before_they_are_needed(arch, nr):
    """Entries of the top table, of the kernel's half, that lead on: in the recorded map those that are not among its empty runs."""
    direct, va_bits = RISCV[arch]
    start, top = (1 << 64) - (1 << va_bits - 1), va_bits - 9
    for runs in (Recording(f"6.12.117-debian-{arch}").within(start, 1 << 64), runs_of(machine_of(arch=arch), start, 1 << 64)):
        assert 256 - sum(end - first >> top for first, end, bits, level in runs if level == "pgd" and not bits) == nr
