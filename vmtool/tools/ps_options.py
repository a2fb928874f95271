"""The words of ps: SysV options behind a dash, BSD ones without, GNU ones behind two; each style as ps reads it.

Counterpart: procps-ng 4.0.2 src/ps/parser.c, sortformat.c. Where ps selects by the caller's user and terminal, all processes are taken:
there is no caller in a simulated /proc. Options about forests, terminals, security labels and personalities are not
taken, of those about threads not m and -m.
"""

from __future__ import annotations

from vmtool.tools.ps_fields import FIELDS


class PsError(ValueError):
    """Words that ps does not take."""


BSD_FORMATS = {
    "": "pid,tname,stat,bsdtime,args",
    "j": "ppid,pid,pgid,sid,tname,tpgid,stat,uid,bsdtime,args",
    "l": "flags,uid,pid,ppid,priority,nice,vsz,rss,wchan,stat,tname,bsdtime,args",
    "s": "uid,pid,pending,sig_block,sig_ignore,caught,stat,tname,bsdtime,args",
    "u": "user,pid,pcpu,pmem,vsz,rss,tname,stat,start_time,bsdtime,args",
    "v": "pid,tname,stat,bsdtime,maj_flt,m_trs,m_drs,rss,pmem,args",
}
LISTS = {"C": "comm", "p": "pid", "q": "pid", "u": "euid", "U": "ruid", "G": "rgid", "g": "egid", "s": "session"}
"""SysV options that take a list, and what they compare."""
LONG_LISTS = {"pid": "pid", "quick-pid": "pid", "ppid": "ppid", "user": "euid", "User": "ruid", "group": "egid", "Group": "rgid",
    "sid": "session"}
BSD_LISTS = {"p": "pid", "q": "pid", "U": "euid"}
WIDE = 131072


class Column:
    """A field with the heading and the width it has here."""

    def __init__(self, field_name: str, heading: str | None = None, width: int = 0) -> None:
        self.field = FIELDS[field_name]
        self.name = field_name
        self.heading = self.field.heading if heading is None else heading
        self.width = width or max(self.field.width, len(heading or ""))


class Options:
    """What the words say."""

    def __init__(self) -> None:
        self.columns: list[Column] = []
        self.sort: list[tuple[str, bool]] = []  # field, whether downwards
        self.chosen: list[tuple[str, list[str]]] = []  # what is compared, with which
        self.all = False
        self.negated = False
        self.running = False
        self.header = True
        self.numeric_users = False
        self.width = WIDE
        self.flags: set[str] = set()  # SysV: e f F l j y c P L T
        self.threads = False  # a row for each thread
        self.bsd = ""  # letter of a BSD format
        self.is_bsd = False
        self.bsd_threads = False

    @property
    def is_full(self) -> bool:
        """-f: commands with their arguments."""
        return bool(self.flags & {"f", "F"})


def parse(words: list[str]) -> Options:
    """PsError, with ps' own words where it has some."""
    options = Options()
    at = 0

    def following(rest: str, what: str) -> str:
        nonlocal at
        if rest:
            return rest
        if at == len(words):
            raise PsError(what)
        at += 1
        return words[at - 1]

    while at < len(words):
        word = words[at]
        at += 1
        if word.startswith("--"):
            _long(options, word[2:], following)
        elif word.startswith("-") and len(word) > 1:
            _sysv(options, word[1:], following)
        elif word:
            _bsd(options, word, following)
    if len([flag for flag in ("L" in options.flags, "T" in options.flags, options.bsd_threads) if flag]) > 1:
        raise PsError("thread flags conflict; can't use both " + ("-L and -T" if not options.bsd_threads else "H and another"))
    if not options.columns:
        names = BSD_FORMATS[options.bsd].split(",") if options.is_bsd else _sysv_format(options.flags)
        options.columns = [Column(name) for name in names]
    return options


def _sysv(options, letters, following):
    for place, letter in enumerate(letters):
        rest = letters[place + 1:]
        if letter in "Aead":
            options.all = True
        elif letter in "fFljycP":
            options.flags.add(letter)
        elif letter in "LT":
            options.flags.add(letter)
            options.threads = True
        elif letter == "N":
            options.negated = True
        elif letter == "w":
            pass
        elif letter in "oO":
            _format(options, following(rest, "format specification must follow -o"), letter == "O")
            return
        elif letter in LISTS:
            options.chosen.append((LISTS[letter], _list(following(rest, f"a list must follow -{letter}"))))
            return
        else:
            raise PsError("unsupported SysV option")


