"""Logs as people pass them on: all that they tell is done, and what cannot be read is told."""

from pathlib import Path

import pytest

from vmtool.images import Image, Segment
from vmtool.outside.traces import open_trace, text_lines
from vmtool.strace.clean import clean
from vmtool.strace.lexer import LogError
from vmtool.strace.merge import LogFile
from vmtool.strace.replay import Hooks, Replay
from vmtool.strace.sidecar import Unknown

WILD = Path(__file__).parents[2] / "fixtures" / "strace" / "wild"


class Ran:
    """One log on a fresh machine without the host's files: areas by PID at the end or at exit, what was said."""

    def __init__(self, path, is_strict=False, facts=None):
        core = pytest.importorskip("vmtool._core", reason="the extension modules are not built")
        self.machine = core.Machine()
        self.machine.boot(ram_bytes=16 << 30)
        self.areas, self.said, self.differences, self.names = {}, [], [], {}
        hooks = Hooks(self._keep, None, self.differences.append, self.said.append)
        self.replay = Replay(self.machine, facts or Unknown(), hooks, is_strict=is_strict)
        trace = open_trace(str(path))
        self.summary = self.replay.run([LogFile(part.name, part.tid, clean(text_lines(part.stream, part.name))) for part in trace.parts])
        for process in self.replay.procs.all():
            self._keep(process)
        assert self.machine.fsck() == []

    def _keep(self, process):
        if process.space.mid:
            self.areas[process.pid] = self.machine.maps(process.space.mid)
            self.names[process.pid] = process.name

    def has(self, start, end, pid=None):
        """Whether every page of the range is mapped."""
        areas = self.areas[pid] if pid is not None else next(iter(self.areas.values()))
        at = start
        for vma in sorted(areas):
            if vma.start <= at < vma.end:
                at = vma.end
        return at >= end


class Wide(Unknown):
    """A host whose programs have 64 bits."""

    def image(self, path):
        segments = (Segment(0x400000, 0, 4096, 4096, 5, 4096), Segment(0x401000, 4096, 4096, 4096, 6, 4096))
        return Image(path, 0, 0, 0, 8192, None, False, False, 0x400000, 64, 2, 56, segments, 6, None, None)


def log(tmp_path, text):
    path = tmp_path / "strace.log"
    path.write_bytes(text.encode("latin-1"))
    return path


@pytest.mark.parametrize("path", sorted(WILD.glob("*.strace")), ids=lambda path: path.stem)
def test_every_log_is_replayed(path):
    assert Ran(path).summary.nr_unreadable == 0


def test_a_byte_order_mark_hides_nothing():
    assert Ran(WILD / "bom.strace").names == {0: "hello"}


@pytest.mark.parametrize("name, line", [("cut-in-last-line", 7), ("hung-in-read", 7)])
def test_a_log_that_ends_too_soon_says_where(name, line):
    ran = Ran(WILD / f"{name}.strace")
    assert [text.split(":")[0] for text in ran.said] == [f"line {line}"]


def test_a_log_that_ends_too_soon_fails_where_that_is_asked(tmp_path):
    with pytest.raises(LogError) as raised:
        Ran(log(tmp_path, "7 getpid() = 7\n7 read(0, \n"), is_strict=True)
    assert raised.value.line == 2


def test_both_processes_of_a_vfork_have_their_maps():
    ran = Ran(WILD / "old-vfork-attached.strace")
    assert ran.names == {0: "sh", 201: "ls"} and ran.has(0x7FFFF7FF5000, 0x7FFFF7FF6000, 201)


def test_execve_of_a_thread_gives_its_process_the_new_program():
    ran = Ran(WILD / "pid-changed-f.strace")
    assert ran.names == {10512: "true"} and ran.differences == []


def test_a_process_that_was_let_go_at_its_execve_has_run_it():
    assert Ran(WILD / "detached-on-execve.strace").names == {100: "a", 101: "echo"}


def test_second_halves_of_strace_4_are_done():
    ran = Ran(WILD / "old-resumed-all-calls.strace")
    assert ran.has(0x7FF133000000, 0x7FF133002000) and not ran.has(0x7FF133800000, 0x7FF133801000)
    assert ran.has(0x7FF133801000, 0x7FF133821000) and not ran.has(0x7FF1337FF000, 0x7FF133800000)


def test_old_mmap_maps():
    ran = Ran(WILD / "old-mmap-skipped.strace")
    assert ran.has(0x42000000, 0x42136000) and not ran.has(0x40030000, 0x40031000)


def test_a_length_of_64_bits_is_refused_as_the_kernel_refused_it():
    assert Ran(WILD / "length-2-64-1.strace").differences == []


