# cython: language_level=3
"""A script's plain lines, nearly all of a long one: a command and its arguments, numbers of the common kinds, one blank between two words.

    touch 1 0x7ffff3fde000 4096    ->    the declaration of touch, {pid: 1, addr: 0x7ffff3fde000, length: 4096, …the defaults}

Whatever else a line holds - an option, a quote, a variable, a comment, a name for an address, a suffix, an error - is words' and parse's, which know
all of it and say what is wrong; so nothing is decided here that they would decide otherwise (tests/cli/test_plain_line.py). A plain line is also its
own entry in the log.
"""

from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeASCII
from libc.string cimport memcmp

from vmtool.cli import table
from vmtool.cli.kinds import PID_MAX

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)

cdef enum:
    MOST_WORDS = 8
    MOST_DIGITS = 16  # of a hexadecimal number; of a decimal one 18 are within 64 bits

cdef dict KINDS = {"PID": b"p", "ADDR": b"a", "SIZE": b"s"}
cdef long long LARGEST_PID = PID_MAX


cdef class Plan:
    """A command whose arguments are all of these kinds: how to read them."""
    cdef object command
    cdef bytes name
    cdef dict defaults
    cdef tuple names
    cdef bytes kinds
    cdef Py_ssize_t nr_required


cdef dict PLANS = {}  # by the command's name; None: it has other arguments
cdef Plan LAST = Plan()  # of the line before: the next one is often of the same command
LAST.name = b""
cdef signed char DIGITS[256]  # by character: its value as a digit, or another of these

cdef enum:  # characters of a plain line
    LETTER = 16  # of a command's name alone
    DASH  # within one
    BLANK
    OTHER = -1


cdef void fill_digits() noexcept:
    cdef int c
    for c in range(256):
        DIGITS[c] = OTHER
        if c'0' <= c <= c'9':
            DIGITS[c] = <signed char>(c - c'0')
        elif c'a' <= c <= c'f' or c'A' <= c <= c'F':
            DIGITS[c] = <signed char>((c | 32) - c'a' + 10)
        elif c'g' <= c <= c'z':
            DIGITS[c] = LETTER
    DIGITS[c'-'] = DASH
    DIGITS[c' '] = BLANK


fill_digits()


cdef Plan plan_of(str name):
    command = table.find(name)
    plan = None
    if (command is not None and name not in table.NOT_IN_SCRIPTS and not command.tail and command.rest is None and len(command.arguments) < MOST_WORDS
            and all([p.kind in KINDS and not p.repeat for p in command.arguments])
            and not any([p in group for p in command.arguments for group in command.exclusive])):
        plan = Plan()
        (<Plan>plan).command, (<Plan>plan).name, (<Plan>plan).defaults = command, name.encode(), command.defaults
        (<Plan>plan).names = tuple([p.name for p in command.arguments])
        (<Plan>plan).kinds = b"".join([KINDS[p.kind] for p in command.arguments])
        (<Plan>plan).nr_required = command.nr_required
    PLANS[name] = plan
    return plan


cdef inline int digit(char c) noexcept nogil:
    return DIGITS[<unsigned char>c]


cdef bint hexadecimal(const char *text, Py_ssize_t length, unsigned long long *value) noexcept nogil:
    cdef unsigned long long found = 0
    cdef Py_ssize_t i
    if length > 2 and text[0] == c'0' and text[1] == c'x':
        text += 2
        length -= 2
    if not 0 < length <= MOST_DIGITS:
        return False
    for i in range(length):
        if not 0 <= digit(text[i]) < 16:
            return False
        found = found << 4 | <unsigned long long>digit(text[i])
    value[0] = found
    return True


cdef bint decimal(const char *text, Py_ssize_t length, unsigned long long *value) noexcept nogil:
    cdef unsigned long long found = 0
    cdef Py_ssize_t i
    if not 0 < length <= 18:
        return False
    for i in range(length):
        if not c'0' <= text[i] <= c'9':
            return False
        found = found * 10 + <unsigned long long>(text[i] - c'0')
    value[0] = found
    return True


cdef bint number(char kind, const char *text, Py_ssize_t length, unsigned long long *value) noexcept nogil:
    if kind == c'a':
        return hexadecimal(text, length, value)
    return decimal(text, length, value) and (kind == c's' or (length <= 10 and value[0] <= <unsigned long long>LARGEST_PID))


cdef Py_ssize_t cut(const char *text, Py_ssize_t length, Py_ssize_t *starts) noexcept nogil:
    """Where each word begins, and behind the last its end and one; how many, 0: the line is not plain."""
    cdef Py_ssize_t i, nr = 0
    cdef bint in_word = False
    cdef int what
    for i in range(length):
        what = digit(text[i])
        if 0 <= what <= LETTER or (what == DASH and in_word and nr == 1):
            if not in_word:
                if nr == MOST_WORDS:
                    return 0
                starts[nr] = i
                nr += 1
                in_word = True
        elif what == BLANK and in_word:
            in_word = False
        else:
            return 0
    starts[nr] = length + 1
    return nr if in_word else 0


cdef Plan known(const char *text, Py_ssize_t length):
    """The plan of a command's name, None: it has none."""
    global LAST
    cdef Plan plan = LAST
    if len(plan.name) == length and memcmp(<const char *>plan.name, text, length) == 0:
        return plan
    name = PyUnicode_DecodeASCII(text, length, NULL)
    plan = PLANS[name] if name in PLANS else plan_of(name)
    if plan is not None:
        LAST = plan
    return plan


def read(str line):
    """(its command's declaration, its parameters' values), or None: it is no plain line."""
    cdef Py_ssize_t starts[MOST_WORDS + 1]
    cdef Py_ssize_t length, nr, i
    cdef const char *text
    cdef unsigned long long value = 0
    cdef Plan plan
    cdef dict values
    if not PyUnicode_IS_ASCII(line):
        return None
    text = PyUnicode_AsUTF8AndSize(line, &length)
    nr = cut(text, length, starts)
    if nr == 0:
        return None
    plan = known(text, starts[1] - 1)
    if plan is None or not plan.nr_required < nr <= len(plan.names) + 1:
        return None
    values = plan.defaults.copy()
    for i in range(1, nr):
        if not number((<const char *>plan.kinds)[i - 1], text + starts[i], starts[i + 1] - 1 - starts[i], &value):
            return None
        values[plan.names[i - 1]] = value
    return plan.command, values
