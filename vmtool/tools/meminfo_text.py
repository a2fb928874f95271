"""Read the text of /proc/meminfo as procps' library does.

Counterpart: procps-ng 4.0.2 library/meminfo.c. A name reaches from the start of a line to the next colon (also over line ends, in
a damaged file), its number is what strtoul() finds behind it; unknown lines are skipped, missing ones are 0, the last of
two equal names counts. Values are kB.
"""


class MeminfoError(ValueError):
    """The text holds no meminfo at all."""


def parse(text: str) -> dict[str, int]:
    """Label (without colon) to number. MeminfoError for an empty text."""
    if not text:
        raise MeminfoError("Unable to create meminfo structure")
    values = {}
    at = 0
    while True:
        colon = text.find(":", at)
        if colon < 0:
            break
        values[text[at:colon]] = leading_number(text[colon + 1 :])
        newline = text.find("\n", colon)
        if newline < 0:
            break
        at = newline + 1
    return values


def leading_number(text: str) -> int:
    """strtoul() in base 10: blanks, a sign, digits; 0 when there are none."""
    text = text[:40].lstrip()
    sign = text[:1]
    digits = text[1:] if sign in ("+", "-") else text
    nr_digits = 0
    while nr_digits < len(digits) and "0" <= digits[nr_digits] <= "9":
        nr_digits += 1
    value = int(digits[:nr_digits] or "0")
    return -value if sign == "-" else value
