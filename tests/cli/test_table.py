"""The table of commands keeps the promises that its readers build on."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from vmtool.cli import click_app, parse, table
from vmtool.cli.declare import ALONE, BOOTS, READS, SPAWNS, WRITES
from vmtool.cli.kinds import KINDS

TABLES = Path(table.__file__).parent / "tables"
COMMANDS = [table.find(name) for name in table.names()]


@pytest.fixture(params=COMMANDS, ids=lambda command: command.name)
def command(request):
    return request.param


@pytest.mark.parametrize("family", table.NAMES)
def test_the_table_names_what_a_family_declares(family):
    declared, named = {command.name for command in table.declared_in(family)}, set(table.NAMES[family].split())
    for name in sorted(declared ^ named):
        pytest.fail(f"vmtool/cli/table.py: NAMES lacks {name}, which tables/{family}.py declares" if name in declared else
                    f"vmtool/cli/tables/{family}.py: {name}, which cli/table.py has in NAMES, is not declared", pytrace=False)


def test_every_family_but_that_of_system_calls_has_names_in_the_table():
    assert {"syscalls", *table.NAMES} == table.FAMILIES.keys() == {path.stem for path in TABLES.glob("[!_]*.py")}


def test_no_command_is_declared_twice():
    assert len(set(table.names())) == len(table.names())


def test_an_unknown_name_is_none():
    assert table.find("frobnicate") is None
    assert table.find("") is None


def test_the_handler_takes_what_is_declared(command):
    takes = list(inspect.signature(command.function()).parameters)
    assert takes[0] == ("settings" if command.access is ALONE else "session" if command.on_session else "machine")
    assert set(takes[1:]) == set(command.defaults)


def test_only_the_last_argument_repeats_and_optional_ones_come_last(command):
    assert not any(param.repeat for param in command.arguments[:-1])
    required = [param.required for param in command.arguments]
    assert required == sorted(required, reverse=True)


def test_an_argument_that_may_begin_with_a_dash_excludes_short_options(command):
    if command.may_dash:
        assert all(flag.startswith("--") for flag in command.options)


def test_kinds_are_known(command):
    for param in command.params:
        assert param.kind is None or isinstance(param.kind, tuple) or param.kind in KINDS


def test_options_have_a_long_form_and_every_parameter_a_sentence(command):
    for param in command.params:
        assert param.help, param.name
        assert not param.flags or param.flags[-1].startswith("--")


def test_switches_that_share_a_name_agree_on_the_default(command):
    firsts = {}
    for param in command.params:
        firsts.setdefault(param.name, param)
    assert all(command.defaults[name] == param.default for name, param in firsts.items())


def test_the_access_is_one_of_five(command):
    values = dict(command.defaults)
    access = command.access if isinstance(command.access, str) else command.access(values)
    assert access in (READS, WRITES, SPAWNS, BOOTS, ALONE)


def test_what_looks_has_json(command):
    if command.access is READS and command.name not in ("procfs", "core"):  # which write files, and print nothing
        assert "--json" in command.options


def test_the_example_is_right_by_the_declaration(command):
    assert command.example
    for line in command.example.replace(";", "\n").splitlines():
        words = line.strip().removeprefix('eval "$(').removesuffix(')"').split()
        assert words[0] == "vmtool"
        parse.read(table.find(words[1]), words[2:])


def test_help_shows_the_sentence_the_arguments_and_the_example(command):
    page = click_app.read([command.name, "--help"])
    assert command.help.split(":")[0].split(",")[0] in " ".join(page.split())
    assert "Example:\n" in page
    for param in command.arguments:
        assert param.help[:20] in page
    assert max(map(len, page.splitlines())) <= click_app.HELP_WIDTH + 2


def test_the_overview_lists_every_command():
    page = click_app.read(["--help"])
    for name in table.names():
        assert f"\n  {name} " in page


def test_help_imports_no_handler():
    code = ("import sys; from vmtool.cli import click_app; click_app.read(['--help']); click_app.read(['mmap', '--help']); "
            "print([name for name in sys.modules if name in %r])" % [f"vmtool.cli.{c.handler.partition(':')[0]}" for c in COMMANDS])
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
