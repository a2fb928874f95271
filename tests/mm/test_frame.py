"""Bytes of frames, and LRU lists."""

import pytest

PG_UPTODATE, PG_LRU, PG_ACTIVE, PG_SWAPBACKED, PG_UNEVICTABLE = 1 << 3, 1 << 5, 1 << 8, 1 << 15, 1 << 16
NR_INACTIVE_FILE, NR_UNEVICTABLE = 2, 4  # node_stat_item


# --- bytes ------------------------------------------------------------------------------------------------

def test_a_new_frame_reads_as_zeros_and_stores_nothing(machine):
    pfn = machine.alloc()
    before = machine.machine()["nr_contents"]
    assert machine.read_page(pfn) == bytes(4096)
    assert machine.machine()["nr_contents"] == before


def test_written_bytes_are_read_and_go_when_the_frame_is_freed(machine):
    pfn = machine.alloc()
    before = machine.machine()["nr_contents"]
    machine.write_page(pfn, 100, b"hello")
    assert machine.read_page(pfn)[98:107] == b"\0\0hello\0\0"
    assert machine.machine()["nr_contents"] == before + 1
    machine.free(pfn)
    assert machine.machine()["nr_contents"] == before


def test_copying_a_page_of_zeros_frees_the_targets_bytes(machine):
    src, dst = machine.alloc(), machine.alloc()
    before = machine.machine()["nr_contents"]
    machine.write_page(dst, 0, b"x")
    machine.copy_page(dst, src)
    assert machine.read_page(dst) == bytes(4096)
    assert machine.machine()["nr_contents"] == before
    machine.write_page(src, 0, b"y")
    machine.copy_page(dst, src)
    machine.write_page(src, 0, b"z")
    assert machine.read_page(dst)[:1] == b"y"


@pytest.fixture
def cache_page(machine):
    """A clean page of a file whose block 3 says so."""
    machine.xset(3, machine.make_content(b"block three"))
    pfn = machine.alloc()
    machine.set_frame(pfn, mapping=machine.make_inode(), index=3, flags=PG_UPTODATE)
    return pfn


def test_a_clean_cache_page_reads_as_its_block(machine, cache_page):
    assert machine.read_page(cache_page)[:11] == b"block three"
    assert machine.frame(cache_page)["content"] == 0


def test_the_first_store_makes_the_cache_page_its_own(machine, cache_page):
    machine.write_page(cache_page, 0, b"B")
    assert machine.read_page(cache_page)[:11] == b"Block three"
    clean = machine.alloc()
    machine.set_frame(clean, mapping=machine.frame(cache_page)["mapping"], index=3, flags=PG_UPTODATE)
    assert machine.read_page(clean)[:11] == b"block three"


def test_zeroing_a_cache_page_hides_its_block(machine, cache_page):
    machine.zero_page(cache_page)
    assert machine.read_page(cache_page) == bytes(4096)


def test_a_copy_of_a_clean_cache_page_has_the_blocks_bytes(machine, cache_page):
    pfn = machine.alloc()
    machine.copy_page(pfn, cache_page)
    assert machine.read_page(pfn)[:11] == b"block three"


# --- LRU ----------------------------------------------------------------------------------------------------

LISTS = [(PG_SWAPBACKED, 0), (PG_SWAPBACKED | PG_ACTIVE, 1), (0, 2), (PG_ACTIVE, 3)]


@pytest.mark.parametrize("flags, which", LISTS)
def test_flags_choose_the_list_and_new_folios_stand_at_its_head(machine, flags, which):
    pfns = [machine.alloc() for _ in range(3)]
    for pfn in pfns:
        machine.set_frame(pfn, flags=flags)
        machine.lru_add(pfn)
    assert machine.lru(which) == pfns[::-1]
    assert machine.node_stat(which) == 3
    machine.lru_del(pfns[1])
    assert machine.lru(which) == [pfns[2], pfns[0]]
    assert not machine.frame(pfns[1])["flags"] & PG_LRU


def test_an_unevictable_folio_is_counted_and_on_no_list(machine):
    pfn = machine.alloc()
    machine.set_frame(pfn, flags=PG_UNEVICTABLE)
    machine.lru_add(pfn)
    assert machine.node_stat(NR_UNEVICTABLE) == 1
    assert machine.lru(4) == []
    machine.lru_del(pfn)
    assert machine.node_stat(NR_UNEVICTABLE) == 0


def test_a_folio_counts_all_its_pages(machine):
    pfn = machine.alloc(4)
    machine.lru_add(pfn)
    assert machine.node_stat(NR_INACTIVE_FILE) == 16
    machine.lru_del(pfn)
    assert machine.node_stat(NR_INACTIVE_FILE) == 0
