"""Soft-dirty pages, held to what Debian's 6.18.15 said under QEMU: fixtures/softdirty.

The recording has each step of story.txt and, behind `|`, what the kernel answered: areas with or without `sd`, bit 55 of each page, and
whether it is there (p) or named by an entry that is not present (s); minor and major faults. Here the same steps are taken on a machine.
"""

import re
from pathlib import Path

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

STORY = Path(__file__).parents[2] / "fixtures" / "softdirty"
PAGE, BASE = 4096, 0x10000000
PROTS = {"none": 0, "r": 1, "rw": 3}
PRIVATE, SHARED, FIXED, ANONYMOUS, HUGETLB = 2, 1, 0x10, 0x20, 0x40000
MAYMOVE, MOVE_FIXED = 1, 2
ADVICES = {"dontfork": 10, "dofork": 11, "free": 8, "dontneed": 4, "guard": 102, "pageout": 21, "hugepage": 14, "collapse": 25}
KINDS = {"anon": (PRIVATE | ANONYMOUS, None), "shared": (SHARED | ANONYMOUS, None), "file": (PRIVATE, "/file"),
         "sharedfile": (SHARED, "/shared"), "hugetlb": (PRIVATE | ANONYMOUS | HUGETLB, None)}
SOFT_DIRTY, SWAPPED, PRESENT, VM_SOFTDIRTY = 1 << 55, 1 << 62, 1 << 63, 0x8000000


class Teller:
    """Takes the steps of a story and says what the machine answers."""

    def __init__(self, **boot):
        self.m = m = core.Machine()
        m.boot(ram_bytes=512 << 20, **boot)
        for name, value in (("vm.page-cluster", "0"), ("vm.nr_hugepages", "2"), ("transparent_hugepage/enabled", "madvise")):
            m.set_sysctl(name, value)
        self.pid = self.parent = m.spawn("init", None, [b"init"], [])
        self.child = 0
        for path in ("/file", "/shared"):
            m.mkfile(path, 6 * PAGE, b"f" * 6 * PAGE)
            m.read(self.pid, path, 0, 6 * PAGE)
        self.heap = m.brk(self.pid, m.brk(self.pid) + PAGE)  # a C library took some of it before

    def tell(self, line):
        """The answers to a step, one a line."""
        if line.startswith("child "):
            self.pid = self.child
            answer = self.step(*line.split()[1:])
            self.pid = self.parent
        else:
            answer = self.step(*line.split())
        return answer or []

    def step(self, verb, *words):
        return getattr(self, f"do_{verb}")(*words)

    def place(self, word):
        return self.heap + int(word[1:], 0) * PAGE if word[0] == "h" else BASE + int(word, 0) * PAGE

    def range(self, place, nr):
        return self.place(place), int(nr, 0) * PAGE

    def do_map(self, place, nr, prot, kind):
        flags, path = KINDS[kind]
        addr, length = self.range(place, nr)
        self.m.mmap(self.pid, addr, length, PROTS[prot], flags | FIXED, path)

    def do_unmap(self, place, nr):
        self.m.munmap(self.pid, *self.range(place, nr))

    def do_touch(self, place, nr, access):
        addr, length = self.range(place, nr)
        if access == "r":
            done = [self.m.touch(self.pid, addr, length, "r")]
        else:  # the same byte as there: a page of zeros would not go to swap
            done = [self.m.store(self.pid, page, b"\1") for page in range(addr, addr + length, PAGE)]
        return [f"minor {sum(one.minor for one in done)} major {sum(one.major for one in done)}"]

    def do_clear(self):
        self.m.clear_refs(self.pid, 4)

    def do_show(self, place, nr):
        start, length = self.range(place, nr)
        found = [f"{(vma.start - BASE) // PAGE:#x}-{(vma.end - BASE) // PAGE:#x} {self.mark(vma)}" for vma in self.m.maps(self.pid)
                 if vma.start < start + length and vma.end > start]
        return [re.sub(r"^0x0-", "0-", line) for line in found] + [self.pages(start, length)]

    def do_heap(self, nr):
        vma = next(vma for vma in self.m.maps(self.pid) if vma.name == "[heap]" and vma.end > self.heap)
        return [f"heap {self.mark(vma)}", self.pages(self.heap, int(nr) * PAGE)]

    def do_areas(self):
        return [f"{vma.name} {self.mark(vma)}" for vma in self.m.maps(self.pid)
                if vma.name.startswith("[") and vma.name != "[vsyscall]"]  # Debian's has none

    def mark(self, vma):
        return "sd" if vma.flags & VM_SOFTDIRTY else "--"

    def pages(self, start, length):
        data = self.m.pagemap_bytes(self.pid, start, length)
        entries = [int.from_bytes(data[i:i + 8], "little") for i in range(0, len(data), 8)]
        return ("".join("1" if entry & SOFT_DIRTY else "0" for entry in entries) + " "
                + "".join("s" if entry & SWAPPED else "p" if entry & PRESENT else "-" for entry in entries))

    def do_protect(self, place, nr, prot):
        self.m.mprotect(self.pid, *self.range(place, nr), PROTS[prot])

    def do_move(self, place, nr, to, new):
        flags = MAYMOVE | (MOVE_FIXED if place != to else 0)
        self.m.mremap(self.pid, *self.range(place, nr), int(new, 0) * PAGE, flags, self.place(to) if place != to else 0)

    def do_lock(self, place, nr):
        self.m.mlock(self.pid, *self.range(place, nr))

    def do_unlock(self, place, nr):
        self.m.munlock(self.pid, *self.range(place, nr))

    def do_advise(self, place, nr, advice):
        self.m.madvise(self.pid, *self.range(place, nr), ADVICES[advice])

    def do_brk(self, nr):
        self.m.brk(self.pid, self.m.brk(self.pid) + int(nr) * PAGE)

    def do_poke(self, place):
        self.m.write_mem(self.pid, self.place(place), b"x")

    def do_swapon(self):
        self.m.swapon(16 << 20)

    def do_swapoff(self):
        self.m.swapoff()

    def do_fork(self):
        self.child = self.m.fork(self.pid)

    def do_exit(self):
        self.m.exit(self.pid)


