"""Whatever is typed, the answer is a result or one line: never a traceback, never status 70."""

import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmtool.cli import table

from .fake import FakeFile
from .test_readers import COMMON, likely

# What argv can hold: no NUL; bytes that are not UTF-8 arrive as U+DC80 to U+DCFF.
LETTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\0") | st.sampled_from("\udc80\udcff $#'\"\\-=+")
WORDS = st.text(LETTERS, max_size=12)
SCRIPT_WORDS = WORDS | st.sampled_from(["$p", "p", "=", "-", "spawn", "mmap", "touch", "heap", "4K"])
# Not those that run programs, read stdin or write files of the host.
LEFT_OUT = ("run", "completion", "draw", "log", "undo", "redo", *table.NAMES["outside"].split())  # more than the stand-in is
NAMES = [name for name in table.names() if name not in LEFT_OUT]
QUICK = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
OURS = re.compile(r"(\S+:\d+: )?vmtool: ")  # of a script's line: where it stands, first


@pytest.fixture
def fresh(state):
    """Forget the machine between hypothesis's examples."""
    def forget():
        state.__dict__.update(FakeFile().__dict__)
    return forget


@QUICK
@given(words=st.lists(WORDS, max_size=5))
def test_any_words(vmtool, fresh, words):
    fresh()
    check(vmtool("mmap", *words))
    check(vmtool(words[0] if words else "", "x", *words[1:]))


@QUICK
@given(name=st.sampled_from(NAMES), words=st.lists(WORDS, max_size=4),
       seed=st.integers(0, 1 << 32))
def test_any_words_after_a_command(vmtool, fresh, name, words, seed):
    fresh()
    vmtool("spawn")
    vmtool("mkfile f 4K")
    rng = random.Random(seed)
    line = likely(table.find(name), rng)
    for word in words:
        line.insert(rng.randint(0, len(line)), word)
    check(vmtool(name, *line, rng.choice(COMMON)) if rng.random() < 0.3 else vmtool(name, *line))


@QUICK
@given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=200))
def test_any_text_as_a_script(script, fresh, text):
    fresh()
    check(script(text, "--keep-going"), lines=None)


@QUICK
@given(lines=st.lists(st.lists(SCRIPT_WORDS, max_size=5), max_size=8))
def test_any_lines_as_a_script(script, fresh, lines):
    fresh()
    check(script("p = spawn\n" + "\n".join(" ".join(words) for words in lines), "--keep-going", "--jsonl"), lines=None)


def check(ran, lines=1):
    assert ran.status in (0, 1, 2, 139), ran
    assert "Traceback" not in ran.err
    assert "internal error" not in ran.err
    if ran.status == 0:
        assert not ran.err or lines is None
    elif lines == 1 and not ran.err.startswith("Usage: "):
        assert OURS.match(ran.err), ran
        assert ran.err.count("\n") == 1, ran
