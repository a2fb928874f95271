"""An area of maps or smaps as `pmap` takes it, and what its options say of areas. Counterpart: procps-ng 4.0.2 src/pmap.c."""

from vmtool.tools.source import ascii_only


class Area:
    """A line of maps, as text but for the numbers that are computed with."""

    def __init__(self, span: str, perms: str, offset: str, dev: str, inode: str, name: str = "") -> None:
        self.start_text, _, end_text = span.partition("-")
        self.start, self.end = int(self.start_text, 16), int(end_text, 16)
        self.perms, self.offset, self.dev, self.inode = perms, offset, dev, inode
        self.name = name.lstrip(" ")

    @property
    def kb(self) -> int:
        return (self.end - self.start) >> 10

    @property
    def mode(self) -> str:
        """`rw-s-`: five letters, the fourth only for shared areas."""
        return self.perms[:3] + ("s" if self.perms[3] == "s" else "-") + "-"


EVERYWHERE = (0, (1 << 64) - 1)


def span_of(text: str) -> tuple[int, int]:
    """What -A says: LOW, LOW,HIGH or ,HIGH in hexadecimal; one address alone is both. ValueError."""
    low, comma, high = text.partition(",")
    ends = [int(word, 16) if word else None for word in (low, high if comma else low)]
    if any(end is not None and not 0 <= end <= EVERYWHERE[1] for end in ends):
        raise ValueError(f"failed to parse argument: '{text}'")
    return ends[0] if ends[0] is not None else EVERYWHERE[0], ends[1] if ends[1] is not None else EVERYWHERE[1]


class Options:
    """`detail`: "" (plain), d, x, X or XX; quiet: no heading and no totals; show_path: whole paths; `span`: the addresses shown."""

    def __init__(self, detail: str = "", quiet: bool = False, show_path: bool = False, span: tuple[int, int] = EVERYWHERE) -> None:
        self.detail = detail
        self.quiet = quiet
        self.show_path = show_path
        self.span = span


def area(line: str) -> Area | None:
    """A line of maps, or None for a line of smaps that is not the head of an entry."""
    words = line.rstrip("\n").split(" ", 5)
    if "-" not in words[0] or ":" in words[0] or len(words) < 5:
        return None
    return Area(*words)


def printable(name: str) -> str:
    """pmap prints ASCII alone, whatever the terminal can show."""
    return ascii_only(name.encode("utf-8", "surrogateescape")).decode()


def shown_name(found: Area, start_stack: int, show_path: bool) -> str:
    """The file's name, or what kind of memory it is."""
    return mapping(found.name, found.start <= start_stack <= found.end, show_path)


def mapping(name: str, is_stack: bool, show_path: bool) -> str:
    """What is shown of a name as maps has it, and of the area around the first stack."""
    if "/" in name:
        return printable(name[name.index("/") :] if show_path else name.rpartition("/")[2])
    return "  [ stack ]" if is_stack else "  [ anon ]"
