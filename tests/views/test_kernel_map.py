"""The kernel's half in runs, against the processor's own walk of every border of every run, and the text of x86's ptdump."""

from itertools import product

import pytest

from vmtool.views import kernel_map as view

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

ARCHS = ("x86-64", "x86-64-la57", "i386", "i386-pae", "arm", "arm64", "arm64-16k", "arm64-64k", "riscv64", "riscv64-sv39",
         "riscv64-sv57")


def runs_of(arch, root=None):
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30, arch=arch, kpti=root is not None)
    pid = machine.spawn("demo", None, [b"demo"], [])
    return machine, pid, view.runs(machine.kernel_map(view.borders(arch), root), arch)


@pytest.mark.parametrize("arch, root", [*product(ARCHS, [None]), *product(ARCHS[:2], ["user", "kernel"])])
def test_a_walk_finds_what_each_run_says(arch, root):
    machine, pid, runs = runs_of(arch, root)
    for run in runs:
        for address in {run.start, run.last, run.start + (run.last - run.start) // 2}:
            walk = machine.walk(pid, address, root)
            assert (walk.phys is not None) == bool(run.flags), hex(address)
            if run.flags and arch != "arm":  # whose processor has levels of other sizes
                assert (walk.steps[-1].level, set(walk.steps[-1].flags) - set(view.UNSAID)) == (run.level, set(run.flags))


@pytest.mark.parametrize("arch", ARCHS)
def test_runs_follow_each_other_to_the_end_of_the_space(arch):
    _, _, runs = runs_of(arch)
    assert all(one.last + 1 == other.start for one, other in zip(runs, runs[1:], strict=False))
    pairs = list(zip(runs, runs[1:], strict=False))
    assert all((one.level, one.entry, one.region) != (other.level, other.entry, other.region) for one, other in pairs)
    assert runs[-1].last in (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


def test_all_of_memory_is_in_the_direct_map_and_all_of_the_text_is_read_only():
    machine, _, runs = runs_of("x86-64")
    direct = [r for r in runs if r.region == "Low Kernel Mapping" and r.flags]
    assert sum(r.last + 1 - r.start for r in direct) == 1 << 30
    trampoline = [(0xFFFF888000099000, 0xFFFF88800009B000)]  # real mode's
    assert [(r.start, r.last + 1) for r in direct if "NX" not in r.flags] == trampoline
    text = [r for r in runs if r.region == "High Kernel Mapping" and r.flags and "NX" not in r.flags]
    assert text and all("RW" not in r.flags for r in text)
    meminfo = machine.meminfo()  # which level has how much: test_kernel_areas
    assert sum(meminfo[name] for name in ("DirectMap4k", "DirectMap2M", "DirectMap1G")) == 1 << 20


def test_the_text_is_ptdumps():
    """Columns as arch/x86/mm/dump_pagetables.c prints them: an absent run, one of 4K entries, a huge one that is executable."""
    shown = [(0xFFFF880000000000, 0xFFFF887FFFFFFFFF, "pgd", 0, ()),
             (0xFFFF888000000000, 0xFFFF88800009BFFF, "pte", 0x8000000000000103, ("P", "RW", "G", "NX")),
             (0xFFFFFFFF81000000, 0xFFFFFFFF823FFFFF, "pmd", 0x181, ("P", "PS", "G")),
             (0xFFFFFFFFC0000000, 0xFFFFFFFFFFFFFFFF, "pud", 0, ())]
    assert view.render(view.runs(shown, "x86-64"), "x86-64").splitlines() == [
        "---[ LDT remap ]---",
        "0xffff880000000000-0xffff888000000000         512G                               pgd",
        "---[ Low Kernel Mapping ]---",
        "0xffff888000000000-0xffff88800009c000         624K     RW                 GLB NX pte",
        "---[ High Kernel Mapping ]---",
        "0xffffffff81000000-0xffffffff82400000          20M     ro         PSE     GLB x  pmd",
        "---[ Modules ]---",
        "0xffffffffc0000000-0x0000000000000000           1G                               pud"]
