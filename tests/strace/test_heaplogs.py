"""The forms in which other tools write allocations."""

import pytest

from vmtool.strace.heaplogs import Heaplog, guess_form
from vmtool.strace.lexer import LogError

LTRACE = """\
prog->malloc(24)                                 = 0x5581e2a0
[pid 77] libc.so.6->calloc(3, 100)               = 0x5581e2c0
[pid 77] prog->malloc(50 <unfinished ...>
[pid 78] prog->free(0x5581e2a0)                  = <void>
[pid 77] <... malloc resumed> )                  = 0x5581e400
puts("hello")                                    = 6
realloc(0x5581e400, 80)                          = 0x5581e500
realloc(nil, 9)                                  = 0x5581e600
free(nil)                                        = <void>
free(0x1234)                                     = <void>
+++ exited (status 0) +++
"""
VALGRIND = """\
==7== Memcheck, a memory error detector
--7-- malloc(24) = 0x4A52040
--7-- calloc(2,8) = 0x4A52090
--7-- realloc(0x4A52040,48) = 0x4A520E0
--7-- memalign(al 64, size 100) = 0x4A52140
--7-- _Znwm(8) = 0x4A52200
--7-- _ZdlPvm(0x4A52200)
--7-- free(0x4A520E0)
"""
LOGGER = "malloc(24) = 0x55e0\nrealloc(0x55e0, 0) = (nil)\nmalloc(1000000000000) = (nil)\naligned_alloc(64, 128) = 0x5600\nfree(0x5600)\n"
MTRACE = """\
= Start
@ ./a:[0x1189] + 0x5581e2a0 0x18
@ ./a:(main+0x1)[0x1190] < 0x5581e2a0
@ ./a:[0x1190] > 0x5581e300 0x30
- 0x5581e300
= End
"""
RAW = "v 10400 3\n+ 18 1 5581e2a0\n+ 30 2 5581e300\n- 5581e2a0\n"
INTERPRETED = "v 10400 3\na 18 1\na 30 2\n+ 0\n+ 1\n+ 0\n- 0\n- 1\n"


def read(form, text):
    log = Heaplog()
    return list(log.lines(form, text.splitlines(keepends=True))), log.nr_unknown


@pytest.mark.parametrize(("text", "form", "operations", "nr_unknown"), [
    (LTRACE, "ltrace", ["m 1 24", "c 2 3 100", "f 1", "m 3 50", "r 3 80", "m 4 9"], 1),
    (VALGRIND, "ltrace", ["m 1 24", "c 2 2 8", "r 1 48", "a 3 64 100", "m 4 8", "f 4", "f 1"], 0),
    (LOGGER, "ltrace", ["m 1 24", "f 1", "a 2 64 128", "f 2"], 0),
    (MTRACE, "mtrace", ["m 1 24", "r 1 48", "f 1"], 0),
    (RAW, "heaptrack", ["m 1 24", "m 2 48", "f 1"], 0),
    (INTERPRETED, "heaptrack", ["m 1 24", "m 2 48", "m 3 24", "f 3", "f 2"], 0),
    ("# a\nm 1 24\nc 2 3 4\nf 1\n", "trace", None, 0),
])  # fmt: skip
def test_a_form_is_recognized_and_read(text, form, operations, nr_unknown):
    assert guess_form(text.encode()) == form
    if operations is not None:
        assert read(form, text) == (operations, nr_unknown)


@pytest.mark.parametrize(("form", "text"), [("ltrace", "malloc(24)\n"), ("ltrace", "calloc(3) = 0x5\n"), ("mtrace", "@ a + zz 1\n"),
                                            ("heaptrack", "v 1\n+ 5\n")])
def test_a_line_that_cannot_be_read_is_told_with_its_number(form, text):
    with pytest.raises(LogError, match="line "):
        read(form, text)
