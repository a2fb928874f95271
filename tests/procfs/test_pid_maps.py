"""maps: the kernel's lines, byte for byte."""

import pytest

from procfs.captured import PROCESSES, text, vma
from vmtool.procfs import pid_maps


@pytest.mark.parametrize("process", PROCESSES)
def test_captured_maps_come_back(process):
    source = text(f"{process}/maps")
    assert pid_maps.render([vma(line) for line in source.splitlines()]) == source


def test_an_old_kernels_map_comes_back():
    source = text("4.x-cat/maps")
    assert pid_maps.render([vma(line) for line in source.splitlines()]) == source


def test_short_addresses_are_padded_to_eight_digits():
    area = vma("8000-9000 r-xp 0 8:1 1 ")
    assert pid_maps.line(area) == "00008000-00009000 r-xp 00000000 08:01 1 \n"


def test_newline_in_a_path_is_octal():
    area = vma("8000-9000 r-xp 0 8:1 1 /a")._replace(name="/a\nb (deleted)")
    assert pid_maps.line(area).endswith(" /a\\012b (deleted)\n")
    assert pid_maps.line(area).index("/a") == 73


def test_text_wider_than_the_padding_keeps_two_blanks():
    area = vma("ffffffff80000000-ffffffffa0000000 r-xp 0 8:1 1 /a")._replace(offset=0xFFFF_FFFF_0000_0000, inode=10**19)
    assert pid_maps.line(area).endswith(" ffffffff00000000 08:01 10000000000000000000  /a\n")


def test_names_begin_earlier_on_a_32_bit_kernel():
    area = vma("8000-9000 r-xp 0 8:1 1 /a")
    assert pid_maps.line(area, word_bytes=4).index("/a") == 49


def test_shared_letter_follows_mayshare():
    # a MAP_SHARED mapping of a file opened read-only: VM_MAYSHARE without VM_SHARED
    area = vma("8000-9000 r--p 0 8:1 1 ", flags=0x1 | 0x80)
    assert " r--s " in pid_maps.line(area)
    area = vma("8000-9000 r--p 0 8:1 1 ", flags=0x1 | 0x8)
    assert " r--p " in pid_maps.line(area)
