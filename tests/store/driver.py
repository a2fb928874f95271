"""A command on a fake machine, to be run and killed: python -m tests.store.driver PATH init|write|grow|undo|redo."""

import os
import sys

from tests.store.fake import FakeMachine
from vmtool.store.session import init_machine, open_machine


def main(path: str, command: str) -> None:
    if command == "init":
        with init_machine(path, factory=FakeMachine, force=os.path.exists(path)) as session:
            for pool in range(8):
                session.machine.fill(pool, 0, 100 + pool)
            session.commit()
        return
    with open_machine(path, write=True, factory=FakeMachine) as session:
        if command in ("undo", "redo"):
            session.go(-1 if command == "undo" else 1)
            return
        machine = session.machine
        version = machine.header()[0] + 1
        machine.set_header(bytes([version]) * 8)
        for pool in range(4):
            machine.put(pool, 0, 0, bytes([version]) * 100)
        if command == "grow":
            for chunk in range(300):  # enough for SQLite to write before the commit
                machine.fill(6, chunk, version)
            machine.drop(7, 0)
        session.commit()


if __name__ == "__main__":
    main(*sys.argv[1:])
