"""The kernel's half of the address space: what its tables map, in runs of like entries, between the borders of its regions.

Text: x86's is that of /sys/kernel/debug/page_tables/kernel (arch/x86/mm/dump_pagetables.c): first address, end, size, what the entries
allow, their level. Of other architectures the flags have their manual's names. Regions: Documentation/arch/x86/x86_64/mm.rst.
"""

from collections.abc import Iterable
from typing import NamedTuple

UNITS = "BKMGTPE"


def _riscv(page_offset: int, va_bits: int) -> tuple[tuple[int, str], ...]:
    """arch/riscv/mm/ptdump.c's address_markers, from the direct map downwards as arch/riscv/include/asm/pgtable.h counts."""
    vmalloc = page_offset - (1 << va_bits - 3)
    vmemmap = vmalloc - (1 << va_bits - 12 - 1 + 6)
    pci = vmemmap - (16 << 20)
    return ((pci - (6 << 20), "Fixmap start"), (pci, "PCI I/O start"), (vmemmap, "vmemmap start"), (vmalloc, "vmalloc() area"),
            (page_offset, "Linear mapping"), (0xFFFFFFFF01E6C000, "Modules/BPF mapping"), (0xFFFFFFFF80000000, "Kernel mapping"))


REGIONS = {
    "x86-64": ((0xFFFF800000000000, "Kernel Space"), (0xFFFF880000000000, "LDT remap"), (0xFFFF888000000000, "Low Kernel Mapping"),
               (0xFFFFC90000000000, "vmalloc() Area"), (0xFFFFEA0000000000, "Vmemmap"), (0xFFFFFE0000000000, "CPU entry Area"),
               (0xFFFFFF0000000000, "ESPfix Area"), (0xFFFFFFEF00000000, "EFI Runtime Services"),
               (0xFFFFFFFF80000000, "High Kernel Mapping"), (0xFFFFFFFFC0000000, "Modules"), (0xFFFFFFFFFF000000, "Fixmap Area")),
    "x86-64-la57": ((0xFF00000000000000, "Kernel Space"), (0xFF10000000000000, "LDT remap"), (0xFF11000000000000, "Low Kernel Mapping"),
                    (0xFFA0000000000000, "vmalloc() Area"), (0xFFD4000000000000, "Vmemmap"), (0xFFFFFE0000000000, "CPU entry Area"),
                    (0xFFFFFF0000000000, "ESPfix Area"), (0xFFFFFFEF00000000, "EFI Runtime Services"),
                    (0xFFFFFFFF80000000, "High Kernel Mapping"), (0xFFFFFFFFC0000000, "Modules"), (0xFFFFFFFFFF000000, "Fixmap Area")),
    "i386": ((0xC0000000, "Kernel Mapping"), (0xFEBFE000, "vmalloc() End"), (0xFEC00000, "Persistent kmap() Area"),
             (0xFF000000, "LDT remap"), (0xFF400000, "CPU entry area")),
    "i386-pae": ((0xC0000000, "Kernel Mapping"), (0xFEFFE000, "vmalloc() End"), (0xFF000000, "Persistent kmap() Area"),
                 (0xFF200000, "LDT remap"), (0xFF400000, "CPU entry area")),
    "arm": ((0xBF000000, "Modules"), (0xC0000000, "Kernel Mapping"), (0xFF800000, "FDT Area"), (0xFFC80000, "Fixmap Area"),
            (0xFFFF0000, "Vectors"), (0xFFFF2000, "Vectors End")),
    "arm64": ((0xFFFF000000000000, "Linear Mapping"), (0xFFFF800000000000, "Modules"), (0xFFFF800080000000, "vmalloc() area"),
              (0xFFFFFDFFBF800000, "vmalloc() end"), (0xFFFFFDFFC0000000, "vmemmap"), (0xFFFFFFFFC0000000, "vmemmap end"),
              (0xFFFFFFFFC0800000, "PCI I/O"), (0xFFFFFFFFC1800000, "PCI I/O end"), (0xFFFFFFFFFF200000, "Fixmap")),
    "arm64-16k": ((0xFFFF800000000000, "Linear Mapping"),),
    "arm64-64k": ((0xFFFF000000000000, "Linear Mapping"),),
    "riscv64": _riscv(0xFFFFAF8000000000, 48),
    "riscv64-sv39": _riscv(0xFFFFFFD600000000, 39),
    "riscv64-sv57": _riscv(0xFF60000000000000, 57),
}
"""First address and name of each region, by architecture; ptdump's names."""
X86_COLUMNS = ("US", "RW", "PWT", "PCD", "PS", "PAT", "G", "NX")
X86_WORDS = {"US": "USR ", "RW": "RW ", "PWT": "PWT ", "PCD": "PCD ", "PS": "PSE ", "PAT": "PAT ", "G": "GLB ", "NX": "NX "}
X86_CLEAR = {"RW": "ro ", "NX": "x  "}
UNSAID = ("A", "D", "AF")
NOTHING = " " * 30


class Run(NamedTuple):
    """Entries of one level with the same bits, side by side. `flags` is empty where nothing is mapped."""

    start: int
    last: int
    level: str
    entry: int
    flags: tuple[str, ...]
    region: str

    @property
    def end(self) -> int:
        """The address behind it; 0 where that is the end of the address space, as ptdump has it."""
        return 0 if self.last in (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF) else self.last + 1


def _regions(arch: str, vmalloc: int) -> list[tuple[int, str]]:
    """`vmalloc`: where its range begins, which with 32 bits depends on RAM; 0: it is among REGIONS."""
    return sorted([*REGIONS.get(arch, ()), *([(vmalloc, "vmalloc() Area")] if vmalloc else [])])


def borders(arch: str, vmalloc: int = 0) -> list[int]:
    return [start for start, _ in _regions(arch, vmalloc)]


def runs(found: Iterable[tuple[int, int, str, int, tuple[str, ...]]], arch: str, vmalloc: int = 0) -> list[Run]:
    """What Machine.kernel_map() gives, with the region of each run."""
    regions = _regions(arch, vmalloc)
    made = []
    for start, last, level, entry, flags in found:
        region = next((name for first, name in reversed(regions) if start >= first), "")
        shown = tuple(flag for flag in flags if flag not in UNSAID)
        made.append(Run(start, last, level, entry, shown, region))
    return made


def render(shown: Iterable[Run], arch: str) -> str:
    """A line a run, after a line for each region that begins."""
    width = 8 if arch.startswith("i386") or arch == "arm" else 16
    lines, region = [], None
    for run in shown:
        if run.region != region:
            region = run.region
            lines.append(f"---[ {region} ]---")
        lines.append(f"0x{run.start:0{width}x}-0x{run.end:0{width}x}   {_size(run.last + 1 - run.start)} "
                     f"{_allowed(run, arch)}{run.level}")
    return "".join(line + "\n" for line in lines)


def _size(nr_bytes: int) -> str:
    unit = 0
    while nr_bytes & 1023 == 0 and unit < len(UNITS) - 1:
        nr_bytes >>= 10
        unit += 1
    return f"{nr_bytes:9d}{UNITS[unit]}"


def _allowed(run: Run, arch: str) -> str:
    if not run.flags:
        return NOTHING
    if arch.startswith(("x86", "i386")):
        return "".join(X86_WORDS[flag] if flag in run.flags else X86_CLEAR.get(flag, "    ") for flag in X86_COLUMNS)
    return f"{' '.join(run.flags):<29} "
