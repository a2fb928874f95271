"""What a hot command imports: the difference between a command and a program that starts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"os", "click", "re", "json", "argparse", "typing", "dataclasses", "enum", "collections", "functools", "inspect", "tempfile",
         "subprocess", "datetime", "sqlite3", "shlex", "signal", "tabulate", "elftools"}

HOT = ["touch 1 heap -w", "mmap 1 64K", "brk 1 --by 4K", "store 1 heap x", "fork 1", "cat-maps 1", "-s other.vmt --wait 1 munmap 1 heap 4K"]

# The modules of a bare start-up (site, a .pth file) are no business of ours.
CODE = """
import sys
before = set(sys.modules)
from vmtool import records
from vmtool.__main__ import main
from vmtool.cli import front, execute
command, values, settings = front.read_plain(sys.argv[1:])
command.function()
after = set(sys.modules) - before
import json
print(json.dumps(sorted(after)))
"""


@pytest.mark.parametrize("line", HOT)
def test_the_plain_road_imports_nothing_heavy(line):
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, '.')\n" + CODE, *line.split()],
                         capture_output=True, text=True, check=True, cwd=ROOT)
    modules = json.loads(ran.stdout)
    assert not HEAVY.intersection(modules)
    ours = [name for name in modules if name.startswith("vmtool")]
    assert len(ours) <= 20, ours


@pytest.mark.parametrize("line, out", [("-s {state} spawn", "1\n"), ("--version", "vmtool 0.1.0\n")])
def test_what_was_written_is_there_when_the_process_ends_at_once(tmp_path, line, out):
    ran = subprocess.run([sys.executable, "-m", "vmtool", *line.format(state=tmp_path / "machine.vmt").split()], capture_output=True,
                         text=True, cwd=ROOT)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, out, "")


WITHOUT_SITE = [sys.executable, "-S", "-c", "import sys; sys.path[0] = {!r}\nfrom vmtool.__main__ import leave, main\nleave(main())"]


def test_a_command_without_site_finds_the_packages_that_it_needs(tmp_path):
    """As the launcher of scripts/venv.sh starts it: a help is click's."""
    words = [word.format(str(ROOT)) for word in WITHOUT_SITE]
    ran = subprocess.run([*words, "touch", "--help"], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0 and ran.stdout.startswith("Usage: ") and "PID ADDR" in ran.stdout
    ran = subprocess.run([*words, "touch"], capture_output=True, text=True, cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", "vmtool: touch: missing PID\n")


@pytest.mark.skipif(not hasattr(sys, "_stdlib_dir"), reason="this Python does not say where its library is")
def test_the_standard_library_is_looked_through_only_where_it_is_not_as_usual(tmp_path):
    """The state file's modules are found without a list of their directory, and are those of any import."""
    code = """
import sys
from vmtool.store import session
print([path for path in sys.path_importer_cache if path.endswith("lib-dynload")])
import __future__, _sqlite3, zlib
print(__future__.annotations.compiler_flag > 0, _sqlite3.sqlite_version > "3", zlib.crc32(b"abc"))
sys.modules.pop("__future__")
for finder in sys.meta_path:
    if hasattr(finder, "library"):
        finder.library = "/nowhere"
import __future__
print(__future__.__file__.startswith(sys._stdlib_dir))
"""
    code = "import sys; sys.path[0] = sys.argv[1]" + code
    ran = subprocess.run([sys.executable, "-S", "-c", code, str(ROOT)], capture_output=True, text=True, cwd=tmp_path)
    assert (ran.stdout, ran.stderr) == ("[]\nTrue True 891568578\nTrue\n", "")


@pytest.fixture
def package(tmp_path):
    """A package `vmtool` with this one's finder, a module and a package within, their byte code made; a function that runs Python on it."""
    (tmp_path / "vmtool" / "inner").mkdir(parents=True)
    texts = {"__init__": "from vmtool._loader import install\ninstall(__path__[0])", "inner/__init__": "", "inner/leaf": "value = 1",
             "_loader": (ROOT / "vmtool" / "_loader.py").read_text()}
    for name, text in texts.items():
        (tmp_path / "vmtool" / f"{name}.py").write_text(text)
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")}
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(tmp_path)], check=True, env=env)

    def run(code, *flags):
        done = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env)
        return done.stdout + done.stderr[-200:]
    return run


LEAF = "from vmtool.inner import leaf; print(leaf.value, type(leaf.__loader__).__name__)"


def test_byte_code_is_read_where_it_is_current(package, tmp_path):
    assert package(LEAF) == "1 Compiled\n"
    leaf = tmp_path / "vmtool" / "inner" / "leaf.py"
    leaf.write_text("value = 22")  # another size
    assert package(LEAF, "-B") == "22 SourceFileLoader\n"
    assert package(LEAF) == "22 SourceFileLoader\n" and package(LEAF) == "22 Compiled\n"
    os.utime(leaf, (1, 1))
    assert package(LEAF, "-B") == "22 SourceFileLoader\n"
    for broken in (b"", b"short"):
        next(leaf.parent.glob("__pycache__/leaf.*")).write_bytes(broken)
        assert package(LEAF, "-B") == "22 SourceFileLoader\n"


def test_a_module_read_so_knows_where_it_is(package, tmp_path):
    said = package("import inspect; from vmtool import inner; from vmtool.inner import leaf; print(inner.__path__, leaf.__file__, "
                   "leaf.__cached__ == leaf.__spec__.cached, inspect.getsource(leaf), leaf.__loader__.get_code(leaf.__name__).co_name)")
    inner = tmp_path / "vmtool" / "inner"
    assert said == f"['{inner}'] {inner}/leaf.py True value = 1\n <module>\n"


def test_what_is_not_there_is_not_found(package):
    assert "No module named 'vmtool.inner.none'" in package("import vmtool.inner.none")


ENVIRONMENT = """
import sys
sys.path.insert(0, '.')
from vmtool import environ
print(ascii(environ.get('SET')), environ.get('UNSET'), 'os' in sys.modules)
import os
os.environ['SET'] = 'later'
print(environ.get('SET'))
"""


def test_the_environment_is_read_without_os():
    env = {**os.environ, "SET": "\udcff\u00e9"}
    ran = subprocess.run([sys.executable, "-S", "-X", "utf8", "-c", ENVIRONMENT], capture_output=True, text=True, cwd=ROOT, env=env)
    assert ran.stdout == "'\\udcff\\xe9' None False\nlater\n"


def test_threads_and_what_is_to_be_done_at_exit_are_waited_for():
    code = "import atexit; atexit.register(print, 'done'); from vmtool.__main__ import leave; leave(3)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (ran.returncode, ran.stdout) == (3, "done\n")
