"""Each kind of damage is found, and named."""

import pytest
from vmtool.mm._probe import Probe, fsck_sentences

PG_BUDDY, PG_LRU, PG_ACTIVE, PG_TABLE, PG_SLAB, PG_TAIL = 1 << 21, 1 << 5, 1 << 8, 1 << 23, 1 << 22, 1 << 20
ADDR = 0x7F0000000000


@pytest.fixture
def broken():
    p = Probe()
    assert p.boot(256 << 20) == 0
    assert p.fsck() == []
    return p


def names(p):
    return {name for name, _, _ in p.fsck()}


def head_of_free_block(p):
    pfn = p.alloc(4)
    p.free(pfn, 4)
    while not p.frame(pfn)["flags"] & PG_BUDDY:
        pfn -= 1
    return pfn


def test_a_free_block_of_another_order(broken):
    broken.set_frame(head_of_free_block(broken), index=2)
    assert "buddy-block" in names(broken)


def test_a_free_block_that_is_in_use(broken):
    broken.set_frame(head_of_free_block(broken), refs=1)
    assert names(broken) == {"free-frame"}


def test_a_broken_link_of_a_free_list(broken):
    broken.set_frame(head_of_free_block(broken), prev=77)
    assert "buddy-list" in names(broken)


def test_a_lost_frame(broken):
    broken.set_frame(broken.alloc(), refs=0)
    assert names(broken) == {"frame-lost"}


def test_a_tail_without_its_head(broken):
    pfn = broken.alloc(2)
    broken.set_frame(pfn + 2, next=pfn + 1)
    assert "folio-tail" in names(broken)


def test_an_lru_folio_on_the_wrong_list(broken):
    pfn = broken.alloc()
    broken.lru_add(pfn)
    broken.set_frame(pfn, flags=PG_LRU | PG_ACTIVE)
    assert names(broken) == {"lru-flag"}


def test_a_broken_link_of_an_lru_list(broken):
    pfns = [broken.alloc() for _ in range(3)]
    for pfn in pfns:
        broken.lru_add(pfn)
    broken.set_frame(pfns[1], prev=5)
    assert names(broken) == {"lru-list"}


def test_a_page_tables_count(broken):
    broken.map(ADDR, 0x4000)
    broken.set_frame(broken.table(ADDR), index=2)
    assert names(broken) == {"table-entries"}


def test_a_frame_used_as_a_table(broken):
    broken.map(ADDR, 0x4000)
    broken.set_entry(ADDR, broken.alloc() << 12 | 0x67, 1)
    assert {"table-flag", "mm-tables"} <= names(broken)


def test_a_slabs_frame(broken):
    obj = broken.slab_alloc(0)  # vm_area_struct would be in sheaves, too
    broken.set_frame(obj >> 12, mapping=9)
    assert names(broken) == {"slab-frame"}


def test_every_check_has_a_sentence_of_its_own():
    sentences = fsck_sentences()
    assert len(set(sentences.values())) == len(sentences) >= 26
    for text in sentences.values():
        assert text.format(1, 2)
