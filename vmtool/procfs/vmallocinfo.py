"""/proc/vmallocinfo: areas of the kernel's virtual memory.

Counterpart: Linux v6.18 mm/vmalloc.c:vmalloc_info_show(). Addresses are as a kernel hides them that has not yet collected enough entropy
(%p). What boot left there is that of Debian's 6.18.15 at rest: its threads' stacks, modules, chunks for per-CPU data, devices' registers.
"""

from collections.abc import Iterable

from vmtool.records import VmallocArea

HIDDEN = "0x(____ptrval____)-0x(____ptrval____)"
CALLERS = {"stack": "kernel_clone+0xbc/0x480", "vmalloc": "vmalloc_noprof+0x5c/0x70"}
BOOT_STACK = (20480, "kernel_clone+0xbc/0x480 pages=4 vmalloc N0=4")
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
PAGE_BYTES = 4096


def render(areas: Iterable[VmallocArea], boot_pages: int = 0) -> str:
    """`boot_pages`: of the stacks of the kernel's threads; 0: boot left nothing."""
    found = [*areas]
    lines = [BOOT_STACK] * (boot_pages // 4) + list(BOOT_AREAS if boot_pages else ())
    lines += [(area.end - area.start, _words(area)) for area in found if area.kind != "lazy"]
    lines += [(area.end - area.start, "unpurged vm_area") for area in found if area.kind == "lazy"]
    return "".join([f"{HIDDEN} {nr_bytes:7} {words}\n" for nr_bytes, words in lines])


def _words(area):
    vpages = " vpages" if area.nr_pages * 8 > PAGE_BYTES else ""  # its array of pages is vmalloc's, too
    return f"{CALLERS[area.kind]} pages={area.nr_pages} vmalloc{vpages} N0={area.nr_pages}"
