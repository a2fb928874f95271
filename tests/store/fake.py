"""A machine without memory management: a dictionary of chunks behind the part of Machine that the store uses."""

import random

CHUNK_BYTES = 16384
NOISE = random.Random(1).randbytes(CHUNK_BYTES)
NOISE_BYTES = (0, 700, 1600, 3400, 7000, CHUNK_BYTES)  # with so much of it a chunk has each of the sizes that slots have


def filled(chunk, byte):
    """A chunk of one byte over and over, but for noise near its start: another size for another chunk, and for another byte."""
    text = bytes([byte])
    return (text * 32 + NOISE[: NOISE_BYTES[(chunk + byte) % len(NOISE_BYTES)]]).ljust(CHUNK_BYTES, text)[:CHUNK_BYTES]


class FakeMachine:
    """`load` and `header` as Machine takes them. `put`, `get` and `drop` stand for what an operation does."""

    def __init__(self, load=None, header=None):
        self._load = load or (lambda pool, chunk: None)
        self._header = header or bytes(64)
        self._chunks = {}
        self._dirty = set()
        self._dropped = set()

    def get(self, pool, chunk):
        """The bytes of a chunk; zeros when it was never written."""
        key = (pool, chunk)
        if key not in self._chunks:
            self._chunks[key] = bytearray(self._load(pool, chunk) or bytes(CHUNK_BYTES))
        return self._chunks[key]

    def put(self, pool, chunk, at, data):
        self.get(pool, chunk)[at : at + len(data)] = data
        self._dirty.add((pool, chunk))
        self._dropped.discard((pool, chunk))

    def fill(self, pool, chunk, byte):
        """Replace a chunk without a look at what it was, as when its index is used again after a drop."""
        self._chunks[pool, chunk] = bytearray(filled(chunk, byte))
        self._dirty.add((pool, chunk))
        self._dropped.discard((pool, chunk))

    def drop(self, pool, chunk):
        self._chunks[pool, chunk] = bytearray(CHUNK_BYTES)
        self._dirty.discard((pool, chunk))
        self._dropped.add((pool, chunk))

    def set_header(self, header):
        self._header = header

    def header(self):
        return self._header

    def dirty(self):
        return sorted(self._dirty)

    def dropped(self):
        return sorted(self._dropped)

    def chunk(self, pool, chunk):
        return memoryview(self._chunks[pool, chunk])

    def clean(self):
        self._dirty.clear()
        self._dropped.clear()

    def check(self):
        pass

    def verify_clean(self):
        pass
