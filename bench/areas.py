"""Reads of untouched memory and of shared pages, mprotect, munmap: vmtool's core, the plain C model, the live kernel (CPU time a page)."""

from collections.abc import Iterator

from bench.faults import MAP_PRIVATE_ANON, NR_PAGES, PROT_RW, timed
from bench.measure import Row, alternate, compiled, figures_of, ns

PROT_READ, MAP_SHARED_ANON, MADV_DONTNEED = 1, 0x21, 4
LENGTH = NR_PAGES << 12
KINDS = (("read", "a read of untouched memory"), ("shared", "a read of a shared page that is there"), ("protect", "mprotect, a page"),
         ("unmap", "munmap, a page"))  # fmt: skip


def simulated() -> dict[str, float]:
    """One round of vmtool's side, with the same counters as the model's."""
    from vmtool._core import Machine

    machine = Machine()
    machine.boot(ram_bytes=1 << 30)
    pid = machine.spawn("bench", None, [b"bench"], [])
    base = machine.mmap(pid, 0, LENGTH, PROT_RW, MAP_PRIVATE_ANON)
    before = machine.task(pid).min_flt
    figures: dict[str, float] = {"read": timed(lambda: machine.touch(pid, base, LENGTH, "r"), NR_PAGES)}
    figures["read_faults"] = machine.task(pid).min_flt - before
    machine.touch(pid, base, LENGTH, "w")
    figures["protect"] = timed(lambda: machine.mprotect(pid, base, LENGTH, PROT_READ), NR_PAGES)
    freed = machine.vmstat()["pgfree"]
    figures["unmap"] = timed(lambda: machine.munmap(pid, base, LENGTH), NR_PAGES)
    figures["pgfree"] = machine.vmstat()["pgfree"] - freed
    base = machine.mmap(pid, 0, LENGTH, PROT_RW, MAP_SHARED_ANON)
    machine.touch(pid, base, LENGTH, "w")
    machine.madvise(pid, base, LENGTH, MADV_DONTNEED)
    before = machine.task(pid).min_flt
    figures["shared"] = timed(lambda: machine.touch(pid, base, LENGTH, "r"), NR_PAGES)
    figures["shared_faults"] = machine.task(pid).min_flt - before
    return figures


def rows(rounds: int) -> Iterator[Row]:
    model, kernel = compiled("model_areas.c"), compiled("kernel_areas.c")
    taken = alternate(rounds, {
        "model": lambda: figures_of(model, NR_PAGES),
        "kernel": lambda: figures_of(kernel, NR_PAGES),
        "core": simulated,
    })  # fmt: skip
    c, linux, core = (taken[name].median for name in ("model", "kernel", "core"))
    for name, what in KINDS:
        yield Row(f"{what}: kernel / vmtool", ns(core[name]), "kernel " + ns(linux[name]), linux[name] / core[name], 20, True)
        yield Row(f"{what}: vmtool / C model", ns(core[name]), "model " + ns(c[name]), core[name] / c[name], 3)
    for name in ("read_faults", "shared_faults"):
        if abs(c[name] - core[name]) > 1 or abs(linux[name] - core[name]) > 64:  # the program has some of its own
            print(f"  NOT COMPARABLE: {name} is {c[name]:.0f} in the model, {core[name]:.0f} in vmtool, {linux[name]:.0f} in Linux")
