"""/proc/vmallocinfo: areas of the kernel's virtual memory.

Counterpart: Linux v6.18 mm/vmalloc.c:vmalloc_info_show(). Addresses are as a kernel hides them that has not yet collected enough entropy
(%p). What boot left there is that of Debian's 6.18.15 at rest: its threads' stacks, modules, chunks for per-CPU data, devices' registers;
on i386 and arm, whose areas are those of their own kernels, it is what the machine has.
"""

from collections.abc import Iterable

from vmtool.records import BootArea, MachineInfo, VmallocArea

HIDDEN = "0x(____ptrval____)-0x(____ptrval____)"
CALLERS = {"stack": "kernel_clone+0xbc/0x480", "vmalloc": "vmalloc_noprof+0x5c/0x70"}
STACK_BYTES = 16384
BOOT_AREAS = (
    (20480, "irq_init_percpu_irqstack+0x111/0x1b0 vmap"), (8192, "gen_pool_add_owner+0x4b/0xe0 pages=1 vmalloc N0=1"),
    (8192, "bpf_prog_alloc_no_stats+0x3f/0x260 pages=1 vmalloc N0=1"), (8192, "gen_pool_add_owner+0x4b/0xe0 pages=1 vmalloc N0=1"),
    (8192, "gen_pool_add_owner+0x4b/0xe0 pages=1 vmalloc N0=1"), (8192, "gen_pool_add_owner+0x4b/0xe0 pages=1 vmalloc N0=1"),
    (12288, "pcpu_create_chunk+0x19b/0x1b0 pages=2 vmalloc N0=2"), (69632, "pcpu_create_chunk+0x4e/0x1b0 pages=16 vmalloc N0=16"),
    (73728, "pcpu_create_chunk+0x75/0x1b0 pages=17 vmalloc N0=17"), (20480, "pcpu_create_chunk+0x92/0x1b0 pages=4 vmalloc N0=4"),
    (4198400, "pcpu_create_chunk+0x19b/0x1b0 pages=1024 vmalloc vpages N0=1024"), (16384, "n_tty_open+0x18/0xa0 pages=3 vmalloc N0=3"),
    (2097152, "pcpu_get_vm_areas+0x0/0xfe0 vmalloc"), (2101248, "bpf_prog_pack_alloc+0x161/0x2d0 pages=512 vmalloc N0=512"),
    (8192, "execmem_alloc_rw+0x13/0x60 pages=1 vmalloc N0=1"), (8192, "execmem_alloc_rw+0x13/0x60 pages=1 vmalloc N0=1"),
    (12288, "execmem_alloc_rw+0x13/0x60 pages=2 vmalloc N0=2"), (8192, "execmem_alloc_rw+0x13/0x60 pages=1 vmalloc N0=1"),
    (8192, "execmem_alloc_rw+0x13/0x60 pages=1 vmalloc N0=1"), (81920, "execmem_alloc_rw+0x13/0x60 pages=19 vmalloc N0=19"),
    (49152, "execmem_alloc_rw+0x13/0x60 pages=11 vmalloc N0=11"), (8192, "execmem_alloc_rw+0x13/0x60 pages=1 vmalloc N0=1"),
    (397312, "execmem_alloc_rw+0x13/0x60 pages=96 vmalloc N0=96"), (282624, "execmem_alloc_rw+0x13/0x60 pages=68 vmalloc N0=68"),
    (12288, "execmem_alloc_rw+0x13/0x60 pages=2 vmalloc N0=2"), (12288, "execmem_alloc_rw+0x13/0x60 pages=2 vmalloc N0=2"),
    (12288, "execmem_alloc_rw+0x13/0x60 pages=2 vmalloc N0=2"), (8192, "execmem_alloc_rw+0x13/0x60 pages=1 vmalloc N0=1"),
    (2101248, "execmem_alloc+0xc5/0x1d0 pages=512 vmalloc N0=512"),
)  # fmt: skip
_ARM = {"start_kernel": ("+0x5cc/0x77c",), "gicv2m_init": ("+0x19c/0x488",), "bpf_prog_alloc_no_stats": ("+0x38/0x1f8",),
        "kernel_clone": ("+0xac/0x37c",), "gic_of_setup": ("+0x28/0x108", "+0x40/0x108"), "gen_pool_add_owner": ("+0x34/0xbc",),
        "dma_common_contiguous_remap": ("+0x78/0x94",), "__devm_ioremap_resource": ("+0x1a8/0x1cc",), "devm_ioremap": ("+0x4c/0x80",),
        "pcpu_create_chunk": ("+0x19c/0x1ac",), "n_tty_open": ("+0x18/0xa4",), "load_module": ("+0x790/0x1fe0",),
        "pci_reserve_io": ("+0x0/0x38",), "pcpu_get_vm_areas": ("+0x0/0x108c",)}
