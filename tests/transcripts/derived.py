"""What `make transcripts-update` writes from the declarations: README's list of commands, and a transcript of those that no other shows."""

import re

from tests.transcripts.transcript import ROOT, TRANSCRIPTS
from vmtool.cli import table
from vmtool.cli.declare import Command

README = ROOT / "README.md"
EXAMPLES = TRANSCRIPTS / "commands" / "examples.t"
HEAD = """\
Examples
========

Of commands that no other transcript shows, as their help has them; `make transcripts-update` writes them here.

  $ vmtool init --pku
  $ vmtool spawn render
  $ vmtool brk 1 --by 64K
  $ vmtool touch 1 heap 16K
  $ vmtool mkfile scene.dat 16K
"""


def row(family: str) -> str:
    """README's line of a family."""
    return f"| {table.FAMILIES[family]} | {' '.join(f'`{declared.name}`' for declared in table.declared_in(family))} |"


def readme(text: str) -> str:
    for family, heading in table.FAMILIES.items():
        text = re.sub(rf"(?m)^\| {re.escape(heading)} \| `.* \|$", lambda _, family=family: row(family), text)
    return text


def is_shown(name: str, text: str) -> bool:
    return re.search(rf"vmtool( -\S+ \S+)* {name}\b", text) is not None


def not_shown() -> list[Command]:
    """Commands of no hand-written transcript."""
    text = "\n".join(path.read_text("utf-8") for path in TRANSCRIPTS.rglob("*.t") if path != EXAMPLES)
    commands = (table.find(name) for name in table.names())
    return [command for command in commands if command is not None and not is_shown(command.name, text)]


def examples(commands: list[Command]) -> str:
    """The transcript, without its outputs."""
    shown = [f"\n{command.help}\n\n" + "".join(f"  $ {line.strip()}\n" for line in command.example.split("\n")) for command in commands]
    return HEAD + "".join(shown)


def write() -> None:
    text = README.read_text("utf-8")
    if (now := readme(text)) != text:
        README.write_text(now, "utf-8")
        print(f"{README}: the list of commands is rewritten")
    if commands := not_shown():
        EXAMPLES.write_text(examples(commands), "utf-8")
        print(f"{EXAMPLES}: has the examples of {', '.join(command.name for command in commands)}")
    else:
        EXAMPLES.unlink(missing_ok=True)
