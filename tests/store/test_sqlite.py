"""SQLite's module without functools: it works, and leaves no trace of the stand-in."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

CODE = """
import sys
assert "functools" not in sys.modules
{before}
from vmtool.store.sqlite import sqlite
{after}
db = sqlite.connect(":memory:", isolation_level=None)
db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)")
for i in range(300):  # more statements than are remembered
    db.execute(f"INSERT INTO t (id, data) VALUES ({{i}}, ?)", (bytes(8),))
    db.execute("SELECT count(*) FROM t").fetchone()
assert db.execute("SELECT count(*) FROM t").fetchone() == (300,)
import functools
assert functools.lru_cache(maxsize=None)(len).cache_info().hits == 0
import sqlite3
assert sqlite3.Connection is sqlite.Connection
"""


def run(before="", after=""):
    ran = subprocess.run([sys.executable, "-S", "-c", CODE.format(before=before, after=after)], cwd=ROOT, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_it_needs_no_functools():
    run(after="assert 'functools' not in sys.modules")


def test_a_functools_that_is_there_stays():
    run("import functools as before", "assert sys.modules['functools'] is before")


def test_where_the_stand_in_will_not_do_the_plain_import_serves():
    run("import _functools; del _functools._lru_cache_wrapper")
