"""A session's promises: nothing without commit(), one writer, readers see one commit, a new file whole or not at all."""

import os

import pytest

from tests.store.conftest import all_chunks, contents_of, open_fake, read_bytes
from tests.store.fake import FakeMachine
from vmtool.errors import InternalError, StateError
from vmtool.store.session import init_machine


def put(path, text, chunk=(0, 0)):
    with open_fake(path, write=True) as session:
        session.machine.put(*chunk, 0, text)
        session.commit()


def get(path, length, chunk=(0, 0)):
    with open_fake(path) as session:
        return bytes(session.machine.get(*chunk)[:length])


def test_nothing_is_written_without_a_commit(state):
    before = read_bytes(state)
    with open_fake(state, write=True) as session:
        session.machine.put(0, 0, 0, b"lost")
    assert read_bytes(state) == before


def test_a_commit_of_nothing_leaves_the_file(state):
    before = read_bytes(state)
    with open_fake(state, write=True) as session:
        session.machine.get(0, 0)
        session.commit()
    assert read_bytes(state) == before


def test_a_file_that_went_away_is_not_written_to_in_vain(state):
    with open_fake(state, write=True) as session:
        session.machine.put(0, 0, 0, b"x")
        os.unlink(state)
        with pytest.raises(StateError, match="no such state file"):
            session.commit()


def test_a_reader_may_not_commit(state):
    with open_fake(state) as session, pytest.raises(InternalError):
        session.commit()


def test_one_file_and_nothing_beside_it(state):
    put(state, b"x")
    assert os.listdir(os.path.dirname(state)) == ["machine.vmt"]


def test_a_copy_is_the_whole_machine(state, tmp_path):
    copy = tmp_path / "copy.vmt"
    copy.write_bytes(read_bytes(state))
    put(state, b"only in the first")
    assert all_chunks(str(copy))[0, 0] == contents_of(0, 0)


def test_a_reader_sees_the_last_commit_while_a_writer_works(state):
    with open_fake(state, write=True) as writer:
        writer.machine.put(0, 0, 0, b"working")
        assert get(state, 4) == b"pool"
        writer.commit()
    assert get(state, 7) == b"working"


def test_a_second_writer_is_told_who_is_in_the_way(state):
    with open_fake(state, write=True), pytest.raises(StateError, match=r"machine\.vmt: is in use by another command \(waited 0\.1 s\)"):
        open_fake(state, write=True, wait=0.1)


def test_a_commit_waits_for_readers_and_gives_up(state):
    before = read_bytes(state)
    with open_fake(state) as reader:
        reader.machine.get(0, 0)
        with pytest.raises(StateError, match="is in use"), open_fake(state, write=True, wait=0.05) as writer:
            writer.machine.put(0, 0, 0, b"x")
            writer.commit()
    assert read_bytes(state) == before
    put(state, b"afterwards")


def test_renew_keeps_the_machine_when_nobody_else_wrote(state):
    with open_fake(state, write=True) as session:
        first = session.machine
        first.put(0, 0, 0, b"one")
        session.commit()
        session.renew()
        assert session.machine is first
        first.put(1, 0, 0, b"two")
        session.commit()
    assert (get(state, 3), get(state, 3, (1, 0))) == (b"one", b"two")


def test_renew_sees_what_another_wrote(state):
    with open_fake(state, write=True) as session:
        session.machine.put(0, 0, 0, b"one")
        session.commit()
        put(state, b"two")
        session.renew()
        assert session.machine.get(0, 0)[:3] == b"two"


def test_renew_notices_that_the_file_was_replaced(state):
    with open_fake(state) as reader:
        reader.pause()
        with init_machine(state, force=True, factory=FakeMachine) as session:
            session.machine.put(0, 0, 0, b"another machine")
            session.commit()
        reader.renew()
        assert reader.machine.get(0, 0)[:7] == b"another"


def test_renew_after_a_failed_commit_starts_from_the_file(state):
    with open_fake(state, write=True, wait=0.02) as session:
        with open_fake(state):
            session.machine.put(0, 0, 0, b"no")
            with pytest.raises(StateError):
                session.commit()
        session.renew()
        assert session.machine.get(0, 0)[:4] == b"pool"


def test_a_machine_is_of_no_use_after_its_session(state):
    with open_fake(state) as session:
        machine = session.machine
    with pytest.raises(InternalError):
        machine.get(0, 0)


