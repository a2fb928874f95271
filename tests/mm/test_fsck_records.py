"""Each invariant of pools: one record is damaged, fsck says which in a line. The sentences are written here by hand.

And what hangs from the rule that a free record is zeros behind its first word, which links the free list: whatever stands
in that word, nobody takes the record for one in use.
"""

import pytest

from vmtool.errors import KernelError

from .story import PAGE, PROT_READ, PROT_WRITE, Cases, Story

CASES = Cases()
case = CASES.case


def freed_areas(s):
    """The records of two areas that are gone, the one that the free list has first before the other."""
    at = [s.m.mmap(s.pid, 0, PAGE, rights, 0x22) for rights in (PROT_READ, PROT_READ | PROT_WRITE, PROT_READ)]
    areas = [s.area(addr) for addr in at]
    for addr in at:
        s.m.munmap(s.pid, addr, PAGE)
    assert s.m.fsck() == []
    return areas[::-1]


@case("record-free")
def _(s):
    _, second, _ = freed_areas(s)
    s.m.poke("vma", second, "vm_end", PAGE)
    return f"the free list of vma records is not as long as it says, or holds one that is in use: record {second}"


@case("record-lost")
def _(s):
    chain = s.m.peek("vma", s.area(s.heap), "avc_head")
    for field in ("vma", "anon_vma", "same_vma_next", "same_vma_prev", "same_av_next", "same_av_prev", "obj"):
        s.m.poke("avc", chain, field, 0)
    return f"avc record {chain} is neither in use nor on the free list"


@case("record-owner")
def _(s):
    inode = s.m.peek("file", s.m.peek("vma", s.area(s.lib), "vm_file"), "inode")
    name = s.m.peek("inode", inode, "name")
    s.m.poke("inode", inode, "name", 0)
    return f"name record {name} belongs to nothing, or to two, or is not in use and belongs to something"


@pytest.mark.parametrize("name", CASES)
def test_damage_is_told_in_a_line_of_its_own(name):
    story = Story()
    line = f"{name}: {CASES[name](story)}"
    assert line in story.m.fsck()


def test_the_free_list_may_not_lead_to_a_live_record():
    story = Story()
    first, _, _ = freed_areas(story)
    story.m.poke("vma", first, "vm_start", story.area(story.heap))
    assert any(line.startswith("record-free: the free list of vma records") for line in story.m.fsck())


def test_a_name_that_two_areas_have_is_told():
    story = Story()
    story.m.set_vma_name(story.pid, story.heap, PAGE, "scene")
    name = story.m.peek("vma", story.area(story.heap), "anon_name")
    story.m.poke("vma", story.area(story.thp), "anon_name", name)
    line = f"record-owner: name record {name} belongs to nothing, or to two, or is not in use and belongs to something"
    assert line in story.m.fsck()


def test_a_node_of_no_tree_is_told():
    story = Story()
    inode = story.m.peek("file", story.m.peek("vma", story.area(story.lib), "vm_file"), "inode")
    node = story.m.peek("inode", inode, "i_pages")
    story.m.poke("inode", inode, "i_pages", 0)
    assert any(line.startswith(f"record-owner: xnode record {node} belongs to nothing") for line in story.m.fsck())


def test_a_list_of_who_pays_is_of_one_slab():
    story = Story()
    story.m.cgroup_create("g")
    story.m.cgroup_move("g", story.pid)
    story.m.fork(story.pid)
    slab = next(n for n in range(1, 4000) if story.m.peek("slab", n, "obj_exts"))
    exts = story.m.peek("slab", slab, "obj_exts")
    story.m.poke("slab", slab, "obj_exts", 0)
    assert any(line.startswith(f"record-owner: slab_obj_exts record {exts} belongs to nothing") for line in story.m.fsck())


# --- whatever the first word holds ------------------------------------------------------------------------------------


def test_groups_that_are_gone_have_no_lists():
    """The second one to go has the number of the first in its first word, where a group that is there says so."""
    story = Story()
    before = len(story.m.lru_lists())
    for name in "abc":
        story.m.cgroup_create(name)
    for name in "abc":
        story.m.cgroup_remove(name)
    assert len(story.m.lru_lists()) == before
    assert story.m.fsck() == []


def test_a_file_that_was_closed_is_not_open():
    story = Story()
    for name in "abc":
        story.m.mkfile(f"/{name}", PAGE)
    files = [story.m.open_file(f"/{name}") for name in "abc"]
    for file in files:
        story.m.close_file(file)
    for file in files:
        with pytest.raises(KernelError, match="EBADF"):
            story.m.close_file(file)
