"""Calls that the kernel refuses, or should: one wrong argument each, and now and then two.

`A` is a mapped address, `B` another, `F` a file's path; the numbers are borders of the kernel's checks.
"""

from tests.differential.mappings import mmap
from tests.differential.writer import PAGE, Writer

TEMPLATES = (
    "mmap $P 0 --prot rw",
    "mmap $P 4096 --prot rw --addr A --fixed-noreplace",
    "mmap $P 32768 --prot rw --addr A --fixed-noreplace",
    "mmap $P 4096 --prot rw --addr 0xffff800000000000",
    "mmap $P 4096 --prot rw --addr 0x7ffffffff000",
    "mmap $P 4096 --prot rw --addr 0x7ffffffff000 --fixed",
    "mmap $P 8192 --prot rw --addr 0x7fffffffe000 --fixed",
    "mmap $P 4096 --prot rw --addr 0 --fixed",
    "mmap $P 4096 --prot rw --addr 0x1000 --fixed",
    "mmap $P 4096 --prot rw --addr A1 --fixed",
    "mmap $P 4096 --prot rw --file F --growsdown",
    "mmap $P 4096 --prot rw --shared --growsdown",
    "mmap $P 8192 --prot rw --file F --offset 0x100000",
    "mmap $P 4096 --prot r --file F --offset 0x7ffffffffffff000",
    "mmap $P 4096 --prot r --file F --offset 0x800",
    "mmap $P 0x800000000000 --prot r",
    "mmap $P 0xffffffffffffffff --prot r",
    "mmap $P 0xfffffffffffff000 --prot none --fixed-noreplace --addr A",
    "mmap $P 4096 --prot r --file F.missing",
    "mmap $P 2M --prot rw --hugetlb 2M",
    "mmap $P 4096 --prot rw --hugetlb 2M --populate",
    "munmap $P A 0",
    "munmap $P A1 4096",
    "munmap $P A 1",
    "munmap $P A 0xffffffffffffffff",
    "munmap $P A 0x800000000000",
    "munmap $P 0x800000000000 4096",
    "munmap $P 0x7ffffffff000 4096",
    "mprotect $P A1 4096 r",
    "mprotect $P A 0 none",
    "mprotect $P A 0xfff r",
    "mprotect $P A 0x1 r",
    "mprotect $P A 0xffffffffffff0000 r",
    "mprotect $P A 0xffffffffffffffff r",
    "mprotect $P 0x10000 4096 r",
    "madvise $P A1 4096 dontneed",
    "madvise $P A 0 dontneed",
    "madvise $P A 0xffffffffffff0000 dontneed",
    "madvise $P A 0x16000 dontneed",
    "madvise $P A 0x16000 normal",
    "madvise $P A 4096 remove",
    "madvise $P A 4096 hugepage",
    "madvise $P A 4096 populate_write",
    "madvise $P A 0x20000 populate_read",
    "madvise $P A 4096 collapse",
    "madvise $P 0x10000 4096 free",
    "mincore $P A1 4096",
    "mincore $P A 0x16000",
    "mincore $P 0x10000 4096",
    "msync $P A1 4096",
    "msync $P A 0x16000",
    "msync $P A 4096 --async",
    "msync $P A 4096 --invalidate",
    "mlock $P A 0x16000",
    "mlock $P 0x10000 4096",
    "munlock $P A 0x16000",
    "mlock $P A 0xffffffffffff0000",
    "mlockall $P",
    "mlockall $P --onfault",
    "mremap $P A 0 4096 --maymove",
    "mremap $P A 4096 0 --maymove",
    "mremap $P A1 4096 4096 --maymove",
    "mremap $P A 4096 8192 --maymove --dontunmap",
    "mremap $P A 4096 4096 --dontunmap",
    "mremap $P A 4096 0x800000000000 --maymove",
    "mremap $P A 0x1000 0x1001000",
    "mremap $P A 4096 4096 --maymove --fixed A",
    "mremap $P A 4096 4096 --maymove --fixed B8",
    "mremap $P A 8192 4096 --maymove --fixed A1000",
    "mremap $P A 4096 4096 --maymove --fixed 0x7ffffffff000",
    "mremap $P A 4096 4096 --maymove --fixed 0x1000",
    "mremap $P A 0x40000 0x41000 --maymove",
    "mremap $P A 0x40000 0x40000 --maymove",
    "mremap $P 0x10000 4096 8192 --maymove",
    "brk $P 0x7ffffffff000",
    "brk $P 0x10000",
    "read $P F.missing 0 100",
    "touch $P 0x1000 -w --probe",
)


def bad_call(w: Writer, pid: str) -> None:
    text = w.pick(TEMPLATES)
    own = w.own(pid)
    if not own or ("mincore" in text and w.has_forked):
        return
    first, second = w.pick(own), w.pick(own)
    start = first.start + w.number(0, (first.end - first.start) // PAGE - 1) * PAGE
    cmd, _, *rest = text.split()
    # lengths reach up to the end of the space: what is needed must lie below
    if cmd != "brk" and any(start < end for _, end in w.needed(pid)):
        return
    off = w.pick((1, 8, 0x10, 0x800))
    words = {"A": hex(start), "A1": hex(start + off), "A1000": hex(start + 0x1000), "B8": hex(second.start + 8),
             "F": next(iter(w.files)), "F.missing": f"{w.root}/d/missing.bin"}
    line = " ".join([cmd, f"${pid}", *(words.get(word, word) for word in rest)])
    if cmd == "mmap":
        w.name_result(line)
    else:
        w.line(line)


def plain_area(w: Writer, pid: str) -> None:
    mmap(w, pid, w.pages(12), w.pick(("rw", "r", "none")))
