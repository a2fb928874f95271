"""Free lists, per-CPU lists and folios."""

import random

import pytest
from vmtool.mm._probe import Probe

UNMOVABLE, MOVABLE, RECLAIMABLE = range(3)
GFP_KERNEL, GFP_USER_MOVABLE, GFP_RECLAIMABLE, GFP_NORETRY = 1, 2, 4, 16
PG_HEAD, PG_TAIL, PG_PCP, PG_LRU, PG_SWAPBACKED, PG_ANON = 1 << 6, 1 << 20, 1 << 25, 1 << 5, 1 << 15, 1 << 24
DMA, DMA32 = 0, 1
PGALLOC_DMA32, PGFREE = 5, 8  # vm_event_item


def free_pages(p):
    return sum(z["free"] for z in p.zones())


def lists(p, zone=DMA32):
    return [[p.free_area(zone, order, mt) for order in range(11)] for mt in range(3)]


def test_small_blocks_go_first_then_whole_ones_from_the_lowest_address(machine):
    assert sum(lists(machine)[MOVABLE][:3]) > 0  # boot leaves crumbs between the kernel's sections
    for _ in range(3000):
        machine.alloc()
    assert sum(lists(machine)[MOVABLE][:3]) <= 3
    pfns = [machine.alloc() for _ in range(200)]
    assert pfns == list(range(pfns[0], pfns[0] + 200))


def test_a_block_is_aligned_to_its_size(machine):
    for order in range(11):
        pfn = machine.alloc(order)
        assert pfn and pfn % (1 << order) == 0
        machine.free(pfn, order)


def test_order_11_does_not_exist(machine):
    assert machine.alloc(11) == 0


def test_each_refill_takes_twice_as_many_until_something_is_freed():
    """nr_pcp_alloc(): batch << alloc_factor, 63 of a large zone. Pages on the lists are not free pages."""
    p = Probe()
    p.boot(1 << 30)
    factor = p.pcp(DMA32)["alloc_factor"]  # boot allocated its page tables
    for expected in (63 << factor, 63 << factor + 1):
        before = free_pages(p)
        p.alloc()
        assert before - free_pages(p) == expected
        for _ in range(expected - 1):
            p.alloc()
        assert before - free_pages(p) == expected
    p.free(p.alloc())
    assert p.pcp(DMA32)["alloc_factor"] == (factor + 3) // 2


def test_freed_frames_stay_on_the_cpu_and_come_back_first(machine):
    pfn = machine.alloc()
    other = machine.alloc()
    before = free_pages(machine)
    machine.free(pfn)
    assert free_pages(machine) == before
    assert machine.frame(pfn)["flags"] == PG_PCP
    assert machine.alloc() == pfn
    assert other != pfn


def test_each_cpu_has_its_own_lists():
    p = Probe()
    p.boot(1 << 30, nr_cpus=2)
    pfn = p.alloc()
    p.free(pfn)
    p.set_cpu(1)
    assert p.alloc() != pfn
    p.drain(0)
    p.drain(1)
    assert p.pcp(DMA32, 0)["count"] == 0 == p.pcp(DMA32, 1)["count"]
    assert p.fsck() == []


def test_draining_after_freeing_everything_restores_whole_blocks(machine):
    machine.drain()
    before = free_pages(machine)
    blocks = lists(machine)
    pfns = [machine.alloc() for _ in range(5000)]
    random.Random(1).shuffle(pfns)
    for pfn in pfns:
        machine.free(pfn)
    machine.drain()
    assert free_pages(machine) == before
    assert lists(machine) == blocks


def test_a_large_block_bypasses_the_cpu_lists(machine):
    before = free_pages(machine)
    pfn = machine.alloc(5)
    assert before - free_pages(machine) == 32
    machine.free(pfn, 5)
    assert free_pages(machine) == before


def test_events_count_pages(machine):
    allocated, freed = machine.event(PGALLOC_DMA32), machine.event(PGFREE)
    machine.free(machine.alloc(3), 3)
    assert machine.event(PGALLOC_DMA32) - allocated == 8
    assert machine.event(PGFREE) - freed == 8


def test_a_kernel_allocation_takes_a_pageblock_over(machine):
    """__rmqueue_claim(): the largest block of another type, with its pageblocks."""
    pfn = machine.alloc(0, GFP_RECLAIMABLE)
    assert machine.pageblock(pfn) == RECLAIMABLE
    assert machine.pageblock(machine.alloc()) == MOVABLE
    zone = next(z for z in machine.zones() if z["name"] == "DMA32")
    assert zone["pageblocks"][RECLAIMABLE] == 2  # a block of order 10 is two pageblocks


def test_types_do_not_mix_in_a_pageblock_while_there_is_room(machine):
    kinds = {GFP_KERNEL: UNMOVABLE, GFP_USER_MOVABLE: MOVABLE, GFP_RECLAIMABLE: RECLAIMABLE}
    for _ in range(500):
        for gfp, mt in kinds.items():
            assert machine.pageblock(machine.alloc(0, gfp)) == mt


def test_memory_ends_at_the_min_watermark(machine):
    while machine.alloc(0, GFP_USER_MOVABLE | GFP_NORETRY):
        pass
    for zone in machine.zones():
        assert zone["free"] <= zone["min"] + zone["protection"][2]
    assert machine.alloc(0, GFP_KERNEL | GFP_NORETRY) == 0  # nobody reclaims here


