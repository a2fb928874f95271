"""The numbers of vmtool.uapi: those that the core has for C, those of the host's headers, those of the host's libraries. Nobody else's."""

import errno
import mmap
import os
import re
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from vmtool import uapi

PACKAGE = Path(uapi.__file__).parent
OURS = {name: value for name, value in vars(uapi).items() if isinstance(value, int) and name.isupper()}
OURS.update({f"MADV_{name.upper()}": value for name, value in uapi.MADVISE.items()})
OURS.update({f"RLIMIT_{name.upper()}": value for name, value in uapi.RLIMITS.items()})
OURS.update({f"SIG{name}": value for name, value in uapi.SIGNALS.items()})
# Families that the core knows some of; of the first every number that it knows is ours, too.
WHOLE = ("MADV_", "MREMAP_", "MS_", "MCL_", "RLIMIT_", "PROT_", "PM_")
FAMILIES = (*WHOLE, "MAP_", "VM_", "PKEY_DISABLE_", "PR_", "SIG", "PER_|ADDR_|READ_IMPLIES_EXEC")
NOT_UAPI = {"PROT_RW"}  # libc/: both in one word
HEADERS = ("asm/mman.h", "asm-generic/mman.h", "linux/mman.h", "linux/mman.h", "asm-generic/fcntl.h", "linux/fcntl.h", "linux/sched.h",
           "linux/prctl.h", "linux/mount.h", "asm-generic/resource.h", "asm/signal.h", "linux/shm.h", "linux/ipc.h", "linux/personality.h",
           "linux/falloc.h", "linux/memfd.h", "linux/fs.h", "linux/close_range.h")  # fmt: skip
ALL = (1 << 64) - 1
KERNELS_OWN = re.compile(r"VM_|PM_|NSIG")  # in no header of uapi, or (the old 32) as another


def number(text, known):
    """The value of an enum's or a macro's expression; None for what is no sum of numbers."""
    text = re.sub(r"<\w+>|\(__\w+\)|\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]+\b", lambda found: found[1] or "", text)
    text = re.sub(r"\b0([0-7]+)\b", r"0o\1", text)
    try:
        value = eval(text, {"__builtins__": {}}, known)  # noqa: S307
    except (SyntaxError, NameError, TypeError):
        return None
    return value if isinstance(value, int) else None


def core():
    """NAME: every value that an enum or a constant of mm/, libc/ and the door's rooms gives it."""
    found = {}
    known = {}
    for path in sorted([*PACKAGE.rglob("*.pxd"), *PACKAGE.rglob("*.pyx")], key=lambda path: path.name != "flags.pxd"):
        for name, text in re.findall(r"(?m)^(?:    |cdef uint64_t )([A-Z][A-Z0-9_]+) = ([^#\n]+?) *(?:#.*)?$", path.read_text()):
            if (value := number(text, known)) is not None:
                known[name] = value
                found.setdefault(name, {})[str(path.relative_to(PACKAGE))] = value
    return found


CORE = core()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_core_has_the_same_numbers(family):
    theirs = {name: places for name, places in CORE.items() if re.match(family, name)}
    shared = theirs.keys() & OURS.keys()
    assert shared, f"the core has no {family} that uapi.py has: nothing is compared"
    for name in sorted(shared):
        for place, value in theirs[name].items():
            assert value == OURS[name], f"{place}: {name} is {value:#x}, uapi.py has {OURS[name]:#x}"
    if family in WHOLE:
        assert not theirs.keys() - OURS.keys() - NOT_UAPI, "uapi.py lacks what the core has"


def test_the_core_has_the_same_errno():
    shared = {name for name in CORE if isinstance(getattr(errno, name, None), int)}
    given = {name for path in PACKAGE.joinpath("mm").glob("*.pyx") for name in re.findall(r"-(E[A-Z0-9]+)\b", path.read_text())}
    assert "ENOMEM" in given
    assert given <= shared, "an errno that the kernel gives is none of the host's"
    for name in shared:
        assert set(CORE[name].values()) == {getattr(errno, name)}, name


def test_the_numbers_that_were_copied_are_compared():
    """A family may be compared by one of its names; these stand in rooms of their own."""
    assert {"MADV_FREE", "MAP_HUGE_SHIFT", "MAP_DROPPABLE", "VM_DROPPABLE", "VM_IO", "PM_PRESENT", "SIGCONT"} <= CORE.keys() & OURS.keys()


@pytest.fixture(scope="module")
def headers():
    """What the host's kernel headers say, by name."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not Path("/usr/include/linux/mman.h").exists():
        pytest.skip("no C compiler with the kernel's headers here")
    text = "".join(f"#if __has_include(<{header}>)\n#include <{header}>\n#endif\n" for header in HEADERS)
    text += "".join(f'@ "{name}" {name}\n' for name in OURS)
    done = subprocess.run([compiler, "-E", "-P", "-D__USE_MISC", "-"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    enums = {}
    for name, value in re.findall(r"\b([A-Z][A-Z0-9_]+) = ([^,}\n]+)", done.stdout):
        enums[name] = number(value, enums)
    macros = {name: number(value, enums) for name, value in re.findall(r'(?m)^@ "(\w+)" (.+)$', done.stdout)}
    return {name: value for name, value in {**enums, **macros}.items() if value is not None}


def test_the_hosts_headers_have_the_same_numbers(headers):
    wrong = [f"{name} is {headers[name]:#x} in the host's headers, uapi.py has {value:#x}" for name, value in OURS.items()
             if name in headers and not KERNELS_OWN.match(name) and (headers[name] ^ value) & ALL]  # fmt: skip
    assert wrong == []
    # since 6.6, 6.13, 6.13, 6.11, 6.18
    new = {"MAP_ABOVE4G", "MADV_GUARD_INSTALL", "MADV_GUARD_REMOVE", "MAP_DROPPABLE", "PR_THP_DISABLE_EXCEPT_ADVISED"}
    assert [name for name in OURS if name not in headers and name not in new and not KERNELS_OWN.match(name)] == []


def test_the_hosts_libraries_have_the_same_numbers():
    for module, prefixes in ((mmap, ("PROT_", "MAP_")), (os, ("O_", "MFD_")), (resource, ("RLIMIT_",)), (signal, ("SIG",))):
        for name, value in vars(module).items():
            if name in OURS and name.startswith(prefixes) and isinstance(value, int):
                assert OURS[name] == value, name


def test_nobody_else_writes_them_down_again():
    """What is in uapi.py, or of a family of it, or an errno, is a number there and in the core, alone."""
    prefixes = re.compile(r"(MADV|MAP|MREMAP|MS|MCL|PROT|PKEY|VM|CLONE|PR|RLIMIT|PM|ADDR|MFD|SHM|IPC|FALLOC)_[A-Z]")
    again = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for names in re.findall(r"(?m)^ *([A-Z][A-Z0-9_, ]+) = [-0-9(]", path.read_text()):
            again += [f"{path.relative_to(PACKAGE)}: {name}" for name in names.split(", ") if path.name != "uapi.py"
                      and (name in OURS or prefixes.match(name) or name in errno.errorcode.values())]  # fmt: skip
    assert again == []
