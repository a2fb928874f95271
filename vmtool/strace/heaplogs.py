"""What other tools write of a program's allocations, as lines that `heaptrace` takes.

    ltrace            malloc(24) = 0x5581e2a0      [pid 7] prog->realloc(0x5581e2a0, 48) = 0x5581e2c0      <... malloc resumed> ) = 0x…
    LD_PRELOAD logs   malloc(24) = 0x5581e2a0      free(0x5581e2a0)      calloc(1, 100) = 0x…      memalign(64, 100) = 0x…
    valgrind          --7-- malloc(24) = 0x4A52040 (--trace-malloc=yes)     --7-- memalign(al 64, size 100) = 0x…     --7-- _Znwm(8) = 0x…
    mtrace            @ ./prog:[0x…] + 0x5581e2a0 0x18      - 0x5581e2a0      < 0x… then > 0x… 0x30
    heaptrack         raw: + SIZE TRACE POINTER, - POINTER; interpreted: a SIZE TRACE, + INDEX, - INDEX (all hexadecimal)

A block is known by its address there, and gets a number here: the address of the next line's block may be the same. A call that gave
NULL is left out, and so is the end of a block that began before the log: `Heaplog.nr_unknown` counts these. In heaptrack's interpreted
form a block is only told by its size and place in the program: of several alike the youngest ends.
"""

import re
from collections.abc import Iterable, Iterator

from vmtool.strace.lexer import LogError, shown

FORMS = ("trace", "ltrace", "mtrace", "heaptrack")
OWN = re.compile(rb"\s*(?:#.*|(?:m|f|r)\s+\S+(?:\s+\S+)?|(?:c|a)\s+\S+\s+\S+\s+\S+|(?:opt|trim|sbrk|tun)\s.*)?$")
NUMBER = r"(0x[0-9a-fA-F]+|\d+|nil|\(nil\)|NULL)"
CALL = re.compile(
    r"(?:.*?(?:->|\s|^|\]))?(?P<name>malloc|calloc|realloc|reallocarray|free|cfree|memalign|aligned_alloc|valloc|_Zn[wa][mj]\w*|_Zd[la]P\w*)"
    r"\((?P<args>[^()]*(?:\(nil\))?[^()]*)(?P<rest>.*)$")
RESUMED = re.compile(r"^(?P<thread>.*?)<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$")
ANSWER = re.compile(r"\)?\s*(?:=|->|:)\s*" + NUMBER)
THREAD = re.compile(r"^(?:\[pid\s+(\d+)\]|--(\d+)--|\s*(\d+)\s)")
VALLOC_ALIGNMENT = 4096  # of the one machine that has a heap: its pages are of 4K


def guess_form(head: bytes) -> str:
    """Of the first bytes of a file."""
    lines = [line for line in head.split(b"\n")[:50] if line.strip()]
    if lines and lines[0].startswith((b"= Start", b"@ ")) or any(re.match(rb"@ .*\] [+-] 0x", line) for line in lines):
        return "mtrace"
    if lines and re.match(rb"v [0-9a-f]+", lines[0]) or any(re.match(rb"\+ [0-9a-f]+ [0-9a-f]+ [0-9a-f]+$", line) for line in lines):
        return "heaptrack"
    if all(OWN.match(line) for line in lines[:-1] or lines):
        return "trace"
    return "ltrace"


def value(text: str) -> int:
    return 0 if text in ("nil", "(nil)", "NULL") else int(text, 0)


