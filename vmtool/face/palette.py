"""Letters, glyphs and colours: the same things look the same in every picture, and never by colour alone.

Colours are Okabe and Ito's eight, which differ for every kind of colour blindness; the letter says it again.
"""

from __future__ import annotations

from vmtool.face.scene import ABSENT, CLOSED, GUARD, HUGE, PRESENT, SWAPPED

USES = {".": "free", "A": "anonymous", "F": "page cache", "S": "shared memory", "T": "page table", "K": "kernel", "Z": "zero page"}
LETTER_OF_KIND = {
    "free": ".",
    "pcp": ".",
    "anon": "A",
    "file": "F",
    "shmem": "S",
    "pgtable": "T",
    "slab": "K",
    "kernel": "K",
    "reserved": "K",
    "zero": "Z",
}
COLOURS = {  # letter: (light background, dark background, SGR of the terminal's 256 colours)
    ".": ("#e6e6e6", "#3a3a3a", "90"),
    "A": ("#e69f00", "#b87f00", "38;5;214"),
    "F": ("#56b4e9", "#2f86b8", "38;5;74"),
    "S": ("#009e73", "#00805d", "38;5;36"),
    "T": ("#cc79a7", "#a85b86", "38;5;175"),
    "K": ("#b0b0b0", "#6e6e6e", "38;5;245"),
    "Z": ("#f0e442", "#a89f1e", "38;5;227"),
}
CLASS_OF = {".": "free", "A": "anon", "F": "file", "S": "shmem", "T": "table", "K": "kernel", "Z": "zero"}

BOXES = {PRESENT: "■", ABSENT: "□", SWAPPED: "◇", GUARD: "✕", HUGE: "▇", CLOSED: "□"}
ASCII = {
    "■": "[#]",
    "□": "[ ]",
    "◇": "[~]",
    "✕": "[x]",
    "▇": "[H]",
    "─": "-",
    "│": "|",
    "┬": "+",
    "┤": "+",
    "┘": "+",
    "├": "+",
    "└": "+",
    "┌": "+",
    "┐": "+",
    "┴": "+",
    "▶": "=>",
    "▷": "->",
    "┄": ".",
    "×": "x",
    "←": "<-",
    "…": "...",
    "·": ".",
    "█": "#",
    "▓": "#",
    "▒": "=",
    "░": "-",
    "→": "->",
}

PLAIN, BOLD, FAINT, GONE, HEAD = "", "bold", "faint", "gone", "head"
SGR = {BOLD: "1", FAINT: "2", GONE: "2;9", HEAD: "1", **{CLASS_OF[letter]: colours[2] for letter, colours in COLOURS.items()}}


def to_ascii(text: str) -> str:
    """The same columns in characters of ASCII; a character of a name that is none becomes `?`."""
    if text.isascii():
        return text
    return "".join([char if char.isascii() else ASCII.get(char, "?") for char in text])
