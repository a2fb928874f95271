"""The host's own programs, stopped at their first instruction: the kernel's views and vmtool's, byte for byte."""

import json
import os
import re
import subprocess
import sys
import tempfile

import pytest

from tests.differential import conditions
from tests.outside import exec_views as views

pytest.importorskip("vmtool._core")
PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture(scope="module")
def programs():
    """Paths by name; in a directory that an unprivileged process may enter."""
    if reason := conditions.obstacle():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="vmtool-exec.") as where:
        os.chmod(where, 0o755)
        yield {"cat": "/bin/cat", **views.build(where)}


@pytest.fixture
def vmtool(tmp_path):
    """Runs a command on a state file of its own; gives its output."""
    env = dict(os.environ, VMTOOL_STATE=str(tmp_path / "machine.vmt"), PYTHONPATH=PROJECT)

    def run(*words):
        done = subprocess.run([sys.executable, "-m", "vmtool", *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def of_any_processor(smaps):
    """Without what depends on the kernel's configuration (soft-dirty) and on the processor (protection keys)."""
    return re.sub(r"^ProtectionKey:.*\n", "", re.sub(r"^(VmFlags:.*?) sd\b", r"\1", smaps, flags=re.M), flags=re.M)


@pytest.mark.parametrize("name", ["cat", "static", "static-pie", "no-pie", "pie"])
def test_a_process_at_its_first_instruction(programs, vmtool, name):
    if name not in programs:
        pytest.skip(f"needs a C compiler that can link with {views.KINDS[name]}")
    wanted = views.kernel_views(programs[name])
    pid = vmtool("spawn", "--exe", programs[name]).strip()
    assert vmtool("cat-maps", pid) == wanted["maps"]
    assert of_any_processor(vmtool("smaps", pid)) == of_any_processor(wanted["smaps"])
    assert views.memory_lines(vmtool("status", pid)) == wanted["status"]
    assert vmtool("statm", pid) == wanted["statm"]
    assert views.stat_facts(vmtool("stat", pid)) == wanted["stat"]
    assert json.loads(vmtool("fsck", "--json")) == []


def test_arguments_and_environment_fill_the_stack(programs, vmtool):
    pid = vmtool("spawn", "--exe", "/bin/cat", "--env", "HOME=/", "--", "one", "two").strip()
    assert vmtool("cat-maps", pid) == views.kernel_views("/bin/cat")["maps"]
    assert vmtool("cat", f"/proc/{pid}/cmdline") == "/bin/cat\0one\0two\0"
    assert vmtool("cat", f"/proc/{pid}/environ") == "HOME=/\0"
