"""Golden transcripts: prose and shell commands with the output they must have.

In a `.t` file a line that begins with two spaces belongs to the shell, everything else is prose:

      $ vmtool spawn              a command; `> ` continues it
      1                           its output, stdout and stderr together
      0x[0-9a-f]+ (re)            a line that must match; `(glob)` has * and ?
      [139]                       its exit status when that is not 0

An empty output line is written as two spaces. In a `.md` file the blocks are fenced as ```console and not indented.
A line `#require NAME…` in the prose names what of the host the file needs: a program on PATH, `linux-x86-64`, `root`.
All commands of a file run in one shell, in an empty directory, with $FIXTURES naming fixtures/.
"""

import fnmatch
import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures"
TRANSCRIPTS = FIXTURES / "transcripts"
INDENT = "  "
FENCE = "```"
TIMEOUT_SECONDS = 120


class Command(NamedTuple):
    """What to type, what must come, and the lines of the file (from 0) that the output stands in."""

    text: str
    output: list[str]
    first: int
    last: int  # the first line after it


class Transcript(NamedTuple):
    path: Path
    lines: list[str]
    commands: list[Command]
    requires: list[str]
    indent: str


def all_transcripts() -> list[Path]:
    """Every .t file, and the pages whose examples are run."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [*sorted(TRANSCRIPTS.rglob("*.t")), *(page for page in pages if f"{FENCE}console" in page.read_text("utf-8"))]


def parse(path: Path) -> Transcript:
    """Read a file. ValueError names the line where an output has no command."""
    lines = path.read_text("utf-8").split("\n")
    is_fenced = path.suffix == ".md"
    indent = "" if is_fenced else INDENT
    commands: list[Command] = []
    requires: list[str] = []
    is_inside = False
    at = 0
    while at < len(lines):
        line = lines[at]
        if is_fenced and line.startswith(FENCE):
            is_inside = not is_inside and line == f"{FENCE}console"
        elif line.startswith("#require "):
            requires += line.split()[1:]
        elif is_inside if is_fenced else line.startswith(INDENT):
            command, at = _read_command(lines, at, indent, is_fenced, path)
            commands.append(command)
            continue
        at += 1
    return Transcript(path, lines, commands, requires, indent)


def _read_command(lines: list[str], at: int, indent: str, is_fenced: bool, path: Path) -> tuple[Command, int]:
    def belongs(line: str) -> bool:
        return not line.startswith(FENCE) if is_fenced else line.startswith(INDENT)

    if not lines[at].startswith(f"{indent}$ "):
        raise ValueError(f"{path}:{at + 1}: output without a command")
    text = [lines[at][len(indent) + 2:]]
    at += 1
    while at < len(lines) and belongs(lines[at]) and (lines[at] + " ").startswith(f"{indent}> "):
        text.append(lines[at][len(indent) + 2:])
        at += 1
    first = at
    while at < len(lines) and belongs(lines[at]) and not lines[at].startswith(f"{indent}$ "):
        at += 1
    return Command("\n".join(text), [line[len(indent):] for line in lines[first:at]], first, at), at


def missing(requires: list[str]) -> str:
    """What the host lacks of a transcript's requirements, '' when nothing."""
    for name in requires:
        if name == "root":
            there = hasattr(os, "geteuid") and os.geteuid() == 0
        elif name == "linux-x86-64":
            there = sys.platform == "linux" and platform.machine() == "x86_64"
        else:
            there = shutil.which(name) is not None
        if not there:
            return name
    return ""


def run(transcript: Transcript, directory: Path) -> list[list[str]]:
    """Type the commands into a shell in an empty directory; the lines that each printed, the status line included."""
    salt = secrets.token_hex(8)
    script = "exec 2>&1\n" + "".join(f"{command.text}\necho {salt} $?\n" for command in transcript.commands)
    work = directory / "work"
    work.mkdir()
    environ = {
        "PATH": f"{_launcher(directory)}{os.pathsep}{os.environ.get('PATH', os.defpath)}", "HOME": str(work), "TMPDIR": str(directory),
        "FIXTURES": str(FIXTURES), "LC_ALL": "C", "TZ": "UTC", "COLUMNS": "80", "TERM": "dumb", "VMTOOL_SYNC": "off",
    }
    done = subprocess.run(["sh", "-s"], input=script.encode(), cwd=work, env=environ, stdout=subprocess.PIPE, timeout=TIMEOUT_SECONDS)
    parts = done.stdout.decode("utf-8", "backslashreplace").split(f"{salt} ")
    outputs = []
    for part in parts[1:]:  # each begins with the status of the command whose output stands before it
        status, _, following = part.partition("\n")
        outputs.append(_lines(parts[0], status))
        parts[0] = following
    return outputs


def _lines(output: str, status: str) -> list[str]:
    lines = output.split("\n")
    if lines[-1] == "":
        lines.pop()
    else:
        lines[-1] += " (no-eol)"
    return lines if status == "0" else [*lines, f"[{status}]"]


def _launcher(directory: Path) -> Path:
    """A directory with a `vmtool` that runs this tree under this interpreter."""
    where = directory / "bin"
    where.mkdir()
    program = where / "vmtool"
    program.write_text(
        f"#!{sys.executable} -S\nimport sys\nsys.path[0] = {str(ROOT)!r}\nfrom vmtool.__main__ import leave, main\nleave(main())\n"
    )
    program.chmod(0o755)
    return where


def line_matches(expected: str, actual: str) -> bool:
    if expected == actual:
        return True
    if expected.endswith(" (re)"):
        return re.fullmatch(expected[:-5], actual) is not None
    if expected.endswith(" (glob)"):
        return fnmatch.fnmatchcase(actual, expected[:-7].replace("[", "[[]"))
    return False


def output_matches(expected: list[str], actual: list[str]) -> bool:
    return len(expected) == len(actual) and all(map(line_matches, expected, actual))


def updated(transcript: Transcript, outputs: list[list[str]]) -> str:
    """The file's text with the outputs as they are now; (re) and (glob) lines that still match stay."""
    lines: list[str] = []
    done = 0
    for command, actual in zip(transcript.commands, outputs, strict=True):
        lines += transcript.lines[done:command.first]
        patterns = [line for line in command.output if line.endswith((" (re)", " (glob)"))]
        for line in actual:
            kept = next((pattern for pattern in patterns if line_matches(pattern, line)), line)
            lines.append(transcript.indent + kept)
        done = command.last
    return "\n".join(lines + transcript.lines[done:])
