"""The command line in this process, on a fake state file: `vmtool("mmap 1 4K")` gives status, stdout and stderr."""

from typing import NamedTuple

import pytest

from vmtool.cli import execute, front

from .fake import FakeFile


class Ran(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def state(monkeypatch):
    """The fake state file that commands open."""
    file = FakeFile()
    monkeypatch.setattr(execute, "open_session", file.open)
    monkeypatch.delenv("VMTOOL_STATE", raising=False)
    return file


@pytest.fixture
def vmtool(state, capfd):
    """Run one command line, as words or as a string of words without quotes."""
    def run(line, *more):
        words = line.split() if isinstance(line, str) and not more else [line, *more]
        status = front.run(words)
        return Ran(status, *capfd.readouterr())
    return run


@pytest.fixture
def script(vmtool, tmp_path):
    """Run a script's text with `run` and its options."""
    def run(text, *options):
        path = tmp_path / "script.vmt"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        ran = vmtool("run", *options, str(path))
        return Ran(ran.status, ran.out, ran.err.replace(str(path), "FILE"))
    return run
