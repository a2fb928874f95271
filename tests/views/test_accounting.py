"""Where the frames are: rows from three views of a machine, and nothing lost between them."""

from vmtool.views.accounting import render, rows

KERNEL = {"slab_reclaimable": 3, "slab_unreclaimable": 20, "kmalloc_large": 4, "stacks": 8, "cached_stacks": 4, "vmalloc": 2,
          "swap_tables": 0, "by_hand": 1}
KINDS = [("free", 100), ("pcp", 5), ("anon", 7), ("file", 6), ("shmem", 0), ("pgtable", 9), ("slab", 23), ("kernel", 30), ("zero", 1),
         ("reserved", 40)]
RESERVED = [(0, 1, "hole"), (1, 9, "low memory"), (0x1000, 32, "kernel bss"), (0x9000, 5, "slabs"), (0x9005, 4, "kernel stacks")]


def test_each_row_is_told_once_and_the_rest_is_other():
    found = dict(rows(KINDS, RESERVED, KERNEL))
    assert found["free, in the buddy system"] == 100
    assert found["slabs, unreclaimable"] == 20
    assert found["kernel, other"] == 30 - 4 - 8 - 4 - 2 - 1 - 4
    assert found["boot: kernel bss"] == 31  # one of its frames is the page of zeros
    assert "shared memory" not in found
    assert "boot: hole" not in found


def test_the_sum_is_every_frame_that_there_is():
    assert sum(pages for _, pages in rows(KINDS, RESERVED, KERNEL)) == sum(pages for _, pages in KINDS)


def test_text_ends_with_the_sum():
    assert render([("anonymous pages", 2), ("page tables", 3)], 4) == (
        "anonymous pages          2 pages            8 kB\n"
        "page tables              3 pages           12 kB\n"
        "all of RAM               5 pages           20 kB\n")
