"""cpuinfo of each architecture: what Debian's kernels printed of QEMU's processors (fixtures/cpuinfo); x86's has those of the kernel's
lines that are modelled."""

import re
from pathlib import Path

import pytest

from vmtool.procfs.cpuinfo import render

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

RECORDED = Path(__file__).parents[2] / "fixtures" / "cpuinfo"


def machine_of(arch, **boot):
    machine = core.Machine()
    machine.boot(ram_bytes=512 << 20, arch=arch, **boot)
    return machine


@pytest.mark.parametrize("arch", ["arm", "arm64", "arm64-16k", "riscv64", "riscv64-sv39", "riscv64-sv57"])
def test_the_recorded_processors(arch):
    assert render(machine_of(arch).info()) == (RECORDED / arch).read_text()


@pytest.mark.parametrize("arch, flag, sizes", [("i386", "nx", "36 bits physical, 32"), ("x86-64", "lm", "46 bits physical, 48"),
                                               ("x86-64-la57", "la57", "46 bits physical, 57")])
def test_x86_says_what_its_tables_have(arch, flag, sizes):
    text = render(machine_of(arch).info())
    flags = re.search(r"^flags\t\t: (.*)$", text, re.MULTILINE)[1].split()
    assert flag in flags and ("lm" in flags) == arch.startswith("x86-64")
    assert f"address sizes\t: {sizes} bits virtual\n" in text


@pytest.mark.parametrize("arch", ["arm", "arm64", "riscv64", "x86-64"])
def test_a_block_each(arch):
    text = render(machine_of(arch, nr_cpus=3).info())
    assert re.findall(r"^processor\t: (\d)$", text, re.MULTILINE) == ["0", "1", "2"]
    assert text.count("Hardware") == (arch == "arm")
