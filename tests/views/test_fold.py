"""Folding of traces: what repeats is shown once, and how much is hidden is said."""

from vmtool.records import TraceRecord
from vmtool.views import explain, fold, trace


def faults(nr_pages, start=0x405000, seq=1, table_every=0):
    """The steps of `nr_pages` faults on fresh pages; a page table comes first at every `table_every`-th."""
    found = []

    def step(event, **args):
        found.append(TraceRecord(seq + len(found), 7, event, args))
    for i in range(nr_pages):
        addr = start + 4096 * i
        step("page_fault", addr=addr, error_code=6)
        step("vma_found", start=start, end=start + 4096 * nr_pages, flags=0x73)
        if table_every and i % table_every == 0:
            step("pgtable_alloc", level=0, pfn=0x900 + i, addr=addr)
        step("frame_alloc", pfn=0x100 + i, order=0)
        step("anon_map", addr=addr, pfn=0x100 + i)
        step("fault_done", addr=addr, major=0)
    return found


def shown(records):
    return [(block.steps[0].event, len(block.steps), block.nr_more) for block in fold.fold(records)]


def test_pages_alike_are_told_once():
    assert shown(faults(2048)) == [("page_fault", 5, 2047)]
    lines = explain.render(faults(2048)).splitlines()
    assert len(lines) == 7
    assert lines[-1] == "      … and 2,047 more pages the same way, up to 0xc04000 (step 10240)."


def test_three_alike_are_told_in_full():
    assert explain.render(faults(3)).count("page fault") == 3
    assert explain.render(faults(4)).count("page fault") == 1


def test_a_page_that_is_not_alike_is_told():
    text = explain.render(faults(600, table_every=512))
    assert text.count("becomes a page table") == 2
    assert "… and 510 more pages" in text and "… and 86 more pages" in text
    kinds = faults(10)[:25] + [record._replace(args={**record.args, "error_code": 7}) if record.event == "page_fault" else record
                               for record in faults(10)[25:]]
    assert shown(kinds) == [("page_fault", 5, 4), ("page_fault", 5, 4)]


def test_a_story_begins_with_its_fault():
    """The first page's story differs at its beginning, so that the repetition begins in the middle of the second."""
    records = faults(1, table_every=1) + faults(9, start=0x406000, seq=7)
    assert [block[0] for block in shown(records) if block[2]] == ["page_fault"]


def test_nothing_is_lost_and_the_order_stays():
    frees = [TraceRecord(26 + i, 0, "frame_free", {"pfn": i, "order": 0}) for i in range(9)]
    for records in (faults(1), faults(700, table_every=512), faults(5) + frees):
        blocks = list(fold.fold(records))
        assert sum(len(block.steps) * (1 + block.nr_more) for block in blocks) == len(records)
        assert [step.seq for block in blocks for step in block.steps] == sorted({step.seq for block in blocks for step in block.steps})
        assert blocks[-1].last[-1] is records[-1]


def test_other_repetitions_say_how_often():
    frees = [TraceRecord(1 + i, 0, "frame_free", {"pfn": 7 * i, "order": 0}) for i in range(1000)]
    assert explain.render(frees).splitlines()[-1] == "      … and the same 999 more times (up to step 1000)."
    assert trace.render(frees).splitlines()[-1] == "#      … and the same 999 more times (up to step 1000)"


def test_a_trace_that_was_cut_says_so():
    assert explain.render(faults(2), 461_100).splitlines()[-1] == "… cut here: these are the first 10 of 461,100 steps"
    assert trace.render(faults(2), 461_100).splitlines()[-1] == "# … cut here: these are the first 10 of 461,100 steps"
    assert "cut" not in explain.render(faults(2), 10)
