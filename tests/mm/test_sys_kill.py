"""kill(): every expected answer is the live 6.18 kernel's, for a process without handlers."""

import errno
import signal as s

import pytest

from vmtool.procfs import pid_status

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
PAGE = 4096
IGNORED = (s.SIGCHLD, s.SIGCONT, s.SIGURG, s.SIGWINCH)
STOPPING = (s.SIGSTOP, s.SIGTSTP, s.SIGTTIN, s.SIGTTOU)


@pytest.fixture
def machine():
    m = core.Machine()
    m.boot(ram_bytes=256 << 20, nr_cpus=2)
    m.spawn("render", None, [b"render"], [])
    m.spawn("other", None, [b"other"], [])
    m.brk(1)  # it runs
    yield m
    assert m.fsck() == []


def lives(machine, pid=1):
    return pid in [task.pid for task in machine.tasks()]


@pytest.mark.parametrize("signo", STOPPING)
def test_a_stopped_process_is_off_its_cpu_and_does_nothing(machine, signo):
    machine.kill(1, signo)
    assert (machine.task(1).state, machine.task(1).current) == ("T", False)
    for call in (lambda: machine.brk(1), lambda: machine.fork(1), lambda: machine.touch(1, machine.mm(1).start_stack, 1, "r"),
                 lambda: machine.exec(1, "x", None, [b"x"], []), lambda: machine.exit(1), lambda: machine.switch(1, 1)):
        with pytest.raises(core.KernelError) as failed:
            call()
        assert failed.value.errno == errno.EAGAIN
    machine.brk(2)
    machine.kill(1, s.SIGCONT)
    assert machine.task(1).state == "S"
    machine.brk(1)


@pytest.mark.parametrize("signo", [n for n in range(1, 65) if n not in (*IGNORED, *STOPPING, s.SIGKILL)])
def test_what_ends_a_process_waits_while_it_is_stopped(machine, signo):
    machine.kill(1, s.SIGSTOP)
    machine.kill(1, signo)
    assert machine.task(1).shared_pending == 1 << signo - 1
    assert f"ShdPnd:\t{1 << signo - 1:016x}\n" in pid_status.render(machine.task(1), machine.mm(1), 1, 12)
    machine.kill(1, s.SIGCONT)
    assert not lives(machine)


@pytest.mark.parametrize("signo", IGNORED)
def test_what_is_ignored_does_not_wait(machine, signo):
    machine.kill(1, signo)
    assert machine.task(1).state == "R"
    machine.kill(1, s.SIGSTOP)
    machine.kill(1, signo)
    assert machine.task(1).shared_pending == 0
    assert machine.task(1).state == ("S" if signo == s.SIGCONT else "T")


@pytest.mark.parametrize("signo", STOPPING)
def test_a_stop_that_waits_is_dropped_when_the_process_goes_on(machine, signo):
    machine.kill(1, s.SIGSTOP)
    machine.kill(1, signo)
    assert machine.task(1).shared_pending == 1 << signo - 1
    machine.kill(1, s.SIGCONT)
    assert (machine.task(1).state, machine.task(1).shared_pending) == ("S", 0)


def test_kill_ends_a_stopped_process_at_once(machine):
    machine.kill(1, s.SIGSTOP)
    machine.kill(1, s.SIGKILL)
    assert not lives(machine)


def test_signal_0_asks_only(machine):
    machine.kill(1, 0)
    assert lives(machine)