@pytest.mark.parametrize("name, strange", [("output-in-write", 0), ("output-line", 1), ("prompt-and-output", 2)])
def test_a_programs_output_is_passed_over(name, strange):
    ran = Ran(WILD / f"{name}.strace")
    assert ran.summary.tally.nr_strange == strange and ran.differences == []


def test_a_call_that_cannot_be_read_is_passed_over_and_told(tmp_path):
    ran = Ran(log(tmp_path, '7 execve("/a", ["a"], 0x7ffd /* 1 var */) = 0\n7 mmap(NULL, what, PROT_READ) = 0x7000\n'
                            "7 munmap(0x7ffff7000000, 99999999999999999999999) = -1 EINVAL (Invalid argument)\n7 brk(NULL) = 0x405000\n"))
    assert ran.summary.nr_unreadable == 2 and [text.split(":")[0] for text in ran.said] == ["line 2", "line 3"]
    assert ran.replay.procs.all()[0].calls == 4


def test_a_log_that_is_none_changes_nothing_and_says_its_first_line(tmp_path):
    with pytest.raises(LogError, match="line 1: not a line of strace: # a README"):
        Ran(log(tmp_path, "# a README\n\nIt has words.\nAnd more.\n"))


# --- other kernels, other processors, programs that nobody knows ------------------------------------------


def test_offsets_in_pages_are_known_by_one_that_is_no_multiple():
    ran = Ran(WILD / "mmap2-offset-in-pages.strace")
    area = next(vma for vma in ran.areas[0] if vma.start == 0x40275000)
    assert area.pgoff == 2 and ran.differences == [] and any("in pages" in note for note in ran.summary.notes)


def test_offsets_in_bytes_stay_what_they_are(tmp_path):
    ran = Ran(log(tmp_path, '7 execve("/a", ["a"], 0x7ffd /* 1 var */) = 0\n7 open("/lib/x.so", O_RDONLY) = 3\n'
                            "7 mmap2(NULL, 8192, PROT_READ, MAP_PRIVATE, 3, 0x2000) = 0xf7fc0000\n"))
    assert next(vma for vma in ran.areas[7] if vma.start == 0xF7FC0000).pgoff == 2


def test_addresses_whose_sign_was_extended_are_those_of_32_bits():
    ran = Ran(WILD / "i386-sign-extended.strace")
    assert ran.has(0xF7591000, 0xF7591000 + 0x1AAA9C & -4096) and ran.has(0xF7753000, 0xF7754000) and ran.differences == []
    assert next(vma for vma in ran.areas[0] if vma.start == 0xF7736000).pgoff == 0x1A5


def test_a_program_that_nobody_knows_keeps_its_path_and_what_is_assumed_is_said():
    ran = Ran(WILD / "unknown-exe-invented.strace")
    assert {vma.name for vma in ran.areas[0] if vma.inode or vma.name.startswith("/")} == {"/opt/app/prog"}
    assert ran.has(0x600000, 0x601000) and ran.differences == []
    assert any(note.startswith("/opt/app/prog: nobody knows this program; assumed: 64 bits") for note in ran.summary.notes)


@pytest.mark.parametrize("name", ["hung-in-read", "old-detached", "old-mmap-skipped"])
def test_old_kernels_map_upwards_from_a_third_of_the_space(name):
    assert Ran(WILD / f"{name}.strace").differences == []


def test_memory_from_before_the_log_is_assumed_where_calls_found_it(tmp_path):
    ran = Ran(log(tmp_path, "7 mprotect(0x7f0000000000, 8192, PROT_READ) = 0\n7 madvise(0x7f0000100000, 4096, MADV_DONTNEED) = 0\n"
                            "7 mremap(0x7f0000200000, 4096, 8192, MREMAP_MAYMOVE) = 0x7f0000200000\n"
                            "7 mprotect(0x7e0000000000, 4096, PROT_READ) = -1 ENOMEM (Cannot allocate memory)\n"))
    assert ran.differences == [] and ran.has(0x7F0000000000, 0x7F0000002000) and ran.has(0x7F0000200000, 0x7F0000202000)
    assert not ran.has(0x7E0000000000, 0x7E0000001000)


HEADER = '"\\177ELF\\{}\\{}\\1\\0\\0\\0\\0\\0\\0\\0\\0\\0{}{}\\0\\0\\0"..., 512) = 512'


