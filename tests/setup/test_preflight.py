"""scripts/preflight.sh names the package of each piece that is missing, in one line."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "preflight.sh"
SH = shutil.which("sh")


def preflight(**env):
    """Exit status and stderr of the script, for the interpreter that runs the tests unless told otherwise."""
    environ = {**os.environ, "PYTHON": sys.executable, "LC_ALL": "C", **env}
    done = subprocess.run([SH, str(SCRIPT)], env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
    return done.returncode, done.stderr


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def compiler():
    found = shutil.which("cc") or shutil.which("gcc")
    if not found:
        pytest.skip("no C compiler here")
    return found


def test_nothing_is_said_when_all_is_there():
    if preflight()[0]:
        pytest.skip("this machine itself lacks a piece")
    assert preflight() == (0, "")


def lines_naming(err, package):
    assert err.count("\n") == 1, err
    assert f"apt install {package}" in err
    assert "elsewhere: " in err


def test_missing_python(tmp_path):
    status, err = preflight(PYTHON="python3", PATH=str(tmp_path))
    assert status == 1
    lines_naming(err, "python3")


def test_old_python(tmp_path):
    old = executable(tmp_path / "python3", "#!/bin/sh\nexit 1\n")
    status, err = preflight(PYTHON=old)
    assert status == 1
    assert "3.10 or newer" in err
    lines_naming(err, "python3")


def test_missing_venv(tmp_path):
    (tmp_path / "ensurepip.py").write_text("raise ModuleNotFoundError('ensurepip')\n")
    status, err = preflight(PYTHONPATH=str(tmp_path))
    assert status == 1
    lines_naming(err, "python3-venv")


def test_missing_compiler(tmp_path):
    status, err = preflight(CC="no-such-compiler")
    assert status == 1
    lines_naming(err, "build-essential")


def test_missing_libc_headers(tmp_path):
    cc = executable(tmp_path / "cc", f'#!/bin/sh\nexec {compiler()} -nostdinc "$@"\n')
    status, err = preflight(CC=cc)
    assert status == 1
    lines_naming(err, "libc6-dev")


def test_missing_python_headers(tmp_path):
    keep = 'for arg do shift; case $arg in -I*) ;; *) set -- "$@" "$arg" ;; esac; done'
    cc = executable(tmp_path / "cc", f'#!/bin/sh\n{keep}\nexec {compiler()} "$@"\n')
    status, err = preflight(CC=cc)
    assert status == 1
    lines_naming(err, "python3-dev")
