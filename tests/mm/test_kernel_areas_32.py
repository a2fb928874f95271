"""The kernel's half of i386 and arm when boot is over, entry by entry beside what Debian's 6.1.176 and 6.12.117 had in their memory under
QEMU (fixtures/kernel_map): lowmem, modules, vmalloc's areas, fixmap.
"""

import pytest

from vmtool.procfs.modules import render
from vmtool.procfs.tree import Tree
from vmtool.views import kernel_map as view

from .story import Cases, core
from .test_kernel_areas import PAGE, Recording, entry_at, machine_of, runs_of

I386 = ("i386", "i386-pae")
RELEASES = {"i386": "6.1.176", "i386-pae": "6.1.176", "arm": "6.12.117"}
LAST_TABLE = {"i386": 0xFEC00000, "i386-pae": 0xFF000000}
ARM_MODULES, ARM_VMALLOC = 0xBF000000, 0xF0800000
CASES = Cases()


def of_32(name):
    """The recorded map, and a machine's, from the kernel's first address to vmalloc's range, and from kmap's table on."""
    return Recording(f"{RELEASES[name]}-debian-{name}"), machine_of(arch=name), LAST_TABLE.get(name)


def booted(name, **boot):
    """Without a program: what boot left."""
    machine = core.Machine()
    machine.boot(ram_bytes=boot.pop("ram", 1 << 30), arch=name, **boot)
    return machine


@pytest.mark.parametrize("name", I386)
def test_all_of_lowmem_is_as_recorded(name):
    """The image is Debian's: read-only text and rodata whose dirty bit stays, with PAE split where text, rodata and .init end; the IDT."""
    recording, machine, _ = of_32(name)
    end = 0xF7000000 if name == "i386-pae" else 0xF6C00000
    assert runs_of(machine, 0xC0000000, end) == recording.within(0xC0000000, end)
    assert [machine.meminfo()[key] for key in ("DirectMap4k", "DirectMap2M" if name == "i386-pae" else "DirectMap4M")] == [
        recording.meminfo(key) for key in ("DirectMap4k", "DirectMap2M" if name == "i386-pae" else "DirectMap4M")]
    assert machine.fsck() == []


@pytest.mark.parametrize("name", RELEASES)
def test_figures_of_what_boot_has_are_the_recorded_ones(name):
    """The program of the machine is the recorded one's second, that read the file."""
    recording, found = Recording(f"{RELEASES[name]}-debian-{name}"), machine_of(arch=name).meminfo()
    for key in ("KernelStack", "Percpu", "VmallocTotal"):
        assert (key, found[key]) == (key, recording.meminfo(key))
    for key in ("MemTotal", "HighTotal", "LowTotal"):
        assert found[key] == pytest.approx(recording.meminfo(key), rel=0.002)


@pytest.mark.parametrize("name", I386)
def test_kmap_cpu_entry_area_and_fixmap_are_as_recorded(name):
    recording, machine, kmap = of_32(name)
    assert runs_of(machine, kmap, 1 << 32) == [(s, e if e else 1 << 32, b, level) for s, e, b, level in recording.within(kmap, 1 << 32)]
    assert machine.translate_supervisor(1, 0xFFFFC000) == (0xFEE00000, 0)


def test_each_cpu_of_i386_has_its_area():
    machine = machine_of(arch="i386", nr_cpus=3)
    areas = [bool(machine.walk(1, 0xFF401000 + cpu * 10 * PAGE).phys) for cpu in range(4)]
    assert areas == [True, True, True, False]
    assert machine.fsck() == []


@pytest.mark.parametrize("name", I386)
def test_vmallocs_range_of_i386_is_as_recorded(name):
    """Firmware's tables, devices, BPF, modules: text, rodata and data of each, with PAE text alone executable."""
    recording, machine, kmap = of_32(name)
    end = 0xF7000000 if name == "i386-pae" else 0xF6C00000
    assert runs_of(machine, end, kmap) == recording.within(end, kmap)
    assert render(machine.modules()) == recording.parts["/proc/modules"]
    assert machine.meminfo()["VmallocUsed"] == recording.meminfo("VmallocUsed")


def test_the_kernels_half_of_arm_is_as_recorded():
    recording, machine = Recording("6.12.117-debian-arm"), booted("arm")
    assert runs_of(machine, ARM_MODULES, 1 << 32) == recording.within(ARM_MODULES, 1 << 32)
    assert render(machine.modules()) == recording.parts["/proc/modules"]
    assert machine.fsck() == []


