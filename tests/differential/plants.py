"""`python -m tests.differential.plants [NAME…]`: wrong rules, planted one at a time; the judge must find every one.

Each is a small change of `vmtool/mm/`, in a copy of the project that is built and compared with the live kernel until a script
differs. A rule that is not found is a hole in the generator. Exit status 1 when one was not found.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPTS = 60
"""Drawn for each rule, of the categories where it shows."""


class Plant(NamedTuple):
    """In `file` of vmtool/mm the text `old`, which stands there once, becomes `new`."""

    name: str
    file: str
    old: str
    new: str
    where: tuple[str, ...]


PLANTS = (
    Plant("areas merge whatever their page offset", "vma_merge.pyx",
          "and p.vm_pgoff + ((p.vm_end - p.vm_start) >> a.m.arch.page_shift) == g.pgoff)",
          ")",
          ("vma/mremap", "fault/mremap")),
    Plant("areas of two anon_vmas merge", "vma_merge.pyx", "return t.anon_vma == g.anon_vma", "return True", ("vma/anonvma",)),
    Plant("an inherited anon_vma is shared", "vma_merge.pyx",
          "return v != 0 and vma_at(a, v).anon_vma != 0 and not anon_vma_chain_is_singular(a, vma_at(a, v))",
          "return False",
          ("vma/fork", "vma/anonvma")),
    Plant("a range never joins the area above it", "vma_merge.pyx",
          "right = not g.just_expand and can_merge_right(a, g, left)",
          "right = False",
          ("vma/split", "vma/merge")),
    Plant("a growing stack's gap is not kept free", "placement.pyx",
          "if v.vm_flags & VM_GROWSDOWN and want < ge:",
          "if False:",
          ("vma/stack",)),
    Plant("every length of 2 MB is aligned", "placement.pyx",
          "and addr == 0 and length & (level_size(g, 1) - 1) == 0:",
          "and addr == 0:",
          ("vma/place",)),
    Plant("the heap may touch what is above it", "sys_mmap.pyx",
          "newbrk + page_size(&a.m.arch) > gap_start",
          "newbrk > gap_start",
          ("vma/brk",)),
    Plant("unlocked memory stays counted", "sys_mlock.pyx",
          "pages = -pages",
          "pages = 0",
          ("vma/mlock", "fault/mlock")),
    Plant("mprotect of untouched memory keeps its charge", "sys_mprotect.pyx",
          "newflags &= ~<uint64_t>VM_ACCOUNT",
          "pass",
          ("vma/split", "vma/anonvma")),
    Plant("back to writable only at the next fault", "sys_mprotect.pyx",
          "if not k.upgrade or what == ENTRY_SPECIAL or",
          "if True or",
          ("fault/anon", "fault/filewrite", "fault/mix")),
    Plant("an untouched area keeps its page offset when it moves", "sys_mremap.pyx",
          "        pgoff = r.new_addr >> a.m.arch.page_shift\n",
          "        pass\n",
          ("vma/mremap", "vma/anonvma")),
    Plant("the limit on data counts shared memory", "mm_acct.pyx",
          "m.data_vm + nr_pages > data >> a.m.arch.page_shift",
          "m.total_vm + nr_pages > data >> a.m.arch.page_shift",
          ("vma/rlimit",)),
    Plant("faults map 8 pages around", "fault_file.pyx",
          "FAULT_AROUND_BYTES = 65536",
          "FAULT_AROUND_BYTES = 32768",
          ("fault/fileread", "exec")),
    Plant("a major fault counts as minor too", "fault.pyx",
          "            task_mut(a, a.task).maj_flt += 1\n",
          "            task_mut(a, a.task).maj_flt += 1\n            task_mut(a, a.task).min_flt += 1\n",
          ("pagecache/coldmap",)),
    Plant("a shared page's first write is not noticed", "fault_file.pyx",
          "return inode_at(a, file_at(a, v.vm_file).inode).kind != INODE_SHMEM",
          "return False",
          ("fault/shared",)),
    Plant("fork copies what a fault would bring back", "mm.pyx",
          "return src.anon_vma != 0 or ",
          "return True or ",
          ("fault/forkcow", "fault/pss")),
    Plant("a child's pages are young", "mm.pyx",
          "return pte_mkold(a, pte_mkclean(a, e) if vm_flags & VM_SHARED else e)",
          "return pte_mkclean(a, e) if vm_flags & VM_SHARED else e",
          ("fault/forkcow", "fault/pss")),
    Plant("dontneed keeps the page tables", "unmap.pyx",
          "if flags & ZAP_RECLAIM_PT and g.flags & ARCH_PT_RECLAIM and not kept",
          "if False and not kept",
          ("fault/pte", "thp")),
    Plant("Pss of two mappings is whole", "show_smaps.pyx", "        if count >= 2:", "        if count >= 3:", ("fault/pss",)),
    Plant("only the entry's dirty bit counts", "show_smaps.pyx",
          "pte_is_dirty or (flags & PG_dirty) != 0",
          "pte_is_dirty",
          ("pagecache/dirty", "fault/shared")),
    Plant("the zero page is exclusive", "show_smaps.pyx",
          "cdef uint64_t r = PM_PRESENT | pfn",
          "cdef uint64_t r = PM_PRESENT | PM_MMAP_EXCLUSIVE | pfn",
          ("fault/anon",)),
    Plant("advice stops at a hole", "sys_madvise.pyx",
          "            unmapped = -ENOMEM\n"
          "            start = vma_at(a, v).vm_start\n"
          "            if start >= end:\n"
          "                return unmapped\n"
          "        tmp =",
          "            return -ENOMEM\n        tmp =",
          ("vma/madvise", "fault/madvise")),
    Plant("a read of untouched huge memory takes small pages", "thp_fault.pyx",
          "        head = get_huge_zero(a)\n",
          "        head = 0\n",
          ("thp/basic",)),
    Plant("half a huge page split is gone", "thp.pyx",
          "if pte_dirty(a, pmd):\n                e = pte_mkdirty(a, e)",
          "if False:\n                e = e",
          ("thp/split", "thp/basic")),
    Plant("dropping pages takes no high-water mark", "unmap.pyx",
          "    update_hiwater_rss(mm)\n    tlb_gather_mmu",
          "    tlb_gather_mmu",
          ("fault/hwm", "corners/free")),
    Plant("advice on part of a shared huge page acts on it", "advise_pages.pyx",
          "        return nr[0]\n    nr[0] = 0\n",
          "        nr[0] = 1\n        return 0\n    nr[0] = 0\n",
          ("corners/huge", "thp/split")),
    Plant("single pages keep out of the clusters of large folios", "swapfile.pyx",
          "return found if found or order else alloc_of_higher_order(a, type, all_)", "return found", ("swap",)),
    Plant("a large folio of the swap cache is mapped page by page", "swap_fault.pyx",
          "        batch_whole_folio(a, &s)", "        pass", ("swap",)),
    Plant("a page that is split off leaves its slot to the first", "buddy.pyx",
          "slot_mut(a, record).folio = head + i", "slot_mut(a, record).folio = head", ("swap",)),
)


def copy_project(where: str) -> None:
    """What a build and a comparison need, with the compiled files, so that one changed module is all there is to build."""
    for name in ("vmtool", "tests", "build", "scripts"):
        if os.path.isdir(f"{PROJECT}/{name}"):
            shutil.copytree(f"{PROJECT}/{name}", f"{where}/{name}", ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy2(f"{PROJECT}/{name}", where)


def count(plant: Plant, project: str = PROJECT) -> int:
    """How often the text to be changed stands in its file: once, or the plant is out of date."""
    with open(f"{project}/vmtool/mm/{plant.file}", encoding="utf-8") as f:
        return f.read().count(plant.old)


def build(where: str) -> None:
    done = subprocess.run([sys.executable, "setup.py", "build_ext", "--inplace"], cwd=where, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])


def is_found(where: str, plant: Plant) -> str | None:
    """The first difference and how many scripts it took, or None."""
    command = [sys.executable, "-m", "tests.differential", "--no-shrink", "--until-different", "--unless-in", PROJECT, "-n", str(SCRIPTS)]
    for category in plant.where:
        command += ["--category", category]
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    tried = re.search(r"^(\d+) of (\d+) in", done.stdout, re.M)
    if tried is None:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    kind = next((line.partition(" × ")[2] for line in done.stdout.splitlines() if " × " in line), None)
    return kind and f"{kind}, script {tried[2]}"


def main(wanted: list[str]) -> int:
    missed = 0
    with tempfile.TemporaryDirectory(prefix="vmtool-plants.") as where:
        copy_project(where)
        for plant in PLANTS:
            if wanted and not any(word in plant.name for word in wanted):
                continue
            path, began = f"{where}/vmtool/mm/{plant.file}", time.monotonic()
            with open(path, encoding="utf-8") as f:
                text = f.read()
            try:
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text.replace(plant.old, plant.new))
                build(where)
                found = is_found(where, plant) if count(plant) == 1 else None
            finally:
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
            missed += found is None
            print(f"{'found ' if found else 'MISSED'} {time.monotonic() - began:4.0f} s  {plant.name}: {found or ''}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
