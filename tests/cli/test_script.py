"""`run`: order, variables, failures, one transaction."""

import json

import pytest

from vmtool.errors import InternalError, KernelError


def objects(ran):
    return [json.loads(line) for line in ran.out.splitlines()]


def test_output_of_lines_comes_in_their_order(script):
    ran = script("p = spawn render\nmmap $p 64K\n\n# a comment\ntouch $p heap 8K\n")
    assert ran == (0, "0x7ffff7fef000\nminor=2 major=0\n", "")


def test_an_assignment_keeps_the_output_and_prints_nothing(script):
    assert script("p = spawn\na = mmap $p 4K\ntouch ${p} $a\n").out == "minor=1 major=0\n"


def test_the_first_failure_ends_the_script_with_its_status(script):
    ran = script("p = spawn\nmmap $p 0\ntouch $p heap\n")
    assert ran == (1, "", "FILE:2: vmtool: mmap: EINVAL (Invalid argument)\n")


def test_a_signal_ends_it_with_128_and_its_number(script):
    ran = script("p = spawn\ntouch $p 10\nps\n")
    assert ran == (139, "", "FILE:2: vmtool: touch: SIGSEGV at 0x10 (SEGV_MAPERR)\n")


def test_a_dash_lets_the_line_fail(script):
    ran = script("p = spawn\n-mmap $p 0\n- touch $p 10 --probe\ntouch $p heap\n")
    assert (ran.status, ran.out) == (0, "minor=1 major=0\n")
    assert ran.err == "FILE:2: vmtool: mmap: EINVAL (Invalid argument)\nFILE:3: vmtool: touch: SIGSEGV at 0x10 (SEGV_MAPERR)\n"


def test_keep_going_runs_every_line_and_ends_with_the_first_status(script):
    ran = script("p = spawn\nfrobnicate\nmmap $p 0\ntouch $p heap\n", "--keep-going")
    assert (ran.status, ran.out) == (2, "minor=1 major=0\n")
    assert ran.err.splitlines()[0] == "FILE:2: vmtool: frobnicate: no such command"


@pytest.mark.parametrize("line, message", [
    ("touch $q heap", "vmtool: touch: $q is not set"), ("9 = ps", "vmtool: ps: '9' is not a name"), ("p =", "vmtool: p = what?"),
    ("a = touch $q heap", "vmtool: touch: $q is not set"),
    ("touch 'x", "vmtool: touch: a ' is not closed"), ("run x", "vmtool: run: not in a script"),
])
def test_wrong_lines_are_usage_errors(script, line, message):
    assert script(line) == (2, "", f"FILE:1: {message}\n")


def test_a_failed_assignment_leaves_the_name_unset(script):
    ran = script("p = spawn\na = mmap $p 4K\n-a = mmap $p 0\ntouch $p $a\n")
    assert ran.status == 2
    assert ran.err.splitlines()[-1] == "FILE:4: vmtool: touch: $a is not set"


def test_echo_prints_each_line_before_its_output(script):
    assert script("# story\np = spawn  # first\n  mmap $p 4K\n", "--echo").out == "+ p = spawn  # first\n+ mmap $p 4K\n0x7ffff7fef000\n"


def test_jsonl_is_an_object_a_line(script):
    ran = script("p = spawn\n\na = mmap $p 4K\nmmap $p 0\ntouch $p 10 --probe\nload $p heap 2 --hex\nfrob\n", "--jsonl", "--keep-going")
    assert objects(ran) == [
        {"line": 1, "cmd": "spawn", "exit": 0, "errno": None, "signal": None, "out": "1"},
        {"line": 3, "cmd": "mmap", "exit": 0, "errno": None, "signal": None, "out": "0x7ffff7fef000"},
        {"line": 4, "cmd": "mmap", "exit": 1, "errno": "EINVAL", "signal": None, "out": ""},
        {"line": 5, "cmd": "touch", "exit": 139, "errno": None, "signal": "SIGSEGV", "sigcode": "SEGV_MAPERR", "sigaddr": "0x10",
         "out": ""},
        {"line": 6, "cmd": "load", "exit": 0, "errno": None, "signal": None, "out": "0000"},
        {"line": 7, "cmd": "frob", "exit": 2, "errno": None, "signal": None, "out": ""},
    ]
    assert ran.status == 1


