"""Lines as lackey writes them are read in one pass, where a block goes on behind them; alone each is read by the careful reader: alike."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

scan = pytest.importorskip("vmtool.strace.scan", reason="the Cython modules are not built: run `make`")

HEX = st.text("0123456789abcdefABCDEF", min_size=1, max_size=18)
SIZE = st.one_of(st.integers(0, 99999).map(str), st.sampled_from(["0x8", "8 ", "", "08", "1073741824", "1073741825", "8,"]))
PLAIN = st.builds(lambda kind, addr, size: f"{kind}{addr},{size}", st.sampled_from(["I  ", " L ", " S ", " M "]), HEX, SIZE)
OTHER = st.one_of(st.text("ILSM 0123456789abcdefx,=-\t\r", max_size=40),
                  st.sampled_from(["", "==1== x", "SB 04001000", "I  ", " L", "I  0x10,4"]))
TOTALS = ("line", "nr_reads", "nr_writes", "nr_fetches", "nr_other", "first_other", "bad_line")


def alone(lines):
    """Each line in a block of its own: no line is followed by another."""
    scanner = scan.Scanner(scan.LACKEY)
    return b"".join([scanner.feed(f"{line}\n".encode()) for line in lines]), [getattr(scanner, name) for name in TOTALS]


@settings(max_examples=500, deadline=None)
@given(lines=st.lists(st.one_of(PLAIN, PLAIN, OTHER), max_size=30), cuts=st.lists(st.integers(0, 900), max_size=3))
def test_a_block_is_its_lines(lines, cuts):
    text = "".join(f"{line}\n" for line in lines).encode()
    scanner, records, at = scan.Scanner(scan.LACKEY), b"", 0
    for cut in [*sorted(cut for cut in cuts if cut < len(text)), len(text)]:
        records += scanner.feed(text[at:cut])
        at = cut
    assert (records, [getattr(scanner, name) for name in TOTALS]) == alone(lines)


@settings(max_examples=100, deadline=None)
@given(addrs=st.lists(st.one_of(st.integers(0, 1 << 20), st.integers(0, (1 << 64) - 5)), max_size=200), known=st.sets(st.integers(0, 300)),
       shift=st.sampled_from((12, 14, 16)))
def test_pages_are_those_of_every_access_but_the_known(addrs, known, shift):
    records = b"".join([addr.to_bytes(8, "little") + (4).to_bytes(4, "little") + bytes(4) for addr in addrs])
    expected = {addr + i >> shift for addr in addrs for i in (0, 3)} - known
    grown = set(known)
    assert scan.pages(records, grown, shift) == sorted(expected)
    assert grown == known | expected
