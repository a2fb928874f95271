"""trace and explain: the stories of memory management, step by step."""

import re
from pathlib import Path

import pytest

from vmtool.records import TraceRecord
from vmtool.views import explain, trace

ROOT = Path(__file__).resolve().parents[2]


def story(*steps, pid=7):
    return [TraceRecord(seq, pid, event, args) for seq, (event, args) in enumerate(steps, 1)]


HEAP_WRITE = story(
    ("page_fault", {"addr": 0x555555559010, "error_code": 6}),
    ("vma_found", {"start": 0x555555559000, "end": 0x55555557A000, "flags": 0x100073}),
    ("frame_alloc", {"pfn": 0x12FC, "order": 0}),
    ("anon_map", {"addr": 0x555555559000, "pfn": 0x12FC}),
    ("pte_set", {"addr": 0x555555559000, "pfn": 0x12FC, "writable": 1}),
    ("fault_done", {"addr": 0x555555559010, "major": 0}),
    ("tlb_fill", {"vpn": 0x555555559, "pfn": 0x12FC}),
)


def test_first_touch_of_the_heap_reads_as_a_story():
    assert explain.render(HEAP_WRITE) == """\
process 7
   1  The program writes to 0x555555559010, which no present entry maps: page fault, error code 0x6. [do_user_addr_fault()]
   2    The address belongs to the area 0x555555559000-0x55555557a000 (rw-p). [lock_vma_under_rcu()]
   3    The buddy system gives frame 0x12fc. [get_page_from_freelist()]
   4    Frame 0x12fc, cleared, becomes the anonymous page at 0x555555559000: its entry is present and names the frame. [do_anonymous_page()]
   5    The entry of 0x555555559000 names frame 0x12fc, writable. [set_ptes()]
   6    Done, a minor fault. The instruction at 0x555555559010 is repeated; the program does not notice that anything \
happened. [handle_mm_fault()]
   7  The walk's result goes into the TLB: page 0x555555559 is in frame 0x12fc.
"""


def test_trace_is_a_line_an_event():
    assert trace.render(HEAP_WRITE[:1] + HEAP_WRITE[2:3]) == (
        "     1 pid=7 page_fault: addr=0x555555559010 error_code=0x6\n     3 pid=7 frame_alloc: pfn=0x12fc order=0\n"
    )


def said(event, **args):
    return explain.sentence(TraceRecord(1, 7, event, args))


@pytest.mark.parametrize("code, words", [(4, "The program reads"), (7, "writes to 0x10, whose entry does not allow it"),
                                         (21, "executes"), (2, "The kernel, for the program, writes")])  # fmt: skip
def test_error_code_in_words(code, words):
    assert words in said("page_fault", addr=0x10, error_code=code)


def test_counts_and_blocks():
    assert "reads 1 page of" in said("disk_read", inode=3, index=0, nr_pages=1)
    assert "reads 4 pages of file 3, from page 8 on" in said("disk_read", inode=3, index=8, nr_pages=4)
    assert said("frame_alloc", pfn=0x200, order=9) == "The buddy system gives frame 0x200 (with the 511 behind it: order 9)."
    assert said("tlb_flush", pcid=0, nr_entries=12) == "The TLB forgets 12 entries."


def test_what_counts_is_decimal_and_what_selects_is_named():
    assert said("slab_object", slab_pfn=0x3D4, order=0, nr_inuse=17, nr_objects=32) == (
        "Its slab, 1 frame from frame 0x3d4 on, has 17 of 32 objects in use.")
    assert said("zone_alloc", order=0, zone=1, nr_free_pages=45485, nr_watermark=542) == (
        "The block of order 0 is of zone DMA32, with 45485 free pages (low watermark: 542).")
    assert said("kswapd_wake", highest_zone=2, order=3) == "No zone up to Normal has enough free frames for order 3: kswapd runs."
    assert said("kswapd_wake", highest_zone=3, order=0) == "No zone has enough free frames for order 0: kswapd runs."
    assert said("shrink_inactive", file=1, nr_scanned=32, nr_reclaimed=30, priority=12) == (
        "The inactive list of files' pages, priority 12: 32 looked at, 30 reclaimed.")
    assert said("shrink_active", file=0, nr_taken=20, nr_deactivated=10, priority=9) == (
        "The active list of anonymous pages, priority 9: 20 taken, 10 become inactive.")


