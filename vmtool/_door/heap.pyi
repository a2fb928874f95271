"""The C library's heap."""

from typing import Any

from vmtool import records as r

class Heap:
    # As the program of the process calls it; a block is an address, 0 is NULL. Signal: an access of the library took one, or it
    # aborted (SIGABRT, whose `code` is what it said).
    def malloc(self, pid: int, size: int) -> int: ...
    def calloc(self, pid: int, n: int, size: int) -> int: ...
    def realloc(self, pid: int, addr: int, size: int) -> int: ...
    def free(self, pid: int, addr: int) -> None: ...
    def memalign(self, pid: int, alignment: int, size: int) -> int:
        """An alignment that is no power of two counts as the next."""

    def malloc_usable_size(self, pid: int, addr: int) -> int: ...
    def malloc_trim(self, pid: int, pad: int = 0) -> int:
        """1 when something was given back."""

    def mallopt(self, pid: int, param: int, value: int) -> int:
        """M_ numbers of <malloc.h>. 1, or 0 when the value is refused."""

    def set_tunable(self, pid: int, name: str, value: int) -> bool | None:
        """`tcache_count` or `glibc.malloc.tcache_count`, as GLIBC_TUNABLES sets it. None: no such tunable; False: out of its range."""

    def thread_exit(self, pid: int) -> None:
        """What the library does when a thread of it ends, before exit(): its cached blocks go back, its arena waits for the next."""

    def heap_figures(self, pid: int) -> r.HeapFigures:
        """All 0 of a process that never allocated. KernelError(ELOOP): a program bent a list to a ring."""

    def heap_bins(self, pid: int) -> list[r.HeapBin]:
        """Those with chunks, in the order in which malloc looks at them."""

    def heap_chunks(self, pid: int, as_json: bool = False) -> bytes:
        """Lines: the rows of a table, or the elements of a JSON list without its brackets."""

    def heap_map(self, pid: int, nr_cells: int) -> list[tuple[int, int, int, bytes]]:
        """(start, end, bytes a cell, cells) of each heap, in at most `nr_cells` cells: the OR of 1 << state of the chunks in one.
        States: 0 live, 1 free, 2 top, 3 tcache, 4 fastbin, 5 table, 6 fence."""

    def heap_trace(self, pid: int, heap_start: int | None = None, with_log: bool = False, with_calls: bool = False) -> Any:
        """A `_heap.HeapTrace`: feed(lines), take_log(), take_calls(), counts(), final()."""
