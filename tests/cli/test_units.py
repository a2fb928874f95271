"""Numbers as people write them."""

import pytest

from vmtool import units
from vmtool.cli import kinds


@pytest.mark.parametrize("text, value", [
    ("0", 0), ("4096", 4096), ("007", 7), ("0x10", 16), ("0XfF", 255), ("64K", 65536), ("64k", 65536), ("1M", 1 << 20), ("2G", 2 << 30),
    ("1T", 1 << 40), ("0x10K", 16384), ("18446744073709551615", (1 << 64) - 1), ("0xffffffffffffffff", (1 << 64) - 1),
])
def test_a_size(text, value):
    assert units.parse_unsigned(text) == value
    assert kinds.size(text) == value


@pytest.mark.parametrize("text", [
    "", "-1", "+1", " 1", "1 ", "1_000", "0x", "0b1", "0o7", "K", "4KB", "4KiB", "1.5K", "٣", "0x1_0", "ff", "x", "18446744073709551616",
    "16777216T", "0x10000000000000000", "9" * 5000,
])
def test_not_a_size(text):
    with pytest.raises(ValueError):
        units.parse_unsigned(text)
    with pytest.raises(ValueError):
        kinds.size(text)


@pytest.mark.parametrize("text, value", [("-4K", -4096), ("+4K", 4096), ("4K", 4096), ("-0x10", -16), ("-9223372036854775808", -(1 << 63))])
def test_a_difference(text, value):
    assert units.parse_signed(text) == value


@pytest.mark.parametrize("text", ["--4", "-", "+-4", "-9223372036854775809", "- 4"])
def test_not_a_difference(text):
    with pytest.raises(ValueError):
        units.parse_signed(text)


@pytest.mark.parametrize("text, value", [
    ("1000", 0x1000), ("0x1000", 0x1000), ("ADD", 0xADD), ("7ffff7fef000", 0x7FFFF7FEF000), ("ffffffffffffffff", (1 << 64) - 1),
    ("0x00000000000000000001", 1), ("0x1000+4K", 0x2000), ("beef+0x10", 0xBEFF), ("ffffffffffffffff+1", 0),
])
def test_an_address_is_hexadecimal(text, value):
    assert kinds.addr(text) == value


@pytest.mark.parametrize("text", ["heap", "heap+0x10", "stack", "libc.so.6+4K", "ld-linux-x86-64.so.2", "c++", "a+b.so+1"])
def test_an_address_by_name_stays_text(text):
    assert kinds.addr(text) == text


@pytest.mark.parametrize("text", ["", "0x", "0xzz", "-1", "+8", "10000000000000000", "0x1000+", "0x1000+x", "a\nb"])
def test_not_an_address(text):
    with pytest.raises(ValueError):
        kinds.addr(text)


@pytest.mark.parametrize("text, value", [("none", 0), ("r", 1), ("rw", 3), ("wr", 3), ("rwx", 7), ("x", 4)])
def test_a_protection(text, value):
    assert kinds.prot(text) == value


@pytest.mark.parametrize("text", ["", "rr", "rq", "R", "r-x", "None"])
def test_not_a_protection(text):
    with pytest.raises(ValueError):
        kinds.prot(text)


def test_advices_are_the_manuals_names_and_the_kernels_numbers():
    # madvise(2) and include/uapi/asm-generic/mman-common.h
    assert [kinds.advice(name) for name in ("normal", "dontneed", "free", "hugepage", "cold", "pageout", "populate_write", "collapse",
                                            "guard_install")] == [0, 4, 8, 14, 20, 21, 23, 25, 102]


def test_names_and_numbers_of_the_hosts_own_headers():
    import mmap
    import resource
    import signal

    from vmtool import uapi
    for name, value in uapi.SIGNALS.items():
        if hasattr(signal, "SIG" + name):
            assert getattr(signal, "SIG" + name) == value
    for name, value in uapi.RLIMITS.items():
        if hasattr(resource, "RLIMIT_" + name.upper()):
            assert getattr(resource, "RLIMIT_" + name.upper()) == value
    for name, value in uapi.MADVISE.items():
        if hasattr(mmap, "MADV_" + name.upper()):
            assert getattr(mmap, "MADV_" + name.upper()) == value
    for name in ("SHARED", "PRIVATE", "ANONYMOUS", "NORESERVE", "POPULATE", "STACK"):
        if hasattr(mmap, "MAP_" + name):
            assert getattr(mmap, "MAP_" + name) == getattr(uapi, "MAP_" + name)


@pytest.mark.parametrize("text, value", [("8:1", (8, 1)), ("0:0", (0, 0)), ("4095:1048575", (4095, 1048575))])
def test_a_device(text, value):
    assert kinds.device(text) == value


@pytest.mark.parametrize("text", ["8", "8:", ":1", "8:1:2", "x:1", "4096:0", "0:1048576", "-8:1"])
def test_not_a_device(text):
    with pytest.raises(ValueError):
        kinds.device(text)


@pytest.mark.parametrize("text, path", [
    ("scene.dat", "/scene.dat"), ("/scene.dat", "/scene.dat"), ("./a//b/", "/a/b"), ("a/../b", "/b"), ("../../x", "/x"), ("/a/./b", "/a/b"),
    ("/.hidden", "/.hidden"), ("...", "/..."), ("/", "/"), (" ", "/ ")])
def test_paths_are_absolute(text, path):
    assert kinds.path(text) == path