def test_cache_is_asked_first():
    assert said("cache_lookup", inode=3, index=2, hit=0).endswith("is not there.")
    assert said("cache_lookup", inode=3, index=2, hit=1).endswith("is there.")


def test_signals_are_named():
    assert "SEGV_MAPERR" in said("segv", addr=0, code=1)
    assert "SEGV_ACCERR" in said("segv", addr=0, code=2)
    assert "BUS_ADRERR" in said("bus", addr=0x1000, code=2)
    assert "code 9" in said("segv", addr=0, code=9)


def test_a_new_event_prints_by_its_name():
    assert said("lru_move", addr=0x1000, index=3) == "lru_move: addr=0x1000 index=3"
    assert said("lru_drain") == "lru_drain"


@pytest.mark.parametrize("event", sorted(explain.SENTENCES))
def test_a_record_without_arguments_does_not_stop_the_story(event):
    assert said(event)


def test_an_unfinished_fault_does_not_indent_the_next():
    lines = explain.render(story(("page_fault", {"addr": 1, "error_code": 4}), ("page_fault", {"addr": 2, "error_code": 4}))).splitlines()
    assert [line[6] for line in lines[1:]] == ["T", "T"]


def test_heading_where_the_process_changes():
    text = explain.render(HEAP_WRITE[:1] + story(("exit", {"status": 0}), pid=8) + story(("frame_free", {"pfn": 5, "order": 0}), pid=0))
    assert [line for line in text.splitlines() if not line.startswith(" ")] == ["process 7", "process 8", "kernel"]


def test_every_event_of_the_core_has_a_sentence_that_uses_its_arguments():
    source = (ROOT / "vmtool" / "mm" / "trace.pyx").read_text()
    events = dict(re.findall(r'event_desc\(b"(\w+)", b"([\w ]*)"\)', source))
    del events["none"]
    assert len(events) > 30
    for event, names in events.items():
        assert event in explain.SENTENCES, event
        text = said(event, **{name: 0 for name in names.split()})
        assert "?" not in text, (event, text)


@pytest.mark.parametrize("arch, code, words, function", [
    ("x86-64", 7, "page fault, error code 0x7.", "do_user_addr_fault"), ("i386", 4, "page fault, error code 0x4.", "do_user_addr_fault"),
    ("arm64", 7, "data abort, permission fault.", "do_page_fault"), ("arm", 20, "prefetch abort, translation fault.", "do_page_fault"),
    ("riscv64", 4, "load page fault, scause 0xd.", "handle_page_fault"),
    ("riscv64-sv39", 7, "store page fault, scause 0xf.", "handle_page_fault"),
    ("riscv64-sv57", 21, "instruction page fault, scause 0xc.", "handle_page_fault")])
def test_a_fault_in_its_processors_words(arch, code, words, function):
    """Exception classes of the Arm ARM (ESR_ELx.EC), causes of the RISC-V manual (scause)."""
    text = explain.render(story(("page_fault", {"addr": 4096, "error_code": code})), arch=arch)
    assert f"{words} [{function}()]" in text


@pytest.mark.parametrize("arch", ["x86-64", "i386", "arm", "arm64", "arm64-16k", "riscv64"])
def test_why_knows_each_architectures_entries(arch):
    """A page that was written may be written and was used; the frame is the walk's, whatever a page's size."""
    from vmtool.cli.telling import _why
    core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
    machine = core.Machine()
    machine.boot(ram_bytes=512 << 20, arch=arch)
    machine.spawn("a", None, [b"a"], [])
    page = machine.mmap(1, 0, 1 << 16, 3, 0x22)
    machine.touch(1, page, 1, "w")
    pfn = machine.walk(1, page).phys >> machine.info().page_shift
    text = _why(machine, 1, page, False)()
    assert f"It names frame 0x{pfn:x}; it is the process's own" in text
    assert "the entry forbids it" not in text and "Nobody has used" not in text
    machine.fork(1)
    assert "the entry forbids it" in _why(machine, 1, page, False)()
