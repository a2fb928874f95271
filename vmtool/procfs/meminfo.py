"""/proc/meminfo: where the machine's memory is, in kB.

Counterpart: Linux v6.18 fs/proc/meminfo.c:meminfo_proc_show(), mm/hugetlb.c:hugetlb_report_meminfo(),
arch/x86/mm/pat/set_memory.c:arch_report_meminfo(). The core gives the labels in the kernel's order.
"""


def render(meminfo: dict[str, int]) -> str:
    """The file; `HugePages_` lines count pages and have no unit."""
    lines = []
    for name, value in meminfo.items():
        label = name + ":"
        if name.startswith("HugePages_"):
            lines.append(f"{label:<19}{value:5}\n")
        else:
            lines.append(f"{label:<16}{value:8} kB\n")
    return "".join(lines)
