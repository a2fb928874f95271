"""The same as drawn_pages, of a whole program: each process's counters are looked at, too, accesses are of bytes, limits and sizes change.

    "A at 0xffc w 8"       8 bytes from there on, one after another, become 1, 2, ...; r says what is there; `at =0x0`: outside the window
    "A limit stack 3"      pages; of RLIMIT_AS and RLIMIT_DATA so many more than there are
    "A populate m 0-2"     mmap() with MAP_POPULATE; "A maplocked m 0-2" with MAP_LOCKED
    "A raw mlock +0x1 8"   a call as it is; +: from the window's start
    "truncate 5000"        the file, to so many bytes; "drop": its pages that nobody maps leave the cache

A signal's address is its byte. Behind an area's rights stand the letters of its VmFlags that are not in USUAL, behind the areas (what
/proc/PID/status counts otherwise than it did when A began, in kB). The program is tests/differential/target.py's.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.differential import target
from tests.mm.drawn_pages import KINDS, PAGE, PRIVATE, READ, WRITE, Backend, Case, Simulated

GROWSDOWN, MAP_LOCKED, MAP_POPULATE = 0x100, 0x2000, 0x8000
MORE_KINDS = {
    "d": (READ | WRITE, PRIVATE | GROWSDOWN, None),
    "c": (4, PRIVATE, None),
    "w": (WRITE, PRIVATE, None),
}
STUB = 0x401000
USUAL = set("rd wr ex sh mr mw me ms sd nr dd".split())
COUNTED = {"VmSize": "total_vm", "VmLck": "locked_vm", "VmPin": "pinned_vm", "VmHWM": "hiwater_rss", "RssAnon": "rss_anon",
           "RssFile": "rss_file", "RssShmem": "rss_shmem", "VmData": "data_vm", "VmStk": "stack_vm", "VmPTE": "pgtables_bytes",
           "VmSwap": "swapents"}  # fmt: skip
LIMITS = {"data": 2, "stack": 3, "memlock": 8, "as": 9}
MORE_CALLS = {"populate": MAP_POPULATE, "maplocked": MAP_LOCKED}


class Counted(Backend):
    kinds = KINDS | MORE_KINDS

    def answer(self, case) -> str:
        self.start: dict[str, int] = {}
        return super().answer(case)

    def step(self, who: str, verb: str = "", *words: str) -> str:
        if who == "truncate":
            self.truncate(int(verb, 0))
            return "ok"
        if who == "drop":
            self.drop()
            return "ok"
        self.start = self.start or self.counts(self.tasks[who])
        return self.access_bytes(self.tasks[who], *words) if verb == "at" else super().step(who, verb, *words)

    def access_bytes(self, task, place: str, verb: str, nr: str = "1") -> str:
        addr = int(place[1:], 0) if place[0] == "=" else self.low + int(place, 0)
        before = self.faults(task)
        if verb == "w":
            said = self.store(task, addr, bytes(range(1, 1 + int(nr))))
        else:
            said = self.load(task, addr, int(nr)) if verb == "r" else self.touch(task, addr, 1, verb)
        return said + "(" + "+".join(str(now - then) for now, then in zip(self.faults(task), before, strict=True)) + ")"

    def place(self, addr: int) -> str:
        return f"@{addr - self.low:#x}" if abs(addr - self.low) < 1 << 30 else f"={addr:#x}"

    def call(self, task, verb: str, *words: str) -> int:
        if verb == "limit":
            counts, (name, pages) = self.counts(task), words
            self.limit(task, name, ({"as": counts["VmSize"], "data": counts["VmData"]}.get(name, 0) << 10) + int(pages) * PAGE)
            return 0
        if verb == "raw":
            return self.syscall(task, words[0], *(self.low + int(word[1:], 0) if word[0] == "+" else int(word, 0) for word in words[1:]))
        if verb in MORE_CALLS:
            prot, flags, ahead = self.kinds[words[0]]
            self.kinds = self.kinds | {"+": (prot, flags | MORE_CALLS[verb], ahead)}
            return super().call(task, "map", "+", words[1])
        return super().call(task, verb, *words)

    def rights(self, perms: str, flags: str) -> str:
        return " ".join((perms, *(letters for letters in flags.split()[1:] if letters not in USUAL)))

    def areas_of(self, task) -> str:
        changed = [f"{name}{now - self.start[name]:+}" for name, now in self.counts(task).items() if now != self.start[name]]
        return f"{super().areas_of(task)} ({' '.join(changed)})"


class SimulatedCounted(Counted, Simulated):
    def __init__(self) -> None:
        super().__init__()
        from vmtool.outside.elf import read_image

        with tempfile.TemporaryDirectory() as where:
            path = Path(where) / "target"
            path.write_bytes(target.program())
            path.chmod(0o755)
            self.image = read_image(str(path))._replace(path="/target")

    def spawn(self, case) -> int:
        pid = super().spawn(case)
        self.machine.touch(pid, STUB, 1, "x")
        return pid

    def fork(self, pid: int) -> int:
        child = super().fork(pid)
        self.machine.touch(child, STUB, 1, "x")
        return child

    @property
    def path(self) -> str:
        return f"/drawn{self.nr_files - 1}"

    def truncate(self, size: int) -> None:
        self.machine.truncate(self.path, size)

    def drop(self) -> None:
        self.machine.sync()
        self.machine.drop_caches(1)
        self.machine.read(self.drainer, "/target", 0, self.image.size)

    def limit(self, pid: int, name: str, nr_bytes: int) -> None:
        self.machine.setrlimit(pid, LIMITS[name], nr_bytes)

    def load(self, pid: int, addr: int, nr: int) -> str:
        return self.signal_or_bytes(lambda: self.machine.load(pid, addr, nr, True))

    def store(self, pid: int, addr: int, data: bytes) -> str:
        return self.signal_or_bytes(lambda: self.machine.store(pid, addr, data, True) and b"")

    def signal_or_bytes(self, access) -> str:
        from vmtool.errors import Signal

        try:
            return bytes(access()).hex()
        except Signal as signal:
            return signal.code + self.place(signal.addr or 0)

    def counts(self, pid: int) -> dict[str, int]:
        mm = self.machine.mm(pid)._asdict()
        return {name: mm[field] >> 10 if field.endswith("bytes") else mm[field] << 2 for name, field in COUNTED.items()}


class Refusing(SimulatedCounted):
    """The nth allocation of the last step is refused."""

    def __init__(self, nth: int, last: str) -> None:
        super().__init__()
        self.nth, self.last = nth, last

    def step(self, *words: str) -> str:
        from vmtool.errors import KernelError

        if " ".join(words) != self.last:
            return super().step(*words)
        self.machine.fail_nth(self.nth)
        try:
            return super().step(*words)
        except KernelError as error:
            return error.name
        finally:
            self.nr_left = self.machine.fail_nth(0)


def refused(space: str, before: str, last: str) -> Iterator[tuple[str, Refusing]]:
    """What comes of it when the first allocation of the last step is refused, the second, ..., and then when none is.

    Where it is the host that has no memory for a record, the image is lost, and nothing comes of it.
    """
    from vmtool.errors import InternalError

    nth, left = 0, 0
    while left == 0:
        nth += 1
        simulated = Refusing(nth, last)
        try:
            answer = simulated.answer(Case(space, ", ".join(filter(None, (before, last)))))
        except InternalError as lost:
            assert "no memory" in str(lost) and simulated.nr_left == 0
            continue
        yield answer, simulated
        left = simulated.nr_left
        assert simulated.machine.fsck() == [], nth
