"""What a picture is made of: plain records, read from a machine by `read`, rendered by `terminal`, `svg` and `dot`.

A run stands for neighbours that are alike: pages whose entries differ in nothing but the frame, which goes up with them; frames alike in
use and counts. `cut` sees to it that each run of pages points to exactly one run of frames.
"""

from __future__ import annotations

from vmtool.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.records import MachineInfo, Vma

PRESENT, ABSENT, SWAPPED, GUARD, HUGE, CLOSED = "present", "absent", "swapped", "guard", "huge", "closed"
"""States of a page. CLOSED: PROT_NONE, the kernel keeps the frame, but Present is clear for the processor."""
POINTS = (PRESENT, HUGE)

PAGES, AREAS, PROCESSES = "pages", "areas", "processes"
"""How fine a scene is: every page with its arrow; a line an area; a line a process."""


class Page(NamedTuple):
    """A run of pages alike. What an absent page has not is None or 0."""

    addr: int
    nr: int  # base pages, also of a huge page
    state: str
    pfn: int | None
    nr_frames: int  # that many from `pfn` on; 1 of several pages that have one frame, as the page of zeros
    slot: tuple[int, int] | None  # swap area and slot
    level: str  # pte, pmd, … of the entry
    table: int  # physical address
    index: int  # of the first entry  # type: ignore[assignment]
    nr_entries: int
    entry: int  # the first one, raw
    flags: tuple[str, ...]
    writable: bool


class Area(NamedTuple):
    """One VMA. `pages` is empty where the scene is coarser, or nothing but absent."""

    vma: Vma
    pages: tuple[Page, ...]
    nr_pages: int
    nr_present: int
    nr_swapped: int


class Table(NamedTuple):
    """One page table above the PTE's: where it hangs, and in which entry."""

    level: str
    address: int
    parent: int  # physical address of the table above, 0 for the top one
    index: int  # in it  # type: ignore[assignment]


class Space(NamedTuple):
    """One process."""

    pid: int
    comm: str
    register: str  # of a CPU, that names its tables: CR3, TTBR0; "" while none does
    root: int
    areas: tuple[Area, ...]
    tables: tuple[Table, ...]
    nr_areas: int
    rss: tuple[int, int, int]  # pages: anonymous, file, shmem
    nr_swapped: int
    pgtables_bytes: int


class FrameRun(NamedTuple):
    """Frames alike. `use` is a letter of `palette.USES`."""

    pfn: int
    nr: int
    use: str
    dirty: bool
    locked: bool
    mapcount: int
    flags: tuple[str, ...]
    path: str  # of the file, '' for none
    index: int | None  # first page of the file  # type: ignore[assignment]
    page_bytes: int  # of one box: a huge page is one


class CachedFile(NamedTuple):
    """A file with its blocks of a page each: (first block, number, first frame or None where the cache has none)."""

    path: str
    nr_blocks: int
    blocks: tuple[tuple[int, int, int | None], ...]


class Blocks(NamedTuple):
    """The machine's frames in equal blocks: how many of each use in each."""

    frames_each: int
    uses: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class Scene(NamedTuple):
    """A whole picture."""

    info: MachineInfo
    detail: str
    spaces: tuple[Space, ...]
    frames: tuple[FrameRun, ...]  # those that pages point to, in the order of their first page, then the rest of the cache
    files: tuple[CachedFile, ...]
    summary: tuple[tuple[str, int], ...]  # frames of the machine by kind
    blocks: Blocks | None
    hidden: str  # what the scene leaves out, in words


def last_path(name: str) -> str:
    """What a line has room for of a path."""
    return name.rpartition("/")[2] or name
