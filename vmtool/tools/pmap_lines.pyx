"""Plain pmap's lines of the text of maps at C speed: a process may have 65,530 areas, and the kernel prints their maps in 40 ms.

What is modelled: procps-ng 4.0.2 src/pmap.c:one_proc() without options. What a name is shown as is asked once for each name.
Invariant: a line of maps that does not begin with two addresses and letters for permissions is no area, and is passed over.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_DecodeASCII
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcmp, memcpy

from vmtool.hexdigits cimport read_hex

cdef enum:
    PERMS = 4  # letters: r w x and p or s
    LONGEST_NUMBER = 20  # digits of a size
    SIZE_WIDTH = 6
    LINE = 64  # bytes of an address, of a size and of the letters, with what is between
    FIRST_ROOM = 4096
    LONGEST_ADDRESS = 16
    FIELDS_BEFORE_NAME = 4  # permissions, offset, device, inode


cdef const char *HEX = b"0123456789abcdef"


cdef class Text:
    """Bytes that grow."""

    cdef char *first
    cdef char *at
    cdef size_t size

    def __cinit__(self):
        self.first = self.at = NULL
        self.size = 0

    def __dealloc__(self):
        free(self.first)

    cdef int room(self, size_t nr) except -1:
        """Makes room for `nr` bytes at `at`. MemoryError."""
        cdef size_t used = self.at - self.first
        cdef char *moved
        if self.size - used >= nr:
            return 0
        self.size = 2 * (used + nr) + FIRST_ROOM
        moved = <char *>realloc(self.first, self.size)
        if moved == NULL:
            raise MemoryError
        self.first, self.at = moved, moved + used
        return 0

    cdef str text(self):
        return PyUnicode_DecodeASCII(self.first, self.at - self.first, NULL)


cdef const char *name_of(const char *p, const char *end) noexcept nogil:
    """Where the name begins, behind four fields and their blanks; `end` when there is none."""
    cdef int left
    for left in range(FIELDS_BEFORE_NAME):
        p = <const char *>memchr(p, 32, end - p)
        if p == NULL:
            return end
        p += 1
    while p < end and p[0] == 32:
        p += 1
    return p


cdef char *write_size(char *out, uint64_t kb) noexcept nogil:
    """Right-aligned in the width of `%6lu`; its end."""
    cdef char digits[LONGEST_NUMBER]
    cdef int at = LONGEST_NUMBER
    while at == LONGEST_NUMBER or kb:
        at -= 1
        digits[at] = 48 + <char>(kb % 10)
        kb //= 10
    while LONGEST_NUMBER - at < SIZE_WIDTH:
        at -= 1
        digits[at] = 32
    memcpy(out, &digits[at], LONGEST_NUMBER - at)
    return out + LONGEST_NUMBER - at


cdef char *write_area(char *out, uint64_t start, uint64_t kb, const char *perms) noexcept nogil:
    """All but the name; its end."""
    cdef int at
    for at in range(LONGEST_ADDRESS):
        out[at] = HEX[start >> 4 * (LONGEST_ADDRESS - 1 - at) & 15]
    out[LONGEST_ADDRESS] = 32
    out = write_size(out + LONGEST_ADDRESS + 1, kb)
    memcpy(out, "K rwx-- ", 8)
    memcpy(out + 2, perms, PERMS - 1)
    if perms[PERMS - 1] == 115:  # s: shared
        out[PERMS + 1] = 115
    return out + 8


def lines(str maps, uint64_t low, uint64_t high, uint64_t start_stack, shown):
    """(text, kB) of the areas that reach into low to high. `shown(name, is_stack)` gives what a name becomes, in ASCII;
    `is_stack`: of the area around `start_stack`."""
    cdef bytes encoded = b"" if maps.isascii() else maps.encode("utf-8", "surrogateescape")
    cdef const char *p = PyBytes_AS_STRING(encoded) if encoded else <const char *>PyUnicode_DATA(maps)
    cdef const char *stop = p + (len(encoded) if encoded else len(maps))
    cdef const char *end
    cdef const char *at
    cdef const char *perms
    cdef uint64_t first, last, total = 0
    cdef bytes name = b"", word = None
    cdef dict names = {}
    cdef bint is_stack, was_stack = False
    cdef Text out = Text()
    while p < stop:
        end = <const char *>memchr(p, 10, stop - p)
        if end == NULL:
            end = stop
        at = read_hex(p, end, &first)
        p = end + 1
        if at == NULL or at == end or at[0] != 45:
            continue
        perms = read_hex(at + 1, end, &last)
        if perms == NULL or end - perms < PERMS + 2 or perms[0] != 32 or perms[PERMS + 1] != 32 or last - 1 < low:
            continue
        if first > high:
            break
        perms += 1
        at = name_of(perms, end)
        is_stack = first <= start_stack <= last
        if is_stack != was_stack or word is None or len(name) != end - at or memcmp(PyBytes_AS_STRING(name), at, end - at):
            name = PyBytes_FromStringAndSize(at, end - at)
            word = names.get((name, is_stack))
            if word is None:
                word = names[name, is_stack] = shown(name, is_stack)
            was_stack = is_stack
        total += (last - first) >> 10
        out.room(LINE + len(word))
        out.at = write_area(out.at, first, (last - first) >> 10, perms)
        memcpy(out.at, PyBytes_AS_STRING(word), len(word))
        out.at += len(word)
    return out.text(), total
