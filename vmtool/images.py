"""What execve() is given: an ELF file as its program headers tell of it, and where a recording has put things."""

from __future__ import annotations

from vmtool.records import NamedTuple


class Segment(NamedTuple):
    """One PT_LOAD of an image, as its program header has it (bytes)."""
    vaddr: int
    offset: int
    filesz: int
    memsz: int
    prot: int  # 4 r, 2 w, 1 x: the ELF p_flags
    align: int


class Image(NamedTuple):
    """An ELF file as execve() needs it. `data` is the file's whole contents, or None (then zeros)."""
    path: str
    dev_major: int
    dev_minor: int
    inode: int
    size: int
    data: bytes | None
    is_dyn: bool  # ET_DYN
    is_32: bool
    entry: int
    phoff: int
    phnum: int
    phentsize: int
    segments: tuple[Segment, ...]
    gnu_stack: int | None  # p_flags of PT_GNU_STACK, None when there is none
    interp: Image | None
    relro: tuple[int, int] | None


class ExecLayout(NamedTuple):
    """Where execve() puts things when a log or a recording tells; None: the kernel's own rule."""
    mmap_base: int | None  # top of the mmap area
    exe_base: int | None  # load bias of an ET_DYN program
    interp_base: int | None  # load bias of the interpreter; the vdso's block ends where it starts
    vdso: int | None  # start of the [vvar] block
    start_brk: int | None
    stack_top: int | None  # end of [stack]
    stack_vma_start: int | None  # start of the first [stack] area
    string_bytes: int | None  # argv and env with their NULs, instead of those given
    rlimit_stack: int | None  # -1: unlimited
    personality: int | None
