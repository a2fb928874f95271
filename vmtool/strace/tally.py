"""Lines that cannot be read: one that ends a replay, those that are passed over and counted.

What is modelled: nothing. A file of which most lines are none of its kind is not of that kind.
Invariant: a message shows printable characters alone.
"""

from vmtool.errors import HostError


class LogError(HostError):
    """A line of a trace that cannot be read: `line` counts from 1."""

    def __init__(self, line: int, detail: str) -> None:
        self.line, self.detail = line, detail
        super().__init__(line, detail)

    def __str__(self) -> str:
        return f"line {self.line}: {self.detail}"


def shown(line: str) -> str:
    """The start of a line for a message, in printable characters."""
    return "".join(c if " " <= c <= "~" else "?" for c in line.rstrip("\n")[:60])


class Tally:
    """Lines that are no part of a log, and where it was cut."""

    def __init__(self, what: str = "a line of strace") -> None:
        self.what = what
        self.nr_lines = 0  # of the files that were read to their end
        self.nr_strange = 0
        self.nr_apart = 0  # blank ones, and a program's output inside a call: they tell nothing
        self.first = (0, "")
        self.cut: list[tuple[int, str]] = []  # the file ends within this line, or within the call that began there

    def strange(self, number: int, line: str) -> None:
        if not self.nr_strange:
            self.first = (number, shown(line))
        self.nr_strange += 1

    def judge(self) -> None:
        """The logs are over. LogError: most of their lines are none of strace."""
        if self.nr_strange * 2 > self.nr_lines - self.nr_apart:
            self.refuse()

    def refuse(self) -> None:
        number, text = self.first
        others = f" (nor are {self.nr_strange - 1} others)" if self.nr_strange > 1 else ""
        raise LogError(number, f"not {self.what}: {text}{others}")
