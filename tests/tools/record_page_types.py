"""Record what the kernel's page-types prints over a simulated /proc, into fixtures/proc/page-types-6.12.json.gz.

In the project's directory: PYTHONPATH=tests python -m tools.record_page_types PAGE_TYPES, the tool of Linux 6.12 (tools/mm/page-types.c).
"""

import array
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from procfs.captured import FIXTURES

from vmtool._core import Machine
from vmtool.outside.enter import enter
from vmtool.outside.export import export
from vmtool.procfs.tree import Tree

LINES = ("", "-r", "-l", "-L", "-l -M", "-L -M", "-l -r", "-l -M -r", "-p 1", "-p 1 -l", "-p 1 -L -M -r", "-p 2 -l -r", "-p 2 -l -M")


def machine():
    """Huge, shared, locked and copied pages in a small machine."""
    made = Machine()
    made.boot(ram_bytes=48 << 20)
    made.mkfile("/scene.dat", 1 << 20)
    made.spawn("render", None, [b"render"], [])
    shared = made.mmap(1, 0, 1 << 20, 3, 1, "/scene.dat")
    made.touch(1, shared, 300 << 10, "w")
    area = made.mmap(1, 0, 8 << 20, 3, 0x22)
    made.madvise(1, area, 8 << 20, 14)
    made.touch(1, area, 6 << 20, "w")
    made.fork(1)
    made.touch(2, area, 100 << 10, "w")
    made.mlock(1, shared, 16 << 10)
    made.read(2, "/scene.dat", 500000, 100000)
    return made


def files(made):
    nr = made.max_pfn()
    found = {name: list(array.array("Q", made.kpage(name, 0, nr))) for name in ("kpageflags", "kpagecount")}
    for pid in (1, 2):
        found[str(pid)] = [(vma.start + (at << 12) >> 12, entry) for vma in made.maps(pid) if not vma.start >> 63
                           for at, entry in enumerate(array.array("Q", made.pagemap_bytes(pid, vma.start, vma.end - vma.start))) if entry]
    return found


def main(tool):
    made = machine()
    out = {}
    with tempfile.TemporaryDirectory() as place:
        export(Tree(made), f"{place}/proc")
        for line in LINES:
            ran = enter(f"{place}/proc", 1, ["sh", "-c", f"{tool} {line} >{place}/out"])
            assert ran == 0, line
            out[line] = Path(f"{place}/out").read_text()
    text = json.dumps({"files": files(made), "out": out})
    (FIXTURES / "page-types-6.12.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    subprocess.run(["ls", "-l", FIXTURES / "page-types-6.12.json.gz"], check=True)


if __name__ == "__main__":
    main(sys.argv[1])
