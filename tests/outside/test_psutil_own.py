"""psutil's own tests of memory, run by pytest inside `enter`: they find a simulated machine, and pass.

Left out is what asks a simulation for what it cannot have; docs/psutil.md lists it. psutil brings its tests along up to 6.1.
"""

import importlib.util
import os
import re
import subprocess
import sys

import pytest

pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)
VMTOOL = [sys.executable, "-m", "vmtool"]
SCRIPT = """
init --ram 1G --swap 256M --force
p = spawn python3 --threads 3
brk $p --by 1M
touch $p heap 400K
spawn server
"""
MODULES = ("psutil.tests.test_linux", "psutil.tests.test_process", "psutil.tests.test_system")
WANTED = "VirtualMemory or SwapMemory or MemoryAPIs or AgainstStatus or memory or parse_smaps or rlimit or oom"
NOT_OF_A_SIMULATION = {
    "LimitedUser": "gives up the rights of the user that it runs as, which a user namespace of one user has not",
    "test_meminfo_against_sysinfo": "asks sysinfo(2), a system call of the real kernel",
    "(TestProcess and test_memory_info)": "wants its own resident size to grow as it allocates",
    "test_memory_maps_lists_lib": "looks for a library that it loads",
    "test_parse_smaps_vs_memory_maps": "looks at a program that it starts",
    "test_rlimit_set": "sets a limit of a program that it starts, which is none of the machine's",
}


def test_they_pass(tmp_path):
    if importlib.util.find_spec("psutil") is None or importlib.util.find_spec("psutil.tests") is None:
        pytest.skip("psutil is not installed here with its tests: pip install 'psutil<7'")
    if subprocess.run(["unshare", "-Urmp", "--fork", "true"], capture_output=True).returncode:
        pytest.skip("user namespaces are not allowed here")
    (tmp_path / "script").write_text(SCRIPT)
    state = str(tmp_path / "m.vmt")
    subprocess.run([*VMTOOL, "-s", state, "run", str(tmp_path / "script")], check=True, capture_output=True)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", *MODULES,
             "-k", f"({WANTED}) and not ({' or '.join(NOT_OF_A_SIMULATION)})"]  # fmt: skip
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run([*VMTOOL, "-s", state, "enter", "--", *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", ran.stdout)[1]) > 35
