# cython: language_level=3
"""A script's plain lines, nearly all of a long one: a command and its arguments, numbers of the common kinds, one blank between two words.

    touch 1 0x7ffff3fde000 4096    ->    the declaration of touch, {pid: 1, addr: 0x7ffff3fde000, length: 4096, …the defaults}

Whatever else a line holds - an option, a quote, a variable, a comment, a name for an address, a suffix, an error - is words' and parse's, which know
all of it and say what is wrong; so nothing is decided here that they would decide otherwise (tests/cli/test_plain_line.py). A plain line is also its
own entry in the log.
"""

from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeASCII

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
    cdef dict defaults
    cdef tuple names
    cdef bytes kinds
    cdef Py_ssize_t nr_required


cdef dict PLANS = {}  # by the command's name; None: it has other arguments


cdef Plan plan_of(str name):
    command = table.find(name)
    plan = None
    if (command is not None and name not in table.NOT_IN_SCRIPTS and not command.tail and command.rest is None and len(command.arguments) < MOST_WORDS
            and all([p.kind in KINDS and not p.repeat for p in command.arguments])
            and not any([p in group for p in command.arguments for group in command.exclusive])):
        plan = Plan()
        (<Plan>plan).command, (<Plan>plan).defaults = command, command.defaults
        (<Plan>plan).names = tuple([p.name for p in command.arguments])
        (<Plan>plan).kinds = b"".join([KINDS[p.kind] for p in command.arguments])
        (<Plan>plan).nr_required = command.nr_required
    PLANS[name] = plan
    return plan


cdef inline int hex_digit(char c) noexcept nogil:
    if c'0' <= c <= c'9':
        return c - c'0'
    if c'a' <= c <= c'f':
        return c - c'a' + 10
    return c - c'A' + 10 if c'A' <= c <= c'F' else -1


cdef bint hexadecimal(const char *text, Py_ssize_t length, unsigned long long *value) noexcept nogil:
    cdef Py_ssize_t i
    if length > 2 and text[0] == c'0' and text[1] == c'x':
        text += 2
        length -= 2
    if not 0 < length <= MOST_DIGITS:
        return False
    value[0] = 0
    for i in range(length):
        if hex_digit(text[i]) < 0:
            return False
        value[0] = value[0] << 4 | <unsigned long long>hex_digit(text[i])
    return True


cdef bint decimal(const char *text, Py_ssize_t length, unsigned long long *value) noexcept nogil:
    cdef Py_ssize_t i
    if not 0 < length <= 18:
        return False
    value[0] = 0
    for i in range(length):
        if not c'0' <= text[i] <= c'9':
            return False
        value[0] = value[0] * 10 + <unsigned long long>(text[i] - c'0')
    return True


cdef bint number(char kind, const char *text, Py_ssize_t length, unsigned long long *value) noexcept nogil:
    if kind == c'a':
        return hexadecimal(text, length, value)
    return decimal(text, length, value) and (kind == c's' or (length <= 10 and value[0] <= <unsigned long long>LARGEST_PID))


cdef Py_ssize_t cut(const char *text, Py_ssize_t length, Py_ssize_t *starts) noexcept nogil:
    """Where each word begins, and behind the last its end and one; how many, 0: the line is not plain."""
    cdef Py_ssize_t i, nr = 0
    cdef bint in_word = False
    for i in range(length):
        if c'0' <= text[i] <= c'9' or c'a' <= text[i] <= c'z' or c'A' <= text[i] <= c'F' or (text[i] == c'-' and in_word and nr == 1):
            if not in_word:
                if nr == MOST_WORDS:
                    return 0
                starts[nr] = i
                nr += 1
                in_word = True
        elif text[i] == c' ' and in_word:
            in_word = False
        else:
            return 0
    starts[nr] = length + 1
    return nr if in_word else 0


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
    name = PyUnicode_DecodeASCII(text, starts[1] - 1, NULL)
    plan = PLANS[name] if name in PLANS else plan_of(name)
    if plan is None or not plan.nr_required < nr <= len(plan.names) + 1:
        return None
    values = plan.defaults.copy()
    for i in range(1, nr):
        if not number((<const char *>plan.kinds)[i - 1], text + starts[i], starts[i + 1] - 1 - starts[i], &value):
            return None
        values[plan.names[i - 1]] = value
    return plan.command, values
