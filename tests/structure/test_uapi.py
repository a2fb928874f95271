"""The numbers of vmtool.uapi: those that mm/ has for C, and those of the host, where its libraries name them."""

import mmap
import os
import re
import resource
import signal
from pathlib import Path

from vmtool import uapi

FLAGS = (Path(__file__).parents[2] / "vmtool" / "mm" / "flags.pxd").read_text()
OURS = {name: value for name, value in vars(uapi).items() if isinstance(value, int) and name.isupper()}


def theirs():
    """NAME = VALUE of flags.pxd, whose values may be sums of shifts."""
    return {name: eval(value, {}) for name, value in re.findall(r"(?m)^    ([A-Z][A-Z0-9_]+) = ([0-9a-fx<|() ]+?)(?:  #.*)?$", FLAGS)}  # noqa: S307


def test_the_core_has_the_same_numbers():
    core = theirs()
    shared = OURS.keys() & core.keys()
    assert len(shared) > 40 and {name: core[name] for name in shared} == {name: OURS[name] for name in shared}
    assert {f"RLIMIT_{name.upper()}": number for name, number in uapi.RLIMITS.items()}.items() >= {
        (name, value) for name, value in core.items() if name.startswith("RLIMIT_")}
    assert {f"MADV_{name.upper()}": number for name, number in uapi.MADVISE.items()}.items() >= {
        (name, value) for name, value in core.items() if name.startswith("MADV_")}


def test_the_host_has_the_same_numbers():
    for module, prefixes in ((mmap, ("PROT_", "MAP_")), (os, ("O_", "MFD_")), (resource, ("RLIMIT_",))):
        for name, value in vars(module).items():
            if name in OURS and name.startswith(prefixes) and isinstance(value, int):
                assert OURS[name] == value, name
    assert {name: getattr(signal, f"SIG{name}", number) for name, number in uapi.SIGNALS.items()} == uapi.SIGNALS
    assert {name: getattr(resource, f"RLIMIT_{name.upper()}", number) for name, number in uapi.RLIMITS.items()} == uapi.RLIMITS


def test_no_other_module_writes_them_down_again():
    again = []
    for path in Path(uapi.__file__).parent.rglob("*.py"):
        for names in re.findall(r"(?m)^([A-Z][A-Z0-9_, ]+) = [0-9(]", path.read_text()):
            again += [f"{path.name}: {name}" for name in names.split(", ") if name in OURS and path.name != "uapi.py"]
    assert not again
