"""/proc/meminfo: where the machine's memory is, in kB.

Counterpart: Linux v6.18 fs/proc/meminfo.c:meminfo_proc_show(), mm/hugetlb.c:hugetlb_report_meminfo(),
arch/x86/mm/pat/set_memory.c:arch_report_meminfo(). The core gives the labels in that kernel's order; it has kept through all releases,
so an older one is this less what came later.

Of older releases: VmallocUsed is 0 from 4.4 to 5.2, where nobody counted it. VmallocChunk, the longest free range of 3.10, is all that
is not used, as if that lay in one piece. HardwareCorrupted, which distributions configure and the kernel of the recordings does not, is 0.
"""

from vmtool.procfs.releases import CURRENT, v

SINCE = {
    "MemAvailable": v(3, 14), "Zswap": v(5, 19), "Zswapped": v(5, 19), "KReclaimable": v(4, 20), "SecPageTables": v(6, 1),
    "Percpu": v(4, 20), "ShmemHugePages": v(4, 8), "ShmemPmdMapped": v(4, 8), "FileHugePages": v(5, 4), "FilePmdMapped": v(5, 4),
    "Unaccepted": v(6, 12), "Balloon": v(6, 18), "Hugetlb": v(4, 16), "CmaTotal": v(3, 14), "CmaFree": v(3, 14),
}  # fmt: skip
"""The first release that printed a label; the others are older than 3.10."""
UNCOUNTED_VMALLOC = (v(4, 4), v(5, 3))
VMALLOC_CHUNK_UNTIL = v(4, 4)


def render(meminfo: dict[str, int], release: int = CURRENT) -> str:
    """The file; `HugePages_` lines count pages and have no unit."""
    if release < CURRENT:
        meminfo = _as_in(release, meminfo)
    lines = []
    for name, value in meminfo.items():
        label = name + ":"
        if name.startswith("HugePages_"):
            lines.append(f"{label:<19}{value:5}\n")
        elif name == "HardwareCorrupted":
            lines.append(f"{label:<19}{value:5} kB\n")
        else:
            lines.append(f"{label:<16}{value:8} kB\n")
    return "".join(lines)


def _as_in(release, meminfo):
    older = {}
    for name, value in meminfo.items():
        if name == "AnonHugePages":
            older["HardwareCorrupted"] = 0
        if SINCE.get(name, 0) <= release:
            older[name] = value
    if release < VMALLOC_CHUNK_UNTIL:
        older["VmallocChunk"] = older["VmallocTotal"] - older["VmallocUsed"]
    if UNCOUNTED_VMALLOC[0] <= release < UNCOUNTED_VMALLOC[1]:
        older["VmallocUsed"] = 0
    return older
