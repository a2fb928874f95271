"""Access traces at C speed: text of five forms, a block of bytes at a time, to packed records.

What is modelled: a line an access.
    lackey     `I  04001000,3`  ` L 1fff000cb0,8`  ` S …`  ` M …`  (valgrind --tool=lackey --trace-mem=yes, also with short addresses);
               `==PID== …`, `--PID-- …` and `SB …` lines and blank ones are passed over. M, a modify, is one access that writes.
    list       `[r|w|x] ADDRESS [SIZE]`, the address in hex with or without 0x, the size in decimal or 0x hex, default a read of 1 byte;
               blank lines and what follows a # are passed over.
    pinatrace  `0x7f11e0a40093: R 0x7ffd3c6c9d28`: where the instruction is, R or W, the address, perhaps a size; `#eof` ends it
    dinero     `2 430d70`: 0 read, 1 write, 2 instruction (or r, w, i), 3 and 4 (m, c, v) are none; the address in hex, perhaps a size
    memtrace   `0x00007fff2c60:  8, w` (r, w, or an instruction's name), `0x401000,r,8,0x7ffd0010` and the lines of the view tool,
               `… read  8 byte(s) @ 0x7ffd0010 …`: DynamoRIO's samples memtrace_simple, memtrace_x86, and drmemtrace
A record is what Machine.access_stream() takes: little-endian u64 address, u32 size, u32 kind (0 read, 1 write, 2 execute).
A line of none of these is passed over and counted: a program's output stands between. In a list, which people write, it stops the scan.
Simplified: the fetch of the instruction that pin and memtrace name beside an access is not made.
Invariant: every byte that was fed is a record, passed over, the start of the next block's first line, or `bad_line` is set.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memset

from vmtool.hexdigits cimport hex_digit, read_hex

cdef enum:
    C_LACKEY
    C_LIST
    C_PINATRACE
    C_DINERO
    C_MEMTRACE

LACKEY = C_LACKEY
LIST = C_LIST
PINATRACE = C_PINATRACE
DINERO = C_DINERO
MEMTRACE = C_MEMTRACE
LONGEST_LINE = 4096

cdef enum:
    LONGEST_PLAIN = 32  # and more than that: three characters, 16 digits, a comma, four digits, the line's end
    NR_RECENT = 64  # pages that pages() need not look up

cdef unsigned char HEX[256]


cdef void make_hex():
    cdef int i
    for i in range(256):
        HEX[i] = <unsigned char>hex_digit(<char>i) if hex_digit(<char>i) >= 0 else 255

make_hex()

cdef struct access_t:
    uint64_t addr
    uint32_t size
    uint32_t kind  # 0 read, 1 write, 2 execute


cdef inline const char *skip_blanks(const char *p, const char *end) noexcept nogil:
    while p < end and (p[0] == 32 or p[0] == 9 or p[0] == 13):
        p += 1
    return p


cdef const char *read_size(const char *p, const char *end, uint32_t *out) noexcept nogil:
    """A size of 1 byte to 1 GiB, decimal or 0x hex; NULL when it is none."""
    cdef uint64_t value = 0
    cdef const char *start = p
    if end - p > 2 and p[0] == 48 and (p[1] == 120 or p[1] == 88):
        p = read_hex(p + 2, end, &value)
        if p == NULL:
            return NULL
    else:
        while p < end and 48 <= p[0] <= 57 and p - start < 12:
            value = value * 10 + <uint64_t>(p[0] - 48)
            p += 1
        if p == start:
            return NULL
    if value == 0 or value > 0x40000000:
        return NULL
    out[0] = <uint32_t>value
    return p


cdef inline const char *skip_0x(const char *p, const char *end) noexcept nogil:
    return p + 2 if end - p > 2 and p[0] == 48 and (p[1] | 32) == 120 else p


cdef int lackey_line(const char *p, const char *end, access_t *out) noexcept nogil:
    """1: an access; 0: passed over; -1: neither."""
    cdef char letter
    if p == end or p[0] == 61 or (p[0] == 83 and end - p > 2 and p[1] == 66):  # blank, ==, SB
        return 0
    if end - p < 5:
        return 0 if skip_blanks(p, end) == end else -1
    letter = p[0] if p[0] != 32 else p[1]
    if letter == 73:  # I
        out.kind = 2
    elif letter == 76:  # L
        out.kind = 0
    elif letter == 83 or letter == 77:  # S, M
        out.kind = 1
    elif letter == 45 and p[0] == 45:  # --PID--
        return 0
    else:
        return 0 if skip_blanks(p, end) == end else lackey_behind(p, end, out)
    p = skip_blanks(p + 2 if p[0] == 32 else p + 1, end)
    p = read_hex(skip_0x(p, end), end, &out.addr)
    if p == NULL or p == end or p[0] != 44:  # ,
        return -1
    p = read_size(skip_blanks(p + 1, end), end, &out.size)
    if p == NULL or skip_blanks(p, end) != end:
        return -1
    return 1


cdef inline const char *plain_lackey(const char *p, const char *end, access_t *out) noexcept nogil:
    """A line as lackey writes it, of which there are millions, in one pass. Returns where the next begins; NULL: lackey_line() looks at it."""
    cdef uint64_t value = 0
    cdef uint32_t size = 0, digit, n = 0
    if end - p < LONGEST_PLAIN or p[2] != 32:
        return NULL
    if p[0] == 32 and (p[1] == 76 or p[1] == 83 or p[1] == 77):
        out.kind = p[1] != 76
    elif p[0] == 73 and p[1] == 32:
        out.kind = 2
    else:
        return NULL
    p += 3
    digit = HEX[<unsigned char>p[0]]
    while digit < 16 and n < 16:
        value = value << 4 | digit
        n += 1
        digit = HEX[<unsigned char>p[n]]
    p += n
    if n == 0 or p[0] != 44:
        return NULL
    for n in range(1, 5):
        digit = <uint32_t>(<unsigned char>p[n]) - 48
        if digit > 9:
            break
        size = size * 10 + digit
    else:
        n = 5
    if size == 0 or p[n] != 10:
        return NULL
    out.addr = value
    out.size = size
    return p + n + 1


cdef int lackey_behind(const char *p, const char *end, access_t *out) noexcept nogil:
    """An access at the end of a line that a program began and did not end; -1: there is none."""
    cdef const char *at = end - 1
    while at > p and at[0] != 32:
        at -= 1
    while at > p and at[0] == 32:
        at -= 1
    if not (at > p and at[0] in (73, 76, 77, 83)):
        return -1
    if at[0] != 73 and (at - 1)[0] != 32 or at[1] != 32:
        return -1
    return lackey_line(at if at[0] == 73 else at - 1, end, out)


cdef int list_line(const char *p, const char *end, access_t *out) noexcept nogil:
    """1: an access; 0: passed over; -1: neither."""
    cdef const char *hash_sign = <const char *>memchr(p, 35, end - p)
    if hash_sign != NULL:
        end = hash_sign
    p = skip_blanks(p, end)
    if p == end:
        return 0
    out.kind = 0
    out.size = 1
    if end - p > 1 and (p[1] == 32 or p[1] == 9) and (p[0] | 32) in (114, 119, 120):  # r w x
        out.kind = 0 if (p[0] | 32) == 114 else 1 if (p[0] | 32) == 119 else 2
        p = skip_blanks(p + 1, end)
    if end - p > 2 and p[0] == 48 and (p[1] == 120 or p[1] == 88):
        p += 2
    p = read_hex(p, end, &out.addr)
    if p == NULL:
        return -1
    if p < end:
        if p[0] != 32 and p[0] != 9 and p[0] != 13 and p[0] != 44:
            return -1
        p = skip_blanks(p + 1, end)
        if p < end:
            p = read_size(p, end, &out.size)
            if p == NULL or skip_blanks(p, end) != end:
                return -1
    return 1


cdef int pinatrace_line(const char *p, const char *end, access_t *out) noexcept nogil:
    """1: an access; 0: passed over; -1: neither."""
    p = skip_blanks(p, end)
    if p == end or p[0] == 35:  # #
        return 0
    p = read_hex(skip_0x(p, end), end, &out.addr)
    if p == NULL or p == end or p[0] != 58:  # :
        return -1
    p = skip_blanks(p + 1, end)
    if end - p < 3 or (p[0] != 82 and p[0] != 87):  # R, W
        return -1
    out.kind = 1 if p[0] == 87 else 0
    p = skip_blanks(p + 1, end)
    p = read_hex(skip_0x(p, end), end, &out.addr)
    if p == NULL:
        return -1
    out.size = 1
    p = skip_blanks(p, end)
    if p != end and read_size(p, end, &out.size) == NULL:
        return -1
    return 1


cdef int dinero_line(const char *p, const char *end, access_t *out) noexcept nogil:
    """1: an access; 0: passed over; -1: neither."""
    cdef char label
    p = skip_blanks(p, end)
    if p == end or p[0] == 35:
        return 0
    label = p[0]
    p += 1
    if p == end or (p[0] != 32 and p[0] != 9):
        return -1
    p = skip_blanks(p, end)
    p = read_hex(skip_0x(p, end), end, &out.addr)
    if p == NULL or (p != end and p[0] != 32 and p[0] != 9 and p[0] != 13):
        return -1
    out.size = 1
    read_size(skip_blanks(p, end), end, &out.size)
    if label in (48, 114, 82):  # 0, r, R
        out.kind = 0
    elif label in (49, 119, 87):  # 1, w, W
        out.kind = 1
    elif label in (50, 105, 73):  # 2, i, I
        out.kind = 2
    else:
        return 0 if label in (51, 52, 109, 77, 99, 67, 118, 86) else -1  # 3, 4, m, c, v
    return 1


cdef int memtrace_line(const char *p, const char *end, access_t *out) noexcept nogil:
    """1: an access; 0: passed over; -1: neither."""
    cdef uint64_t instruction
    cdef const char *at
    p = skip_blanks(p, end)
    if p == end:
        return 0
    at = read_hex(skip_0x(p, end), end, &out.addr)
    if at == NULL or at == end or (at[0] != 58 and at[0] != 44):
        return view_line(p, end, out)
    if at[0] == 58:  # ADDRESS: SIZE, WHAT
        p = read_size(skip_blanks(at + 1, end), end, &out.size)
        if p == NULL or p == end or p[0] != 44:
            return view_line(skip_blanks(at + 1, end), end, out)
        p = skip_blanks(p + 1, end)
        if p == end:
            return -1
        out.kind = 2 if end - p > 1 and p[1] > 32 else 0 if p[0] == 114 else 1 if p[0] == 119 else 2
        return 1
    p = at + 1  # INSTRUCTION,r|w,SIZE,ADDRESS
    if end - p < 4 or (p[0] != 114 and p[0] != 119) or p[1] != 44:
        return -1
    out.kind = 1 if p[0] == 119 else 0
    p = read_size(p + 2, end, &out.size)
    if p == NULL or p == end or p[0] != 44:
        return -1
    p = read_hex(skip_0x(p + 1, end), end, &out.addr)
    return -1 if p == NULL else 1


cdef int view_line(const char *p, const char *end, access_t *out) noexcept nogil:
    """`… ifetch|read|write N byte(s) @ 0xADDRESS …`: 1; a marker, a heading: 0; -1: neither."""
    cdef const char *word
    cdef const char *number = NULL
    if end - p > 3 and (p[0] == 45 or p[0] == 60 or memcmp(p, b"Form", 4) == 0 or memcmp(p, b"Outp", 4) == 0):  # -, <
        return 0
    out.kind = 3
    while p < end:
        p = skip_blanks(p, end)
        word = p
        while p < end and p[0] != 32 and p[0] != 9:
            p += 1
        if p - word == 6 and memcmp(word, b"ifetch", 6) == 0:
            out.kind = 2
        elif p - word == 4 and memcmp(word, b"read", 4) == 0:
            out.kind = 0
        elif p - word == 5 and memcmp(word, b"write", 5) == 0:
            out.kind = 1
        elif p - word == 7 and memcmp(word, b"byte(s)", 7) == 0:
            if out.kind == 3 or number == NULL or read_size(number, end, &out.size) == NULL or end - p < 6 or p[1] != 64:
                return -1
            return 1 if read_hex(skip_0x(p + 3, end), end, &out.addr) != NULL else -1
        elif word < p and word[0] == 60:  # <marker: …>
            return 0
        number = word
    return -1


cdef int other_line(int form, const char *p, const char *end, access_t *out) noexcept nogil:
    """A line of any form but lackey's: 1: an access; 0: passed over; -1: neither."""
    if form == C_LIST:
        return list_line(p, end, out)
    if form == C_PINATRACE:
        return pinatrace_line(p, end, out)
    if form == C_DINERO:
        return dinero_line(p, end, out)
    return memtrace_line(p, end, out)


