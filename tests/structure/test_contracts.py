"""A function that can fail says on its line of the header how, and the names that it says are those that its code can return.

    cdef int pid_attach(arena_t *a, idx_t pid) noexcept nogil  # 0, -ENOMEM

The contract is the comment above the declaration and the one behind it. It names each errno, VM_FAULT_ bit of an error and -1 that can come
back (an errno that is set by *err or a field without its sign), and says "no memory" of a 0 or a false that means it. "what f() returns"
stands for the names of f.
"""

import errno
import re

import pytest

from tests.structure.bodies import functions_in, sources
from tests.structure.cython_source import functions, name_of
from tests.structure.failures import FAULTS, MINUS_ONE, NO_MEMORY, Failures, failures

HEADERS = [path for path in sources() if path.suffix == ".pxd"]
ERRNOS = {name for name in dir(errno) if name[0] == "E"}
PASSED_ON = re.compile(r"[Ww]hat (\w+)\(\) returns")


def contracts(text):
    """(name, contract) of each function that a header declares and does not define."""
    lines = text.split("\n")
    for name, first, last in functions(lines):
        if re.match(r"cdef (?:inline|extern)\b", lines[first]):
            continue
        above = first
        while lines[above - 1].startswith("#"):
            above -= 1
        behind = [line.partition("  # ")[2] for line in lines[first : last + 1]]
        yield name, " ".join([line.lstrip("# ") for line in lines[above:first]] + behind)


def named(contract, module, found):
    names = {word for word in re.findall(r"\w+", contract) if word in ERRNOS or word in FAULTS}
    names |= {NO_MEMORY} if NO_MEMORY in contract else set()
    names |= {MINUS_ONE} if re.search(r"(?<![\w.-])-1\b", contract) else set()
    for other in PASSED_ON.findall(contract):
        names |= found.of(found.resolve(module, other))
    return names


def faults(module, text, found):
    """What a header says wrong: a name that its function cannot return, or does not say."""
    for name, contract in contracts(text):
        can, says = found.of((module, name)), named(contract, module, found)
        missing, vain = sorted(can - says), sorted(says - can - {MINUS_ONE, NO_MEMORY})
        if missing:
            yield f"{name}: does not say {', '.join(missing)}"
        if vain:
            yield f"{name}: {', '.join(vain)} cannot be"


@pytest.mark.parametrize("path", HEADERS, ids=name_of)
def test_a_header_says_how_its_functions_fail(path):
    assert list(faults(path.stem, path.read_text(), failures())) == []


def test_what_is_told_of_callers_is_needed():
    assert failures().said_in_vain == set()


ROOM = """
cdef idx_t take(arena_t *a) noexcept nogil:
    cdef idx_t i = rec_alloc(a, POOL_VMA)
    if i == 0:
        return 0
    return i


cdef int check(idx_t i) noexcept nogil:
    return -EINVAL if i == 0 else 0


cdef int put(arena_t *a, idx_t i) noexcept nogil:
    cdef int err = check(i)
    if err:
        return err
    if not take(a):
        return -ENOMEM
    return 0


cdef uint64_t place(arena_t *a, idx_t i, uint32_t *result) noexcept nogil:
    cdef int err = put(a, i)
    if err == -ENOMEM:
        result[0] |= VM_FAULT_OOM
        return <uint64_t>-EAGAIN
    return <uint64_t><int64_t>err if err else 4096


cdef bint has(arena_t *a, idx_t i) noexcept nogil:
    cdef uint32_t result = 0
    if is_err(place(a, i, &result)) and result & VM_FAULT_OOM:
        return False
    return True


cdef int find(idx_t i) noexcept nogil:
    cdef int at = -1
    while i:
        i -= 1
        if check(i) == 0:
            at = <int>i
            break
    return at


cdef int forgets(arena_t *a, idx_t i) noexcept nogil:
    if put(a, i) < 0:
        return 1
    return 0
"""


@pytest.mark.parametrize(("name", "contract", "wrong"), [
    ("take", "# 0: no memory", []),
    ("take", "", ["take: does not say no memory"]),
    ("check", "# 0, -EINVAL", []),
    ("put", "# 0, -EINVAL: it is none; -ENOMEM", []),
    ("put", "# what check() returns, or -ENOMEM", []),
    ("put", "# 0 or -errno", ["put: does not say EINVAL, ENOMEM"]),
    ("put", "# 0, -ENOMEM", ["put: does not say EINVAL"]),
    ("put", "# 0, -EINVAL, -ENOMEM, -EBUSY", ["put: EBUSY cannot be"]),
    ("place", "# the address; -EINVAL, -EAGAIN and VM_FAULT_OOM in *result", []),
    ("place", "# the address, or what put() returns", ["place: does not say EAGAIN, VM_FAULT_OOM", "place: ENOMEM cannot be"]),
    ("find", "# where; -1: nowhere", []),
    ("find", "# where", ["find: does not say -1"]),
    ("forgets", "", []),
    ("forgets", "# -ENOMEM", ["forgets: ENOMEM cannot be"]),
])  # fmt: skip
def test_a_wrong_contract_is_told(name, contract, wrong):
    declared, found = f"cdef int {name}(arena_t *a) noexcept nogil", Failures(functions_in("room", ROOM), {})
    assert list(faults("room", f"{declared}  {contract}".rstrip(), found)) == wrong
    assert list(faults("room", f"{contract}\n{declared}", found)) == wrong


def test_what_cannot_be_is_left_out_and_told_when_it_is_in_vain():
    functions = functions_in("room", ROOM)
    found = Failures(functions, {}, {("room", "check"): ({"EINVAL"}, "")})
    assert found.of(("room", "put")) == {"ENOMEM"} and found.said_in_vain == set()
    assert Failures(functions, {}, {("room", "check"): ({"EPERM"}, "")}).said_in_vain == {("room", "check")}


def test_every_function_is_read():
    """One of a form that is not known would have no contract to keep."""
    for path in HEADERS:
        assert [name for name, _ in contracts(path.read_text()) if (path.stem, name) not in failures().functions] == [], path


def test_what_a_body_returns_in_so_many_words_is_found():
    """Else a branch was taken for one that cannot be."""
    for key, function in failures().functions.items():
        said = re.findall(r"\breturn (?:[^\n]* else )?-(E[A-Z]{2,})\b|\breturn -(E[A-Z]{2,}) if\b", function.text)
        assert {name for names in said for name in names if name} <= failures().of(key), key
