"""Names and descriptors through dup, exec, unlink, rename."""

import gc

from vmtool.strace.fds import FdTable, File, Names, Open
from vmtool.strace.sidecar import FileFact, Sidecar, Unknown, device, image_of

SIDECAR = {
    "root": 7,
    "files": {
        "/usr/lib/libc.so.6": {"dev": "fe:00", "inode": 5, "size": 100, "elf": None},
        "/tmp/x (deleted)": {"dev": "fe:00", "inode": 9, "size": 1},
        "/usr/lib/libz.so.1.2.3": {"dev": "fe:00", "inode": 6},
    },
    "paths": {"/lib/libc.so.6": "/usr/lib/libc.so.6"},
    "scripts": {"/tmp/s": "/bin/sh -e"},
    "execs": {"7": [{"arg_bytes": 4, "env_bytes": 6, "rlimit_stack": "unlimited", "personality": "00040000"}]},
}


def test_a_table_is_copied_by_fork_and_emptied_of_cloexec_by_exec():
    table = FdTable()
    table.install(3, Open(None), True)
    table.install(4, Open(None), False)
    child = table.copy()
    child.on_exec()
    assert sorted(table.fds) == [3, 4] and sorted(child.fds) == [4]


def test_open_modes():
    assert [Open(None, flags).mode for flags in (0, 1, 2)] == ["r", "w", "rw"]


def test_a_removed_file_is_deleted_and_a_new_one_takes_its_name():
    names = Names(Unknown())
    old = names.file("/tmp/x")
    names.unlink("/tmp/x")
    new = names.file("/tmp/x")
    assert old.shown == "/tmp/x (deleted)" and new is not old and new.shown == "/tmp/x"


def test_a_renamed_directory_renames_what_is_below_it_also_what_was_removed():
    names = Names(Unknown())
    kept, removed, other = names.file("/a/b/c"), names.file("/a/b/d"), names.file("/a/bc")
    names.unlink("/a/b/d")
    names.rename("/a/b", "/z")
    assert (kept.path, removed.shown, other.path) == ("/z/c", "/z/d (deleted)", "/a/bc")


def test_files_that_nothing_refers_to_are_forgotten():
    names = Names(Unknown())
    names.file("/tmp/1")
    gc.collect()
    assert names.known("/tmp/1") is None


def test_a_descriptors_number_is_given_back_with_its_last_reference():
    closed: list[int] = []
    opened = Open(File("/x"))
    opened.number, opened.closed = 5, closed
    table = FdTable()
    table.install(3, opened, False)
    del opened
    table.close(3)
    gc.collect()
    assert closed == [5]


def test_relative_names_need_the_directory():
    names = Names(Sidecar(SIDECAR))
    assert names.real("x/../y", "/tmp") == "/tmp/y" and names.real("x", "") == "x"


def test_a_sidecar_answers_by_spelled_and_by_real_path():
    facts = Sidecar(SIDECAR)
    assert facts.realpath("/lib/libc.so.6") == "/usr/lib/libc.so.6" == facts.realpath("/usr/lib/libc.so.6")
    assert facts.file("/usr/lib/libc.so.6", False) == FileFact(0xFE, 0, 5, 100)
    assert facts.file("/tmp/x", True).inode == 9 and facts.script("/tmp/s") == "/bin/sh -e" and facts.root == 7


def test_links_that_nobody_recorded_are_guessed_when_one_file_fits():
    facts = Sidecar(SIDECAR)
    assert facts.realpath("/lib/libz.so.1") == "/usr/lib/libz.so.1.2.3" and facts.realpath("/lib/none.so") is None


def test_the_start_of_a_program():
    assert Sidecar(SIDECAR).exec_fact(7, 0) == (10, -1, 0x40000) and Sidecar(SIDECAR).exec_fact(7, 1) is None


def test_devices_are_hexadecimal():
    assert device("fe:1b") == (254, 27)


def test_an_image_from_program_headers():
    entry = {
        "dev": "fe:00",
        "inode": 5,
        "size": 99,
        "elf": {
            "class": 64,
            "type": "DYN",
            "entry": "0x10",
            "phdrs": [
                {"type": "LOAD", "flags": "r-x", "offset": "0x0", "vaddr": "0x1000", "filesz": "0x20", "memsz": "0x30", "align": "0x1000"},
                {"type": "GNU_STACK", "flags": "rw-", "offset": "0x0", "vaddr": "0x0", "filesz": "0x0", "memsz": "0x0", "align": "0x10"},
                {
                    "type": "GNU_RELRO",
                    "flags": "r--",
                    "offset": "0x0",
                    "vaddr": "0x2000",
                    "filesz": "0x0",
                    "memsz": "0x1000",
                    "align": "0x1",
                },
            ],
        },
    }
    image = image_of("/x", entry, None)
    assert (image.is_dyn, image.is_32, image.gnu_stack, image.relro) == (True, False, 6, (0x2000, 0x1000))
    assert image.segments[0] == (0x1000, 0, 0x20, 0x30, 5, 0x1000)
