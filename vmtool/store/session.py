"""A command's hold on a state file: open, work on the machine, commit.

    with open_machine(path, write=True) as session:
        address = session.machine.mmap(...)
        session.commit()

A reader holds one read transaction from open to close, so it sees one commit; it copies what it shows and
closes before it formats or waits. A writer takes the write lock at once (BEGIN IMMEDIATE): it never finds
out in the middle that another was faster. Readers go on beside it until the moment of its commit. Without
commit() nothing is written.

The machine loads its chunks through the session, so it is of no use after commit(), pause() or close(); renew()
begins another transaction.
"""

from __future__ import annotations

import posix

from vmtool.errors import InternalError, StateError
from vmtool.store.busy import FAILURES, WAIT_SECONDS, Busy, explain, patiently
from vmtool.store.chunks import Chunks, Past, Writing
from vmtool.store.schema import check_file, check_schema, connect, in_use, let_go, page_reader

TYPE_CHECKING = False  # typing's own is worth half a command's start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from vmtool._core import Machine
    from vmtool.store.create import Creation
    from vmtool.store.history import History


def open_machine(path: str, write: bool, wait: float = WAIT_SECONDS, create: bool = False, factory: Any = None) -> Session:
    """Open a state file. With `create`, one that is not there is made by the first commit (`session.is_new`).

    `wait`: seconds, for each wait on another command. `factory`: called as Machine. Raises StateError.
    """
    if create and not _is_there(path):
        from vmtool.store.create import Creation

        creation = Creation(path, wait)
        if not creation.is_taken():  # else another made it while this one waited
            return Session(path, True, wait, factory, creation)
        creation.release()
    return Session(path, write, wait, factory)


def init_machine(path: str, wait: float = WAIT_SECONDS, force: bool = False, factory: Any = None) -> Session:
    """A session with an empty machine, whose commit makes the file. A file that is there is refused, or with `force` replaced."""
    import os  # as create does

    from vmtool.store.create import Creation

    creation = Creation(path, wait)
    try:
        if creation.is_taken():
            if not os.path.isfile(path):
                raise StateError(f"{path}: is there, and is not a regular file")
            if not force:
                raise StateError(f"{path}: is there already (--force replaces it)")
            lock = write_lock(path, wait, factory)
            creation.replace(lock.close if lock is not None else None)
        return Session(path, True, wait, factory, creation)
    except BaseException:
        creation.release()
        raise


def _is_there(path):
    try:
        posix.stat(path)
    except (OSError, ValueError):
        return False
    return True


def write_lock(path: str, wait: float, factory: Any) -> Session | None:
    """Keep other writers out of a file; None for a file that none of them could open."""
    try:
        return Session(path, True, wait, factory)
    except Busy:
        raise
    except StateError:
        return None


