"""The constants that strace prints by name, as the numbers that a system call takes.

The numbers are those of vmtool.uapi; both the 64-bit and the i386 programs of a log use them.
Invariant: a text that strace 5 or 6 can print for one of these arguments (names joined by `|`,
numbers in any base, a mixture, `-X verbose`'s comments already removed) has exactly one value here.
"""

from vmtool import uapi

VALUES: dict[str, int] = {name: value for name, value in vars(uapi).items() if name[0] != "_" and isinstance(value, int)}
VALUES.update({f"MADV_{name.upper()}": value for name, value in uapi.MADVISE.items()})
VALUES.update({f"RLIMIT_{name.upper()}": value for name, value in uapi.RLIMITS.items()})
VALUES.update(RLIM_INFINITY=-1, RLIM64_INFINITY=-1, NULL=0)

MOST_KNOWN = 4096
_known: dict[str, int] = {"0": 0, **VALUES}  # texts already worked out: a log repeats a few hundred of them


def number(text: str) -> int:
    """The value of one argument: `PROT_READ|PROT_WRITE`, `0x22`, `0644`, `-1`, `8192*1024`, `1<<MAP_HUGE_SHIFT`; ValueError when none.

    A name that is not in the tables counts as 0: strace knows hundreds of flags that no mapping depends on.
    """
    value = _known.get(text)
    if value is not None:
        return value
    value = 0
    for part in text.split("|"):
        value |= _one(part.strip())
    if len(_known) < MOST_KNOWN and not text[0].isdigit():  # addresses do not come again; flags do
        _known[text] = value
    return value


def _one(part: str) -> int:
    if part in VALUES:
        return VALUES[part]
    if part[:1].isalpha():
        if not part.replace("_", "a").replace("(", "a").replace(")", "a").replace("?", "a").isalnum():
            raise ValueError(part)
        return 0
    if "<<" in part:
        base, _, shift = part.partition("<<")
        return _integer(base) << (26 if shift == "MAP_HUGE_SHIFT" else _integer(shift))
    product = 1
    for factor in part.split("*"):
        product *= _integer(factor)
    return product


def _integer(text: str) -> int:
    if len(text) > 1 and text[0] == "0" and text[1].isdigit():
        return int(text, 8)
    return int(text, 0)
