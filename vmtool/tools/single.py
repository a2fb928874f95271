"""Arithmetic in C's float, as procps does it: 24 significant bits."""

import struct


def single(number: float) -> float:
    """The nearest float."""
    return struct.unpack("f", struct.pack("f", number))[0]
