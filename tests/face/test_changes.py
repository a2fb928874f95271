"""What is marked is what differs: held against the page tables before and after, page by page."""

import random

import pytest

from vmtool.cli import front
from vmtool.errors import KernelError, Signal
from vmtool.face import read, rows, svg, terminal
from vmtool.face.changes import Changes

from .conftest import PAGE, calls_on, drawn_machine, present_pages


def marks_of(changes, scene):
    """{(pid, page): mark} of every page that has an entry, whatever run it is drawn in."""
    return {
        (space.pid, page.addr + i * PAGE): changes.page(space, page)
        for space in scene.spaces for area in space.areas for page in area.pages if rows.arrow_kind(page) != "" for i in range(page.nr)
    }  # fmt: skip


def entries_of(machine):
    """{(pid, page): (frame, flags, table)}."""
    found = {}
    for (pid, addr), (pfn, _, _) in present_pages(machine).items():
        last = machine.walk(pid, addr).steps[-1]
        found[pid, addr] = pfn, last.flags, last.table, last.level
    return found


@pytest.mark.parametrize("seed", range(6))
def test_a_page_is_marked_when_its_entry_is_new_or_another(seed):
    m = drawn_machine(seed)
    before, old = read.read(m, detail="pages", fewest=seed % 3, most=5000), entries_of(m)
    rng = random.Random(seed)
    for _ in range(3):
        pid = rng.choice([task.pid for task in m.tasks() if task.has_mm])
        area = rng.choice([vma for vma in m.maps(pid) if vma.start < 1 << 47])
        try:
            rng.choice(calls_on(m, rng, pid, area, area.start, 3 * PAGE))()
        except (KernelError, Signal):
            pass
    after, new = read.read(m, detail="pages", fewest=seed % 3 * 2, most=5000), entries_of(m)
    changes = Changes(before, after)
    marks = marks_of(changes, after)
    assert set(marks) == set(new)
    single = {key: "" if old.get(key) == new[key] else "*" if key in old else "+" for key in new}
    for space in after.spaces:
        for area in space.areas:
            for page in area.pages:
                if rows.arrow_kind(page):
                    wanted = {single[space.pid, page.addr + i * PAGE] for i in range(page.nr)}
                    mark = changes.page(space, page)
                    assert (mark == "") == (wanted == {""}) and (mark == "+") == (wanted == {"+"})
    gone = {pid for pid, _ in old} - {task.pid for task in m.tasks()}
    assert all(any(f"({pid})" in line for line in changes.gone()) for pid in gone)
    assert Changes(after, after).gone() == []
    assert not any(Changes(after, after).page(space, page) for space in after.spaces for area in space.areas for page in area.pages)
    assert not any(Changes(after, after).frame(run) for run in after.frames)


def test_marks_stand_in_the_first_column_and_in_the_svg():
    m = drawn_machine(4)
    before = read.read(m)
    m.spawn("late", None, [b"late"], [])
    after = read.read(m)
    changes = Changes(before, after)
    lines = terminal.render(after, changes=changes).plain().splitlines()
    assert all(line[:2].strip() in ("", "+", "*", "-") for line in lines)
    assert [line for line in lines if line.startswith("+ late (")]
    text = svg.render(after, changes)
    at = next(i for i, line in enumerate(lines) if line.startswith("frames:") or line.startswith("  page cache"))
    assert text.count('class="row changed"') >= sum(line[0] in "+*" for line in lines[:at])
    assert "process new" in text


def test_draw_changed_marks_the_last_command(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        status = front.run(list(words))
        return status, *capfd.readouterr()

    run("spawn", "render")
    first = run("draw", "--changed")  # there was no machine before: all is new
    assert first[0] == 0 and first[1].startswith("+ render (1)") and {line[0] for line in first[1].splitlines()} == {"+", " "}
    run("brk", "1", "--by", "64K")
    run("touch", "1", "heap", "8K")
    marked = [line for line in run("draw", "--changed")[1].splitlines() if line[0] in "+*-"]
    assert [line.split()[1] for line in marked] == ["405", "406"]
    run("munmap", "1", "heap", "4K")
    marked = [line for line in run("draw", "--changed")[1].splitlines() if line[0] in "+*-"]
    assert [line[0] for line in marked] == ["*", "-"] and "[heap]" in marked[0] and marked[1].startswith("- frame ")
    run("exit", "1")
    marked = run("draw", "--changed")[1].splitlines()
    assert "- render (1), in CR3" in marked
    run("log", "--keep", "0")
    run("spawn", "other")
    assert run("draw", "--changed")[::2] == (1, "vmtool: draw: the machine as it was before the last command is not kept\n")
