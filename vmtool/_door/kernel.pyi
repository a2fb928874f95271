"""The kernel's own memory."""

from vmtool import records as r

class Kernel:
    def kmalloc(self, size: int, gfp: str = "") -> int:
        """The kernel's address; gfp: names joined by |, default GFP_KERNEL."""

    def kfree(self, address: int) -> None: ...
    def vmalloc(self, size: int, gfp: str = "") -> int: ...
    def vfree(self, address: int) -> None: ...
    def alloc_pages(self, order: int, gfp: str = "") -> int:
        """The first frame of a block of 2**order."""

    def free_pages(self, pfn: int) -> None: ...
    def vmalloc_areas(self) -> list[r.VmallocArea]: ...  # by address, freed ones that wait for a purge among them
    def vmalloc_start(self) -> int: ...  # of 32 bits, where it depends on RAM; else 0
    def boot_areas(self) -> list[r.BootArea]: ...  # what boot left in vmalloc's range of a 32-bit kernel, by address
    def modules(self) -> list[r.Module]: ...  # the last that was loaded first
    def kernel_pages(self) -> dict[str, int]:
        """Pages of the kernel's own, by what for; what boot left in ranges of its own is in reserved()."""

    def slabs(self) -> list[r.SlabCache]: ...
