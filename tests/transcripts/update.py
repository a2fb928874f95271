"""`make transcripts-update`: rewrite the outputs of the transcripts (all, or the files named) for review as a diff.

Of all: what is derived from the commands' declarations, too (derived.py).
"""

import sys
import tempfile
from pathlib import Path

from tests.transcripts import derived, transcript


def main(names: list[str]) -> int:
    status = 0
    if not names:
        derived.write()
    for path in map(Path, names) if names else transcript.all_transcripts():
        parsed = transcript.parse(path)
        lack = transcript.missing(parsed.requires)
        if lack:
            print(f"{path}: left as it is, this machine lacks {lack}")
            continue
        with tempfile.TemporaryDirectory() as directory:
            outputs = transcript.run(parsed, Path(directory))
        if len(outputs) != len(parsed.commands):
            print(f"{path}: the shell ended at: {parsed.commands[len(outputs)].text}", file=sys.stderr)
            status = 1
            continue
        text = transcript.updated(parsed, outputs)
        if text != "\n".join(parsed.lines):
            path.write_text(text, "utf-8")
            print(f"{path}: rewritten")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
