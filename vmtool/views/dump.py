"""Bytes of memory in hexadecimal and as characters, sixteen a line.

Counterpart: `hexdump -C` of util-linux: lines equal to the one before are a single `*`, the last line is the address after the end.
"""

LINE_BYTES = 16


def render(addr: int, data: bytes) -> str:
    """The dump of `data`, which lies at `addr`."""
    lines: list[str] = []
    before = b""
    for at in range(0, len(data), LINE_BYTES):
        piece = data[at : at + LINE_BYTES]
        if piece == before and at:
            if lines[-1] != "*":
                lines.append("*")
            continue
        before = piece
        digits = " ".join([f"{byte:02x}" for byte in piece[:8]]) + "  " + " ".join([f"{byte:02x}" for byte in piece[8:]])
        characters = "".join([chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece])
        lines.append(f"{addr + at:08x}  {digits:<49} |{characters}|")
    if data:
        lines.append(f"{addr + len(data):08x}")
    return "".join([line + "\n" for line in lines])
