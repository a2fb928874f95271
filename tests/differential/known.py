"""Where vmtool differs from the kernel, pinned: a script each, and the kernel's function. vmtool/mm/COVERAGE.md lists them."""

from typing import NamedTuple


class Known(NamedTuple):
    """`script` with @ for the workplace; at least one line's answer differs."""

    function: str
    script: str


KNOWN = {
    "the last owner of a split huge page copies": Known("mm/memory.c:__wp_can_reuse_large_anon_folio()", """\
p = spawn --exe @/target
touch $p 0x401000 0x2000 -x
m = mmap $p 2048K --prot rw
madvise $p 0x7ffff7c00000 2097152 hugepage
touch $p 0x7ffff7dfb000 -w
mremap $p 0x7ffff7c00000 4096 4K --maymove --fixed 0x7d0000000000
c1 = fork $p
touch $c1 0x401000 0x2000 -x
touch $p 0x7d0000000000 -w
touch $p 0x7ffff7c01000 2044K -w
mlock $c1 0x7d0000000000 4096
smaps $c1
"""),
}
