"""Why a machine cannot be booted, and what could be instead: by trial, so that no limit of the kernel's stands here a second time."""

from __future__ import annotations

from vmtool.errors import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PLAIN = {"ram_bytes": 1 << 30, "arch": "x86-64", "tlb": ""}
STEP = 1 << 20  # to which a limit of RAM is told
MOST = 1 << 46
TLB_SYNTAX = ("skylake, icelake, zen2, zen4, cortex-a72, neoverse-n1, none, or a list such as l1d=64x4,l2=1536x12:plru: "
              "ENTRIESxWAYS for some of l1d, l1d2m, l1d1g, l1i, l1i2m, l2, l2i, l21g, pde, pdpte, pml4e, pml5e, "
              "where ENTRIES / WAYS is a number up to 4096 and WAYS at most 128; then :lru, :plru, :random, :all, or the sizes it holds, "
              ":4K+64K+1M (l1d, l1i, l2, l2i); on arm64 also asid=8, tlbirange")


def explain(factory: Callable[[], Any], ram: int, arch: str, tlb: str) -> str | None:
    """Which of the three does not go, and what would; None where each of them alone goes."""
    def boots(**wanted: Any) -> bool:
        try:
            factory().boot(**{**PLAIN, **wanted})
        except KernelError:
            return False
        return True

    if not boots(arch=arch):
        return f"--arch: {arch} is not modelled yet"
    if not boots(arch=arch, ram_bytes=ram):
        least, most = _edge(lambda size: boots(arch=arch, ram_bytes=size), 0), _edge(lambda size: boots(arch=arch, ram_bytes=size), MOST)
        return f"--ram: {ram} bytes are not possible with {arch}, from {_size(least)} to {_size(most)} are"
    if not boots(arch=arch, tlb=tlb):
        return f"--tlb: {tlb!r} is not {TLB_SYNTAX}"
    return None


def _edge(goes: Callable[[int], bool], wrong: int) -> int:
    """The size nearest to one that does not go that does, to a STEP, when 1G goes."""
    right = PLAIN["ram_bytes"]
    assert isinstance(right, int)
    while abs(right - wrong) > STEP:
        middle = (right + wrong) // 2 // STEP * STEP
        if middle in (right, wrong):
            break
        right, wrong = (middle, wrong) if goes(middle) else (right, middle)
    return right


def _size(nr_bytes: int) -> str:
    for letter, shift in (("T", 40), ("G", 30), ("M", 20)):
        if nr_bytes >> shift and not nr_bytes & ((1 << shift) - 1):
            return f"{nr_bytes >> shift}{letter}"
    return f"{nr_bytes}"
