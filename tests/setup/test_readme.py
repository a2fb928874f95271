"""The README keeps its promises: it names every command and exit status, and its links lead somewhere."""

import re
from pathlib import Path

from vmtool import errors
from vmtool.cli import table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def test_every_family_stands_in_the_table_with_its_commands():
    rows = re.findall(r"^\| ([^|]+) \| (`.*`) \|$", README, re.M)
    listed = {title: re.findall(r"`([^`]+)`", names) for title, names in rows}
    assert listed == {title: names.split() for title, names in table.FAMILIES.values()}


def test_every_exit_status_stands_in_the_table():
    statuses = re.findall(r"^\| (\S+) \|", README, re.M)
    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, errors.VmtoolError):
            status = error.exit_status
            assert ("128+N" if isinstance(status, property) else str(status)) in statuses, error.__name__


def test_links_lead_to_files_of_this_tree():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_targets_that_the_readme_names_are_in_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert set(re.findall(r"`?make ([a-z-]+)`?", README)) - {"sure"} <= targets