class Heaplog:
    """Numbers the blocks of one log."""

    def __init__(self) -> None:
        self.ids: dict[int, int] = {}
        self.nr_blocks = 0
        self.nr_unknown = 0

    def begins(self, address: int) -> int:
        self.nr_blocks += 1
        self.ids[address] = self.nr_blocks
        return self.nr_blocks

    def malloc(self, address: int, size: int) -> str:
        return f"m {self.begins(address)} {size}" if address else ""

    def calloc(self, address: int, n: int, size: int) -> str:
        return f"c {self.begins(address)} {n} {size}" if address else ""

    def memalign(self, address: int, alignment: int, size: int) -> str:
        return f"a {self.begins(address)} {alignment} {size}" if address else ""

    def free(self, address: int) -> str:
        number = self.ids.pop(address, None)
        if number is None:
            self.nr_unknown += address != 0
            return ""
        return f"f {number}"

    def realloc(self, old: int, size: int, address: int) -> str:
        if old == 0:
            return self.malloc(address, size)
        if size == 0 and address == 0:
            return self.free(old)
        if address == 0:
            return ""
        number = self.ids.pop(old, None)
        if number is None:
            self.nr_unknown += 1
            return self.malloc(address, size)
        self.ids[address] = number
        return f"r {number} {size}"

    # --- forms --------------------------------------------------------------------------------------------------

    def lines(self, form: str, text: Iterable[str]) -> Iterator[str]:
        """The log's lines as operations; LogError for one that cannot be read."""
        read = {"ltrace": self.calls, "mtrace": self.mtrace, "heaptrack": self.heaptrack}[form]
        for operation in read(text):
            if operation:
                yield operation

    def calls(self, text: Iterable[str]) -> Iterator[str]:
        """ltrace, loggers, valgrind: lines without an allocation are not looked at; a call may be interrupted by another thread's."""
        waiting: dict[str, tuple[str, list[int]]] = {}
        for nr, line in enumerate(text, 1):
            prefix = THREAD.match(line)
            thread = next((group for group in prefix.groups() if group), "") if prefix else ""
            if resumed := RESUMED.match(line):
                begun = waiting.pop(thread, None)
                if begun is not None:
                    yield self.one_call(nr, line, *begun, resumed["rest"])
            elif call := CALL.match(line):
                args = [value(arg) for arg in re.findall(NUMBER, call["args"])]
                if "<unfinished" in call["args"] or "<unfinished" in call["rest"]:
                    waiting[thread] = call["name"], args
                else:
                    yield self.one_call(nr, line, call["name"], args, call["rest"])

    def one_call(self, nr: int, line: str, name: str, args: list[int], rest: str) -> str:
        answer = ANSWER.search(rest)
        address = value(answer[1]) if answer else None
        try:
            if name in ("free", "cfree") or name.startswith("_Zd"):
                return self.free(args[0])
            if address is None:
                raise LogError(nr, f"an allocation without its address: {shown(line)}")
            if name == "malloc" or name.startswith("_Zn"):
                return self.malloc(address, args[0])
            if name == "calloc":
                return self.calloc(address, *args[-2:])
            if name == "realloc":
                return self.realloc(args[0], args[1], address)
            if name == "reallocarray":
                return self.realloc(args[0], args[1] * args[2], address)
            return self.memalign(address, VALLOC_ALIGNMENT if name == "valloc" else args[0], args[-1])
        except (IndexError, TypeError):
            raise LogError(nr, f"not the arguments of {name}: {shown(line)}") from None

    def mtrace(self, text: Iterable[str]) -> Iterator[str]:
        old = 0
        for nr, line in enumerate(text, 1):
            words = line.split()
            if words and words[0] == "@":
                words = words[2:]
            if not words or words[0] not in "+-<>!" or len(words[0]) != 1:
                continue
            try:
                if words[0] == "+":
                    yield self.malloc(int(words[1], 16), int(words[2], 16))
                elif words[0] == "-":
                    yield self.free(int(words[1], 16))
                elif words[0] == "<":
                    old = int(words[1], 16)
                elif words[0] == ">":
                    yield self.realloc(old, int(words[2], 16), int(words[1], 16))
            except (IndexError, ValueError):
                raise LogError(nr, f"not a line of mtrace: {shown(line)}") from None

    def heaptrack(self, text: Iterable[str]) -> Iterator[str]:
        sizes: list[int] = []
        alike: dict[int, list[int]] = {}  # by index: the blocks that live, as addresses made up here
        for nr, line in enumerate(text, 1):
            words = line.split()
            if not words or words[0] not in ("a", "+", "-"):
                continue
            try:
                numbers = [int(word, 16) for word in words[1:]]
                if words[0] == "a":
                    sizes.append(numbers[0])
                elif words[0] == "+" and len(numbers) == 3:
                    yield self.malloc(numbers[2], numbers[0])
                elif words[0] == "+":
                    alike.setdefault(numbers[0], []).append(self.nr_blocks + 1)
                    yield self.malloc(self.nr_blocks + 1, sizes[numbers[0]])
                elif sizes:
                    yield self.free(alike[numbers[0]].pop() if alike.get(numbers[0]) else -1)
                else:
                    yield self.free(numbers[0])
            except (IndexError, ValueError):
                raise LogError(nr, f"not a line of heaptrack: {shown(line)}") from None
