"""Completion, asked as the shells' functions ask it."""

import pytest

from vmtool.cli import front


@pytest.fixture
def complete(on, capfd, monkeypatch):
    """What follows the words of a line, by type; `file` stands for the shell's own file names."""
    def run(line):
        words = line.split(" ")
        monkeypatch.setenv("_VMTOOL_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        with pytest.raises(SystemExit) as ended:
            front.run([])
        assert ended.value.code == 0
        monkeypatch.delenv("_VMTOOL_COMPLETE")
        return [row.partition(",")[2] or row.partition(",")[0] for row in capfd.readouterr().out.splitlines() if row]
    return run


@pytest.mark.parametrize("line, words", [
    ("vmtool mm", ["mmap"]),
    ("vmtool cat", ["cat-maps", "cat"]),
    ("vmtool mmap 1 4K --fixed", ["--fixed", "--fixed-noreplace"]),
    ("vmtool mmap 1 4K --prot rw", ["rw", "rwx"]),
    ("vmtool madvise 1 heap 4K dont", ["dontneed", "dontfork", "dontdump", "dontneed_locked"]),
    ("vmtool setrlimit 1 st", ["stack"]),
    ("vmtool kill 1 -K", ["-KILL"]),
    ("vmtool explain o", ["on", "off"]),
    ("vmtool completion ", ["bash", "zsh", "fish"]),
    ("vmtool -s x.vmt --wait 1 sp", ["spawn"]),
    ("vmtool spawn --exe ", ["file"]),
    ("vmtool brk ", []),
    ("vmtool what-if for", ["fork"]),
    ("vmtool init --tlb s", ["skylake"]),
    ("vmtool init --ke", ["--kernel"]),
    ("vmtool mmap 1 4K --huge", ["--hugetlb"]),
    ("vmtool mmap 1 4M --hugetlb ", ["64K", "2M", "4M", "32M", "512M", "1G", "16G"]),
    ("vmtool init --kp", ["--kpti"]), ("vmtool init --kx", []),
    ("vmtool free --me", ["--mebi", "--meter"]),
    ("vmtool touch 1 h", ["heap"]),
    ("vmtool frobnicate x", []),
])
def test_a_line_is_completed(complete, line, words):
    assert complete(line) == words


def test_pids_are_those_of_the_machine(complete, vmtool):
    vmtool("spawn")
    vmtool("fork 1")
    assert complete("vmtool brk ") == ["1", "2"]


def test_paths_are_those_of_the_machine(complete, vmtool):
    vmtool("spawn")
    vmtool("mkfile scene.dat 4K")
    assert complete("vmtool rmfile s") == ["scene.dat"]
    assert complete("vmtool mmap 1 4K --file ") == ["/scene.dat"]
    assert complete("vmtool mmap 1 4K --file /s") == ["/scene.dat"]


def test_addresses_are_names_and_mapped_files(complete, vmtool):
    vmtool("spawn")
    assert complete("vmtool touch 1 ") == ["heap", "stack", "brk", "libfake.so.6"]
    assert complete("vmtool pagewalk 9 l") == []


def test_sysctl_names_are_those_of_the_machine(complete, vmtool):
    vmtool("spawn")
    assert complete("vmtool sysctl vm.s") == ["vm.swappiness"]


@pytest.mark.parametrize("on", ["real_state"], indirect=True)
def test_paths_of_proc_are_completed_a_directory_at_a_time(complete, vmtool):
    vmtool("spawn")
    assert complete("vmtool cat meminf") == ["meminfo"]
    assert complete("vmtool cat /proc/1/map") == ["/proc/1/map_files/", "/proc/1/maps"]
    assert complete("vmtool cat sys/vm/swap") == ["sys/vm/swappiness"] and complete("vmtool cat nothing/x") == []
