"""trace against the kernel: the form of each line by the kernel's formats, and what is traced by a live trace of the same story."""

import json
import re
from pathlib import Path

import pytest

from vmtool.strace.fault_lines import parse
from vmtool.views.functions import BY_LEVEL, FUNCTIONS, INLINED

pytestmark = pytest.mark.parametrize("on", ["real_state"], indirect=True)
FIXTURES = Path(__file__).parents[2] / "fixtures" / "ftrace"
LIVE = Path("/sys/kernel/tracing/events")
LINE = re.compile(r" *(?P<comm>.{1,16})-(?P<pid>\d+) +\[(?P<cpu>\d{3})\] (?P<flags>[a-zA-Z.]{3}[0-9a-z.]{2}) +"
                  r"(?P<s>\d+)\.(?P<us>\d{6}): (?P<event>\w+): (?P<text>.*)")
"""A line as tools that read such texts take it apart (trace-cmd's and systrace's readers have no more of it)."""
COMPARED = ("page_fault_user", "mm_page_alloc", "mm_filemap_add_to_page_cache")
FIELDS = re.compile(r"(?:error_code|order|migratetype|gfp_flags|ofs)=\S+|pages:\S+|reason:.*")
CONVERSIONS = {"%lx": "[0-9a-f]+", "%p": "[0-9a-f]{16}", "%ps": r"\S+", "%pS": r"\S+", "%d": r"-?\d+", "%u": r"\d+", "%lu": r"\d+",
               "%ld": r"-?\d+",
               "%lld": r"-?\d+", "%s": r".+?"}
STORY = [
    # marker of story.c, and the command that does the same
    ("anon write", "touch 1 {a} 4K -w"), ("anon read", "touch 1 {a}+4K 4K -r"), ("write over zero page", "touch 1 {a}+4K 4K -w"),
    ("read cold", "read 1 scene.dat 0 512"), ("read hot", "read 1 scene.dat 0 512"), ("file map read", "touch 1 {f} 4K -r"),
    ("file cow", "touch 1 {f} 4K -w"), ("file cow fresh", "touch 1 {f}+8K 4K -w"), ("shared write", "touch 1 {s} 4K -w"),
]  # fmt: skip


def lines_of(text):
    found = [LINE.fullmatch(line) for line in text.splitlines() if not line.startswith("#")]
    assert all(found), text
    return [(match["event"], match["text"]) for match in found]


def compared(events):
    """The events that both have, by the fields that both must have alike; page tables come where a machine lacks them."""
    found = [(event, FIELDS.findall(text)) for event, text in events if event in COMPARED]
    return [(event, fields) for event, fields in found if "migratetype=0" not in fields and "reason:flush on task switch (0)" not in fields]


def live_story():
    """What the kernel traced, by marker."""
    by_marker, marker = {}, None
    for event, text in lines_of((FIXTURES / "story.trace").read_text()):
        if event == "tracing_mark_write":
            marker = text
            by_marker[marker] = []
        else:
            by_marker[marker].append((event, text))
    return by_marker


def test_the_story_is_traced_as_the_live_kernel_traced_it(vmtool):
    live = live_story()
    for line in ("spawn story", "mkfile scene.dat 64K", "explain on"):
        assert vmtool(line).status == 0
    places = {"a": vmtool("mmap 1 64K").out.strip()}
    for marker, line in STORY:
        if marker == "file map read":
            places["f"] = vmtool("mmap 1 64K --file scene.dat").out.strip()
        if marker == "shared write":
            places["s"] = vmtool("mmap 1 64K --shared --file scene.dat").out.strip()
        assert vmtool(line.format(**places)).status == 0
        assert compared(lines_of(vmtool("trace").out)) == compared(live[marker]), marker


def pattern_of(text):
    """The `print fmt` of a format file as a regular expression."""
    fmt = re.search(r'(?m)^print fmt: "(.*?)", ', text + ", ")[1]
    parts = re.split(r"(%(?:ps|pS|p|lld|lx|lu|ld|d|u|s))", fmt)
    return "".join([CONVERSIONS.get(part, re.escape(part)) for part in parts])


SCENE = """\
spawn render
mkfile scene.dat 64K
explain on
brk 1 --by 16K
touch 1 heap 8K
read 1 scene.dat 0 512
mmap 1 64K --shared --file scene.dat
touch 1 scene.dat 8K -r
touch 1 scene.dat 8K -w
fork 1
store 2 heap hello
touch 1 0
drop-caches 1
exit 2
"""