def recorded():
    """(title, [(step, answers)]) of each part of the recording."""
    parts = []
    for line in (STORY / "recorded.txt").read_text().splitlines():
        if line.startswith("="):
            parts.append((line[2:], []))
        elif line.startswith("|"):
            parts[-1][1][-1][1].append(line[2:])
        elif not line.startswith("@"):
            parts[-1][1].append((line, []))
    return parts


def test_the_recording_is_of_the_story():
    steps = [line for line in (STORY / "story.txt").read_text().splitlines() if line[:1] not in ("", "#")]
    assert [line for title, part in recorded() for line in (f"= {title}", *(step for step, _ in part))] == steps
    assert "!" not in (STORY / "recorded.txt").read_text().replace("!=", "")


@pytest.mark.parametrize("boot", [{"soft_dirty": True}, {"soft_dirty": True, "arch": "x86-64-la57", "kpti": True}, {"kernel": "6.12"}],
                         ids=["6.18", "la57", "6.12"])
def test_as_the_kernel_said(boot):
    """One machine for all parts, as there."""
    teller = Teller(**boot)
    for title, part in recorded():
        for step, answers in part:
            if step == "areas" and "kernel" in boot:
                answers = [line for line in answers if "vvar_vclock" not in line]  # which that release has not
            assert (step, teller.tell(step)) == (step, answers), title
        assert teller.m.fsck() == [], title


# --- what a recording does not show ------------------------------------------------------------------------------------

def entries(teller, place, nr):
    data = teller.m.entry_bytes(teller.pid, *teller.range(place, str(nr)))
    return [int.from_bytes(data[i:i + 8], "little") for i in range(0, len(data), 8)]


def told(teller, *steps):
    return [answer for step in steps for answer in teller.tell(step)]


@pytest.mark.parametrize("kernel, arch, soft_dirty, is_there", [
    ("6.18", "x86-64", False, False), ("6.18", "x86-64", True, True), ("6.18", "x86-64-la57", True, True), ("6.12", "x86-64", False, True),
    ("4.4", "x86-64-la57", False, True), ("3.10", "x86-64", False, False), ("5.4", "i386", False, False), ("5.4", "arm64", False, False)])