@pytest.mark.parametrize("line, what", [
    ('7 openat(AT_FDCWD, "/lib/aarch64-linux-gnu/libc.so.6", O_RDONLY|O_CLOEXEC) = 3', "arm64 .* init --arch arm64, this one is x86-64"),
    ('7 execve("/lib/ld-linux-armhf.so.3", ["ld.so"], 0x7e /* 1 var */) = 0', "arm .* init --arch arm,"),
    ("7 read(3, " + HEADER.format(1, 1, r"\3\0", r"(\0").replace("\\\\", "\\"), "arm .* is 40"),
    ("7 read(3, " + HEADER.format(2, 2, r"\0\3", r"\0\26").replace("\\\\", "\\"), "s390 .* no machine here"),
    ("7 set_tls(0x40221f30) = 0", "arm .*set_tls"), ("7 cacheflush(0x40028f6c, 0x400299c8, 0) = 0", "arm or mips .*--arch arm,"),
    ('7 execve("/bin/a", ["a"], 0xbe8e8c74 /* 24 vars */) = 0', "arm .*0xbe8e8c74"),
    ('7 execve("/bin/a", ["a"], 0xffffe6d0a3c8 /* 24 vars */) = 0', "arm64 .*0xffffe6d0a3c8"), ("7 sysmips(0x7, 0, 0) = 0", "mips"),
    ("7 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0xffffb7fd0000", "arm64 .*0xffffb7fd0000"),
    ("7 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x3ffb7f80000", "s390"),
    ("7 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7fb7ffd000", "arm64 .*39 bits")])
def test_a_log_of_another_processor_says_which_machine_it_needs(tmp_path, line, what):
    with pytest.raises(LogError, match=f"line 2: a log of {what}"):
        Ran(log(tmp_path, '7 open("/etc/ld.so.cache", O_RDONLY) = 3\n' + line + "\n"))


def test_a_cross_compiler_is_no_foreigner(tmp_path):
    Ran(log(tmp_path, '7 openat(AT_FDCWD, "/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY) = 3\n'
                      '7 openat(AT_FDCWD, "/usr/lib/arm-linux-gnueabi/libc.so", O_RDONLY) = 3\n'))


@pytest.mark.parametrize("text, told", [("", "no call in 0 lines"), ("strace: Process 5 attached\n", "no call in 1 line"),
                                        ("% time     seconds  usecs/call     calls    errors syscall\n" * 2, "no call in 2 lines")])
def test_a_log_without_a_call_says_so(tmp_path, text, told):
    assert Ran(log(tmp_path, text)).said == [told]


def test_a_log_with_the_line_ends_of_an_old_mac_is_read(tmp_path):
    ran = Ran(log(tmp_path, (WILD / "hung-in-read.strace").read_text("latin-1").replace("\n", "\r")))
    assert ran.names == Ran(WILD / "hung-in-read.strace").names


def test_a_heap_that_nobody_saw_begin_is_no_larger_than_a_step_of_malloc(tmp_path):
    ran = Ran(log(tmp_path, "[pid 7] brk(0x55ddbec2c000 <unfinished ...>\n[pid 8] futex(0x7f0e, 1) = 0\n"
                            "[pid 7] <... brk resumed>) = 0x55ddbec2c000\n[pid 7] brk(0x55ddbec4d000) = 0x55ddbec4d000\n"))
    assert [(vma.start, vma.end) for vma in ran.areas[7] if vma.name == "[heap]"] == [(0x55DDBEC0B000, 0x55DDBEC4D000)]
    assert ran.differences == []


def test_mappings_go_on_below_the_first_one_also_when_another_call_comes_before(tmp_path):
    ran = Ran(log(tmp_path, 'open("/etc/x", O_RDONLY) = 3\nmmap2(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0xb7f72000\n'
                            "mmap2(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0xb7f70000\nmunmap(0xb7f72000, 4096) = 0\n"))
    assert ran.differences == [] and ran.has(0xB7F70000, 0xB7F72000)


OLD = """execve("/usr/bin/less", ["less"], [/* 26 vars */]) = 0
brk(0)                                  = 0x806b000
old_mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {first:#x}
open("/etc/ld.so.cache", O_RDONLY)      = 3
old_mmap(NULL, 62008, PROT_READ, MAP_PRIVATE, 3, 0) = {second:#x}
munmap({first:#x}, 4096) = 0
"""


@pytest.mark.parametrize("first, second", [(0x40013000, 0x40014000), (0x40000000, 0x40001000)])
def test_a_program_of_this_host_with_other_bits_is_not_the_logs(tmp_path, first, second):
    ran = Ran(log(tmp_path, OLD.format(first=first, second=second)), facts=Wide())
    assert ran.differences == [] and ran.has(second, second + 62008)
    assert any("/usr/bin/less: the log's has 32 bits" in note for note in ran.summary.notes)


def test_a_call_in_a_form_of_another_program_is_counted(tmp_path):
    other = "X mmap(0x0, 0x2000, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1 (bad FD), 0x0) = 1396 (0x7f)\n"
    ran = Ran(log(tmp_path, "brk(NULL) = 0x1000\n" * 3 + other))
    assert ran.summary.tally.nr_strange == 1