_I386 = {"acpi_os_map_iomem": ("+0x211/0x240",), "hpet_enable": ("+0xc5/0x3da",), "gen_pool_add_owner": ("+0x2d/0xa0",),
         "bpf_prog_alloc_no_stats": ("+0x2b/0x1b0",), "memremap": ("+0xa9/0x170",), "load_module": ("+0xae0/0x1d20",),
         "crypto_scomp_init_tfm": ("+0x65/0xb0", "+0x78/0xb0"), "n_tty_open": ("+0x16/0x90",)}
_PAE = {"acpi_os_map_iomem": ("+0x215/0x240",), "hpet_enable": ("+0xc7/0x3dc",), "gen_pool_add_owner": ("+0x2a/0xb0",),
        "memremap": ("+0xc4/0x1a0",)}
OFFSETS = {"arm": _ARM, "i386": _I386, "i386-pae": {**_I386, **_PAE}}
"""Where in a function the first call is, and the next ones."""
PHYS_DIGITS = {"i386-pae": 16}
POINTER_BYTES = 8  # of the 64-bit kernels that are told of here


def render(areas: Iterable[VmallocArea], boot_pages: int, boot: Iterable[BootArea], info: MachineInfo) -> str:
    """`boot_pages`: of the stacks of the kernel's threads; 0: boot left nothing. `boot`: its areas, where the machine has them. Those of
    Debian's are of pages of 4K: of a kernel with larger ones nobody has told them."""
    found = [*areas]
    if known := [*boot]:
        return _render_by_address(found, known, info.arch)
    stack = max(STACK_BYTES >> info.page_shift, 1)  # pages, and one before them that guards it
    lines = [(stack + 1 << info.page_shift, f"{CALLERS['stack']} pages={stack} vmalloc N0={stack}")] * (boot_pages // stack)
    lines += BOOT_AREAS if boot_pages and STACK_BYTES >> info.page_shift == 4 else ()
    lines += [(area.end - area.start, _words(area, info.page_shift)) for area in found if area.kind != "lazy"]
    lines += [(area.end - area.start, "unpurged vm_area") for area in found if area.kind == "lazy"]
    return "".join([f"{HIDDEN} {nr_bytes:7} {words}\n" for nr_bytes, words in lines])


def _render_by_address(areas, boot, arch):
    """A kernel without CONFIG_NUMA: nothing of nodes."""
    offsets = OFFSETS[arch]
    callers = {"stack": "kernel_clone" + offsets.get("kernel_clone", ("",))[0], "vmalloc": "vmalloc"}
    lines = [(area.start, area.end, f"{callers[area.kind]} pages={area.nr_pages} vmalloc") for area in areas if area.kind != "lazy"]
    met = dict.fromkeys(offsets, 0)
    for area in boot:
        known = offsets[area.caller]
        words = [area.caller + known[min(met[area.caller], len(known) - 1)]]
        met[area.caller] += 1
        if area.nr_pages and area.kind == "vmalloc":
            words.append(f"pages={area.nr_pages}")
        if area.phys:
            words.append(f"phys=0x{area.phys:0{PHYS_DIGITS.get(arch, 8)}x}")
        lines.append((area.start, area.end, " ".join([*words, area.kind])))
    lines.sort()
    lines += [(area.start, area.end, "unpurged vm_area") for area in areas if area.kind == "lazy"]
    return "".join([f"{HIDDEN} {end - start:7} {words}\n" for start, end, words in lines])


def _words(area, page_shift):
    vpages = " vpages" if area.nr_pages * POINTER_BYTES > 1 << page_shift else ""  # its array of pages is vmalloc's, too
    return f"{CALLERS[area.kind]} pages={area.nr_pages} vmalloc{vpages} N0={area.nr_pages}"
