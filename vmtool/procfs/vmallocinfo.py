"""/proc/vmallocinfo: areas of the kernel's virtual memory.

Counterpart: Linux v6.18 mm/vmalloc.c:vmalloc_info_show(). Of what uses vmalloc the machine has the threads' stacks: four pages and a
guard page each. Addresses are as a kernel hides them that has not yet collected enough entropy.
"""

HIDDEN = "0x(____ptrval____)-0x(____ptrval____)"
STACK_PAGES = 4
GUARD_PAGES = 1


def render(nr_stacks: int, page_shift: int = 12) -> str:
    """A line a thread."""
    nr_bytes = (STACK_PAGES + GUARD_PAGES) << page_shift
    return f"{HIDDEN} {nr_bytes:7} kernel_clone+0xb8/0x400 pages={STACK_PAGES} vmalloc N0={STACK_PAGES}\n" * nr_stacks