def test_dma_is_used_last(machine):
    pfn = machine.alloc()
    while pfn and machine.frame(pfn)["zone"] == DMA32:
        last, pfn = pfn, machine.alloc()
    assert machine.frame(last)["zone"] == DMA32
    zone = machine.zones()[1]
    assert zone["free"] <= zone["low"]


# --- folios ---------------------------------------------------------------------------------------------------

def test_tails_point_to_their_head(machine):
    pfn = machine.alloc(3)
    assert machine.frame(pfn)["flags"] == PG_HEAD
    assert all(machine.frame(pfn + i)["flags"] == PG_TAIL and machine.frame(pfn + i)["next"] == pfn for i in range(1, 8))
    assert machine.frame(pfn + 1)["index"] == 3
    assert machine.frame(pfn)["refs"] == 1


def test_the_last_reference_frees(machine):
    pfn = machine.alloc(2)
    machine.drain()
    before = free_pages(machine)
    machine.put(pfn)
    machine.drain()
    assert free_pages(machine) == before + 4


def test_a_mapped_folio_outlives_its_references(machine):
    pfn = machine.alloc()
    machine.set_frame(pfn, mapcount=1)
    machine.put(pfn)
    assert machine.frame(pfn)["mapcount"] == 1
    machine.set_frame(pfn, mapcount=0, refs=1)
    machine.put(pfn)
    assert machine.frame(pfn)["flags"] == PG_PCP


def test_freeing_takes_the_folio_off_the_lru(machine):
    pfn = machine.alloc()
    machine.lru_add(pfn)
    machine.put(pfn)
    assert machine.lru(2) == []


@pytest.mark.parametrize("flags, mapping, refs", [(0, 0, 1), (PG_ANON | PG_SWAPBACKED, 5, 0), (0, 5, 1)])
def test_split_leaves_single_frames_with_their_share_of_references(machine, flags, mapping, refs):
    pfn = machine.alloc(2)
    machine.set_frame(pfn, flags=flags | PG_HEAD, mapping=mapping, index=100)
    machine.split(pfn)
    for i in range(1, 4):
        f = machine.frame(pfn + i)
        assert (f["flags"], f["mapping"], f["refs"]) == (flags, mapping, refs)
        assert f["index"] == (100 + i if mapping else 0)
        machine.set_frame(pfn + i, mapping=0, refs=1)
    machine.set_frame(pfn, mapping=0)


def test_split_keeps_the_pages_on_the_lru(machine):
    pfn = machine.alloc(2)
    machine.lru_add(pfn)
    machine.split(pfn)
    assert sorted(machine.lru(2)) == [pfn, pfn + 1, pfn + 2, pfn + 3]
    assert machine.node_stat(2) == 4


@pytest.mark.parametrize("seed", range(6))
def test_random_use_keeps_every_promise(seed):
    rng = random.Random(seed)
    p = Probe()
    p.boot(96 << 20, nr_cpus=2)
    held = []
    for step in range(4000):
        p.set_cpu(rng.randrange(2))
        if rng.random() < 0.55:
            order = rng.choice([0] * 12 + [1, 2, 3, 4, 6, 9, 10])
            pfn = p.alloc(order, rng.choice([GFP_KERNEL, GFP_USER_MOVABLE, GFP_USER_MOVABLE, GFP_RECLAIMABLE]))
            if pfn:
                held.append((pfn, order))
        elif held:
            p.free(*held.pop(rng.randrange(len(held))))
        if step % 1000 == 999:
            assert p.fsck() == []
    pages = {n for pfn, order in held for n in range(pfn, pfn + (1 << order))}
    assert len(pages) == sum(1 << order for _, order in held)  # nothing was given out twice
    assert p.err == 0


# --- how long the per-CPU lists may be ------------------------------------------------------------------------------------

def exhausted():
    """A machine whose last frames went: its zones were found below their high watermarks."""
    p = Probe()
    p.boot(128 << 20)
    taken = []
    pfn = p.alloc()
    while pfn:
        taken.append(pfn)
        pfn = p.alloc(0, GFP_USER_MOVABLE | GFP_NORETRY)
    return p, taken


def test_below_the_high_watermark_what_is_freed_goes_on():
    """ZONE_BELOW_HIGH: each free makes the list's limit smaller, until it is the least; then the zone is above, and that was that."""
    p, taken = exhausted()
    assert p.pcp(DMA32)["high"] > 1000
    assert p.pcp(DMA)["high"] == 480
    for pfn in taken:
        p.free(pfn)
    for zone in (DMA, DMA32):
        assert p.pcp(zone)["high"] == p.zones()[zone]["low"]  # high_min of one CPU
    assert p.fsck() == []


def test_a_run_of_blocks_of_several_pages_does_not_stay_on_the_lists():
    """PCPF_PREV_FREE_HIGH_ORDER: the limit is 0 from some length of the run on; single pages end a run."""
    p = Probe()
    p.boot(256 << 20)
    blocks = [p.alloc(2) for _ in range(2000)]
    alone = [p.alloc() for _ in range(2000)]
    for pfn in alone:
        p.free(pfn)
    assert p.pcp(DMA32)["count"] >= 1000
    high = p.pcp(DMA32)["high"]
    for pfn in blocks:
        p.free(pfn, 2)
    assert p.pcp(DMA32)["count"] < 100 < p.pcp(DMA32)["high"] < high
    assert p.fsck() == []
