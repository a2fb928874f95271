"""The lines of a log at C speed: which call, of which thread, wanted or not.

What is modelled: `lexer` for every line that is a call, or its first or second half, with or without the columns before it (PID, with -Y
its comm, times, numbers in brackets), on lines that hold a byte a character. All other lines go to lexer's own expressions: those that are
no calls, wanted calls without their end (something else was written into them), the last one when it has no end of line.
Simplified: columns are passed over, not checked.
Invariant: a line gives at most one event here; its call is counted once, where it begins.
"""

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_Substring
from libc.string cimport memcmp

cdef enum:
    C_WHOLE = 0
    C_SECOND_HALF = 1
    C_FIRST_HALF = 2

WHOLE = C_WHOLE
SECOND_HALF = C_SECOND_HALF
FIRST_HALF = C_FIRST_HALF


cdef class _Name:
    """One call's name: how often, and whether anybody wants its lines."""

    cdef long count
    cdef bint is_wanted, is_sure  # is_sure: nobody wants it, and one of its lines had the end of a call
    cdef str name


cdef class Lines:
    """The events of a log: tuples (line, thread, name, text after the name, which part of a call).

    `on_name` (line's number, name) is told of each name once. `slow` (line, number) is asked for all lines that are no calls
    and gives a list of events; `finish` (these Lines) is called at the end. While
    `is_waiting` every line goes to `slow`.
    """

    cdef object lines, slow, finish, on_name, last
    cdef public bint is_waiting
    cdef dict names
    cdef object wanted
    cdef list ready
    cdef readonly long number

    def __init__(self, lines, wanted, slow, finish, on_name=None):
        self.lines = iter(lines)
        self.wanted = wanted
        self.slow = slow
        self.finish = finish
        self.on_name = on_name
        self.is_waiting = False
        self.names = {}
        self.ready = []
        self.number = 0
        self.last = "\n"

    def __iter__(self):
        return self

    @property
    def last_line(self):
        return self.last

    def flush(self, counts):
        """Add what was counted to `counts`."""
        cdef _Name entry
        for name, entry in self.names.items():
            if entry.count:
                counts[name] += entry.count
                entry.count = 0

    def __next__(self):
        cdef Py_ssize_t n, i, start
        cdef const unsigned char *s
        cdef long tid
        cdef int part
        cdef _Name entry
        cdef str line
        while True:
            if self.ready:
                return self.ready.pop(0)
            try:
                line = next(self.lines)
            except StopIteration:
                self.finish(self)
                raise
            self.last = line
            self.number += 1
            n = PyUnicode_GET_LENGTH(line)
            s = <const unsigned char *>PyUnicode_DATA(line)
            if PyUnicode_KIND(line) == 1:
                tid = 0
                i = columns(s, n, &tid)
                if i + 5 < n and s[i] == 60 and memcmp(s + i, b"<... ", 5) == 0 and not self.is_waiting:
                    i += 5
                    start = i
                    while i < n and s[i] != 32:
                        i += 1
                    if i + 9 < n and memcmp(s + i, b" resumed>", 9) == 0 and s[n - 1] == 10:
                        entry = self.entry(line, start, i)
                        if entry.is_wanted:
                            i += 9
                            while s[i] == 32:  # strace 4 has a blank there
                                i += 1
                            return self.number, tid, entry.name, PyUnicode_Substring(line, i, n), C_SECOND_HALF
                        continue
                elif i < n and (97 <= s[i] <= 122 or s[i] == 95):
                    start = i
                    while i < n and (97 <= s[i] <= 122 or 48 <= s[i] <= 57 or s[i] == 95):
                        i += 1
                    if i < n and s[i] == 40 and not self.is_waiting and s[n - 1] == 10:
                        entry = self.entry(line, start, i)
                        part = C_WHOLE if entry.is_sure else end_of_call(s, n, i)
                        if part >= 0:
                            entry.is_sure = not entry.is_wanted
                            entry.count += 1
                            if entry.is_wanted:
                                return self.number, tid, entry.name, PyUnicode_Substring(line, i + 1, n), part
                            continue
            events = self.slow(line, self.number)
            if events:
                self.ready = events

    cdef _Name entry(self, str line, Py_ssize_t start, Py_ssize_t end):
        """The record of the call named at start..end."""
        cdef _Name entry
        cdef str name = PyUnicode_Substring(line, start, end)
        found = self.names.get(name)
        if found is not None:
            return <_Name>found
        entry = _Name()
        entry.name = name
        entry.is_wanted = name in self.wanted
        self.names[name] = entry
        if self.on_name is not None:
            self.on_name(self.number, name)
        return entry


