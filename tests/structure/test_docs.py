"""Every command is documented, and shown at work in a transcript."""

import re
from pathlib import Path

import pytest

from vmtool.cli import table

ROOT = Path(__file__).parents[2]
SHOWN = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "fixtures" / "transcripts").rglob("*.t")))
COMMANDS = [table.find(name) for name in table.names()]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_is_shown_in_a_transcript(command):
    assert re.search(rf"vmtool( -\S+ \S+)* {command.name}\b", SHOWN)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_has_a_sentence_and_an_example(command):
    assert re.fullmatch(r"[A-Za-z].*\.", command.help)
    assert f"vmtool {command.name}" in command.example


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_what_prints_has_json_or_prints_for_machines_already(command):
    silent = {"init", "run", "completion", "exec", "exit", "kill", "switch", "setrlimit", "oom-score-adj", "clear-refs", "munmap",
              "mprotect", "madvise", "mlock", "munlock", "mlockall", "munlockall", "msync", "mseal", "pkey-free",
              "pkey-mprotect", "store", "mkfile", "truncate", "rename", "rmfile", "fallocate",
              "free-ptr", "mallopt", "fail-io", "drop-caches", "sync", "swapon", "swapoff", "sleep", "kfree", "vfree", "free-pages",
              "compact", "record", "procfs", "mount", "enter", "report", "core"}
    assert ("--json" in command.options) == (command.name not in silent)


def test_the_readme_of_the_kernel_names_every_room():
    folder = ROOT / "vmtool" / "mm"
    readme = (folder / "README.md").read_text("utf-8")
    rooms = {path.stem for path in folder.glob("*.p[yx]*") if path.suffix in (".pyx", ".pxd")} - {"__init__"}
    assert not [room for room in sorted(rooms) if not re.search(rf"\b{room}\b", readme)]


def test_the_readme_lists_the_families_and_their_commands():
    readme = (ROOT / "README.md").read_text("utf-8")
    for heading, names in table.FAMILIES.values():
        row = re.search(rf"(?m)^\| {heading} \| (.*) \|$", readme)
        assert row and row[1].replace("`", "") == names


@pytest.mark.parametrize("status", ["0", "1", "2", "70", "128+N"])
def test_the_readme_lists_the_exit_statuses(status):
    assert f"\n| {status} | " in (ROOT / "README.md").read_text("utf-8")
