"""What the TLB's tables call the register of the top table and an address space, by architecture."""

import pytest

from vmtool.views import explain
from vmtool.views import tlb as view

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

ARCHS = [("x86-64", "CR3", "pcid"), ("x86-64-la57", "CR3", "pcid"), ("i386", "CR3", ""), ("i386-pae", "CR3", ""), ("arm", "TTBR0", "asid"),
         ("arm64", "TTBR0", "asid"), ("arm64-16k", "TTBR0", "asid"), ("arm64-64k", "TTBR0", "asid"), ("riscv64", "satp", "asid"),
         ("riscv64-sv39", "satp", "asid"), ("riscv64-sv57", "satp", "asid")]


@pytest.mark.parametrize("arch, root, space", ARCHS)
def test_words_are_those_of_the_manual(arch, root, space):
    """PCIDs are of IA-32e mode (CR4.PCIDE, SDM volume 3, 4.10.1); ASIDs of TTBR0, CONTEXTIDR, satp."""
    machine = core.Machine()
    machine.boot(ram_bytes=2 << 30, arch=arch)
    pid = machine.spawn("a", None, [b"a"], [])
    machine.set_trace(True)
    child = machine.fork(pid)
    machine.switch(child)
    machine.touch(child, machine.mmap(child, 0, 1 << 16, 3, 0x22), 1, "w")
    words = view.words(arch)
    assert words == (root, space)
    told = explain.render(machine.trace())
    assert f"{root} of processor 0 is loaded with" in told
    assert not any(other in told for other in {"CR3", "TTBR0", "satp"} - {root})
    assert ("PCID" in told, "ASID" in told) in ((False, False), (space == "pcid", space == "asid"))
    assert f"loads of {root}" in view.render_stats(machine.tlb_stats(), words.root)
    heading = view.render(machine.tlb(), words.space).splitlines()[0].split()
    assert [word for word in heading if word in ("pcid", "asid")] == ([space] if space else [])
