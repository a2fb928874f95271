"""One line's answers compared: the kernel's and the simulator's.

Compared: errno, signal with its code and address, exit status; addresses of mmap, mremap and brk; counts of touch;
maps, smaps, statm, every byte; the Vm, Rss and Hugetlb lines of status; pagemap's bits 63, 62, 61, 58, 56; digits of mincore and load.

Not compared (what the kernel itself does not fix): PIDs; soft-dirty (`sd`, bit 55); how many processes of the host share [vdso],
which bends the Pss of a rollup; the inode numbers of /dev/zero (deleted) and /anon_hugepage (deleted), only which are equal; the
latter's device; the exit status of a --probe that took a signal. VmHWM comes from per-CPU counters: it is compared, for the processes
never leave their CPU.
"""

import difflib
import re
from typing import Any, NamedTuple

from tests.differential import swap_areas
from tests.differential.script import Answer
from vmtool.cli import table

SAID_OTHERWISE = {"spawn", "fork", "sysctl", "cgroup", "reclaim"}  # their numbers are each side's own
BYTES = {"read", "write"}  # which the kernel's side takes as they come
QUIET = SAID_OTHERWISE | BYTES | {name for name in table.names() if "--json" not in table.find(name).options}
PAGEMAP_BITS = {"present": 63, "swap": 62, "file": 61, "guard": 58, "exclusive": 56}
SLOT_MASK = (1 << 55) - 1
SWAP_LINES = {*swap_areas.VMSTAT, *swap_areas.MEMINFO}
PAGEMAP_MASK = sum(1 << bit for bit in PAGEMAP_BITS.values())
SHMEM = re.compile(r"^(\S+ \S+ \S+ 00:01 )(\d+)( +/dev/zero \(deleted\))$", re.M)

HUGETLB = re.compile(r"^(\S+ \S+ \S+ )00:\w+ (\d+) +(/anon_hugepage \(deleted\))$", re.M)
VDSO = re.compile(r"( \[vdso\]\n)(.*?THPeligible)", re.S)
VDSO_KB = 8
OTHERS = re.compile(r"^(Pss|Shared_Clean|Private_Clean):.*", re.M)


class Difference(NamedTuple):
    """Where a script's two runs part: `kind` is short and the same for the same sort of difference."""

    line: int
    text: str
    kind: str
    wanted: str
    got: str

    def __str__(self) -> str:
        head = f"line {self.line}: {self.text}\n  {self.kind}"
        wanted, got = self.wanted.split("\n"), self.got.split("\n")
        if len(wanted) == len(got) == 1:
            return f"{head}\n    kernel {self.wanted}\n    vmtool {self.got}"
        return head + "".join(f"\n    {d}" for d in difflib.unified_diff(wanted, got, "kernel", "vmtool", lineterm="", n=0))


class Comparison:
    """The lines of one script in order; it remembers how both sides number their shared memory."""

    def __init__(self) -> None:
        self.numbers: tuple[dict[str, int], dict[str, int]] = ({}, {})

    def line(self, text: str, wanted: Answer, got: dict[str, Any] | None) -> Difference | None:
        """None when alike."""
        if got is None:
            return Difference(wanted.line, text, f"{wanted.cmd}: no answer", str(wanted), "")
        found = self._status(wanted, got)
        if found is None and not (wanted.signal or wanted.errno or wanted.cmd in QUIET or wanted.may_fail and got.get("exit")):
            found = self._output(wanted, str(got.get("out") or ""))
        if found is None:
            return None
        kind, a, b = found
        return Difference(wanted.line, text, f"{wanted.cmd}: {kind}", a, b)

    def _status(self, wanted: Answer, got: dict[str, Any]) -> tuple[str, str, str] | None:
        a = wanted.signal or wanted.errno or "ok"
        b = got.get("signal") or got.get("errno") or (f"exit {got['exit']}" if got.get("exit") else "ok")
        if wanted.may_fail and b in ("ENOMEM", "EINVAL", "EAGAIN"):
            return None
        if a != b:
            return f"{a} expected, {b} given", a, b
        if wanted.signal:
            addr = got.get("sigaddr")
            addr = int(addr, 16) if isinstance(addr, str) else addr
            for name, x, y in (("code", wanted.sigcode, got.get("sigcode")), ("address", wanted.sigaddr, addr)):
                if x != y:
                    shown = [hex(v) if isinstance(v, int) else str(v) for v in (x, y)]
                    return f"{a} {name}", *shown
        return None

    def _output(self, wanted: Answer, got: str) -> tuple[str, str, str] | None:
        a, b = self._normal(wanted.cmd, wanted.out, 0), self._normal(wanted.cmd, got, 1)
        if a.endswith("kB") and "[rollup]" in a:
            b = _near(a, b)
        return None if a == b else (difference_kind(wanted.cmd, a, b), a, b)

    def _normal(self, cmd: str, text: str, side: int) -> str:
        text = text.rstrip("\n")
        if cmd in ("cat-maps", "smaps"):
            seen = self.numbers[side]
            text = SHMEM.sub(lambda m: f"{m[1]}shmem{seen.setdefault(m[2], len(seen) + 1)}{' ' * 9}{m[3].strip()}", text)
            text = HUGETLB.sub(lambda m: f"{m[1]}hugetlb{seen.setdefault('hugetlb' + m[2], len(seen) + 1)} {m[3]}", text)
            text = re.sub(r"^(VmFlags:.*?) sd\b", r"\1", text, flags=re.M)
            return VDSO.sub(lambda m: m[1] + OTHERS.sub(r"\1 ?", m[2]), text)
        if cmd == "status":
            return "\n".join(line for line in text.split("\n") if re.match(r"(Vm|Rss|Hugetlb)", line))
        if cmd in ("mmap", "mremap", "brk"):
            return hex(int(text, 16)) if re.fullmatch(r"(0x)?[0-9a-f]+", text) else text
        if cmd == "pagemap":
            return "\n".join(map(_entry, text.split("\n")))
        if cmd == "cat" and "\n" in text:
            return "\n".join(sorted(_sums([line for line in map(_of_swap, text.split("\n")) if line])))
        return text


