"""The arguments of the calls that a log is full of, read at C speed.

What is modelled: `parser` for the plainest shapes, on text that holds a byte a character:
    N, N[, N[, N]]) = V  ranges(): munmap, mprotect, madvise, mlock …;   N) = V  brk()
    FD, …, COUNT[, OFFSET]) = V   file_io(): read, write and their kin;   FD) = V  close()
Simplified: nothing; what does not fit raises ValueError, as parser's own functions do.
Invariant: the answers are those of parser.py, of which tests/strace/test_hot.py holds a copy in regular expressions.
"""

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_Substring
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp

from vmtool.strace.flags import _known
from vmtool.strace.flags import number as _number

cdef dict _errnos = {}


cdef inline const unsigned char *chars(str text, Py_ssize_t *length) except NULL:
    """The characters as bytes; a text of wider characters is no line of a log."""
    if PyUnicode_KIND(text) != 1:
        raise ValueError(text)
    length[0] = PyUnicode_GET_LENGTH(text)
    return <const unsigned char *>PyUnicode_DATA(text)


cdef inline int digit_of(unsigned char c) noexcept nogil:
    if 48 <= c <= 57:
        return c - 48
    if 97 <= c <= 102:
        return c - 87
    return 99


cdef inline Py_ssize_t decimal(const unsigned char *s, Py_ssize_t n, Py_ssize_t i, uint64_t *out) noexcept nogil:
    """Behind the decimal digits at i; -1 when they are more than 64 bits hold."""
    cdef uint64_t value = 0, digit
    while i < n and 48 <= s[i] <= 57:
        digit = s[i] - 48
        if value > (<uint64_t>-1 - digit) // 10:
            return -1
        value = value * 10 + digit
        i += 1
    out[0] = value
    return i


cdef object number_at(str text, const unsigned char *s, Py_ssize_t n, Py_ssize_t *at):
    """One argument that is a number, a name or names; at[0] moves behind it and its comment."""
    cdef Py_ssize_t i = at[0], start = i
    cdef uint64_t value = 0
    cdef bint negative = False
    if i < n and s[i] == 45:
        negative = True
        i += 1
    if i + 2 < n and s[i] == 48 and s[i + 1] == 120:
        i += 2
        while i < n and digit_of(s[i]) < 16:
            if i - start > 18:
                raise ValueError(text)
            value = (value << 4) | <uint64_t>digit_of(s[i])
            i += 1
        if i - start == 2:
            raise ValueError(text)
    elif i < n and 48 <= s[i] <= 57 and not (s[i] == 48 and i + 1 < n and 48 <= s[i + 1] <= 57):
        i = decimal(s, n, i, &value)
        if i < 0:
            raise ValueError(text)
    if i == start or (i < n and s[i] != 44 and s[i] != 41 and s[i] != 32):
        i = start
        while i < n and s[i] != 44 and s[i] != 41 and s[i] != 32:
            i += 1
        if i == start:
            raise ValueError(text)
        at[0] = skip_comment(s, n, i)
        return named(PyUnicode_Substring(text, start, i))
    at[0] = skip_comment(s, n, i)
    if negative:
        return -<int64_t>value
    return value


cdef inline object natural_at(str text, const unsigned char *s, Py_ssize_t n, Py_ssize_t *at):
    """An address or a length; one that was printed with a sign is a large one."""
    cdef bint negative = at[0] < n and s[at[0]] == 45
    value = number_at(text, s, n, at)
    return value & 0xFFFFFFFFFFFFFFFF if negative else value


cdef inline object named(str name):
    value = (<dict>_known).get(name)
    return _number(name) if value is None else value


cdef inline Py_ssize_t skip_comment(const unsigned char *s, Py_ssize_t n, Py_ssize_t i) noexcept nogil:
    """Behind ` /* … */`, when there is one."""
    if i + 3 < n and s[i] == 32 and s[i + 1] == 47 and s[i + 2] == 42:
        i += 3
        while i + 1 < n and not (s[i] == 42 and s[i + 1] == 47):
            i += 1
        return i + 2 if i + 2 < n else n
    return i


