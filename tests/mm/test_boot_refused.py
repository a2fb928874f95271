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