@pytest.mark.parametrize("name", RELEASES)
def test_vmallocinfo_has_the_areas_that_are_mapped(name):
    """Addresses but for those that boot has lost again; of ACPI's tables it has others. The recorded arm's reader had a stack."""
    recording, machine = Recording(f"{RELEASES[name]}-debian-{name}"), booted(name)
    words = [line.split()[1:] for line in recording.parts["/proc/vmallocinfo"].splitlines() if "unpurged" not in line]
    tree = Tree(machine)
    found = [line.split()[1:] for line in tree.read("vmallocinfo").decode().splitlines()]
    known = [area for area in machine.boot_areas() if area.caller != "pci_reserve_io"]
    where = [line.split()[0] for line in recording.parts["/proc/vmallocinfo"].splitlines()]
    assert [row for row in found if "acpi" not in row[1]] == [row for row in without_reader(words) if "acpi" not in row[1]]
    assert {f"{area.start:#x}-{area.end:#x}" for area in known} <= {*where}


def without_reader(rows):
    """The last stack is that of the program that read the file."""
    stacks = [i for i, row in enumerate(rows) if row[1].startswith("kernel_clone")]
    return [row for i, row in enumerate(rows) if not stacks or i != stacks[-1]]


@pytest.mark.parametrize("name", RELEASES)
@pytest.mark.parametrize("boot", [{"ram": 64 << 20}, {"ram": 512 << 20}, {"ram": 900 << 20}, {"ram": 2 << 30}, {"nr_cpus": 4}])
def test_other_machines_are_sound(boot, name):
    machine = machine_of(arch=name, **boot)
    assert machine.fsck() == []
    assert bool(machine.modules()) == bool(machine.boot_areas()) == (boot.get("ram", 1 << 30) > 112 << 20)


def test_without_highmem_lowmem_loses_what_modules_may_not_write():
    """i386: cpa_process_alias(); with HighMem the recorded lowmem is whole."""
    machine = machine_of(arch="i386", ram=512 << 20)
    text = next(module.address for module in machine.modules() if module.name == "ext4")
    alias = machine.walk(1, 0xC0000000 + machine.walk(1, text).phys).steps[-1]
    data = machine.walk(1, 0xC0000000 + machine.walk(1, text + 140 * PAGE).phys).steps[-1]
    assert (alias.level, alias.entry & 2, data.entry & 2) == ("pte", 0, 2)
    assert text - 0xE0800000 == 0xF75A9000 - 0xF73FE000  # VMALLOC_START of each


@pytest.mark.parametrize("name", RELEASES)
def test_vmallocs_pages_are_highmems_and_every_space_has_them(name):
    """arch_sync_kernel_mappings(): a table that comes later is that of spaces which are there already."""
    machine = machine_of(arch=name)
    machine.spawn("b", None, [b"b"], [])
    before = machine.meminfo()
    address = machine.vmalloc(9 << 20)
    after = machine.meminfo()
    assert before["HighFree"] - after["HighFree"] >= 9 << 10 > 4 * (before["LowFree"] - after["LowFree"])
    for pid in (1, 2):
        assert machine.walk(pid, address + (8 << 20)).phys >= 0x36BFE000
    assert machine.fsck() == []
    machine.vfree(address)
    assert machine.walk(1, address).phys is None
    assert machine.fsck() == []


@pytest.mark.parametrize("name", I386)
def test_a_stack_of_i386_is_no_area(name):
    """No VMAP_STACK: two pages of lowmem that meminfo has as KernelStack and vmalloc has not."""
    machine = booted(name)
    before, pages = machine.meminfo(), machine.kernel_pages()["stacks"]
    pid = machine.spawn("a", None, [b"a"], [])
    after = machine.meminfo()
    assert machine.vmalloc_areas() == []
    assert after["VmallocUsed"] == before["VmallocUsed"]
    assert after["KernelStack"] - before["KernelStack"] == 8
    assert machine.kernel_pages()["stacks"] - pages == 2
    machine.kill(pid, 9)
    assert machine.meminfo()["KernelStack"] == before["KernelStack"]
    assert machine.fsck() == []


