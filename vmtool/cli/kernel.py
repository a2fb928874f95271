"""Handlers: the kernel's own memory, by hand and accounted for."""

from __future__ import annotations

from errno import EINVAL

from vmtool.errors import KernelError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmtool._core import Machine
    from vmtool.cli.report import Output


def _ask(call: Callable[..., int], what: int, gfp: str | None) -> int:
    try:
        return call(what, gfp or "")
    except ValueError as wrong:
        raise UsageError(f"--gfp: {wrong}") from None


def _address(address: int, json: bool) -> Output:
    return f'{{"address": "{address:#x}"}}\n' if json else f"{address:#x}\n"


def kmalloc(machine: Machine, size: int, gfp: str | None, json: bool) -> Output:
    return _address(_ask(machine.kmalloc, size, gfp), json)


def kfree(machine: Machine, address: int) -> None:
    machine.kfree(address)


def vmalloc(machine: Machine, size: int, gfp: str | None, json: bool) -> Output:
    return _address(_ask(machine.vmalloc, size, gfp), json)


def vfree(machine: Machine, address: int) -> None:
    machine.vfree(address)


def alloc_pages(machine: Machine, order: int, gfp: str | None, json: bool) -> Output:
    if order < 0:
        raise KernelError(EINVAL, f"order {order}")
    pfn = _ask(machine.alloc_pages, order, gfp)
    return f'{{"pfn": {pfn}}}\n' if json else f"{pfn:#x}\n"


def free_pages(machine: Machine, pfn: int) -> None:
    machine.free_pages(pfn)


def accounting(machine: Machine, json: bool) -> Output:
    from vmtool.views import accounting as view
    rows = view.rows(machine.frames_summary(), machine.reserved(), machine.kernel_pages())
    page_kb = 1 << (machine.info().page_shift - 10)
    if json:
        from vmtool.cli.json_text import text
        return text({"where": [{"what": what, "nr_pages": pages} for what, pages in rows], "nr_pages": sum(pages for _, pages in rows)})
    return view.render(rows, page_kb)
