"""savepoint() and rollback(): the machine to the byte as it was, before and after a commit, whatever was done between."""

import pytest

from vmtool.store.session import init_machine, open_machine

PAGE = 4096


def image(machine):
    return machine.header(), {key: bytes(machine.chunk(*key)) for key in machine.dirty()}


def much(machine, pid):
    machine.brk(pid, machine.brk(pid) + 64 * PAGE)
    machine.touch(pid, machine.mm(pid).start_brk, 64 * PAGE, "w")
    child = machine.fork(pid)
    machine.store(child, machine.mm(child).start_brk, b"x" * 9000)
    machine.mkfile("/scene.dat", 40 * PAGE, b"y" * 5000)
    machine.mmap(child, 0, 40 * PAGE, 3, 1, "/scene.dat")
    machine.read(child, "/scene.dat", 0, 9000)
    machine.exit(pid)


@pytest.mark.parametrize("is_dirty", [False, True])
def test_all_that_was_done_is_undone(tmp_path, is_dirty):
    path = str(tmp_path / "machine.vmt")
    with init_machine(path) as session:
        session.machine.boot(ram_bytes=1 << 28)
        pid = session.machine.spawn("render", None, [b"render"], [])
        session.commit()
    with open_machine(path, write=True) as session:
        machine = session.machine
        if is_dirty:
            machine.touch(pid, machine.mm(pid).start_stack - 8, 1, "w")
            machine.spawn("other", None, [b"other"], [])
        point = machine.savepoint()
        before = image(machine)
        for _ in range(2):
            much(machine, pid)
            machine.rollback(point)
            assert image(machine) == before
            assert not machine.fsck()
        session.commit()
    with open_machine(path, write=True) as session:
        assert [task.comm for task in session.machine.tasks()] == ["render", "other"][: 1 + is_dirty]
        assert not session.machine.fsck()
        much(session.machine, pid)
        session.commit()


def test_a_machine_that_was_never_saved(tmp_path):
    with init_machine(str(tmp_path / "machine.vmt")) as session:
        machine = session.machine
        machine.boot(ram_bytes=1 << 28)
        pid = machine.spawn("render", None, [b"render"], [])
        point, before = machine.savepoint(), image(machine)
        much(machine, pid)
        machine.rollback(point)
        assert image(machine) == before
        assert not machine.fsck()
