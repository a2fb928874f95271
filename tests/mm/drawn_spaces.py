"""Small address spaces, drawn, what one call does to them, and who answers: the live kernel or a Machine.

    "ar f"  three areas of two pages each: anonymous, read-only anonymous, a hole, a file      "x.x." which of them are written first
    call    what happens to pages FIRST to LAST of the eight: a mapping over them, another protection, a lock, an advice …

`KINDS` has the letters, `CALLS` the calls. The answer is the errno and the areas in the window, `FIRST-LAST PERMS OFFSET`, in pages.
"""

import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

PAGE = 4096
LOW = 0x7C0000000000
NR_PAGES = 8  # of the window
PRIVATE, SHARED, FIXED, ANONYMOUS, NORESERVE = 2, 1, 0x10, 0x20, 0x4000
READ, WRITE, EXEC = 1, 2, 4  # PROT_ and VM_
VM_MAYSHARE = 0x80

# letter: prot, flags, pages that the file's offset is ahead of the place (None: anonymous)
KINDS = {
    "a": (READ | WRITE, PRIVATE, None),
    "r": (READ, PRIVATE, None),
    "n": (READ | WRITE, PRIVATE | NORESERVE, None),
    "f": (READ | WRITE, PRIVATE, 0),
    "g": (READ | WRITE, PRIVATE, 3),
    "s": (READ | WRITE, SHARED, 0),
}
ADVICE = {"dontfork": 10, "dofork": 11, "hugepage": 14, "nohugepage": 15, "dontdump": 16, "dodump": 17, "wipeonfork": 18, "keeponfork": 19,
          "dontneed": 4}  # fmt: skip
PROTS = {"none": 0, "r": READ, "rw": READ | WRITE, "rx": READ | EXEC}
CALLS = (*(f"map {kind}" for kind in KINDS), "unmap", *(f"prot {name}" for name in PROTS), "lock", *(f"advise {name}" for name in ADVICE),
         "grow", "shrink")  # fmt: skip
RANGES = ((2, 4), (1, 3), (3, 5), (1, 5), (2, 3), (0, 6))


class Case(NamedTuple):
    space: str
    written: str
    call: str
    first: int
    last: int
    is_child: bool  # the call is a child's, all areas inherited


def cases(step: int = 1, start: int = 0) -> Iterator[Case]:
    """Every permutation, or each `step`th of them."""
    letters = (*KINDS, " ")
    spaces = ["".join(letters_) for letters_ in product(letters, repeat=3) if letters_ != (" ", " ", " ")]
    every = product(spaces, product("x.", repeat=3), CALLS, RANGES, (False, True))
    for number, (space, written, call, (first, last), is_child) in enumerate(every):
        if number % step == start and all(not (kind in " r" and mark == "x") for kind, mark in zip(space, written, strict=True)):
            yield Case(space, "".join(written), call, first, last, is_child)


class Simulated:
    """One case at a time on one machine; each in a process of its own."""

    def __init__(self) -> None:
        from vmtool._core import Machine

        self.machine = Machine()
        self.machine.boot(ram_bytes=1 << 30)
        self.machine.mkfile("/drawn", 64 * PAGE)
        self.file = self.machine.open_file("/drawn")

    def answer(self, case: Case) -> str:
        from vmtool.errors import KernelError

        m = self.machine
        pids = [m.spawn("drawn", None, [b"drawn"], [])]
        for at, (kind, mark) in enumerate(zip(case.space, case.written, strict=True)):
            if kind != " ":
                self.map(pids[0], kind, at * 2, at * 2 + 2)
                if mark == "x":
                    m.touch(pids[0], LOW + at * 2 * PAGE, 2 * PAGE, "w")
        if case.is_child:
            pids.append(m.fork(pids[0]))
        errno = 0
        try:
            self.call(pids[-1], case)
        except KernelError as error:
            errno = error.errno
        found = [f"{(v.start - LOW) // PAGE}-{(v.end - LOW) // PAGE} {perms_of(v)} {v.offset // PAGE}" for v in m.maps(pids[-1])
                 if v.start >= LOW and v.end <= LOW + NR_PAGES * PAGE]  # fmt: skip
        for pid in reversed(pids):
            m.exit(pid)
        return answer_of(errno, found)

    def map(self, pid: int, kind: str, first: int, last: int) -> None:
        prot, flags, ahead = KINDS[kind]
        flags |= FIXED | (ANONYMOUS if ahead is None else 0)
        file, offset = (None, 0) if ahead is None else (self.file, (ahead + first) * PAGE)
        self.machine.mmap(pid, LOW + first * PAGE, (last - first) * PAGE, prot, flags, file, offset)

    def call(self, pid: int, case: Case) -> None:
        m, what, _, which = self.machine, *case.call.partition(" ")
        at, length = LOW + case.first * PAGE, (case.last - case.first) * PAGE
        if what == "map":
            self.map(pid, which, case.first, case.last)
        elif what == "unmap":
            m.munmap(pid, at, length)
        elif what == "prot":
            m.mprotect(pid, at, length, PROTS[which])
        elif what == "lock":
            m.mlock(pid, at, length)
        elif what == "advise":
            m.madvise(pid, at, length, ADVICE[which])
        else:
            m.mremap(pid, at, length, length + PAGE if what == "grow" else max(length - PAGE, PAGE), 0)