cdef class Scanner:
    """The state between blocks: the line number, the unfinished line, the counts by letter."""

    cdef readonly long line  # lines read so far
    cdef readonly long bad_line  # the first line that is no access, 0: none
    cdef readonly bytes bad_text
    cdef readonly long nr_other, first_other  # lines that were passed over as no access, the first of them
    cdef readonly bytes other_text
    cdef readonly bint is_cut  # the last line has no end and is no access
    cdef int last  # what the last line was
    cdef readonly long nr_reads, nr_writes, nr_fetches
    cdef int form
    cdef bytes rest
    cdef access_t *room  # for a block's records, kept: new memory for each block would cost as much as its lines
    cdef size_t room_bytes

    def __dealloc__(self):
        free(self.room)

    def __init__(self, int form):
        self.form = form
        self.line = self.bad_line = 0
        self.nr_other = self.first_other = 0
        self.bad_text = self.other_text = b""
        self.nr_reads = self.nr_writes = self.nr_fetches = 0
        self.rest = b""

    def feed(self, bytes block, bint is_last=False):
        """The records of the whole lines so far. With is_last an unfinished line counts as bad, unless it is blank."""
        cdef bytes text = self.rest + block if self.rest else block
        cdef bint is_open = is_last and len(text) > 0 and text[len(text) - 1] != 10
        if is_open:
            text += b"\n"
        cdef const char *p = PyBytes_AS_STRING(text)
        cdef const char *end = p + len(text)
        # an access takes at least two characters: of a list, a digit and the line's end
        cdef size_t most = (len(text) // 2 + 2) * sizeof(access_t)
        cdef long nr
        if most > self.room_bytes:
            free(self.room)
            self.room_bytes = 0
            self.room = <access_t *>malloc(most)
            if self.room == NULL:
                raise MemoryError()
            self.room_bytes = most
        nr = self.lines(&p, end, self.room)
        self.is_cut = is_open and self.last < 0
        self.rest = text[p - <const char *>PyBytes_AS_STRING(text):] if not self.bad_line else b""
        if self.bad_line == 0 and (is_last and self.rest.strip() or len(self.rest) > LONGEST_LINE):
            self.bad_line, self.bad_text = self.line + 1, self.rest[:60]
        return PyBytes_FromStringAndSize(<const char *>self.room, nr * sizeof(access_t))

    cdef long lines(self, const char **at, const char *end, access_t *out) except -1:
        """The records of the lines from at[0], which moves behind the last whole line."""
        cdef const char *p = at[0]
        cdef const char *stop
        cdef long nr = 0, line = self.line
        cdef long[3] by_kind
        cdef const char *next
        cdef int what = 0, form = self.form
        by_kind[0] = by_kind[1] = by_kind[2] = 0
        while p < end:
            next = plain_lackey(p, end, &out[nr]) if form == C_LACKEY else NULL
            if next != NULL:
                by_kind[out[nr].kind] += 1
                line += 1
                nr += 1
                what = 1
                p = next
                continue
            stop = <const char *>memchr(p, 10, end - p)
            if stop == NULL:
                break
            line += 1
            what = lackey_line(p, stop, &out[nr]) if form == C_LACKEY else other_line(form, p, stop, &out[nr])
            if what > 0:
                by_kind[out[nr].kind] += 1
                nr += 1
            elif what < 0:
                if form == C_LIST:
                    self.bad_line = line
                    self.bad_text = p[:min(stop - p, 60)]
                    break
                self.nr_other += 1
                if self.nr_other == 1:
                    self.first_other, self.other_text = line, p[:min(stop - p, 60)]
            p = stop + 1
        self.line, self.last = line, what
        self.nr_reads += by_kind[0]
        self.nr_writes += by_kind[1]
        self.nr_fetches += by_kind[2]
        at[0] = p
        return nr


cdef void note_page(uint64_t page, uint64_t *recent, set known, list new):
    cdef uint64_t *place = &recent[page * 0x9E3779B97F4A7C15ULL >> 58]  # Fibonacci hashing: code, heap and stack often end alike
    if place[0] != page:
        place[0] = page
        if page not in known:
            known.add(page)
            new.append(page)


def pages(bytes records, set known, int page_shift):
    """The page numbers of the records that are not in `known`, which gets them; sorted."""
    cdef const access_t *r = <const access_t *>PyBytes_AS_STRING(records)
    cdef Py_ssize_t i, n = len(records) // sizeof(access_t)
    cdef uint64_t page, last = <uint64_t>-1
    cdef uint64_t recent[NR_RECENT]  # page numbers of 52 bits
    cdef list new = []
    memset(recent, 0xFF, sizeof(recent))
    for i in range(n):
        page = r[i].addr >> page_shift
        if page != last:
            last = page
            note_page(page, recent, known, new)
        page = (r[i].addr + r[i].size - 1) >> page_shift
        if page != last:
            note_page(page, recent, known, new)
    new.sort()
    return new
