"""The language of the scripts, as far as the recorder needs it: words, numbers and answers of `vmtool run`."""

from typing import NamedTuple

PROT = {"r": 1, "w": 2, "x": 4}


class Answer(NamedTuple):
    """What one line did, as an object of `run --jsonl`."""

    line: int
    cmd: str
    exit: int = 0
    errno: str | None = None
    signal: str | None = None
    out: str = ""
    sigcode: str | None = None
    sigaddr: int | None = None
    may_fail: bool = False  # a brk below the start: some say the unchanged break, some say an error


class Words:
    """The words of a command: options taken out by name, the rest in order."""

    def __init__(self, words: list[str]) -> None:
        self.words = words

    def flag(self, name: str) -> bool:
        if name in self.words:
            self.words.remove(name)
            return True
        return False

    def option(self, name: str) -> str | None:
        if name not in self.words:
            return None
        i = self.words.index(name)
        value = self.words[i + 1]
        del self.words[i : i + 2]
        return value

    def next(self) -> str:
        return self.words.pop(0)


def size(text: str) -> int:
    """Decimal, 0x…, or a suffix K M G T."""
    scale = {"K": 10, "M": 20, "G": 30, "T": 40}.get(text[-1], 0)
    return int(text[:-1] if scale else text, 0) << scale


def address(text: str) -> int:
    return int(text, 16)


def protection(text: str) -> int:
    """`none`, or some of r, w, x, as PROT_ bits."""
    return 0 if text == "none" else sum(PROT[c] for c in text)