cdef object result_at(str text, const unsigned char *s, Py_ssize_t n, Py_ssize_t i):
    """(value or None, errno) from the `)` before the answer."""
    cdef Py_ssize_t start
    if i >= n or s[i] != 41:
        raise ValueError(text)
    i += 1
    while i < n and s[i] == 32:
        i += 1
    if i + 1 >= n or s[i] != 61 or s[i + 1] != 32:
        raise ValueError(text)
    i += 2
    if i < n and s[i] == 63:
        return None, ""
    if i < n and s[i] == 45 and i + 3 < n and s[i + 1] == 49 and s[i + 2] == 32:
        start = i + 3
        i = start
        while i < n and (65 <= s[i] <= 90 or 48 <= s[i] <= 57):
            i += 1
        if i > start:
            name = PyUnicode_Substring(text, start, i)
            return -1, _errnos.setdefault(name, name)
        i = start - 3
    return answer_at(text, s, n, i), ""


cdef object answer_at(str text, const unsigned char *s, Py_ssize_t n, Py_ssize_t i):
    """The number of an answer: 0x hex, or decimal with a sign."""
    cdef uint64_t value = 0
    cdef Py_ssize_t start
    cdef bint negative = False
    if i + 1 < n and s[i] == 48 and s[i + 1] == 120:
        i += 2
        start = i
        while i < n and digit_of(s[i]) < 16:
            value = (value << 4) | <uint64_t>digit_of(s[i])
            i += 1
    else:
        if i < n and s[i] == 45:
            negative = True
            i += 1
        start = i
        i = decimal(s, n, i, &value)
    if i <= start or s[start - 1] == 120 and i - start > 16:
        raise ValueError(text)
    if negative:
        return -<int64_t>value
    # a 32-bit program's addresses as a 64-bit strace 4 showed them: their sign was extended
    return value & 0xFFFFFFFF if s[start - 1] == 120 and value >= <uint64_t>0xFFFFFFFF00000000 else value


def ranges(str text):
    """(a, b, c, d, value, errno) of munmap(a, b), mprotect(a, b, c), …; what is not there is 0."""
    cdef Py_ssize_t n, i = 0
    cdef const unsigned char *s = chars(text, &n)
    a = natural_at(text, s, n, &i)
    if i + 1 >= n or s[i] != 44:
        raise ValueError(text)
    i += 2
    b = natural_at(text, s, n, &i)
    c = d = 0
    if i + 1 < n and s[i] == 44:
        i += 2
        c = number_at(text, s, n, &i)
        if i + 1 < n and s[i] == 44:
            i += 2
            d = number_at(text, s, n, &i)
    value, errno = result_at(text, s, n, i)
    return a, b, c, d, value, errno


def brk(str text):
    """(address, value, errno)."""
    cdef Py_ssize_t n, i = 0
    cdef const unsigned char *s = chars(text, &n)
    a = natural_at(text, s, n, &i)
    value, errno = result_at(text, s, n, i)
    return a, value, errno


cdef Py_ssize_t path_end(const unsigned char *s, Py_ssize_t n, Py_ssize_t i) noexcept nogil:
    """The `>` that ends the `<` at i, -1: none. An old strace does not escape the `<` and `>` of a name: what follows tells."""
    cdef Py_ssize_t j
    for j in range(i + 1, n):
        if s[j] == 62:
            i = j + 10 if j + 10 < n and memcmp(s + j + 1, b"(deleted)", 9) == 0 else j + 1
            if i >= n or s[i] in (44, 41, 93, 125, 10):  # , ) ] }
                return j
    return -1


cdef object descriptor_at(str text, const unsigned char *s, Py_ssize_t n, Py_ssize_t *at, list path):
    """The number; path gets the text of <…>, and whether it is (deleted), when they are there."""
    cdef Py_ssize_t i = at[0], start
    fd = number_at(text, s, n if i + 24 > n else i + 24, at) if not has_path(s, n, i) else plain_number(text, s, n, at)
    i = at[0]
    if i < n and s[i] == 60:
        start = i + 1
        i = path_end(s, n, i)
        if i < 0:
            raise ValueError(text)
        path.append(PyUnicode_Substring(text, start, i))
        i += 1
        if i + 9 <= n and memcmp(s + i, b"(deleted)", 9) == 0:
            path.append(True)
            i += 9
    at[0] = i
    if fd >= 0x80000000:
        fd -= 1 << 32 if fd < 1 << 32 else 1 << 64
    return fd


cdef inline bint has_path(const unsigned char *s, Py_ssize_t n, Py_ssize_t i) noexcept nogil:
    while i < n and (48 <= s[i] <= 57 or 97 <= s[i] <= 102 or s[i] == 120 or s[i] == 45):
        i += 1
    return i < n and s[i] == 60