def perms_of(area) -> str:
    letters = "".join(letter if area.flags & bit else "-" for letter, bit in (("r", READ), ("w", WRITE), ("x", EXEC)))
    return letters + ("s" if area.flags & VM_MAYSHARE else "p")


def answer_of(errno: int, found: list[str]) -> str:
    return f"{errno}: " + ", ".join(found)


class Live:
    """The same calls in this process, or in a child of it, through the C library."""

    def __init__(self) -> None:
        self.libc = ctypes.CDLL(None, use_errno=True)
        for name in ("mmap", "mremap"):
            getattr(self.libc, name).restype = ctypes.c_void_p
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this
        self.file.truncate(64 * PAGE)

    def answer(self, case: Case) -> str:
        self._syscall("munmap", LOW, NR_PAGES * PAGE)
        for at, (kind, mark) in enumerate(zip(case.space, case.written, strict=True)):
            if kind != " ":
                self.map(kind, at * 2, at * 2 + 2)
                if mark == "x":
                    ctypes.memset(LOW + at * 2 * PAGE, 1, 2 * PAGE)
        return self.in_child(case) if case.is_child else self.done(case)

    def done(self, case: Case) -> str:
        errno = self.call(case)
        found = []
        with open("/proc/self/maps", "rb") as text:
            for line in text:
                words = line.split(None, 5)
                start, end = (int(word, 16) for word in words[0].split(b"-"))
                if start >= LOW and end <= LOW + NR_PAGES * PAGE:
                    found.append(f"{(start - LOW) // PAGE}-{(end - LOW) // PAGE} {words[1].decode()} {int(words[2], 16) // PAGE}")
        return answer_of(errno, found)

    def in_child(self, case: Case) -> str:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(writing, self.done(case).encode())
            finally:
                os._exit(0)
        os.close(writing)
        os.waitpid(pid, 0)
        answer = os.read(reading, 65536).decode()
        os.close(reading)
        return answer

    def map(self, kind: str, first: int, last: int) -> int:
        prot, flags, ahead = KINDS[kind]
        fd = -1 if ahead is None else self.file.fileno()
        flags |= FIXED | (ANONYMOUS if ahead is None else 0)
        offset = 0 if ahead is None else (ahead + first) * PAGE
        return self._syscall("mmap", LOW + first * PAGE, (last - first) * PAGE, prot, flags, fd, offset)

    def call(self, case: Case) -> int:
        what, _, which = case.call.partition(" ")
        at, length = LOW + case.first * PAGE, (case.last - case.first) * PAGE
        if what == "map":
            return self.map(which, case.first, case.last)
        if what == "unmap":
            return self._syscall("munmap", at, length)
        if what == "prot":
            return self._syscall("mprotect", at, length, PROTS[which])
        if what == "lock":
            return self._syscall("mlock", at, length)
        if what == "advise":
            return self._syscall("madvise", at, length, ADVICE[which])
        return self._syscall("mremap", at, length, length + PAGE if what == "grow" else max(length - PAGE, PAGE), 0)

    def _syscall(self, name: str, *words: int) -> int:
        """0 or the errno."""
        got = getattr(self.libc, name)(*[ctypes.c_long(word) for word in words])
        failed = got in (-1, (1 << 64) - 1)
        return ctypes.get_errno() if failed else 0


def main() -> int:
    """python -m tests.mm.drawn_spaces STEP START: the live kernel's answers, a line a case."""
    live = Live()
    for case in cases(int(sys.argv[1]), int(sys.argv[2])):
        print("\t".join(map(str, case)) + "\t" + live.answer(case))
    return 0


if __name__ == "__main__":
    sys.exit(main())
