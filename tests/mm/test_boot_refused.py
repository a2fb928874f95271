"""A machine that cannot be: which of its settings is wrong."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from vmtool.errors import KernelError  # noqa: E402

EINVAL, ENOMEM = 22, 12
MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(("settings", "number", "words"), [
    ({"arch": "vax"}, EINVAL, "--arch: there is no vax"),
    ({"tlb": "l1d=64by4"}, EINVAL, "--tlb: 'l1d=64by4' describes no TLB, or one that is too large"),
    ({"ram_bytes": 4096}, EINVAL, "--ram: 4096 bytes are too few for x86-64, or too many"),
    ({"arch": "i386", "ram_bytes": 8 * GIB}, EINVAL, "--ram: 8589934592 bytes are too few for i386, or too many"),
])
def test_the_setting_that_is_wrong_is_named(settings, number, words):
    with pytest.raises(KernelError) as caught:
        core.Machine().boot(**{"ram_bytes": 256 * MIB, **settings})
    assert caught.value.errno == number
    assert words in str(caught.value)


# i386: 32 bits and 36 (MAX_ARCH_PFN) of physical address, of which the last GiB below 4G is no RAM; arm: RAM begins at 1G of 4G, and
# Debian's image ends in its 25th MiB; Sv39: a quarter of the addresses is the direct map. The others: frame numbers of 32 bits.
EDGES = [("i386", 16, 3 << 10), ("i386-pae", 16, 63 << 10), ("arm", 25, 3 << 10), ("riscv64-sv39", 16, 128 << 10),
         *((arch, 16, 1 << 23) for arch in ("x86-64", "arm64", "arm64-16k", "arm64-64k", "riscv64", "riscv64-sv57"))]


@pytest.mark.parametrize(("arch", "least", "most"), EDGES, ids=[arch for arch, *_ in EDGES])
def test_the_smallest_and_the_largest_machine_of_a_format(arch, least, most):
    for mib in (least, least + 1, least + 8, most):
        machine = core.Machine()
        machine.boot(ram_bytes=mib * MIB, arch=arch)
        machine.spawn("x", None, [b"x"], [])
        assert machine.fsck() == []
    for mib in (least - 1, *([most + 1] if most < 1 << 23 else ())):
        with pytest.raises(KernelError):
            core.Machine().boot(ram_bytes=mib * MIB, arch=arch)