def test_what_a_load_found_is_told_even_if_the_machine_could_not(state):
    """The core turns an exception of the loader into an InternalError of its own."""

    class Mute(FakeMachine):
        def get(self, pool, chunk):
            try:
                return super().get(pool, chunk)
            except Exception:
                raise InternalError("a load failed") from None

    from tests.store.test_chunks import edit
    from vmtool.store.session import open_machine

    edit(state, "DELETE FROM slot WHERE id = 1")
    with pytest.raises(StateError, match="chunk 0 of pool 0: its row is lost"), open_machine(state, False, factory=Mute) as session:
        session.machine.get(0, 0)


# --- new files ------------------------------------------------------------------------------


def test_a_missing_file_is_made_by_the_first_commit(path):
    with open_fake(path, write=True, create=True) as session:
        assert session.is_new
        assert session.verify() == []
        session.machine.put(0, 0, 0, b"new")
        assert not os.path.exists(path)
        session.commit()
        session.renew()
        session.machine.put(1, 0, 0, b"second")
        session.commit()
    assert get(path, 3) == b"new"
    with open_fake(path, write=True, create=True) as session:
        assert not session.is_new
        assert session.machine.get(1, 0)[:6] == b"second"


def test_a_new_session_without_a_commit_leaves_nothing(path, tmp_path):
    with open_fake(path, write=True, create=True) as session:
        session.machine.put(0, 0, 0, b"new")
    assert list(tmp_path.iterdir()) == []


def test_init_refuses_a_file_that_is_there(state):
    before = read_bytes(state)
    with pytest.raises(StateError, match=r"is there already \(--force replaces it\)"):
        init_machine(state, factory=FakeMachine)
    assert read_bytes(state) == before
    assert os.listdir(os.path.dirname(state)) == ["machine.vmt"]


@pytest.mark.parametrize("is_state", [True, False])
def test_init_with_force_replaces_it(state, is_state):
    if not is_state:
        with open(state, "wb") as file:
            file.write(b"something else")
    with init_machine(state, force=True, factory=FakeMachine) as session:
        session.machine.put(5, 5, 0, b"fresh")
        session.commit()
    assert get(state, 5, (5, 5)) == b"fresh"
    assert get(state, 4) == bytes(4)


def test_init_with_force_waits_for_a_writer(state):
    with open_fake(state, write=True) as writer:
        with pytest.raises(StateError, match="is in use"):
            init_machine(state, wait=0.05, force=True, factory=FakeMachine)
        writer.machine.put(0, 0, 0, b"kept")
        writer.commit()
    assert get(state, 4) == b"kept"


def test_a_writer_that_waited_for_init_writes_into_the_new_file(state):
    """Not into the one that lost its name."""
    import threading

    with init_machine(state, force=True, factory=FakeMachine) as session:
        waiting = threading.Thread(target=put, args=(state, b"waited", (9, 9)))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        session.commit()
    waiting.join(10)
    assert get(state, 6, (9, 9)) == b"waited"
    assert get(state, 4) == bytes(4)


def test_a_state_file_behind_a_symbolic_link(tmp_path):
    link = tmp_path / "link.vmt"
    link.symlink_to("target.vmt")
    with open_fake(str(link), write=True, create=True):
        pass
    with init_machine(str(link), force=True, factory=FakeMachine) as session:
        session.commit()
    assert link.is_symlink()
    put(str(link), b"through")
    assert get(str(tmp_path / "target.vmt"), 7) == b"through"


@pytest.mark.parametrize("name", ["a b", "50%?x=1#y", "file:x", "-s", "ü\udcff"])
def test_a_name_is_taken_as_it_is(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with init_machine(name, factory=FakeMachine) as session:
        session.commit()
    put(name, b"named")
    assert get(name, 5) == b"named"
    assert os.listdir(tmp_path) == [name]


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(StateError, match="nowhere/m.vmt: No such file or directory"):
        init_machine(str(tmp_path / "nowhere" / "m.vmt"), factory=FakeMachine)


@pytest.mark.parametrize(("setting", "level"), [("off", 0), ("", 2), ("on", 2)])
def test_synchronous_unless_switched_off(state, monkeypatch, setting, level):
    monkeypatch.setenv("VMTOOL_SYNC", setting)
    with open_fake(state, write=True) as session:
        assert session._db.execute("PRAGMA synchronous").fetchone() == (level,)