def test_jsonl_escapes_what_is_not_text(script):
    ran = script("p = spawn\nstore $p heap --hex 0022ff0a\nload $p heap 4 --raw\n", "--jsonl")
    assert objects(ran)[2]["out"] == "\0\"\udcff"


def test_a_probe_lives_and_a_plain_touch_dies(script):
    ran = script("p = spawn\n-touch $p 10 --probe\ntouch $p heap\n-touch $p 10\n-touch $p heap\n")
    assert ran.out == "minor=1 major=0\n"
    assert ran.err.splitlines()[-1] == "FILE:5: vmtool: touch: ESRCH (No such process)"


def test_a_script_is_one_transaction(script, state):
    script("p = spawn\nmmap $p 4K\nmmap $p 0\nmmap $p 4K\n")
    assert state.commits == 1
    assert len(state.saved["processes"][1]["areas"]) == 2


def test_commit_each_commits_line_by_line(script, state):
    ran = script("p = spawn\nmmap $p 4K\nps --json\n# nothing\ntouch $p heap\n", "--commit-each")
    assert ran.status == 0
    assert state.commits == 4
    assert ran.out.endswith("minor=1 major=0\n")


def test_an_internal_error_leaves_the_state_as_before(script, state, monkeypatch):
    from .fake import FakeMachine
    script("spawn\n")
    monkeypatch.setattr(FakeMachine, "munlock", broken, raising=False)
    ran = script("mmap 1 4K\nmunlock 1 heap 4K\n")
    assert (ran.status, ran.out) == (70, "")
    assert ran.err == "vmtool: run: internal error: FILE:2: frame 7 is free and mapped\n"
    assert state.commits == 1


def broken(*args):
    raise InternalError("frame 7 is free and mapped")


def test_nothing_is_printed_when_the_commit_fails(script, state, monkeypatch):
    from vmtool.errors import StateError

    from .fake import FakeSession

    def full(self, entry):
        raise StateError("machine.vmt: no space left on device")
    monkeypatch.setattr(FakeSession, "commit", full)
    ran = script("p = spawn\nmmap $p 4K\n")
    assert ran == (1, "", "vmtool: run: machine.vmt: no space left on device\n")


def test_init_in_a_script_boots_the_machine_of_the_transaction(script, state):
    ran = script("init --ram 2G\np = spawn\nmmap $p 4K\n")
    assert ran.status == 0
    assert state.commits == 1
    assert state.saved["booted"]["ram_bytes"] == 2 << 30


def test_init_after_the_machine_was_used_is_refused(script):
    assert script("spawn\ninit --force\n").err == "FILE:2: vmtool: init: a script boots before its first line that uses a machine\n"


def test_without_a_machine_a_line_fails_with_1(script):
    assert script("ps\n") == (1, "", "FILE:1: vmtool: ps: machine.vmt: there is no machine\n")


def test_a_missing_script(vmtool):
    ran = vmtool("run /no/such/script")
    assert ran == (1, "", "vmtool: run: /no/such/script: No such file or directory\n")


def test_a_kernel_error_with_a_detail():
    assert str(KernelError(12, "no zone has 4 pages")) == "ENOMEM (Cannot allocate memory): no zone has 4 pages"


def test_a_script_that_has_no_end_is_refused(vmtool, monkeypatch):
    from vmtool.cli import script
    monkeypatch.setattr(script, "MOST_BYTES", 1 << 20)
    for endless in ("/dev/zero", "/dev/full"):
        ran = vmtool("run", endless)
        assert (ran.status, ran.out, ran.err) == (1, "", f"vmtool: run: {endless}: more than 1 MB are no script\n")
