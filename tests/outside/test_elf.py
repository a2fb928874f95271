"""read_image(): good files, and every way in which execve() refuses a bad one."""

import os
import sys

import pytest

from tests.outside import elf_bytes as eb
from vmtool.errors import HostError
from vmtool.images import Segment
from vmtool.outside.elf import read_image

LOAD = eb.phdr(eb.PT_LOAD, 5, 0, 0x400000, 0x1000, 0x2345)
needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's /proc/self/maps")


@pytest.fixture
def make(tmp_path):
    """Writes bytes to an executable file and gives its path."""

    def write(data, name="prog", mode=0o755):
        path = tmp_path / name
        path.write_bytes(data)
        path.chmod(mode)
        return str(path)

    return write


def refused(path):
    with pytest.raises(HostError) as e:
        read_image(path)
    text = str(e.value)
    assert "\n" not in text
    return text


def test_program_headers_are_taken_as_they_are(make):
    more = [eb.phdr(eb.PT_LOAD, 6, 0x1000, 0x402000, 0x10, 0x30, 0x200000), eb.phdr(eb.PT_GNU_STACK, 7),
            eb.phdr(eb.PT_GNU_RELRO, 4, 0, 0x402000, 0x10, 0x10)]
    data = eb.elf([LOAD, *more], entry=0x400078)
    path = make(data)
    image = read_image(path)
    assert image.segments == (Segment(0x400000, 0, 0x1000, 0x2345, 5, 4096), Segment(0x402000, 0x1000, 0x10, 0x30, 6, 0x200000))
    assert (image.is_dyn, image.is_32, image.entry, image.phoff, image.phnum, image.phentsize) == (False, False, 0x400078, 64, 4, 56)
    assert (image.gnu_stack, image.relro, image.interp) == (7, (0x402000, 0x10), None)
    assert (image.data, image.size, image.path) == (data, len(data), os.path.realpath(path))


def test_a_file_without_gnu_stack_says_so(make):
    assert read_image(make(eb.elf([LOAD]))).gnu_stack is None


def test_32_bit_program(make):
    image = read_image(make(eb.elf([eb.phdr(eb.PT_LOAD, 5, 0, 0x8048000, 0x100, 0x200, bits=32)], bits=32)))
    assert image.is_32
    assert image.segments == (Segment(0x8048000, 0, 0x100, 0x200, 5, 4096),)
    assert (image.phoff, image.phentsize) == (52, 32)


def test_interpreter_is_read_too(make):
    ld = make(eb.elf([eb.phdr(eb.PT_LOAD, 5, 0, 0, 0x1000, 0x1000)], e_type=eb.ET_DYN), "ld.so")
    image = read_image(make(eb.elf([LOAD], e_type=eb.ET_DYN, interp=ld.encode() + b"\0")))
    assert image.is_dyn
    assert image.interp.path == os.path.realpath(ld)
    assert image.interp.is_dyn
    assert image.interp.interp is None


def test_links_are_followed_in_the_path(make, tmp_path):
    path = make(eb.elf([LOAD]))
    (tmp_path / "link").symlink_to(path)
    assert read_image(str(tmp_path / "link")).path == os.path.realpath(path)


@needs_linux
def test_identity_is_what_maps_shows_for_the_running_program():
    with open("/proc/self/maps") as maps:
        words = next(line for line in maps if os.path.realpath("/proc/self/exe") in line).split(None, 5)
    image = read_image(sys.executable)
    assert f"{image.dev_major:02x}:{image.dev_minor:02x}" == words[3]
    assert str(image.inode) == words[4]
    assert image.path == words[5].rstrip("\n")