def everything(vmtool):
    for line in SCENE.splitlines():
        vmtool(line)
        yield from lines_of(vmtool("trace").out)


@pytest.mark.parametrize("formats", [FIXTURES / "format", LIVE], ids=["recorded", "live"])
def test_each_line_is_what_the_kernels_format_gives(vmtool, formats):
    if formats == LIVE and not next(LIVE.glob("*/mm_page_alloc/format"), None):
        pytest.skip("tracefs is not mounted, or not for this user")
    seen = {}
    for event, text in everything(vmtool):
        if event not in seen:
            path = formats / event if formats != LIVE else next(LIVE.glob(f"*/{event}/format"))
            seen[event] = re.compile(pattern_of(path.read_text()))
        assert seen[event].fullmatch(text), (event, text, seen[event].pattern)
    assert set(COMPARED) <= set(seen)
    assert {"sched_process_fork", "sched_process_exit", "signal_generate", "mm_page_free", "mm_filemap_delete_from_page_cache"} <= set(seen)


def test_reclaim_is_traced(vmtool):
    for line in ("init --ram 64M --swap 128M", "spawn hog", "explain on"):
        assert vmtool(line).status == 0
    assert vmtool("touch", "1", vmtool("mmap 1 80M").out.strip(), "80M").status == 0
    found = {}
    for event, text in lines_of(vmtool("trace").out):
        found.setdefault(event, []).append(text)
    reclaim = {event for event in found if event.startswith("mm_vmscan")}
    assert "mm_vmscan_kswapd_wake" in reclaim
    for event in reclaim:
        pattern = re.compile(pattern_of((FIXTURES / "format" / event).read_text()))
        assert all(pattern.fullmatch(text) for text in found[event])
    assert "[balance_pgdat()]" in vmtool("explain").out


def test_the_heading_is_the_kernels(vmtool):
    vmtool("spawn render")
    vmtool("explain on")
    vmtool("touch 1 stack")
    live = (FIXTURES / "story.trace").read_text().splitlines()[:11]
    ours = vmtool("trace").out.splitlines()[:11]
    assert [re.sub(r"\d+", "N", line) for line in ours] == [re.sub(r"\d+", "N", line) for line in live]


def test_a_frame_is_traced_from_its_allocation_to_its_end(vmtool):
    for line in ("spawn render", "explain on", "brk 1 --by 4K", "touch 1 heap"):
        vmtool(line)
    pfn = json.loads(vmtool("pagewalk 1 heap --json").out)["pfn"]
    vmtool("touch 1 heap")
    assert vmtool("trace").out.count("\n") == 12  # nothing but the heading
    vmtool("drop-caches 1")  # drains the CPU's LRU batch, which else holds the page until it is full
    vmtool("munmap 1 heap 4K")
    assert f"mm_page_free: page={0xFFFFEA0000000000 + 64 * pfn:016x} pfn=0x{pfn:x} order=0" in vmtool("trace").out


def test_the_readers_of_real_traces_take_it(vmtool, tmp_path):
    """The same faults drive another machine."""
    for line in ("spawn render", "explain on", "brk 1 --by 64K", "touch 1 heap 64K"):
        vmtool(line)
    (tmp_path / "faults").write_text(vmtool("trace").out)
    events = list(parse(vmtool("trace").out.splitlines()))
    assert [(event.value, event.code) for event in events] == [(0x405000 + 4096 * page, 6) for page in range(16)]
    for line in ("spawn render", "brk 1 --by 64K"):
        vmtool("-s", "other.vmt", *line.split())
    assert vmtool("-s", "other.vmt", "replay", "--as", "faults", "--pid", "1", "faults").status == 0
    walks = [vmtool("-s", state, "pagemap", "1", "heap", "64K").out for state in ("machine.vmt", "other.vmt")]
    assert walks[0] == walks[1]


def test_each_function_is_one_of_the_kernels(on):
    symbols = set(re.findall(r"(?m)^\S+ [tT] (\w+)", Path("/proc/kallsyms").read_text()))
    if "handle_mm_fault" not in symbols:
        pytest.skip("/proc/kallsyms shows no functions to this user")
    named = {*FUNCTIONS.values(), *BY_LEVEL, "pgd_alloc"}
    assert named - set(INLINED) <= symbols