def _bsd(options, letters, following):
    options.is_bsd = True
    for place, letter in enumerate(letters):
        rest = letters[place + 1:]
        if letter.isdigit():
            options.chosen.append(("pid", _list(letters[place:])))
            return
        if letter in "ax":
            options.all = True
        elif letter in BSD_FORMATS:
            if options.bsd not in ("", letter):
                raise PsError("conflicting format options")
            options.bsd = letter
        elif letter == "r":
            options.running = True
        elif letter == "h":
            options.header = False
        elif letter == "n":
            options.numeric_users = True
        elif letter == "H":
            options.threads = options.bsd_threads = True
        elif letter in "wSe":
            pass
        elif letter == "c":
            options.flags.add("bsd c")
        elif letter in "oO":
            _format(options, following(rest, "format or sort specification must follow o"), letter == "O")
            return
        elif letter == "k":
            _sort(options, following(rest, "long sort specification must follow 'k'"))
            return
        elif letter in BSD_LISTS:
            options.chosen.append((BSD_LISTS[letter], _list(following(rest, f"a list must follow {letter}"))))
            return
        else:
            raise PsError("unsupported option (BSD syntax)")


def _long(options, word, following):
    name, equals, value = word.partition("=")
    if name in ("no-headers", "no-heading", "noheaders", "noheading"):
        options.header = False
    elif name in ("headers", "heading", "header"):
        options.header = True
    elif name == "deselect":
        options.negated = True
    elif name in ("cols", "columns", "width"):
        text = following(value, f"number of columns must follow --{name}")
        if not text.isascii() or not text.isdigit() or not 0 < int(text) <= WIDE:
            raise PsError(f"number of columns must follow --{name}")
        options.width = int(text)
    elif name == "sort":
        _sort(options, following(value, "long sort specification must follow '--sort'"))
    elif name == "format":
        _format(options, following(value, "format specification must follow --format"), False)
    elif name in LONG_LISTS:
        options.chosen.append((LONG_LISTS[name], _list(following(value, f"a list must follow --{name}"))))
    else:
        raise PsError("unknown gnu long option")


def _list(text: str) -> list[str]:
    found = text.replace(",", " ").split()
    if not found:
        raise PsError("improper list")
    return found


def _format(options: Options, text: str, with_defaults: bool) -> None:
    """`pid,comm=NAME`: a heading runs to the next comma here, as ps takes it where a field's name follows that comma."""
    columns = []
    rest = text.strip()
    if not rest:
        raise PsError("improper format list")
    while rest:
        word, comma, behind = rest.partition(",")
        name, equals, heading = word.partition("=")
        if not equals and " " in word:
            name, _, more = word.partition(" ")
            rest = more.strip() + comma + behind
        elif equals and behind and behind.partition(",")[0].partition("=")[0].partition(":")[0] not in FIELDS:
            heading, rest = heading + comma + behind, ""
        else:
            rest = behind
            if comma and not behind:
                raise PsError("improper format list")
        name, colon, width = name.partition(":")
        if name not in FIELDS:
            raise PsError(f'unknown user-defined format specifier "{name}"')
        if colon and not (width.isascii() and width.isdigit() and 0 < int(width) <= WIDE):
            raise PsError(f'unknown user-defined format specifier "{name}:{width}"')
        columns.append(Column(name, heading if equals else None, int(width) if colon else 0))
    if with_defaults:
        columns = [Column("pid"), *columns, *[Column(name) for name in ("state", "tname", "time", "command")]]
    options.columns += columns


def _sort(options: Options, text: str) -> None:
    for word in _list(text):
        name = word.lstrip("+-")
        if name not in FIELDS or FIELDS[name].key is None:
            raise PsError(f'unknown sort specifier "{name}"')
        options.sort.append((name, word.startswith("-")))


def _sysv_format(flags: set[str]) -> list[str]:
    """Columns of -f, -F, -l, -j, -y, -c, -P together, from the left."""
    full, long, is_y = bool(flags & {"f", "F"}), "l" in flags, "y" in flags
    if is_y and not long:
        raise PsError("modifier -y without format -l makes no sense")
    parts: list[tuple[str, bool]] = [
        ("f", long and not is_y), ("s", long), ("uid_hack", full), ("uid", long and not full), ("pid", True), ("spid", "T" in flags),
        ("ppid", full or long), ("pgid", "j" in flags), ("sid", "j" in flags), ("lwp", "L" in flags), ("psr", "P" in flags),
        ("c", (full or long) and "c" not in flags), ("nlwp", "L" in flags and full), ("class", "c" in flags), ("pri", "c" in flags),
        ("opri", long and "c" not in flags), ("ni", long and "c" not in flags), ("rss", long and is_y), ("addr_1", long and not is_y),
        ("sz", "F" in flags or long), ("wchan", long), ("rss", "F" in flags and not (long and is_y)),
        ("psr", "F" in flags and "P" not in flags), ("stime", full), ("tname", True), ("time", True), ("cmd", full), ("ucmd", not full),
    ]  # fmt: skip
    return [name for name, is_there in parts if is_there]
