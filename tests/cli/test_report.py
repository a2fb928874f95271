"""Messages and exit statuses: one place, no traceback, whatever becomes of stdout."""

import os
import signal
import subprocess
import sys

import pytest

from vmtool import errors
from vmtool.cli import front, report

VMTOOL = [sys.executable, "-m", "vmtool"]

STATUSES = {
    errors.KernelError(12): (1, "ENOMEM (Cannot allocate memory)"),
    errors.KernelError(22, "the length is 0"): (1, "EINVAL (Invalid argument): the length is 0"),
    errors.Signal(11, "SEGV_MAPERR", 0x1000): (139, "SIGSEGV at 0x1000 (SEGV_MAPERR)"),
    errors.Signal(7, "BUS_ADRERR", 0x2000): (135, "SIGBUS at 0x2000 (BUS_ADRERR)"),
    errors.Signal(9, "OOM"): (137, "SIGKILL (OOM)"),
    errors.UsageError("missing PID"): (2, "missing PID"),
    errors.StateError("machine.vmt: there is no machine"): (1, "machine.vmt: there is no machine"),
    errors.HostError("/bin/nope: No such file or directory"): (1, "/bin/nope: No such file or directory"),
    errors.InternalError("frame 7"): (70, "internal error: frame 7"),
    KeyError("x"): (70, "internal error: KeyError: 'x'"),
    KeyboardInterrupt(): (130, "interrupted"),
    ModuleNotFoundError("No module named 'tabulate'", name="tabulate"): (1, "needs the Python package tabulate (pip install .)"),
    MemoryError(): (1, "this computer has not the memory for it"),
    ImportError("tabulate is broken"): (70, "internal error: ImportError: tabulate is broken"),
}


@pytest.mark.parametrize("failure", STATUSES, ids=lambda failure: type(failure).__name__)
def test_status_and_message(failure):
    assert (report.status_of(failure), report.message_of(failure)) == STATUSES[failure]


def test_every_class_of_errors_has_a_case_above():
    classes = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.VmtoolError)}
    assert classes - {errors.VmtoolError} == {type(failure) for failure in STATUSES} & classes


def test_a_message_is_one_line():
    assert report.line_of("spawn", errors.HostError("a\nb")) == "vmtool: spawn: a\\nb\n"


@pytest.mark.parametrize("char, shown", [("\x1b", "\\x1b"), ("\r", "\\r"), ("\0", "\\x00"), ("\x9b", "\\x9b"), ("\u2028", "\\u2028"),
                                         ("\N{DESERET CAPITAL LETTER LONG I}", "\N{DESERET CAPITAL LETTER LONG I}"), ("\udcff", "\udcff")])
def test_a_word_in_a_message_does_not_drive_the_terminal(char, shown):
    assert report.line_of("", char) == f"vmtool: {shown}\n"


@pytest.mark.parametrize("module, said", [("click.core", "needs the Python package click (pip install .)"),
                                          ("matplotlib.pyplot", "needs the Python package matplotlib (pip install vmtool[plot])"),
                                          ("vmtool._core", "vmtool._core is not built: make, or pip install .")])
def test_what_is_not_installed_or_not_built_is_said_in_one_line(vmtool, monkeypatch, module, said):
    def lacking(words, wrong):
        raise ModuleNotFoundError(name=module)
    monkeypatch.setattr(front, "_read_by_click", lacking)
    assert vmtool("--help") == (1, "", f"vmtool: {said}\n")


def test_a_failing_handler_gives_no_traceback(vmtool, monkeypatch):
    from vmtool.cli import table
    vmtool("spawn")
    monkeypatch.setattr(table.find("ps"), "known_function", lambda machine, **words: 1 / 0)
    assert vmtool("ps") == (70, "", "vmtool: ps: internal error: ZeroDivisionError: division by zero\n")


def test_an_interrupt_is_130(vmtool, monkeypatch):
    from vmtool.cli import table

    def interrupted(machine, **words):
        raise KeyboardInterrupt
    vmtool("spawn")
    monkeypatch.setattr(table.find("ps"), "known_function", interrupted)
    assert vmtool("ps") == (130, "", "vmtool: ps: interrupted\n")


def test_the_result_is_printed_after_the_commit(vmtool, state, monkeypatch):
    from .fake import FakeSession

    def full(self, entry):
        raise errors.StateError("machine.vmt: no space left on device")
    monkeypatch.setattr(FakeSession, "commit", full)
    assert vmtool("spawn") == (1, "", "vmtool: spawn: machine.vmt: no space left on device\n")


@pytest.mark.parametrize("line", ["mmap 1 0", "touch 1 10", "touch 1 10 --probe"])
def test_what_a_failed_call_did_is_committed(vmtool, state, line):
    vmtool("spawn")
    vmtool(line)
    assert state.commits == 2


@pytest.mark.parametrize("line", ["store 1 heap", "fallocate f 0 4K", "spawn --exe /no/such/program"])
def test_wrong_usage_and_host_trouble_commit_nothing(vmtool, state, line):
    vmtool("spawn")
    assert vmtool(line).status in (1, 2)
    assert state.commits == 1


def test_a_reader_that_went_away_ends_it_as_coreutils_ends():
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run([*VMTOOL, "--help"], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (ran.returncode, ran.stderr) == (-signal.SIGPIPE, b"")


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["completion", "zsh"]])
def test_a_full_disk_is_one_line_and_status_1(words):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "wb") as full:
        ran = subprocess.run([*VMTOOL, *words], stdout=full, stderr=subprocess.PIPE, text=True)
    assert ran.returncode == 1
    assert ran.stderr.endswith("write error: No space left on device\n")
    assert ran.stderr.count("\n") == 1


def test_a_closed_stdout_is_one_line_and_status_1():
    ran = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *VMTOOL, "--version"], stderr=subprocess.PIPE, text=True)
    assert (ran.returncode, ran.stderr) == (1, "vmtool: write error: Bad file descriptor\n")


def test_bytes_that_are_not_utf8_pass_through(vmtool):
    name = os.fsdecode(b"caf\xe9")
    vmtool("spawn")
    assert vmtool("mkfile", name, "4K").status == 0
    assert vmtool("mkfile", name, "4K").err.endswith("caf\N{REPLACEMENT CHARACTER}\n")  # the byte, as pytest's capture decodes it


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "nowhere"])
def test_output_is_utf8_in_any_locale(locale):
    ran = subprocess.run([*VMTOOL, "mmap", "1", "é"], capture_output=True, env={**os.environ, "LC_ALL": locale})
    assert ran.returncode == 2
    assert "0x…" in ran.stderr.decode("utf-8")
