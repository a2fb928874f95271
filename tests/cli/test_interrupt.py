"""Ctrl-C, whenever it comes: exit status 130, and no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAUNCHER = Path(sys.executable).parent / "vmtool"


@pytest.fixture(autouse=True, scope="module")
def _is_not_ignored():
    """A job in the background of a shell is started with SIGINT ignored, and so would be what it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


PENDING = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
os.kill(os.getpid(), signal.SIGINT)
from vmtool.__main__ import leave, main
leave(main())
"""


def test_one_that_came_while_python_started(tmp_path):
    ran = subprocess.run([sys.executable, "-c", PENDING, "ps"], capture_output=True, text=True, cwd=tmp_path,
                         env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")


WITHIN_A_CALLBACK = """
import os, signal, sys, weakref
from vmtool import __main__
class Thing: pass
thing = Thing()
kept = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGINT))
def front(words):
    global thing
    del thing
    return 0
import vmtool.cli.front
vmtool.cli.front.run = front
__main__.leave(__main__.main())
"""


def test_one_that_comes_within_a_callback(tmp_path):
    """Where Python itself would drop it."""
    ran = subprocess.run([sys.executable, "-c", WITHIN_A_CALLBACK], capture_output=True, text=True, cwd=tmp_path,
                         env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")


def blocks_in_time():
    return LAUNCHER.exists() and "--block-signal" in LAUNCHER.open(encoding="utf-8").readline()


@pytest.mark.skipif(not blocks_in_time(), reason="the launcher was made where env cannot block a signal")
def test_at_every_moment_of_a_command(tmp_path):
    script = tmp_path / "long.vmt"
    script.write_text("p = spawn\nbrk $p --by 64M\n" + "touch $p heap 64M\nmadvise $p heap 64M dontneed\n" * 20000)
    for milliseconds in range(0, 160, 4):
        running = subprocess.Popen([str(LAUNCHER), "run", str(script)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   cwd=tmp_path)
        time.sleep(milliseconds / 1000)
        running.send_signal(signal.SIGINT)
        said = running.communicate()[1]
        assert running.returncode in (130, -signal.SIGINT), (milliseconds, said)  # by the signal, before env has blocked it
        assert said in ("", "vmtool: run: interrupted\n"), (milliseconds, said)
    assert not (tmp_path / "machine.vmt").exists()