cdef object plain_number(str text, const unsigned char *s, Py_ssize_t n, Py_ssize_t *at):
    cdef Py_ssize_t i = at[0], start = at[0]
    while i < n and s[i] != 60:
        i += 1
    at[0] = i
    return int(PyUnicode_Substring(text, start, i), 0)


def close(str text):
    """(number, path as the log has it or '', is deleted, value, errno)."""
    cdef Py_ssize_t n, i = 0
    cdef const unsigned char *s = chars(text, &n)
    cdef list path = []
    fd = descriptor_at(text, s, n, &i, path)
    value, errno = result_at(text, s, n, i)
    return fd, path[0] if path else "", len(path) > 1, value, errno


def file_io(str text, bint is_positioned):
    """(number, path, is deleted, buffer's address or 0, count, offset or None, value, errno) of read, write, pread64, …"""
    cdef Py_ssize_t n, i = 0, end, start
    cdef const unsigned char *s = chars(text, &n)
    cdef list path = []
    fd = descriptor_at(text, s, n, &i, path)
    if i + 2 >= n or s[i] != 44:
        raise ValueError(text)
    i += 2 if s[i + 1] == 32 else 1
    buffer = number_at(text, s, n, &i) if s[i] == 48 and s[i + 1] == 120 else 0
    # from the end: the answer, then the last one or two numbers
    end = n - 1
    while end > 0 and not (s[end] == 61 and s[end - 1] == 32 and end + 1 < n and s[end + 1] == 32 and closes(s, end)):
        end -= 1
    if end <= i:
        raise ValueError(text)
    end -= 1
    while s[end] == 32:
        end -= 1
    value, errno = result_at(text, s, n, end)
    last, start = before(text, s, end)
    count, offset = last, None
    if is_positioned:
        count, _ = before(text, s, start)
        offset = last
    return fd, path[0] if path else "", len(path) > 1, buffer, count, offset, value, errno


def descriptor_and_answer(str text):
    """(number, value, errno) of a call whose first argument is a descriptor: lseek."""
    cdef Py_ssize_t n, i = 0, end
    cdef const unsigned char *s = chars(text, &n)
    cdef list path = []
    fd = descriptor_at(text, s, n, &i, path)
    end = n - 1
    while end > i and not (s[end] == 61 and s[end - 1] == 32 and end + 1 < n and s[end + 1] == 32 and closes(s, end)):
        end -= 1
    end -= 1
    while end > i and s[end] == 32:
        end -= 1
    value, errno = result_at(text, s, n, end)
    return fd, value, errno


def mmap(str text):
    """(address, length, prot, flags, descriptor's number, its path, is deleted, offset, value, errno)."""
    cdef Py_ssize_t n, i = 0
    cdef const unsigned char *s = chars(text, &n)
    cdef list path = []
    addr = next_natural(text, s, n, &i)
    length = next_natural(text, s, n, &i)
    prot = next_number(text, s, n, &i)
    flags = next_number(text, s, n, &i)
    fd = descriptor_at(text, s, n, &i, path)
    if i + 1 >= n or s[i] != 44:
        raise ValueError(text)
    i += 2
    offset = natural_at(text, s, n, &i)
    value, errno = result_at(text, s, n, i)
    return addr, length, prot, flags, fd, path[0] if path else "", len(path) > 1, offset, value, errno


cdef inline object next_natural(str text, const unsigned char *s, Py_ssize_t n, Py_ssize_t *at):
    """An address or a length that another argument follows; at[0] moves to that."""
    found = natural_at(text, s, n, at)
    if at[0] + 1 >= n or s[at[0]] != 44 or s[at[0] + 1] != 32:
        raise ValueError(text)
    at[0] += 2
    return found


cdef inline object next_number(str text, const unsigned char *s, Py_ssize_t n, Py_ssize_t *at):
    """An argument that another one follows; at[0] moves to that."""
    found = number_at(text, s, n, at)
    if at[0] + 1 >= n or s[at[0]] != 44 or s[at[0] + 1] != 32:
        raise ValueError(text)
    at[0] += 2
    return found


