"""The graph's edges are the present entries; and graphviz, where it is installed, reads it."""

import re
import shutil
import subprocess

import pytest

from vmtool.face import dot, read

from .conftest import drawn_machine, present_pages, story


def edges_of(text):
    """{(entry's address, frame, writable)} of runs' first pages."""
    found = re.findall(r"table_([0-9a-f]+):e(\d+) -> frame_([0-9a-f]+) \[arrowhead=(normal|empty)", text)
    return {(int(table, 16) + 8 * int(index), int(pfn, 16), head == "normal") for table, index, pfn, head in found}


@pytest.mark.parametrize("seed", range(5))
def test_an_edge_for_each_present_entry(seed):
    m = drawn_machine(seed)
    text = dot.render(read.read(m, detail="pages", fewest=0, most=5000))
    truth = {
        (place, pfn, writable)
        for (_, addr), (pfn, writable, place) in present_pages(m).items()
        if m.walk(_, addr).page_bytes == 4096 or addr % (1 << 21) == 0
    }
    assert edges_of(text) == truth


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
@pytest.mark.parametrize("machine", [story, lambda: drawn_machine(2)])
def test_graphviz_reads_it(machine):
    text = dot.render(read.read(machine()))
    done = subprocess.run(["dot", "-Tplain"], input=text.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    assert done.stdout.count(b"\nedge ") == text.count("->")