BROKEN = {
    "ENOEXEC empty": (b"", "not an ELF file"),
    "ENOEXEC text": (b"hello, world\n", "not an ELF file"),
    "ENOEXEC script": (b"#!/bin/sh\n", "a script"),
    "ENOEXEC magic": (b"\x7fELF", "cut off"),
    "ENOEXEC header": (eb.elf([LOAD])[:40], "cut off"),
    "ENOEXEC endian": (eb.elf([LOAD])[:5] + b"\2" + eb.elf([LOAD])[6:], "little-endian"),
    "ENOEXEC object": (eb.elf([LOAD], e_type=eb.ET_REL), "neither a program"),
    "ENOEXEC machine": (eb.elf([LOAD], machine=eb.EM_ARM), "another machine (ARM"),
    "ENOEXEC unknown": (eb.elf([LOAD], machine=0xFEDC), "another machine (65244"),
    "ENOEXEC x32": (eb.elf([LOAD], bits=32, machine=eb.EM_X86_64), "another machine (X86_64, 32-bit"),
    "ENOEXEC none": (eb.elf([]), "0 program headers"),
    "ENOEXEC many": (eb.elf([LOAD] * 74), "74 program headers"),
    "ENOEXEC size": (eb.elf([LOAD], phentsize=32), "of 32 bytes"),
    "ENOEXEC phdrs": (eb.elf([LOAD], phnum=3, nr_bytes=0)[:130], "cut off"),
    "ENOEXEC no PT_LOAD": (eb.elf([eb.phdr(eb.PT_GNU_STACK, 6)]), "no PT_LOAD"),
    "EINVAL filesz": (eb.elf([eb.phdr(eb.PT_LOAD, 5, 0, 0x400000, 0x2000, 0x1000)]), "0x400000"),
    "EINVAL kernel": (eb.elf([eb.phdr(eb.PT_LOAD, 5, 0, 0xFFFFFFFF80000000, 0x1000, 0x1000)]), "0xffffffff80000000"),
    "ENOEXEC interp name": (eb.elf([LOAD], interp=b"x"), "name of 1 bytes"),
    "ENOEXEC interp NUL": (eb.elf([LOAD], interp=b"/lib/ld.so"), "does not end in NUL"),
    "ENOENT interp": (eb.elf([LOAD], interp=b"/nowhere/ld.so\0"), "/nowhere/ld.so: interpreter of"),
    "ENOENT interp empty": (eb.elf([LOAD], interp=b"\0\0"), "interpreter of"),
    "EACCES interp": (eb.elf([LOAD], interp=b"/\0"), "a directory"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_file_is_refused_with_execves_errno(make, name):
    data, detail = BROKEN[name]
    text = refused(make(data))
    assert text.startswith(name.split()[0] + " (")
    assert detail in text


@pytest.mark.parametrize("arch, machine, most", [
    ("x86-64", eb.EM_X86_64, 73), ("arm64", eb.EM_AARCH64, 73), ("arm64-16k", eb.EM_AARCH64, 292), ("arm64-64k", eb.EM_AARCH64, 1170)])
def test_program_headers_fill_a_page_of_the_machine(make, arch, machine, most):
    """load_elf_phdrs(): up to ELF_MIN_ALIGN bytes of them, a page."""
    def image(nr):
        return read_image(make(eb.elf([LOAD] * nr, machine=machine, nr_bytes=1 << 17)), arch=arch)
    assert image(most).phnum == most
    with pytest.raises(HostError, match=f"{most + 1} program headers"):
        image(most + 1)


BAD_INTERPRETERS = [(b"\x7fELF" + bytes(30), "EIO"), (b"x" * 100, "ELIBBAD"), (eb.elf([LOAD], machine=3), "ELIBBAD")]


@pytest.mark.parametrize(("data", "expected"), BAD_INTERPRETERS)
def test_broken_interpreter(make, data, expected):
    ld = make(data, "ld.so")
    text = refused(make(eb.elf([LOAD], interp=ld.encode() + b"\0")))
    assert text.startswith(f"{expected} (")
    assert ld in text


def test_missing_directory_and_forbidden_files(make, tmp_path):
    assert refused(str(tmp_path / "nothing")).startswith("ENOENT (No such file or directory): ")
    assert refused(str(tmp_path)).startswith("EACCES (Permission denied): ")
    assert refused(make(eb.elf([LOAD]), "plain", 0o644)).startswith("EACCES (Permission denied): ")
    assert refused(make(b"", "file") + "/x").startswith("ENOTDIR ")
    assert refused("a\0b").startswith("ENOENT ")
    os.mkfifo(tmp_path / "fifo", 0o777)
    assert refused(str(tmp_path / "fifo")).startswith("EACCES ")


def test_newline_in_the_name_keeps_the_message_on_one_line(make):
    assert "two\\012lines" in refused(make(b"", "two\nlines"))


@pytest.mark.parametrize("length", [*range(0, 240, 7), 400, 4096])
def test_a_file_cut_anywhere_in_its_headers_never_gives_a_traceback(make, length):
    data = eb.elf([LOAD, eb.phdr(eb.PT_GNU_STACK, 6)])[:length]
    if length < 64 + 2 * 56:
        assert refused(make(data)).startswith("ENOEXEC")
    else:
        assert read_image(make(data)).segments
