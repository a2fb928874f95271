# cython: language_level=3
"""execve(): an ELF image laid out in a new address space."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    MAX_SEGMENTS = 32
    AUXV_FIRST = 48  # words of the auxiliary vector in mm_t.auxv; the others are in auxv_more
    AUXV_MOST = AUXV_FIRST + 12

cdef inline uint64_t *auxv_word(mm_t *m, uint32_t i) noexcept nogil:
    """Precondition: i < AUXV_MOST."""
    return &m.auxv[i] if i < AUXV_FIRST else &m.auxv_more[i - AUXV_FIRST]

cdef struct segment_t:  # PT_LOAD
    uint64_t vaddr
    uint64_t offset
    uint64_t filesz
    uint64_t memsz
    uint64_t align
    uint32_t prot  # PROT_ bits
    uint32_t pad

cdef struct image_t:
    idx_t inode
    uint32_t nr_segments
    uint32_t is_dyn
    uint32_t stack_prot  # PROT_ bits that PT_GNU_STACK asks for
    uint32_t is_32
    uint32_t no_gnu_stack  # there is no PT_GNU_STACK
    uint64_t entry
    uint64_t phoff
    uint32_t phnum
    uint32_t phentsize
    segment_t segment[MAX_SEGMENTS]

cdef struct exec_req_t:
    const image_t *image
    const image_t *interp  # NULL: none
    const char *path
    uint32_t path_len
    const char *argv  # strings, each with its NUL
    uint32_t argv_len
    uint32_t argc
    const char *envp
    uint32_t envp_len
    uint32_t envc
    # a layout told by a log instead of the kernel's rules; 0: the rules
    uint64_t mmap_base
    uint64_t exe_base
    uint64_t interp_base
    uint64_t vdso
    uint64_t start_brk
    uint64_t stack_top
    uint64_t string_bytes  # argv, env and path bytes, when only their sum is known
    uint64_t rlimit_stack
    uint32_t personality
    uint32_t pad

# The task gets a new address space with the image; its old one is dropped, with the other threads. 0, or nothing has changed: -ENOEXEC:
# nothing to load, or of 64 bits on a machine of 32; -E2BIG: the arguments do not fit the stack, or no page for them; -ENOMEM. What fails once the old
# program is gone kills the process: SIGSEGV. One that had no program stays without: -ENOMEM; -EINVAL, -EPERM: a segment lies where none may be; -EFAULT:
# what is to be cleared cannot be written.
cdef int do_execve(arena_t *a, idx_t task, const exec_req_t *req) noexcept nogil
