"""Numbers of processes: idr_alloc_cyclic() between 1 (later 300) and kernel.pid_max; what fork answers when there is none left."""

import errno

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")


@pytest.fixture
def machine():
    m = core.Machine()
    m.boot(ram_bytes=256 << 20)
    yield m
    assert m.fsck() == []


def spawn(machine):
    return machine.spawn("a", None, [b"a"], [])


def test_a_number_is_not_given_out_again_at_once(machine):
    first = spawn(machine)
    machine.exit(first)
    assert spawn(machine) == first + 1


def test_behind_the_highest_number_comes_the_first_free_one_from_300_on(machine):
    machine.set_sysctl("kernel.pid_max", "305")
    for _ in range(304):
        pid = spawn(machine)
        if pid > 2:
            machine.exit(pid)
    assert [spawn(machine) for _ in range(2)] == [300, 301]
    assert machine.fork(1) == 302


def test_fork_is_eagain_when_every_number_is_taken(machine):
    machine.set_sysctl("kernel.pid_max", "301")
    pids = [machine.fork(1) if pid else spawn(machine) for pid in range(300)]
    assert pids == list(range(1, 301))
    with pytest.raises(core.KernelError) as failed:
        machine.fork(1)
    assert failed.value.errno == errno.EAGAIN
    machine.exit(300)
    assert machine.fork(1) == 300


def test_fork_is_eagain_when_there_are_as_many_threads_as_may_be(machine):
    spawn(machine)
    machine.set_sysctl("kernel.threads-max", "2")
    machine.fork(1)
    for call in (lambda: machine.fork(1), lambda: spawn(machine)):
        with pytest.raises(core.KernelError) as failed:
            call()
        assert failed.value.errno == errno.EAGAIN


@pytest.mark.parametrize("value, is_taken", [("300", False), ("301", True), ("4194304", True), ("4194305", False), ("-1", False)])
def test_the_range_of_pid_max(machine, value, is_taken):
    if is_taken:
        machine.set_sysctl("kernel.pid_max", value)
        assert machine.sysctl("kernel.pid_max") == value
        return
    with pytest.raises(core.KernelError) as failed:
        machine.set_sysctl("kernel.pid_max", value)
    assert failed.value.errno == errno.EINVAL


def test_many_processors_have_more_numbers():
    m = core.Machine()
    m.boot(ram_bytes=1 << 30, nr_cpus=64)
    assert m.sysctl("kernel.pid_max") == "65536"
