"""From the words of a command line to an exit status: the plain road, and click for everything else.

A plain line (`vmtool [-s FILE] [--wait S] COMMAND WORDS…`, correct by its declaration) is read
without importing click, whose import alone costs more than the command. Help, completion and
wrong usage go to click; tests/cli/test_readers.py holds the two readers against each other.
"""

from __future__ import annotations

import sys

from vmtool import environ
from vmtool.cli import parse, report, table
from vmtool.cli.execute import DEFAULT_WAIT, Settings, execute
from vmtool.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.cli.declare import Command


def run(words: list[str]) -> int:
    """Read a command line and execute it; the exit status."""
    if sys.getfilesystemencoding() != "utf-8":
        import os
        words = [os.fsencode(word).decode("utf-8", "surrogateescape") for word in words]
    call = wrong = None
    try:
        call = None if environ.get("_VMTOOL_COMPLETE") is not None else read_plain(words)
    except UsageError as refused:
        wrong = refused
    if call is None:
        try:
            call = _read_by_click(words, wrong)
        except ModuleNotFoundError as lacking:
            report.complain("", report.message_of(lacking))
            return report.status_of(lacking)
    return call if type(call) is int else execute(*call)


def read_plain(words: list[str]) -> tuple[Command, dict, Settings] | None:
    """(command, values, settings) of a plain line, None for one that click shall judge. Raises UsageError."""
    state = None
    wait = DEFAULT_WAIT
    at = 0
    nr_words = len(words)
    while at + 1 < nr_words and words[at][:1] == "-":
        if words[at] in ("-s", "--state"):
            state = words[at + 1]
        elif words[at] == "--wait":
            try:
                wait = parse.seconds(words[at + 1])
            except ValueError:
                return None
        else:
            return None
        at += 2
    command = table.find(words[at]) if at < nr_words else None
    if command is None or "--help" in words:
        return None
    try:
        return command, parse.read(command, words[at + 1:]), Settings(state, wait, words[at:])
    except UsageError as wrong:
        wrong.word = command.name
        raise


def _read_by_click(words, wrong):
    """The same by click, or the exit status when the line has been answered.

    `wrong` is what the plain road had against the line: the message, when click refuses it too, is
    the one that a script would give.
    """
    from vmtool.cli import click_app
    if not words and environ.get("_VMTOOL_COMPLETE") is None:
        report.write_error(click_app.overview())
        return UsageError.exit_status
    try:
        call = click_app.read(words)
    except UsageError as refused:
        wrong = wrong or refused
        report.complain(wrong.word, wrong)
        return wrong.exit_status
    if type(call) is str:
        return report.show("", call)
    call[2].words = words[_place_of_command(words):]
    return call


def _place_of_command(words):
    """Where the command's name stands in a line that click has read."""
    at = 0
    while words[at][:1] == "-":
        at += 2 if words[at] in ("-s", "--state", "--wait") else 1
    return at
