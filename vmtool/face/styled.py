"""Lines of styled words: plain for files and pipes, with the terminal's colours on a terminal."""

from __future__ import annotations

from vmtool.face.palette import BOLD, SGR, to_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

NEW, OTHER, GONE_MARK = "+", "*", "-"


class Line:
    """Words, each with the name of a style of `palette.SGR`, '' for none."""

    __slots__ = ("mark", "words", "length")

    def __init__(self, mark: str = ""):
        self.mark = mark
        self.words: list[tuple[str, str]] = []
        self.length = 0

    def __len__(self) -> int:
        return self.length

    def add(self, text: str, style: str = "") -> Line:
        if text:
            self.words.append((text, style))
            self.length += len(text)
        return self

    def cut(self, column: int) -> Line:
        """Room before a column: what is too long for it ends in an ellipsis."""
        while self.length >= column and self.words:
            text, style = self.words.pop()
            self.length -= len(text)
            if self.length < column - 2:
                self.add(text[: column - 2 - self.length] + "…", style)
        return self

    def pad(self, column: int) -> Line:
        """Blanks up to a column."""
        return self.add(" " * (column - self.length))


class Text:
    """Lines, as text or as a terminal shows them."""

    def __init__(self, lines: Iterable[Line], marks: bool = False):
        self.lines = list(lines)
        self.marks = marks

    def in_ascii(self) -> Text:
        for line in self.lines:
            line.words = [(to_ascii(text), style) for text, style in line.words]
        return self

    def _start(self, line):
        return f"{line.mark or ' '} " if self.marks else ""

    def plain(self) -> str:
        return "".join([(self._start(line) + "".join([text for text, _ in line.words])).rstrip() + "\n" for line in self.lines])

    def coloured(self) -> str:
        """With SGR sequences; what changed is bold."""
        drawn = []
        for line in self.lines:
            bold = f"{SGR[BOLD]};" if line.mark and line.mark != GONE_MARK else ""
            words = [_sgr(bold + SGR[style] if style else bold.rstrip(";"), text) for text, style in line.words]
            drawn.append(self._start(line) + "".join(words) + "\n")
        return "".join(drawn)


def _sgr(codes, text):
    return f"\x1b[{codes}m{text}\x1b[0m" if codes else text
