"""Whatever is typed after a command that looks at history, pictures or the whole machine: a result or one line, and a sound machine."""

import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmtool.cli import front, table

from .test_hostile import OURS, WORDS
from .test_readers import likely

NAMES = ("draw", "log", "undo", "redo", "diff", "report", "explain", "trace", "what-if", "frames")
"""What test_hostile's stand-in for a machine has no answers for."""
SCRIPT = "spawn demo\nbrk 1 --by 64K\ntouch 1 heap 32K\nfork 1\nstore 2 heap x\nmkfile /a 64K\n"
WORDS_OF_OURS = st.sampled_from(["1", "2", "3", "heap", "stack", "a", "-1", "0", "99999999999999999999", "4K", "1T", "--json", "--last",
                                 "--script", "--svg", "--dot", "--ascii", "--space", "--buddy", "--heap", "--tlb", "--lru", "--cache",
                                 "--vmas", "--changed", "--all", "touch", "spawn", "fork", "-", "/dev/null"])


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)
    there = tmp_path_factory.mktemp("hostile")
    before = os.getcwd()
    os.chdir(there)
    (there / "script.vmt").write_text(SCRIPT)
    assert front.run(["run", "script.vmt"]) == 0
    yield there
    os.chdir(before)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(NAMES), words=st.lists(WORDS | WORDS_OF_OURS, max_size=4), seed=st.integers(0, 1 << 32))
def test_any_words(directory, capfd, name, words, seed):
    """A word that names a file to write is the user's wish: only those of this directory are left."""
    line = [*likely(table.find(name), random.Random(seed)), *words] if seed & 1 else words
    line = [word for word in line if "/" not in word or word == "/dev/null"]
    status = front.run([name, *line])
    ran = capfd.readouterr()
    assert status in (0, 1, 2, 139), (status, ran)
    assert "Traceback" not in ran.err and "internal error" not in ran.err, ran
    if status == 1 and ran.err:
        assert OURS.match(ran.err), ran
        assert ran.err.count("\n") == 1, ran
    assert front.run(["fsck"]) == 0, (name, line)
    capfd.readouterr()
