"""Every transcript under fixtures/transcripts, and every example of the pages, prints what it says."""

import difflib
from pathlib import Path

import pytest

from tests.transcripts import transcript

SAMPLE = """\
Prose.

  $ echo one; echo two
  one
  t.o (re)
  $ cat <<END
  > here
  > END
  h* (glob)
  $ sh -c 'echo bad >&2; exit 3'
  bad
  [3]
  $ x=kept
  $ echo "$x"; echo; printf end
  kept
{blank}
  end (no-eol)
"""


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "sample.t"
    path.write_text(SAMPLE.format(blank="  "))
    return path


@pytest.mark.parametrize("path", transcript.all_transcripts(), ids=lambda path: str(path.relative_to(transcript.ROOT)))
def test_transcript(path, tmp_path):
    parsed = transcript.parse(path)
    lack = transcript.missing(parsed.requires)
    if lack:
        pytest.skip(f"this machine lacks {lack}")
    outputs = transcript.run(parsed, tmp_path)
    assert len(outputs) == len(parsed.commands), f"the shell ended at: {parsed.commands[len(outputs)].text}"
    if all(transcript.output_matches(c.output, actual) for c, actual in zip(parsed.commands, outputs, strict=True)):
        return
    now = transcript.updated(parsed, outputs).split("\n")
    pytest.fail("\n".join(difflib.unified_diff(parsed.lines, now, str(path), "as it is now", lineterm="")), pytrace=False)


def test_a_transcript_that_is_right_passes(sample, tmp_path):
    parsed = transcript.parse(sample)
    outputs = transcript.run(parsed, tmp_path)
    assert [transcript.output_matches(c.output, o) for c, o in zip(parsed.commands, outputs, strict=True)] == [True] * 5
    assert transcript.updated(parsed, outputs) == sample.read_text()


SPOILT = [("  one", "  uno"), ("t.o", "t.p"), ("[3]", "[4]"), ("  bad\n", ""), ("  h*", "  g*"), ("  end", "  End")]


@pytest.mark.parametrize("change", SPOILT)
def test_each_spoilt_line_is_noticed_and_the_update_mends_it(sample, tmp_path, change):
    sample.write_text(sample.read_text().replace(*change))
    parsed = transcript.parse(sample)
    outputs = transcript.run(parsed, tmp_path)
    assert not all(transcript.output_matches(c.output, o) for c, o in zip(parsed.commands, outputs, strict=True))
    sample.write_text(transcript.updated(parsed, outputs))
    again = transcript.parse(sample)
    assert all(transcript.output_matches(c.output, o) for c, o in zip(again.commands, outputs, strict=True))


def test_a_page_runs_its_fenced_consoles_only(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```sh\n$ false\n```\n\n  $ false\n\n```console\n$ echo a\na\n\n```\n")
    (command,) = transcript.parse(page).commands
    assert (command.text, command.output) == ("echo a", ["a", ""])


def test_output_without_a_command_is_refused(tmp_path):
    (tmp_path / "a.t").write_text("  output\n")
    with pytest.raises(ValueError, match="a.t:1: output without a command"):
        transcript.parse(tmp_path / "a.t")


def test_a_missing_program_is_named():
    assert transcript.missing(["sh", "no-such-program"]) == "no-such-program"


def test_every_story_is_there():
    stories = {path.stem for path in Path(transcript.TRANSCRIPTS, "stories").glob("*.t")}
    assert stories >= {"brk", "read", "read-and-mmap", "copy-on-write", "shared", "stack", "cat-map", "switch", "kernel-address", "free"}