def _near(a: str, b: str) -> str:
    """`b` with the Pss of `a` where the two pages of [vdso] can make the difference."""
    def same(m: re.Match[str]) -> str:
        other = re.search(rf"^{m[1]}:\s+(\d+) kB$", a, re.M)
        return other[0] if other and abs(int(other[1]) - int(m[2])) <= VDSO_KB else m[0]

    return re.sub(r"^(Pss|Pss_File):\s+(\d+) kB$", same, b, flags=re.M)


def _entry(line: str) -> str:
    """A line of pagemap with the compared bits alone; any other text as it is."""
    m = re.fullmatch(r"\s*(?:0x)?([0-9a-f]+)\s+(?:0x)?([0-9a-f]+)\s*", line)
    if not m:
        return line
    value = int(m[2], 16)
    is_slot = value >> PAGEMAP_BITS["swap"] & 1 and not value >> PAGEMAP_BITS["guard"] & 1
    return f"{int(m[1], 16):x} {value & (PAGEMAP_MASK | (SLOT_MASK if is_slot else 0)):x}"


def _sums(lines: list[str]) -> list[str]:
    """Pages that went out or came in, zeros or not: of a page that was only touched the simulated machine does not know what it holds."""
    found, left = {"pswpout": 0, "pswpin": 0}, []
    for line in lines:
        name = line.split()[0].replace("swpout_zero", "pswpout").replace("swpin_zero", "pswpin")
        if name in found:
            found[name] += int(line.split()[1])
        else:
            left.append(line)
    return [*left, *(f"{name} {n}" for name, n in found.items() if len(left) < len(lines))]


def _of_swap(line: str) -> str:
    """Of /proc/vmstat, meminfo and swaps what is compared; the areas' names are the host's."""
    words = line.split()
    if len(words) == 5 and words[1] in ("partition", "file"):
        return " ".join(words[1:])
    return " ".join(words) if words and words[0].removesuffix(":") in SWAP_LINES else ""


def difference_kind(cmd: str, a: str, b: str) -> str:
    """A few words for the first line that differs."""
    for x, y in zip(a.split("\n"), b.split("\n"), strict=False):
        if x == y:
            continue
        if cmd in ("mmap", "mremap", "brk"):
            return "address"
        if cmd == "touch":
            return "minor" if x.split()[0] != y.split()[0] else "major"
        if cmd == "pagemap":
            values = [int(line.split()[-1], 16) if re.fullmatch(r"[0-9a-f]+ [0-9a-f]+", line) else 0 for line in (x, y)]
            bits = values[0] ^ values[1]
            return "/".join(name for name, bit in PAGEMAP_BITS.items() if bits >> bit & 1) or "lines"
        if cmd in ("cat-maps", "smaps") and re.match(r"[0-9a-f]+-", x):
            names = ("range", "perms", "offset", "device", "inode", "name")
            return "area " + next((n for n, p, q in zip(names, x.split(None, 5), y.split(None, 5), strict=False) if p != q), "line")
        return x.partition(":")[0] if ":" in x else "output"
    return "length"