class Session:
    """Transactions, one after another, on a state file, or on one that the first commit makes.

    `machine` is another object after a renew() that found the file changed.
    """

    machine: Machine
    _chunks: Chunks

    def __init__(self, path: str, write: bool, wait: float, factory: Any, creation: Creation | None = None) -> None:
        if factory is None:
            from vmtool._core import Machine as factory
        self.path = path
        self.is_new = creation is not None
        self._write = write
        self._wait = wait
        self._factory = factory
        self._creation = creation
        self._db: Any = None  # sqlite.Connection; None before the file is made and after close()
        self._is_running = False  # a transaction
        self._bounds: tuple[int, int] | None = None  # of the history, to be set
        self._failure: StateError | None = None  # of a load: the core can only say that there was one
        if creation is None:
            self._open()
        else:
            self.machine = factory()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()
        if self._failure is not None and (error is None or isinstance(error, Exception)):
            raise self._failure from None

    def commit(self, entry: bytes = b"") -> None:
        """Save what changed, all or none, and end the transaction. Raises StateError, and the file is as before.

        `entry`: what the log shall say of this step. Where nothing changed there is no step.
        """
        try:
            self.machine.check()
            self.machine.verify_clean()
            if self._creation is not None:
                self._creation.make(self.machine, entry, self._bounds)
                self._creation = None
            else:
                self._save(entry)
        except FAILURES as error:
            raise explain(self.path, error) from None
        finally:
            self.pause()
        self.machine.clean()
        self._bounds = None

    def _save(self, entry: bytes) -> None:
        machine, chunks = self.machine, self._chunks
        if machine.dirty() or machine.dropped() or machine.header() != chunks.header or self._bounds is not None:
            self._write_rows(lambda: chunks.save(machine, entry, self._bounds))
        else:
            self._write_rows(None)

    def _write_rows(self, change: Callable[[], None] | None) -> None:
        """One change of the file and its commit."""
        if not self._is_running or not self._write:
            raise InternalError("commit without a transaction that may write")
        if change is not None:
            if check_file(self.path) != self._identity:
                raise StateError(f"{self.path}: was replaced by another program")
            self._chunks.check_room(posix.stat(self.path).st_size, page_reader(self.path, self._identity))
            self._chunks.stamp = (0, 0)  # until the machine row is written: a save that failed half-way is not to be built upon
            change()
        db = self._db
        patiently(self.path, self._wait, lambda: db.execute("COMMIT"))

    # --- history ---------------------------------------------------------------------------

    @property
    def history(self) -> History:
        """What the log says, and how far back and forth one can go. To be read alone."""
        return self.chunks.history

    @property
    def chunks(self) -> Chunks:
        """What `image` compares."""
        if self._creation is not None:
            raise StateError(f"{self.path}: is yet to be made")
        return self._chunks

    def go(self, nr_steps: int) -> None:
        """Take the last steps back (a negative number) or make those taken back again: a commit, after which the session is over.

        Preconditions: a writer whose machine was not changed; so many steps are kept.
        """
        chunks, history = self._chunks, self.history

        def change() -> None:
            with Writing(chunks):
                for _ in range(abs(nr_steps)):
                    history.undo() if nr_steps < 0 else history.redo()
                history.save()
        try:
            self._write_rows(change)
        except FAILURES as error:
            raise explain(self.path, error) from None
        finally:
            self.close()

    def set_history(self, keep: int, most_slots: int) -> None:
        """From the next commit on, which is a step: keep so many, and of what they replaced so many chunks."""
        self._bounds = (keep, most_slots)

    def machine_at(self, step: int) -> Machine:
        """The machine as it was after a step from history.first_step() to last_step(); of use as long as the transaction runs."""
        past = Past(self._chunks, step)

        def load(pool: int, chunk: int) -> bytes | None:
            return self._load(pool, chunk, past)
        return self._factory(load, past.header)

    def step_before(self) -> int:
        """The step that the machine was at before what it is now: the last commit of a writer, the one before it of a reader."""
        return self.history.step - (not self._write)

    def pause(self) -> None:
        """End the transaction, without a commit if there was none, and stay connected."""
        self._is_running = False
        if self._db is not None and self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def renew(self) -> None:
        """Begin the next transaction. The machine stays as it is unless another command changed the file meanwhile."""
        if self._db is None:
            self._open()
            return
        before = self._chunks
        if not self._begin():
            self._open()
        elif self._chunks.stamp != before.stamp:
            self._make_machine()
        else:
            self._chunks = before  # which knows the directories

    def verify(self) -> list[str]:
        """Check every row of the file, for fsck. Returns: one line for each thing that is wrong; none in a file that is yet to be made."""
        if self._creation is not None:
            return []
        from vmtool.store.verify import verify_chunks

        return verify_chunks(self._chunks)

    def close(self) -> None:
        """End the session; what was not committed is forgotten."""
        self._is_running = False
        if self._creation is not None:
            self._creation.release()
            self._creation = None
        if self._db is not None:
            self._db.close()
            self._db = None
            let_go(self._identity)

    def _open(self) -> None:
        """Connect and begin; again when the file was replaced between the look at its first bytes and the lock."""
        while self._db is None:
            self._identity = check_file(self.path)
            try:
                self._db = patiently(self.path, self._wait, lambda: connect(self.path))
                in_use.append(self._identity)
                self._begin()
            except BaseException as error:
                self.close()
                if isinstance(error, FAILURES):
                    raise explain(self.path, error) from None
                raise
        self._make_machine()

    def _begin(self) -> bool:
        """Take the lock and read the machine row. Returns: whether the file still has the name; if not, it is closed."""
        self._chunks = Chunks(self._db, self.path)
        patiently(self.path, self._wait, self._lock)
        if check_file(self.path) != self._identity:
            self.close()
            return False
        self._is_running = True
        return True

    def _lock(self) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE" if self._write else "BEGIN")
            wrong = check_schema(self._db)  # a reader's lock comes with its first read
            if wrong:
                raise StateError(f"{self.path}: is damaged ({wrong})")
            named = posix.stat(self.path)
            if (named.st_dev, named.st_ino) == self._identity:  # else it was replaced, which _begin() notices
                self._chunks.check_size(named.st_size)
            self._chunks.read_machine()
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _make_machine(self) -> None:
        """A machine of what was read; it loads its own record at once, and that may fail."""
        try:
            self.machine = self._factory(self._load, self._chunks.header)
        except InternalError as error:
            self.close()
            raise StateError(f"{self.path}: is damaged ({error})") from None
        except BaseException:
            self.close()
            raise

    def _load(self, pool: int, chunk: int, chunks: Chunks | None = None) -> bytes | None:
        """What the machine calls for a chunk that it has not got."""
        try:
            if not self._is_running:
                raise InternalError("a machine was used outside its transaction")
            return (chunks or self._chunks).load(pool, chunk)
        except FAILURES as error:
            self._failure = explain(self.path, error)
            raise self._failure from None
        except StateError as error:
            self._failure = error
            raise
