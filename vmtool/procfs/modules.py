"""/proc/modules: what was loaded into the kernel.

Counterpart: Linux v6.18 kernel/module/procfs.c:m_show(). Addresses are as root reads them.
"""

from collections.abc import Iterable

from vmtool.records import Module


def render(modules: Iterable[Module]) -> str:
    return "".join(f"{m.name} {m.size_bytes} {m.refs} {m.users} Live {_address(m.address)}\n" for m in modules)


def _address(address: int) -> str:
    """%px."""
    return f"0x{address:016x}" if address >> 32 else f"0x{address:08x}"
