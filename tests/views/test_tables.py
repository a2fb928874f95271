"""frames, tlb, and the function that draws them."""

from vmtool.records import Frame, TlbEntry, TlbStats
from vmtool.views import frames, tlb
from vmtool.views.table import table

FRAME = Frame(0x12FC, "DMA32", ("uptodate", "lru", "swapbacked"), 0, 0, 1, 1, "anon", "anon_vma 3", 7, True)


def test_columns_are_two_blanks_apart_and_lines_end_in_none():
    assert table(("a", "name"), [(1, "x"), (12345, "")], left="name") == "    a  name\n    1  x\n12345\n"


def test_numbers_stay_as_they_are():
    assert table(("n",), [("1e5",), ("007",), ("0x10",)]).split() == ["n", "1e5", "007", "0x10"]


def test_a_table_without_rows_is_its_headings():
    assert table(("a", "b"), []) == "a  b\n"


def test_newlines_do_not_break_rows():
    assert table(("path",), [("/a\nb",)], left="path").splitlines() == ["path", "/a\\012b"]


def test_frames_row():
    line = frames.render(frames.runs([FRAME]), 9).splitlines()[1]
    assert line.split() == "0x12fc 1 DMA32 anon 0 1 1 0x7 anon_vma 3 uptodate lru swapbacked".split()
    free = FRAME._replace(kind="free", flags=(), mapping="", refcount=0, mapcount=0, order=9)
    assert frames.render(frames.runs([free]), 9).splitlines()[1].split() == "0x12fc 1 DMA32 free 9 0 0 - - -".split()


def test_frames_alike_share_a_row():
    anon = [FRAME._replace(pfn=0x12FC + i, index=7 + i) for i in range(4)]
    assert [count for _, count in frames.runs(anon)] == [4]
    assert [count for _, count in frames.runs([*anon[:2], anon[2]._replace(refcount=2), anon[3]])] == [2, 1, 1]
    blocks = [FRAME._replace(pfn=i, kind="free", flags=(), mapping="", index=0, order=3 * (i % 8 == 0)) for i in range(16)]
    assert [(frame.pfn, count) for frame, count in frames.runs(blocks)] == [(0, 8), (8, 8)]


def test_a_huge_page_is_marked():
    head = FRAME._replace(order=9, flags=("uptodate", "head"))
    assert frames.render(frames.runs([head]), 9).splitlines()[1].endswith("huge uptodate head")


def test_raw_frames_are_their_64_bits():
    assert frames.render_raw([FRAME._replace(kpageflags=0x868)]) == "0x12fc 0x0000000000000868\n"


def test_frames_summary_adds_up():
    lines = [line.split() for line in frames.render_summary([("free", 100), ("anon", 28)], 12).splitlines()]
    assert lines == [["kind", "pages", "kB"], ["free", "100", "400"], ["anon", "28", "112"], ["total", "128", "512"]]


def test_tlb_entry_by_its_address():
    entry = TlbEntry(0, 2, "s", 5, 1, 0x7FFF_FFFD_E, 0x12FC, 3, 12, False, True, True, True, False, 99)
    assert tlb.render([entry]).splitlines()[1].split() == "0 L2 shared 5 1 0x7ffffffde000 0x12fc 4K 3 99 W U NX".split()
    huge = entry._replace(vpn=1, page_shift=21, writable=False, user=False, nx=False, kind="d", level=1)
    assert tlb.render([huge]).splitlines()[1].split() == "0 L1 data 5 1 0x200000 0x12fc 2M 3 99 -".split()


def test_tlb_counters_have_a_column_a_processor():
    lines = tlb.render_stats([TlbStats(0, *range(1, 12)), TlbStats(1, *range(12, 23))]).splitlines()
    assert lines[0].split() == ["counter", "cpu0", "cpu1"]
    assert lines[1].split() == ["l1", "hits", "1", "12"]
    assert lines[-2].split() == ["paging-structure", "cache", "hits", "10", "21"]
    assert lines[-1].split() == ["flushes", "for", "another", "CPU", "11", "22"]
    assert len(tlb.render_stats([TlbStats(0, *[0] * 11)]).splitlines()) == len(lines) - 2  # what few machines have is left out
