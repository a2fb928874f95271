"""Declarations: the kernel's own memory, by hand and accounted for."""

from vmtool.cli.declare import READS, WRITES, Command, arg, option

BYTES = arg("size", "SIZE", "bytes")
ADDRESS = arg("address", "PLAINADDR", "hexadecimal: what was printed")
GFP = option("--gfp", "WORD", "FLAGS", "names joined by |, as GFP_KERNEL|__GFP_ZERO (default: GFP_KERNEL)")

COMMANDS = (
    Command(
        "kmalloc", "kernel:kmalloc", (BYTES, GFP),
        access=WRITES,
        help="Allocate kernel memory that is contiguous in memory; prints its address.",
        details="Up to 8K it is an object of a slab cache: kmalloc-N, with __GFP_ACCOUNT kmalloc-cg-N, with __GFP_RECLAIMABLE "
                "kmalloc-rcl-N, with GFP_DMA dma-kmalloc-N. Beyond, up to 4M, whole pages. `explain` tells slab, order, zone, fallback "
                "and watermark.",
        example="vmtool kmalloc 100\n  vmtool kmalloc 3000 --gfp GFP_ATOMIC"),
    Command(
        "kfree", "kernel:kfree", (ADDRESS,),
        access=WRITES, json=False,
        help="Free what kmalloc gave.",
        details="0, as NULL, is nothing to free.",
        example="vmtool kfree 0"),
    Command(
        "vmalloc", "kernel:vmalloc", (BYTES, GFP),
        access=WRITES,
        help="Allocate kernel memory that is contiguous in virtual addresses alone; prints its address.",
        details="Single pages, mapped one behind the other in the kernel's tables, and a guard page behind them.",
        example="vmtool vmalloc 1M"),
    Command(
        "vfree", "kernel:vfree", (ADDRESS,),
        access=WRITES, json=False,
        help="Free what vmalloc gave: the pages at once, the addresses with the next purge.",
        example="vmtool vfree 0"),
    Command(
        "alloc-pages", "kernel:alloc_pages", (arg("order", "INT", "2**ORDER frames, 0 to 10"), GFP),
        access=WRITES,
        help="Take a block of frames from the buddy system; prints the first one's number.",
        example="vmtool alloc-pages 3"),
    Command(
        "free-pages", "kernel:free_pages", (arg("pfn", "PLAINADDR", "what alloc-pages printed"),),
        access=WRITES, json=False,
        help="Give a block of frames back.",
        example="vmtool free-pages 0"),
    Command(
        "memory-accounting", "kernel:accounting", (),
        access=READS,
        help="Show where every frame of the machine is: the sum is all of its RAM.",
        example="vmtool memory-accounting"),
)