def openat(str text):
    """(path, flags, value, errno, path of the answer or '') of openat(AT_FDCWD, …) or openat(AT_FDCWD</dir>, …), and (…, the directory shown).

    ValueError: another descriptor, or a path with escapes or cut short.
    """
    cdef Py_ssize_t n, i = 8, start
    cdef const unsigned char *s = chars(text, &n)
    cdef str shown = ""
    if n < 12 or memcmp(s, b"AT_FDCWD", 8) != 0:
        raise ValueError(text)
    if s[i] == 60:
        start = i + 1
        while i < n and s[i] != 62 and s[i] != 92:
            i += 1
        if i >= n or s[i] == 92:
            raise ValueError(text)
        shown = PyUnicode_Substring(text, start, i)
        i += 1
    if i + 3 >= n or memcmp(s + i, b", \"", 3) != 0:
        raise ValueError(text)
    i += 3
    start = i
    while i < n and s[i] != 34:
        if s[i] == 92 or s[i] >= 128:
            raise ValueError(text)
        i += 1
    if i + 2 >= n or s[i + 1] != 44 or s[i + 2] != 32:
        raise ValueError(text)
    path = PyUnicode_Substring(text, start, i)
    i += 3
    flags = number_at(text, s, n, &i)
    if i < n and s[i] == 44:  # the mode of a new file
        while i < n and s[i] != 41:
            i += 1
    value, errno = result_at(text, s, n, i)
    return path, flags, value, errno, path_of_answer(text, s, n), shown


cdef str path_of_answer(str text, const unsigned char *s, Py_ssize_t n):
    """The text of <…> at the end of a line, '' when there is none. ValueError: one with escapes, or that is no plain path."""
    cdef Py_ssize_t i = n - 1, end
    while i > 0 and (s[i] == 10 or s[i] == 32):
        i -= 1
    if i > 9 and memcmp(s + i - 9, b">(deleted)", 10) == 0:
        i -= 9
    if s[i] == 62 and i > 9 and 48 <= s[i - 1] <= 57:  # -T: <0.000012>
        end = i
        while i > 0 and s[i] != 60:
            i -= 1
        if i > 1 and s[i - 1] == 32:
            i -= 2
            while i > 0 and s[i] == 32:
                i -= 1
        else:
            i = end
    if s[i] != 62:
        return ""
    end = i
    while i > 0 and s[i] != 60:
        i -= 1
        if s[i] == 92 or s[i] == 62:
            raise ValueError(text)
    return PyUnicode_Substring(text, i + 1, end)


def leading_number(str text):
    """The decimal number at the start, -1 when there is none."""
    cdef Py_ssize_t n, i = 0
    cdef const unsigned char *s = chars(text, &n)
    cdef int64_t value = 0
    while i < n and 48 <= s[i] <= 57 and i < 10:
        value = value * 10 + (s[i] - 48)
        i += 1
    return value if i else -1


def arguments(str text):
    """The top-level parts of a list of arguments; commas in strings, brackets and descriptors' paths do not count."""
    cdef Py_ssize_t n, i = 0, start = 0, depth = 0, end
    cdef const unsigned char *s = chars(text, &n)
    cdef unsigned char c
    cdef list parts = []
    while i < n:
        c = s[i]
        if c == 34:  # a string
            i += 1
            while i < n and s[i] != 34:
                i += 2 if s[i] == 92 else 1
            if i >= n:
                raise ValueError(text)
        elif c == 40 or c == 91 or c == 123:
            depth += 1
        elif c == 60:  # `3</path>`, `AT_FDCWD</path>`, `-100 /* AT_FDCWD */</path>`
            if i and (48 <= s[i - 1] <= 57 or s[i - 1] == 68 or s[i - 1] == 47) and i + 1 < n and s[i + 1] != 60:
                end = path_end(s, n, i)
                i = end if end > 0 else i
        elif c == 41 or c == 93 or c == 125:
            depth -= 1
        elif c == 44 and depth == 0:
            parts.append(PyUnicode_Substring(text, start, i).strip())
            start = i + 1
        i += 1
    last = PyUnicode_Substring(text, start, n).strip()
    if last or parts:
        parts.append(last)
    return parts


cdef inline bint closes(const unsigned char *s, Py_ssize_t i) noexcept nogil:
    """Whether a `)` stands before the `=` at i, but for blanks."""
    i -= 1
    while i > 0 and s[i] == 32:
        i -= 1
    return s[i] == 41


cdef object before(str text, const unsigned char *s, Py_ssize_t end):
    """(the number that ends before `end`, where the comma before it stands); (0, end) when there is none."""
    cdef Py_ssize_t i = end, at
    while i > 0 and s[i - 1] != 44:
        i -= 1
    if i == 0:
        return 0, end
    at = i
    while at < end and s[at] == 32:
        at += 1
    if at == end or s[at] == 34 or s[at] == 91 or s[at] == 93:
        return 0, end
    return number_at(text, s, end, &at), i - 1
