"""Numbers as people write them: sizes with a suffix, addresses in hexadecimal.

Model: the command line's conventions. A size or number is decimal, `0x…`, or either with one of
the suffixes K M G T (powers of 1024, either case). An address is always hexadecimal, with or
without `0x`. Counterpart: `lib/cmdline.c:memparse()` of Linux v6.12, which reads `mem=64M`.
Simplified: no fractions, no P or E. Nothing here knows a page size; whoever converts to pages
says so in the name of the function.
"""

U64_MAX = (1 << 64) - 1
SUFFIXES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_HEX = frozenset("0123456789abcdefABCDEF")


def parse_unsigned(text: str) -> int:
    """A size or count of 0 to 2**64-1. ValueError says what is wrong with it."""
    if text.isdigit() and text.isascii():
        value = int(text)
    else:
        value = _parse_marked(text)
    if value > U64_MAX:
        raise ValueError(f"{text!r} is beyond 64 bits")
    return value


def _parse_marked(text: str) -> int:
    """A number that has a suffix or `0x`: the rare branch of parse_unsigned."""
    unit = SUFFIXES.get(text[-1:], 1)
    digits = text if unit == 1 else text[:-1]
    if digits[:2] in ("0x", "0X") and _HEX.issuperset(digits[2:]) and len(digits) > 2:
        return int(digits, 16) * unit
    # More digits than any 64-bit number has are not converted: int() refuses thousands of them.
    if digits.isdigit() and digits.isascii() and len(digits) < 64:
        return int(digits) * unit
    raise ValueError(f"{text!r} is not a number (decimal, 0x…, or with K, M, G, T)")


def parse_signed(text: str) -> int:
    """A difference: as parse_unsigned, with an optional sign; -2**63 to 2**64-1."""
    if text[:1] == "-":
        value = -parse_unsigned(text[1:])
        if value < -(1 << 63):
            raise ValueError(f"{text!r} is beyond 64 bits")
        return value
    return parse_unsigned(text[1:] if text[:1] == "+" else text)


def parse_hex(text: str) -> int:
    """An address: hexadecimal, with or without `0x`, 0 to 2**64-1."""
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    if not digits or not _HEX.issuperset(digits):
        raise ValueError(f"{text!r} is not a hexadecimal address")
    if len(digits) > 16 and len(digits.lstrip("0")) > 16:
        raise ValueError(f"{text!r} is beyond 64 bits")
    return int(digits, 16)


def is_hex(text: str) -> bool:
    """Whether parse_hex would read it, so that it cannot be the name of a mapping."""
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    return bool(digits) and _HEX.issuperset(digits)
