"""Every command is documented, and shown at work in a transcript."""

import inspect
import re
from pathlib import Path

import pytest

from tests.transcripts import derived
from vmtool.cli import table

ROOT = Path(__file__).parents[2]
SHOWN = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "fixtures" / "transcripts").rglob("*.t")))
FOR_MACHINES = {"run", "completion", "report", "record", "enter"}  # what they print is a program's, or for one
COMMANDS = [table.find(name) for name in table.names()]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_is_shown_in_a_transcript(command):
    if not derived.is_shown(command.name, SHOWN):
        pytest.fail(f"fixtures/transcripts: none shows {command.name}; `make transcripts-update` writes one of its example", pytrace=False)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_has_a_sentence_and_an_example(command):
    assert re.fullmatch(r"[A-Za-z].*\.", command.help)
    assert f"vmtool {command.name}" in command.example


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_what_prints_has_json_or_prints_for_machines_already(command):
    """A handler that prints nothing says so: `-> None`."""
    prints = str(inspect.signature(command.function()).return_annotation) != "None"
    assert ("--json" in command.options) == (prints and command.name not in FOR_MACHINES)


def test_the_readme_of_the_kernel_names_every_room():
    folder = ROOT / "vmtool" / "mm"
    readme = (folder / "README.md").read_text("utf-8")
    rooms = {path.stem for path in folder.glob("*.p[yx]*") if path.suffix in (".pyx", ".pxd")} - {"__init__"}
    missing = [room for room in sorted(rooms) if not room.startswith("sys_") and not re.search(rf"\b{room}\b", readme)]
    assert not missing, f"vmtool/mm/README.md: {', '.join(missing)} has no row"  # sys_X is the room of X(): one row has them all


@pytest.mark.parametrize("family", table.FAMILIES)
def test_the_readme_lists_the_families_and_their_commands(family):
    if derived.row(family) not in (ROOT / "README.md").read_text("utf-8").split("\n"):
        pytest.fail(f"README.md: the commands of {table.FAMILIES[family]!r} are not what cli/tables/{family}.py declares; "
                    "`make transcripts-update` writes them", pytrace=False)


@pytest.mark.parametrize("status", ["0", "1", "2", "70", "128+N"])
def test_the_readme_lists_the_exit_statuses(status):
    assert f"\n| {status} | " in (ROOT / "README.md").read_text("utf-8")