def test_who_has_it(kernel, arch, soft_dirty, is_there):
    m = core.Machine()
    m.boot(ram_bytes=256 << 20, kernel=kernel, arch=arch, soft_dirty=soft_dirty)
    assert m.info().soft_dirty == is_there
    pid = m.spawn("demo", None, [b"demo"], [])
    assert {vma.name for vma in m.maps(pid) if not vma.flags & VM_SOFTDIRTY} >= {"[stack]"}
    assert any(vma.flags & VM_SOFTDIRTY for vma in m.maps(pid)) == is_there
    assert m.fsck() == []


def test_without_it_nothing_is_set_and_nothing_is_forgotten():
    teller = Teller()
    told(teller, "map 0 4 rw anon", "touch 0 4 w", "swapon", "map 8 4 rw shared", "touch 8 2 r", "advise 0 1 pageout", "move 1 1 20 1")
    before = entries(teller, "0", 24), teller.pages(BASE, 24 * PAGE), teller.m.maps(teller.pid)
    assert not any(entry & 0x801 == 0x801 for entry in before[0]) and not before[0][0] & 2 and "1" not in before[1].split()[0]
    teller.tell("clear")
    assert (entries(teller, "0", 24), teller.pages(BASE, 24 * PAGE), teller.m.maps(teller.pid)) == before


def test_where_the_bit_stands():
    """_PAGE_SOFT_DIRTY is bit 11 of an entry, _PAGE_SWP_SOFT_DIRTY bit 1 of one that names a slot; RW goes with the first."""
    teller = Teller(soft_dirty=True)
    told(teller, "map 0 4 rw anon", "touch 0 4 w", "swapon")
    assert [entry & 0x842 for entry in entries(teller, "0", 4)] == [0x842] * 4
    told(teller, "clear", "touch 1 2 w", "advise 2 2 pageout")
    assert [entry & 0x843 for entry in entries(teller, "0", 2)] == [0x41, 0x843]
    assert [entry & 3 for entry in entries(teller, "2", 2)] == [2, 0]
    assert teller.m.walk(teller.pid, BASE + PAGE).steps[-1].flags[-1] == "SOFT_DIRTY"
    assert (11, "SOFT_DIRTY") in teller.m.walk(teller.pid, BASE).steps[-1].names
    assert teller.m.walk(teller.pid, BASE + 2 * PAGE).steps[-1].flags == ("SWP_SOFT_DIRTY",)
    assert (11, "SOFT_DIRTY") not in teller.m.walk(teller.pid, BASE).steps[0].names


def test_it_is_kept_in_the_file():
    teller = Teller(soft_dirty=True)
    told(teller, "map 0 4 rw anon", "touch 0 4 w", "clear", "touch 1 1 w")
    chunks = {place: bytes(teller.m.chunk(*place)) for place in teller.m.dirty()}
    again = core.Machine(lambda pool, chunk: chunks.get((pool, chunk)), teller.m.header())
    assert again.info().soft_dirty and again.fsck() == []
    teller.m = again
    assert told(teller, "show 0 4", "touch 0 2 w", "show 0 4") == ["0-0x4 --", "0100 pppp", "minor 1 major 0", "0-0x4 --", "1100 pppp"]


def test_clear_refs_passes_over_hugetlbfs():
    teller = Teller(soft_dirty=True)
    told(teller, "map 0x200 0x200 rw hugetlb", "touch 0x200 1 w")
    before = entries(teller, "0x200", 1)
    teller.m.clear_refs(teller.pid, 1)
    teller.tell("clear")
    assert entries(teller, "0x200", 1) == before and before[0] & 0x20


def test_the_tlb_forgets_too():
    """A cached translation would let the next write pass by."""
    teller = Teller(soft_dirty=True)
    assert told(teller, "map 0 2 rw anon", "touch 0 2 w", "touch 0 2 w", "clear", "touch 0 2 w")[-1] == "minor 2 major 0"
    assert teller.pages(BASE, 2 * PAGE) == "11 pp"
