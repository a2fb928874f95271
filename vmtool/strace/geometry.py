"""How large a page is on the machine that a log is replayed on, and what follows from that.

What is modelled: a log says bytes, and the kernel that wrote it counted in its pages; which these were no line says, so they are taken for
the machine's own. What execve puts at the top of the mmap area ([vvar], [vvar_vclock], [vdso]) is so many pages, by the architecture.
"""

from typing import Any, NamedTuple

VDSO_PAGES = {"x86-64": 8, "x86-64-la57": 8, "i386": 6, "i386-pae": 6, "arm": 3, "arm64": 6, "arm64-16k": 5, "arm64-64k": 5, "riscv64": 6,
              "riscv64-sv39": 6, "riscv64-sv57": 6}


class Geometry(NamedTuple):
    """Sizes in bytes."""

    page: int  # PAGE_SIZE
    huge: int  # HPAGE_PMD_SIZE
    vdso: int
    task_size: int  # where a program's addresses end

    def up(self, n: int) -> int:
        """PAGE_ALIGN()."""
        return (n + self.page - 1) & -self.page

    def down(self, n: int) -> int:
        return n & -self.page

    def pages(self, start: int, length: int) -> tuple[int, int]:
        """A range in whole pages: its first address and its end."""
        return self.down(start), self.up(start + length)


def geometry_of(info: Any) -> Geometry:
    """Of a machine, by its MachineInfo; of a computer whose log is only read (`record`), no more than its page."""
    page = 1 << info.page_shift
    return Geometry(page, page << info.pmd_order, VDSO_PAGES.get(info.arch, 0) * page, info.task_size)
