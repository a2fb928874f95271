"""Each invariant of map counts, and of what large folios know of who maps them: fsck says which one was damaged, in a line of its own.

The expected sentences are written here by hand, with numbers read before the damage.
"""

import pytest

from .story import PAGE, Cases, Story

PG_ANON_EXCLUSIVE = 1 << 11
NR_ANON_MAPPED, NR_FILE_MAPPED, NR_ANON_THPS, NR_FILE_PMDMAPPED, NR_SHMEM_PMDMAPPED = 7, 8, 15, 32, 33  # node_stat_item
LARGE_MM_IDS_SHARED, LARGE_QUEUED, LARGE_PARTIALLY_MAPPED = 1, 2, 4  # of a folio's third page, index_hi
CASES = Cases()
case = CASES.case


@case("mapcount")
def _(s):
    pfn = s.frame(s.shm)
    s.change("frame", pfn, "mapcount")
    return f"the map count of frame {pfn} is wrong: 1 entries map it"  # the child has not faulted it


@case("mapcount-entire")
def _(s):
    pfn = s.frame(s.thp)
    s.change("frame", pfn + 1, "mapping")
    return f"the entire map count of folio {pfn} is wrong: 2 huge entries map it"


@case("mapcount-large")
def _(s):
    pfn = s.frame(s.thp)
    s.change("frame", pfn + 1, "lru_prev")
    return f"the map count of all of folio {pfn} is wrong: 2 entries map its pages"


@case("mapcount-pages")
def _(s):
    pfn = s.frame(s.thp)
    s.change("frame", pfn + 1, "extra_refs")
    return f"folio {pfn} counts the pages that small entries map wrongly: they are 0"


@case("mapcount-mm-id")
def _(s):
    pfn = s.frame(s.thp)
    s.change("frame", pfn + 2, "mapping")
    return f"folio {pfn} counts the entries of an address space wrongly: they are 1"


@case("mapcount-shared")
def _(s):
    pfn = s.frame(s.thp)
    s.change("frame", pfn + 2, "index_hi", -LARGE_MM_IDS_SHARED)
    return f"folio {pfn} counts as one address space's alone, 2 entries map it"


@case("split-queue")
def _(s):
    pfn = s.frame(s.thp)
    s.change("frame", pfn + 2, "index_hi", -LARGE_QUEUED)
    return f"folio {pfn} stands on a queue of deferred splits, or not, against its mark; the queues have 2"


@case("sum-mthp-anon")
def _(s):
    s.m.poke("frame", s.frame(s.thp) + 1, "index_lo", 8)
    return "nr_anon of order 9 is wrong: there are 1 such folios"


@case("sum-mthp-partial")
def _(s):
    s.change("frame", s.frame(s.thp) + 2, "index_hi", LARGE_PARTIALLY_MAPPED)
    return "nr_anon_partially_mapped of order 9 is wrong: there are 1 such folios"


@case("pte-contiguous")
def _(s):
    other = Story(arch="arm64")
    s.m = other.m
    step = s.m.walk(other.pid, other.heap).steps[-1]
    content, field, entry = other.entry(other.heap)
    s.m.poke("content", content, field, entry | 1 << 52)
    return f"entry {step.index} of table {step.table // PAGE} has the contiguous hint, which does not hold for its block"


@case("anon-exclusive")
def _(s):
    pfn = s.frame(s.heap + PAGE)
    s.change("frame", pfn, "flags", PG_ANON_EXCLUSIVE)
    return f"frame {pfn} is marked exclusive, 2 entries map it"


@case("anon-page")
def _(s):
    pfn = s.frame(s.heap)
    s.m.poke("frame", pfn, "mapping", 0)
    return f"the anonymous page in frame {pfn} belongs to anon_vma 0, which is not there"


@case("sum-anon-mapped")
def _(s):
    n = s.change("machine", 0, f"node_stat[{NR_ANON_MAPPED}]")
    return f"nr_anon_pages is {n + 1}, {n} anonymous pages are mapped"


@case("sum-anon-thps")
def _(s):
    s.change("machine", 0, f"node_stat[{NR_ANON_THPS}]", -512)
    return "512 pages are counted as mapped by anonymous huge entries, 1024 are"


@case("sum-file-mapped")
def _(s):
    n = s.change("machine", 0, f"node_stat[{NR_FILE_MAPPED}]", -1)
    return f"nr_mapped is {n - 1}, {n} file pages are mapped"


@case("sum-file-pmds")
def _(s):
    s.change("machine", 0, f"node_stat[{NR_FILE_PMDMAPPED}]", 512)
    return "512 file pages are counted as mapped by huge entries, 0 are"


@case("sum-shmem-pmds")
def _(s):
    s.change("machine", 0, f"node_stat[{NR_SHMEM_PMDMAPPED}]", 512)
    return "512 pages of shared memory are counted as mapped by huge entries, 0 are"


# --- the tests -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", CASES)
def test_damage_is_told_in_a_line_of_its_own(name):
    story = Story()
    line = f"{name}: {CASES[name](story)}"
    assert line in story.m.fsck()


def test_every_check_is_tried():
    from vmtool._heap import fsck_sentences

    from .test_asid import CASES as names
    from .test_fsck import CASES as others
    from .test_fsck_frames import CASES as frames
    from .test_fsck_kmem import CASES as kernels
    from .test_fsck_memcg import CASES as groups
    from .test_fsck_records import CASES as records
    from .test_fsck_swap import CASES as swap
    from .test_kernel_areas import CASES as halves
    from .test_kernel_areas_32 import CASES as small_halves
    from .test_kpti import CASES as isolation
    tried = [*CASES, *names, *others, *frames, *swap, *kernels, *groups, *records, *isolation, *halves, *small_halves, *fsck_sentences()]
    assert sorted(tried) == sorted(Story().m.fsck_names())
