"""The manual pages: each is read by man, and by mandoc where it is there, without a warning, and says what --help says."""

import os
import re
import shutil
import subprocess

import pytest

from vmtool.cli import manual, table


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return manual.write(str(tmp_path_factory.mktemp("man")))


def test_there_is_a_page_for_each_command(written):
    assert {os.path.basename(path) for path in written} == {"vmtool.1", *(f"vmtool-{name}.1" for name in table.names())}


def test_man_has_no_warning(written):
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    env = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANROFFSEQ": ""}
    for path in written:
        ran = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path], capture_output=True, text=True, env=env)
        assert (ran.returncode, ran.stderr) == (0, ""), path


def test_mandoc_has_no_warning(written):
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    ran = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *written], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")


def shown(path):
    """The page as man prints it, without its line breaks."""
    env = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "500"}
    text = subprocess.run(["man", "-l", path], capture_output=True, text=True, env=env).stdout
    return " ".join(re.sub(r".\x08", "", text).split())


@pytest.mark.parametrize("name", ["touch", "mmap", "explain", "run", "heaptrace", "diff"])
def test_a_page_says_what_the_declaration_says(written, name):
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    command = table.find(name)
    text = shown(next(path for path in written if path.endswith(f"/vmtool-{name}.1")))
    for param in command.params:
        if not param.hidden:
            for word in (*param.flags, *([] if param.flags else [param.metavar]), param.help):
                assert " ".join(word.split()) in text
    for line in command.example.split("\n"):
        assert " ".join(line.split()) in text


def test_what_roff_would_take_for_its_own_is_escaped():
    assert manual.escape(".TH -x 'a' \\ `b` ^~") == "\\&.TH \\-x \\(aqa\\(aq \\e \\(gab\\(ga \\(ha\\(ti"
