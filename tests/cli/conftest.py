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
def real_state(tmp_path, monkeypatch):
    """A state file of the real machine, in a directory of the test's own."""
    pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)
    monkeypatch.chdir(tmp_path)
    return tmp_path / execute.DEFAULT_STATE


@pytest.fixture
def on(request):
    """The state file that `vmtool` opens: the fake one, unless a test is parametrized with `real_state`."""
    return request.getfixturevalue(getattr(request, "param", "state"))


@pytest.fixture
def vmtool(on, capfd):
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
