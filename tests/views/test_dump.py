"""dump: the lines of `hexdump -C`."""

import shutil
import subprocess

import pytest

from vmtool.views import dump

SAMPLES = (b"", b"x", b"hello, world" * 3, bytes(range(256)), bytes(64) + b"end", b"\0" * 16, b"\0" * 32, b"ab" * 24 + b"\0" * 40)


@pytest.mark.parametrize("data", SAMPLES, ids=[str(i) for i in range(len(SAMPLES))])
def test_as_hexdump_prints_it(data):
    if shutil.which("hexdump") is None:
        pytest.skip("hexdump is not installed here")
    assert dump.render(0, data) == subprocess.run(["hexdump", "-C"], input=data, capture_output=True).stdout.decode()


def test_addresses_are_those_of_the_memory():
    lines = dump.render(0x7FFF_FFFD_E008, b"A" * 17).splitlines()
    assert [line.split()[0] for line in lines] == ["7ffffffde008", "7ffffffde018", "7ffffffde019"]


def test_short_last_line_keeps_the_columns():
    assert dump.render(0, b"hi") == "00000000  68 69                                             |hi|\n00000002\n"
