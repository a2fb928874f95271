"""Where a system call stands: eight places, and a sentence for each one that is missing.

A new one is a function of the kernel, a method of the door, a command, a handler of strace's line, a row of what is covered, and its judge.
"""

import re
from functools import cache
from pathlib import Path

import pytest

from vmtool.cli.table import FAMILIES

ROOT = Path(__file__).parents[2]
NAMES = [name for name in FAMILIES["syscalls"][1].split() if name != "pkru"]  # which is two instructions, RDPKRU and WRPKRU
KERNEL_NAMES = {"pkey_mprotect": "mprotect"}  # do_mprotect_pkey() is both
PLACES = (
    ("vmtool/mm/sys_*.pyx", r"\bsys_{0}\(", "the kernel has no sys_{0}()"),
    ("vmtool/_calls.pyx", r"^def {0}\(State self", "Machine has no method {0}"),
    ("vmtool/_door/*.pyi", r"    def {0}\(self", "the door's signature of {0} is missing"),
    ("vmtool/cli/tables/syscalls.py", r'"{1}", "syscalls:{0}"', "the command {1} is not declared"),
    ("vmtool/cli/syscalls.py", r"^def {0}\(", "the command {1} has no handler"),
    ("vmtool/strace/calls.py", r'"{0}": do_', "a line of strace with {0} is not replayed"),
    ("vmtool/mm/COVERAGE.md", r"^\|[^|]*\b{0}\b", "what of {0} is supported has no row"),
    ("tests/differential/*.py tests/mm/*_judge.c", r"\b{0}\b", "the live kernel is not asked about {0}"),
)


@cache
def text_of(patterns):
    return "\n".join(path.read_text() for pattern in patterns.split() for path in sorted(ROOT.glob(pattern)))


@pytest.mark.parametrize("name", NAMES)
def test_a_system_call_stands_in_its_eight_places(name):
    call = name.replace("-", "_")
    missing = []
    for place, pattern, told in PLACES:
        own = KERNEL_NAMES.get(call, call) if place.startswith("vmtool/mm/sys_") else call
        if not re.search(pattern.format(own, name), text_of(place), re.M):
            missing.append(f"{place}: {told.format(call, name)}")
    assert missing == []


def test_nobody_else_knows_a_system_call_by_its_name():
    """Of a call that does what its name says and nothing else: a ninth place would be one to forget."""
    known = {str(path.relative_to(ROOT)) for place, _, _ in PLACES for pattern in place.split() for path in ROOT.glob(pattern)}
    known |= {"vmtool/cli/table.py", "vmtool/strace/faults.py"}  # the order of the help; the numbers of all calls by architecture
    others = [str(path.relative_to(ROOT)) for kind in ("*.py", "*.pyx", "*.pyi") for path in (ROOT / "vmtool").rglob(kind)
              if re.search(r"\bmunlockall\b", path.read_text())]  # fmt: skip
    assert sorted(set(others) - known) == []