cdef inline Py_ssize_t skip_comm(const unsigned char *s, Py_ssize_t n, Py_ssize_t i) noexcept nogil:
    """Behind the `<comm>` that -Y puts after a PID, when it is there."""
    if i < n and s[i] == 60:
        while i + 1 < n and not (s[i] == 62 and (s[i + 1] == 32 or s[i + 1] == 93)):
            i += 1
        i += 1
    return i


cdef Py_ssize_t columns(const unsigned char *s, Py_ssize_t n, long *tid) noexcept nogil:
    """Where the call begins, behind PID, times, numbers in brackets; tid gets the PID, if the line has one."""
    cdef Py_ssize_t i = 0, start
    cdef bint plain
    cdef long value = 0
    if n > 5 and memcmp(s, b"[pid ", 5) == 0:
        i = 5
        while i < n and s[i] == 32:
            i += 1
        while i < n and 48 <= s[i] <= 57:
            tid[0] = tid[0] * 10 + (s[i] - 48)
            i += 1
        i = skip_comm(s, n, i)
        if i + 1 >= n or s[i] != 93:
            return n
        i += 2
    elif n > 2 and 48 <= s[0] <= 57:
        while i < n and 48 <= s[i] <= 57:
            value = value * 10 + (s[i] - 48)
            i += 1
        if i < n and s[i] == 60:
            tid[0] = value
            i = skip_comm(s, n, i)
        else:
            i = 0
    while i < n:
        if s[i] == 32:
            i += 1
        elif 48 <= s[i] <= 57 or s[i] == 40 and i + 1 < n and s[i + 1] == 43:
            start = i
            plain = True
            value = 0
            while i < n and s[i] != 32 or i < n and s[start] == 40 and s[i] == 32:
                if not 48 <= s[i] <= 57:
                    plain = False
                else:
                    value = value * 10 + (s[i] - 48)
                i += 1
                if s[i - 1] == 41:
                    break
            if plain:
                if start != 0 or i - start > 10:
                    return n
                tid[0] = value
        elif s[i] == 91 and i + 1 < n and (s[i + 1] == 32 or 48 <= s[i + 1] <= 57 or 97 <= s[i + 1] <= 102):
            while i < n and s[i] != 93:
                i += 1
            i += 1
        else:
            break
    return i


cdef int end_of_call(const unsigned char *s, Py_ssize_t n, Py_ssize_t start) noexcept nogil:
    """WHOLE for a line that ends in `) = …`, FIRST_HALF for `<unfinished ...>`, perhaps with a `)`; -1: it has no end that is known here."""
    cdef Py_ssize_t i = n, at
    while i > 0 and (s[i - 1] == 10 or s[i - 1] == 41 or s[i - 1] == 32):
        i -= 1
    if i > 4 and memcmp(s + i - 4, b"...>", 4) == 0:
        return C_FIRST_HALF if i > 16 and memcmp(s + i - 16, b"<unfinished ...>", 16) == 0 else -1
    i = n - 2
    while i > start:
        if s[i] == 61 and s[i + 1] == 32 and s[i - 1] == 32:  # =
            at = i - 1
            while s[at] == 32:
                at -= 1
            if s[at] == 41:
                return C_WHOLE
        elif s[i] == 34:  # of a string: no answer has one, but for a path
            return -1
        i -= 1
    return -1
