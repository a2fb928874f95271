"""Kinds of parameters: what a word must look like and what it becomes.

Each converter takes the word and gives the value, or raises ValueError with a sentence about the
word. `KINDS` is the one list; declarations name its keys. An address that names a mapping
(`heap+0x1000`) stays text here, checked only for its shape: `address.resolve` asks the machine.
The kernel's long lists of names are imported when a word needs them.
"""

from vmtool import units

PID_MAX = (1 << 31) - 1
PROT_LETTERS = {"r": 1, "w": 2, "x": 4}  # PROT_READ, PROT_WRITE, PROT_EXEC
PFNS_MAX = 1 << 20  # a table of more helps nobody

HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def pid(text: str) -> int:
    if not (text.isdigit() and text.isascii()) or len(text) > 10 or (value := int(text)) > PID_MAX:
        raise ValueError(f"{text!r} is not a PID")
    return value


def told(text: str) -> int | str:
    """`on`, `off`, or a PID."""
    return text if text in ("on", "off") else pid(text)


def addr(text: str) -> int | str:
    """Hexadecimal, or an expression for `address.resolve`."""
    # Looked at first: an interrupt that comes while int() words its ValueError is lost in it (CPython's PyErr_Format()).
    digits = text[2:] if text[:2] == "0x" else text
    if 0 < len(digits) < 17 and HEX_DIGITS.issuperset(digits):
        return int(digits, 16)
    if units.is_hex(text):
        return units.parse_hex(text)
    base, plus, offset = text.rpartition("+")
    if plus and units.is_hex(base):
        return (units.parse_hex(base) + units.parse_unsigned(offset)) & units.U64_MAX
    if not text or text[0] in "+-" or not text.isprintable() or text[:2] in ("0x", "0X"):
        raise ValueError(f"{text!r} is not a hexadecimal address, nor NAME+OFFSET")
    return text


def plain_addr(text: str) -> int:
    """An address that no process could tell: NAME+OFFSET is none."""
    value = addr(text)
    if type(value) is str:
        raise ValueError(f"{text!r} is not a hexadecimal address")
    return value


def size(text: str) -> int:
    if len(text) < 19 and text.isalnum() and text.isascii():
        if text.isdigit():
            return int(text)
        if text[:2] == "0x" and text[-1] not in units.SUFFIXES:
            try:
                return int(text, 16)
            except ValueError:
                pass
    return units.parse_unsigned(text)


def integer(text: str) -> int:
    value = units.parse_signed(text)
    if not -(1 << 31) <= value < 1 << 31:
        raise ValueError(f"{text!r} is beyond 32 bits")
    return value


def word(text: str) -> str:
    return text


def host_path(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError("a path cannot be empty")
    return text


def path(text: str) -> str:
    """A path in the machine, which has one directory to start from: `scene.dat` and `./scene.dat` are `/scene.dat`."""
    if text[:1] == "/" and "//" not in text and "/." not in text and text[-1] != "/" and "\0" not in text:
        return text
    parts: list[str] = []
    for part in host_path(text).split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def prot(text: str) -> int:
    if text == "none":
        return 0
    value = 0
    for letter in text:
        bit = PROT_LETTERS.get(letter, value)
        if value & bit or not bit:
            break
        value |= bit
    else:
        if value:
            return value
    raise ValueError(f"{text!r} is not a protection (letters of rwx, or none)")


def advice(text: str) -> int:
    """A name, or the number itself: the kernel answers EINVAL for one it does not know."""
    from vmtool import uapi
    value = uapi.MADVISE.get(text)
    if value is None:
        if not text.isdigit():
            raise ValueError(f"{text!r} is not an advice{_like(text, uapi.MADVISE)} (a name of madvise(2) in lower case: dontneed, free, "
                             "populate_write, …)")
        value = integer(text)
    return value


def rlimit(text: str) -> int:
    from vmtool import uapi
    try:
        return uapi.RLIMITS[text]
    except KeyError:
        raise ValueError(f"{text!r} is not a limit (one of {', '.join(uapi.RLIMITS)})") from None


def limit(text: str) -> int:
    """A size; RLIM_INFINITY, which is 2**64-1, may be written `unlimited`."""
    return units.U64_MAX if text in ("unlimited", "infinity") else units.parse_unsigned(text)


def signal(text: str) -> int:
    """`-KILL`, `KILL`, `SIGKILL`, `-9` or `9`."""
    from vmtool import uapi
    name = text[1:] if text[:1] == "-" else text
    if name.isdigit() and name.isascii() and len(name) < 4 and int(name) <= uapi.NSIG:
        return int(name)
    name = name.upper()
    value = uapi.SIGNALS.get(name[3:] if name.startswith("SIG") else name)
    if value is None:
        raise ValueError(f"{text!r} is not a signal{_like(name, uapi.SIGNALS)}")
    return value


def _like(text, names):
    from vmtool.cli.likeness import did_you_mean
    return did_you_mean(text, names)


def device(text: str) -> tuple[int, int]:
    major, colon, minor = text.partition(":")
    if not (colon and major.isdigit() and minor.isdigit() and text.isascii()) or len(text) > 16:
        raise ValueError(f"{text!r} is not a device (MAJ:MIN)")
    numbers = int(major), int(minor)
    if numbers[0] >= 1 << 12 or numbers[1] >= 1 << 20:  # the kernel's dev_t: 12 and 20 bits
        raise ValueError(f"{text!r} is not a device: MAJ has 12 bits, MIN 20")
    return numbers


def data(text: str) -> bytes:
    """The bytes the shell passed."""
    return text.encode("utf-8", "surrogateescape")


def hexbytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"{text!r} is not pairs of hexadecimal digits") from None


def pfns(text: str) -> range:
    """A page frame number, or FIRST-LAST."""
    first, minus, last = text.partition("-")
    start = units.parse_unsigned(first)
    numbers = range(start, (units.parse_unsigned(last) if minus else start) + 1)
    if not 0 < numbers.stop - start <= PFNS_MAX:
        raise ValueError(f"{text!r} is not a range of at most {PFNS_MAX} page frame numbers")
    return numbers


def environment(text: str) -> bytes:
    if text[:1] == "=" or "=" not in text:
        raise ValueError(f"{text!r} is not NAME=VALUE")
    return data(text)


KINDS = {
    "PID": pid, "TOLD": told, "ADDR": addr, "PLAINADDR": plain_addr, "SIZE": size, "DELTA": units.parse_signed, "INT": integer,
    "WORD": word, "PATH": path, "PROCPATH": path, "HOSTPATH": host_path,
    "PROT": prot, "ADVICE": advice, "RLIMIT": rlimit, "LIMIT": limit, "SIGNAL": signal, "DEVICE": device, "DATA": data,
    "HEX": hexbytes, "PFNS": pfns, "ENV": environment, "SYSCTL": word, "COMMAND": word, "TLB": word,
}


def converter(kind):
    """The function for a kind's name, or for a tuple of the words that alone are allowed."""
    if type(kind) is str:
        return KINDS[kind]
    return lambda text: _choice(kind, text)


def _choice(words, text):
    if text not in words:
        raise ValueError(f"{text!r} is not one of {', '.join(words)}")
    return text