def test_a_stack_of_arm_lies_at_a_multiple_of_twice_its_size():
    machine = booted("arm")
    for _ in range(3):
        machine.spawn("a", None, [b"a"], [])
    stacks = [area.start for area in machine.vmalloc_areas()]
    assert stacks == [0xF0A3C000, 0xF0A40000, 0xF0A44000]
    assert machine.walk(1, stacks[2]).steps[-1].entry & 0xFFF == 0x45F
    assert machine.meminfo()["KernelStack"] == Recording("6.12.117-debian-arm").meminfo("KernelStack") + 16


def test_areas_of_an_older_file_keep_addresses_without_entries():
    """It has nothing where boot's first area begins. Its areas lie beyond 32 bits, and to free one takes nothing from a program."""
    machine = machine_of(arch="i386-pae")
    content, field, _ = entry_at(machine, machine.vmalloc_start())
    machine.poke("content", content, field, 0)
    heap = machine.brk(1)
    machine.brk(1, heap + (16 << 20))
    machine.touch(1, heap, 16 << 20, "w")
    rss, address = machine.meminfo()["AnonPages"], machine.vmalloc(9 << 20)
    assert (machine.boot_areas(), address >> 32 != 0) == ([], True)
    machine.vfree(address)
    machine.touch(1, heap, 16 << 20, "r")
    assert machine.meminfo()["AnonPages"] == rss
    assert [line.partition(":")[0] for line in machine.fsck()] == ["table-entries", "vmap-count"]  # of the entry that was taken out


def test_lowmem_of_arm_may_end_within_a_pair_of_sections():
    machine = machine_of(arch="arm", ram=129 << 20)
    assert runs_of(machine, 0xC8000000, 0xC8200000) == [(0xC8000000, 0xC8100000, 0x1141E, "pgd"), (0xC8100000, 0xC8200000, 0, "pgd")]
    assert machine.walk(1, 0xC80FF000).phys == 0x480FF000
    assert machine.walk(1, 0xC8100000).phys is None
    assert machine.fsck() == []


def test_each_cpu_of_arm_has_its_part_of_a_chunk():
    machine = machine_of(arch="arm", nr_cpus=3)
    units = [bool(machine.walk(1, 0xFF800000 - nr * 20 * PAGE).phys) for nr in range(1, 5)]
    assert units == [True, True, True, False]


# --- fsck -------------------------------------------------------------------------------------------------------------------------


@CASES.case("vmalloc-map")
def _(m):
    address = m.vmalloc(PAGE)
    content, field, entry = entry_at(m, address)
    m.poke("content", content, field, entry + PAGE)
    return f"address {address:#x} of vmalloc's range does not lead to frame {(entry >> 12) & 0xFFFFF}"


@CASES.case("kernel-half")
def _(m):
    top = next(cr3 for pid, cr3, *_ in m.roots() if pid == 1) // PAGE
    content = m.peek("frame", top, "content")
    m.poke("content", content, "entry[3]", 0x12345001)
    return f"the top table at frame {top} has not the kernel's entry 3"


@pytest.mark.parametrize("name", CASES)
def test_damage_is_told_in_a_line_of_its_own(name):
    machine = machine_of(arch="i386-pae")
    assert machine.fsck() == []
    assert f"{name}: {CASES[name](machine)}" in machine.fsck()


def test_text_that_may_be_written_is_told():
    machine = machine_of(arch="i386-pae")
    content, field, entry = entry_at(machine, 0xC1000000)
    machine.poke("content", content, field, entry | 2)
    said = "address 0xc1000000 of the direct map allows to write frame 4096, which is the kernel's text or rodata"
    assert f"kernel-text: {said}" in machine.fsck()


def test_regions_have_ptdumps_names():
    machine = machine_of(arch="arm")
    vmalloc = machine.vmalloc_start()
    lines = view.render(view.runs(machine.kernel_map(view.borders("arm", vmalloc)), "arm", vmalloc), "arm").splitlines()
    titles = [line.strip("-[ ]") for line in lines if line.startswith("---[")]
    assert titles == ["Modules", "Kernel Mapping", "vmalloc() Area", "FDT Area", "Fixmap Area", "Vectors", "Vectors End"]
    assert lines[lines.index("---[ vmalloc() Area ]---") + 1].startswith("0xf0800000-0xf0802000")
    assert "0xc0300000-0xc0f00000          12M SECTION B C AP0 TEX0 AP2 S    pgd" in lines
