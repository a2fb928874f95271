"""explain: of the last commands, and of an address; what it says is what the machine does."""

import json

import pytest

pytestmark = pytest.mark.parametrize("on", ["real_state"], indirect=True)
SCENE = ("spawn render", "mkfile scene.dat 64K", "brk 1 --by 16K", "mmap 1 16K --file scene.dat", "touch 1 heap", "touch 1 scene.dat -r",
         "fork 1")


@pytest.fixture
def scene(vmtool):
    for line in SCENE:
        assert vmtool(line).status == 0
    return vmtool


def test_each_step_names_its_function(scene):
    scene("explain on")
    scene("touch 1 heap+4K")
    told = json.loads(scene("explain --json").out)["steps"]
    assert [step["function"] for step in told] == [
        "do_user_addr_fault", "lock_vma_under_rcu", "get_page_from_freelist", "do_anonymous_page", "handle_mm_fault", None]
    assert "[do_anonymous_page()]" in scene("explain").out


def test_a_private_write_to_a_page_that_is_not_mapped_is_do_cow_fault(scene):
    scene("explain on")
    scene("touch 2 scene.dat -w")
    assert "[do_cow_fault()]" in scene("explain").out
    scene("touch 1 scene.dat -w")
    assert "[wp_page_copy()]" in scene("explain").out


def test_the_steps_of_the_last_commands(scene):
    scene("explain on")
    scene("touch 1 heap+4K")
    scene("mmap 1 4K")
    scene("touch 2 heap")
    last = scene("explain").out
    out = scene("explain --last 3").out
    heads = [line for line in out.splitlines() if line[:1].isdigit()]
    assert heads == ["9  touch 1 heap+4K", "10  mmap 1 4K", "11  touch 2 heap"]
    assert out.endswith(last)
    told = json.loads(scene("explain --last 3 --json").out)
    assert [(step["step"], step["command"]) for step in told] == [(9, "touch 1 heap+4K"), (10, "mmap 1 4K"), (11, "touch 2 heap")]
    assert scene("explain --last 99").status == 1


def test_why_a_page_is_where_it_is(scene):
    walk = json.loads(scene("pagewalk 1 heap --json").out)
    out = scene("explain 1 heap").out
    assert out.startswith("The address 0x405000 belongs to the area 00405000-00409000 rw-p 00000000 00:00 0 [heap].\n")
    assert f"It names frame 0x{walk['pfn']:x}; it is the process's own" in out
    assert "2 pages are mapped onto it: this one, process 2 at 0x405000.\n" in out
    assert "The area may be written, the entry forbids it" in out
    assert "A read needs no fault.\n" in out
    assert "[wp_page_copy()]" in out


@pytest.mark.parametrize(("place", "access"), [
    ("1 heap", "w"), ("1 heap", "r"), ("1 heap+4K", "r"), ("1 heap+4K", "w"), ("2 scene.dat", "r"), ("2 scene.dat", "w"), ("1 stack", "w"),
    ("1 stack", "x"), ("1 0", "r"), ("1 7fffffffd000", "w"), ("1 7ffffff00000", "w"), ("1 ffff800000000000", "r"), ("1 scene.dat+8K", "x"),
])  # fmt: skip
def test_an_access_is_answered_as_foretold(scene, real_state, place, access):
    before = real_state.read_bytes()
    told = json.loads(scene(f"explain {place} --json").out)
    assert real_state.read_bytes() == before
    foretold = next(trial for trial in told["accesses"] if trial["access"] == access)
    scene("explain on")
    ran = scene(f"touch {place} 1 -{access} --probe")
    steps = json.loads(scene("explain --json").out)["steps"]
    assert (ran.status > 128) == (foretold["signal"] is not None)
    if ran.status:
        assert foretold["signal"] in ran.err
    if foretold["is_fault"]:
        assert [step["text"] for step in steps] == [step["text"] for step in foretold["steps"]]
    else:
        assert not [step for step in steps if "page fault" in step["text"]]


@pytest.mark.parametrize(("line", "status"), [
    ("explain", 1), ("explain 1", 2), ("explain on heap", 2), ("explain on 405000", 2), ("explain 9 heap", 1), ("explain on --last 2", 2),
    ("explain 1 heap --last 2", 2), ("explain maybe", 2)])  # fmt: skip
def test_what_does_not_fit_is_refused(scene, line, status):
    ran = scene(line)
    assert (ran.status, ran.err.count("\n")) == (status, 1)


def test_a_page_that_comes_back_from_swap_is_not_told_as_a_cleared_one(vmtool):
    for line in ("init --ram 256M --swap 64M", "spawn a", "brk 1 --by 64K", "touch 1 heap 64K", "madvise 1 heap 64K pageout", "explain on"):
        assert vmtool(line).status == 0
    vmtool("touch 1 heap -r")
    told = vmtool("explain").out
    assert "is read into frame" in told or "names frame" in told
    assert "cleared" not in told
