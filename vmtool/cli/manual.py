"""The manual: a page for vmtool and one for each command, in man(7), made from the same declarations as `--help`.

`page` has the words alone; scripts/docsite.py makes of them the pages of the site.

    python -m vmtool.cli.manual DIRECTORY      vmtool.1, vmtool-touch.1, … ; setup.py has it write those that the wheel installs

Counterpart: groff_man(7) and man-pages(7), whose order of sections this is. tests/cli/test_manual.py has man and, where it is
installed, mandoc read every page for warnings.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from vmtool import __version__
from vmtool.cli import table
from vmtool.cli.declare import Command, Param

STATUSES = (
    ("0", "done"),
    ("1", "a simulated call failed, or the state file is missing, damaged or busy"),
    ("2", "wrong usage"),
    ("70", "an internal error of vmtool"),
    ("128+N", "the process was killed by signal N: 139 SIGSEGV, 135 SIGBUS, 137 killed"),
)
GLOBAL = (
    ("-s, --state FILE", "the machine's file, machine.vmt unless given here or by VMTOOL_STATE"),
    ("--wait SECONDS", "how long to wait for another writer, 60 unless given"),
    ("--version", "print the version"),
    ("--help", "show the listing of commands, or a command's page"),
)
SUMMARY = "Linux memory management in a file"
DATE = "2026-11-29"
"""Of this release: a page names one (man-pages(7)), and that of the day it was made would change its bytes."""
ABOUT = (
    "vmtool boots a simulated machine into a file, and every command is one system call or one memory access of a process on that machine, "
    "or a look at it. What Linux shows it prints as Linux 6.18 does, to the byte; what Linux hides, the page tables in their bits, each "
    "frame, the TLB, it shows, too."
)
WORDS = (
    "Sizes are decimal or hexadecimal, with K, M, G or T; addresses are hexadecimal, or heap+0x10, stack, libc.so.6+0x1000. "
    "Every command that shows something takes --json."
)

_SPECIAL = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}


def escape(text: str) -> str:
    """Text as roff takes it for what it is."""
    text = "".join([_SPECIAL.get(char, char) for char in text])
    return "\\&" + text if text[:1] == "." else text


class Page(NamedTuple):
    """What the manual says of a command, in words: a renderer adds the marks of its format."""

    name: str
    help: str
    synopsis: str
    details: str
    arguments: list[tuple[str, str]]
    options: list[tuple[str, str]]
    example: list[str]


def page(command: Command) -> Page:
    shown = [param for param in command.params if not param.hidden]
    return Page(
        command.name, command.help, _synopsis(command), command.details,
        [(param.metavar, _sentence(param)) for param in shown if not param.flags],
        [(_flags(param), _sentence(param)) for param in shown if param.flags],
        [line.strip() for line in command.example.split("\n")])


def heading(name: str, about: str) -> str:
    return f'.TH {escape(name.upper())} 1 "{DATE}" "vmtool {__version__}" "vmtool"\n.SH NAME\n{escape(name)} \\- {escape(about)}\n'


def rows(title: str, entries: Sequence[tuple[str, str]]) -> str:
    """A section of tagged paragraphs, '' without entries."""
    if not entries:
        return ""
    return f".SH {title}\n" + "".join([f".TP\n.B {escape(tag)}\n{escape(text)}\n" for tag, text in entries])


def page_of(command: Command) -> str:
    """The page of one command, as roff."""
    told = page(command)
    text = heading(f"vmtool-{told.name}", _lower(told.help))
    text += f".SH SYNOPSIS\n.B vmtool {escape(told.name)}\n{escape(told.synopsis)}\n.SH DESCRIPTION\n{escape(told.help)}\n"
    if told.details:
        text += f".PP\n{escape(told.details)}\n"
    text += rows("ARGUMENTS", told.arguments) + rows("OPTIONS", told.options) + rows("EXIT STATUS", STATUSES)
    text += ".SH EXAMPLES\n.EX\n" + "".join([f"{escape(line)}\n" for line in told.example]) + ".EE\n"
    return text + ".SH SEE ALSO\n.BR vmtool (1)\n"


def main_page() -> str:
    """The page of vmtool itself."""
    text = heading("vmtool", SUMMARY) + ".SH SYNOPSIS\n.B vmtool\n[\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIWORD\\fR]...\n"
    text += f".SH DESCRIPTION\n{escape(ABOUT)}\n.PP\n"
    text += escape(WORDS) + "\n"
    text += rows("OPTIONS", GLOBAL) + ".SH COMMANDS\n"
    for family, title in table.FAMILIES.items():
        text += f".SS {escape(title)}\n"
        for command in table.declared_in(family):
            text += f".TP\n.BR vmtool\\-{escape(command.name)} (1)\n{escape(command.help)}\n"
    text += rows("EXIT STATUS", STATUSES)
    text += rows("ENVIRONMENT", [("VMTOOL_STATE", "the state file"), ("VMTOOL_SYNC", "off: do not wait for the disk at each commit")])
    return text + rows("FILES", [("machine.vmt", "the machine, in the current directory")])


def pages() -> dict[str, str]:
    """Every page by its file's name."""
    return {"vmtool.1": main_page(), **{f"vmtool-{name}.1": page_of(_found(name)) for name in table.names()}}


def write(directory: str) -> list[str]:
    """Write all of them; their paths."""
    os.makedirs(directory, exist_ok=True)
    paths = []
    for name, text in pages().items():
        paths.append(os.path.join(directory, name))
        with open(paths[-1], "w", encoding="utf-8") as file:
            file.write(text)
    return paths


def _found(name: str) -> Command:
    command = table.find(name)
    assert command is not None, name
    return command


def _lower(sentence: str) -> str:
    return (sentence[:1].lower() + sentence[1:]).rstrip(".").split("; ")[0].split(": ")[0]


def _flags(param: Param) -> str:
    return ", ".join(param.flags) + (f" {param.metavar}" if param.kind is not None else "")


def _sentence(param: Param) -> str:
    """The help of a parameter, with the words that it may be."""
    words = f" (one of {', '.join(param.kind)})" if isinstance(param.kind, tuple) and len(param.kind) > 1 else ""
    return (param.help or param.metavar) + words


def _synopsis(command: Command) -> str:
    words = ["[OPTION]..."] if command.options else []
    for param in command.arguments:
        text = param.metavar + ("..." if param.repeat else "")
        words.append(text if param.required else f"[{text}]")
    if command.rest is not None:
        words.append(f"[-- {command.rest.metavar}...]")
    return " ".join(words)


if __name__ == "__main__":
    write(sys.argv[1])
