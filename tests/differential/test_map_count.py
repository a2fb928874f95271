"""vm.max_map_count on the live kernel and on vmtool: which calls fail when there is room for two areas, one, none, and how."""

import pytest

from tests.differential import conditions
from tests.differential.judge import ask_kernel, compare

pytest.importorskip("vmtool._core")
pytestmark = [
    pytest.mark.skipif(conditions.obstacle() is not None, reason=conditions.obstacle() or ""),
    pytest.mark.xdist_group("readahead"),  # sets the disk's for the while
]
BASE, NR_SPLITS = 0x700000000000, 32758  # every second page read-only: two areas each, up to the default of 65530
CALLS = """\
statm $p
mprotect $p {0:#x} 4K r
mprotect $p {8:#x} 4K r
mprotect $p {16:#x} 4K r
munmap $p {32:#x} 4K
madvise $p {64:#x} 4K dontfork
mlock $p {64:#x} 4K
mremap $p {128:#x} 4K 8K --maymove
mremap $p {128:#x} 4K 4K --maymove --fixed 0x7e0000000000
brk $p --by 4K
mmap $p 4K --prot rw
mmap $p 4K --prot r
mmap $p 4K --prot rwx
mmap $p 4K --prot rx
mprotect $p {200:#x} 4K r
munmap $p {200:#x} 4K
madvise $p {264:#x} 4K dontfork
mlock $p {264:#x} 4K
mmap $p 4K --prot rw --addr {300:#x} --fixed
munmap $p 0x700000001000 4K
munmap $p 0x700000003000 4K
mmap $p 4K --prot rw --addr {300:#x} --fixed
mprotect $p {400:#x} 4K r
mprotect $p 0x700000005000 4K none
mprotect $p 0x700000009000 4K none
mremap $p 0x700000000000 4K 4K --maymove --fixed 0x7e0000000000
mremap $p {128:#x} 4K 8K --maymove
munmap $p {500:#x} 4K
madvise $p {564:#x} 4K dontfork
brk $p --by 4K
c = fork $p
touch $c 0x401000 0x2000 -x
statm $c
"""


def test_calls_near_the_limit_of_areas():
    try:
        with conditions.workplace() as root:
            lines = [f"p = spawn --exe {root}/target", "touch $p 0x401000 0x2000 -x", f"mmap $p 280M --prot none --addr {BASE:#x} --fixed"]
            lines += [f"mprotect $p {BASE + (2 * i + 1) * 4096:#x} 4K r" for i in range(NR_SPLITS)]
            end = BASE + (2 * NR_SPLITS + 1) * 4096
            lines += CALLS.format(*[end + page * 4096 for page in range(600)]).splitlines()
            found = compare(lines, ask_kernel(root, lines))
    except conditions.Unsuitable as e:
        pytest.skip(str(e))
    assert not found, "\n".join(map(str, found))
