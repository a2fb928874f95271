# cython: language_level=3
"""What the store does for each chunk: packing, in fewer bytes, exactly, at the speed of memory; checksums; its row and its directory's entry.

Records are regular: frames side by side differ by one in a list's links and in their index, entries of a page table by a page. So a chunk is
taken as rows of 32 bytes, eight words each, and a word is told by those above it, as a straight line goes on (`is_linear`), or by nothing (0);
only words that are otherwise are kept, as the difference:

    1 byte     is_linear
    64 bytes   a bit for each row that has such words
    each row   a byte, a bit for each word; then the differences

A row is a frame, or four entries of 64 bits; of other pools, whose records are larger, most is zeros. Then zeros up to one of PACKED_BYTES, so
that rows of the database keep their size. What has more than the last of these is kept as it is.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from vmtool.errors import InternalError

cdef enum:
    NR_ROWS = 512
    ROW_WORDS = 8
    ROW_BYTES = 32
    CHUNK_BYTES = NR_ROWS * ROW_BYTES
    HEAD_BYTES = 65  # of a packed chunk: is_linear and the bits
    MOST_OF_ROW = 33
    FEW_BYTES = 480
    NR_SIZES = 5
    MOST_BYTES = 8000
    CRC_POLYNOMIAL = 0x6DB88320  # but for its highest bit: an enum is an int
    CRC_STEP = 8  # bytes at once
    SLOT_HEAD = 16
    NR_ENTRIES = 256  # of a directory
    POOL_SHIFT = 48
    INTERIOR = 5  # kinds of a page of SQLite's
    LEAF = 13

cdef int sizes[NR_SIZES]
sizes[0], sizes[1], sizes[2], sizes[3], sizes[4] = FEW_BYTES, 1000, 2000, 4000, MOST_BYTES

PACKED_BYTES = tuple([sizes[i] for i in range(NR_SIZES)])
"""32, 15, 8, 4 or 2 of them fit, each with its head, in a page of SQLite's."""

cdef uint32_t crc_of[CRC_STEP][256]  # of a byte with so many zeros behind it


cdef void fill_crc() noexcept:
    cdef uint32_t byte, value
    cdef int bit, zeros
    for byte in range(256):
        value = byte
        for bit in range(8):
            value = (value >> 1) ^ ((<uint32_t>1 << 31 | CRC_POLYNOMIAL) if value & 1 else 0)
        crc_of[0][byte] = value
    for zeros in range(1, CRC_STEP):
        for byte in range(256):
            value = crc_of[zeros - 1][byte]
            crc_of[zeros][byte] = crc_of[0][value & 255] ^ (value >> 8)

fill_crc()


cdef uint32_t crc_bytes(const uint8_t *at, Py_ssize_t length, uint32_t value) noexcept nogil:
    cdef uint64_t word
    value = ~value
    while length >= CRC_STEP:
        memcpy(&word, at, CRC_STEP)
        word ^= value
        value = (crc_of[7][word & 255] ^ crc_of[6][word >> 8 & 255] ^ crc_of[5][word >> 16 & 255] ^ crc_of[4][word >> 24 & 255]
                 ^ crc_of[3][word >> 32 & 255] ^ crc_of[2][word >> 40 & 255] ^ crc_of[1][word >> 48 & 255] ^ crc_of[0][word >> 56])
        at += CRC_STEP
        length -= CRC_STEP
    while length:
        value = crc_of[0][(value ^ at[0]) & 255] ^ (value >> 8)
        at += 1
        length -= 1
    return ~value


def crc32(data, uint32_t value=0):
    """zlib's, whose import costs a command 0.3 ms."""
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    value = crc_bytes(<const uint8_t *>view.buf, view.len, value)
    PyBuffer_Release(&view)
    return value


# --- packing ---------------------------------------------------------------------------------------------


cdef int pack_rows(const uint32_t *source, uint8_t *out, int room, bint is_linear) noexcept nogil:
    """A chunk to `out`. Returns: the bytes it took; 0: more than `room`."""
    cdef uint32_t zeros[ROW_WORDS]
    cdef uint32_t diff[ROW_WORDS]
    cdef const uint64_t *pairs = <const uint64_t *>diff
    cdef const uint32_t *above = zeros
    cdef const uint32_t *second = zeros
    cdef uint32_t bits
    cdef int at = HEAD_BYTES
    cdef int row, i, nr
    memset(zeros, 0, ROW_BYTES)
    memset(out, 0, HEAD_BYTES)
    out[0] = is_linear
    for row in range(NR_ROWS):
        for i in range(ROW_WORDS):  # of a known length and plain, so that it becomes vectors
            diff[i] = source[i] - 2 * above[i] + second[i]
        if pairs[0] | pairs[1] | pairs[2] | pairs[3]:
            if at + MOST_OF_ROW > room:
                return 0
            out[1 + (row >> 3)] |= 1 << (row & 7)
            bits, nr = 0, 1
            for i in range(ROW_WORDS):
                memcpy(out + at + nr, &diff[i], 4)  # the next one goes over it if it is nothing
                nr += 4 if diff[i] else 0
                bits |= <uint32_t>(diff[i] != 0) << i
            out[at] = <uint8_t>bits
            at += nr
        if is_linear:
            second = above if row else source
            above = source
        source += ROW_WORDS
    return at


cdef bint unpack_rows(const uint8_t *source, Py_ssize_t length, uint32_t *out) noexcept nogil:
    """What pack_rows() packed, which may be followed by more; False: it is nothing that this made."""
    cdef uint32_t zeros[ROW_WORDS]
    cdef uint32_t words[ROW_WORDS]
    cdef const uint32_t *above = zeros
    cdef const uint32_t *second = zeros
    cdef const uint8_t *rows = source + 1
    cdef bint is_linear
    cdef uint32_t bits, diff
    cdef Py_ssize_t at = HEAD_BYTES
    cdef int row, i
    memset(zeros, 0, ROW_BYTES)
    if length < HEAD_BYTES or source[0] > 1:
        return False
    is_linear = source[0]
    for row in range(NR_ROWS):
        for i in range(ROW_WORDS):
            words[i] = 2 * above[i] - second[i]
        if rows[row >> 3] >> (row & 7) & 1:
            if at >= length:
                return False
            bits = source[at]
            at += 1
            for i in range(ROW_WORDS):
                if bits >> i & 1:
                    if at + 4 > length:
                        return False
                    memcpy(&diff, source + at, 4)
                    words[i] += diff
                    at += 4
        memcpy(out, words, ROW_BYTES)
        if is_linear:
            second = above if row else out
            above = out
        out += ROW_WORDS
    return True


cdef bytearray packed(const uint32_t *chunk):
    """None where it does not pay. What is not regular may take fewer bytes when nothing is expected of it."""
    cdef uint8_t linear[MOST_BYTES]
    cdef uint8_t plain[MOST_BYTES]
    cdef uint8_t *best = linear
    cdef int length = pack_rows(chunk, linear, MOST_BYTES, True)
    cdef int other, kind = 0
    if not 0 < length <= FEW_BYTES:
        other = pack_rows(chunk, plain, length if length else MOST_BYTES, False)
        if other:
            best, length = plain, other
    if length == 0:
        return None
    while sizes[kind] < length:
        kind += 1
    memset(best + length, 0, sizes[kind] - length)
    return PyByteArray_FromStringAndSize(<char *>best, sizes[kind])


cdef void write_head(uint8_t *head, uint64_t key, uint32_t total) noexcept nogil:
    """A slot's: key 8, checksum of the data 4, checksum of these twelve 4; little-endian."""
    cdef uint32_t check
    memcpy(head, &key, 8)
    memcpy(head + 8, &total, 4)
    check = crc_bytes(head, 12, 0)
    memcpy(head + 12, &check, 4)


def head_of(uint64_t key, uint32_t total):
    """The head of a slot with that key and data of that checksum."""
    cdef uint8_t head[SLOT_HEAD]
    write_head(head, key, total)
    return PyByteArray_FromStringAndSize(<char *>head, SLOT_HEAD)


def seal(uint64_t key, data):
    """(head, data, checksum of the data) of a slot that is to hold this chunk. What is returned depends on the chunk's bytes alone.

    Bytearrays: sqlite3 looks for an adapter in its registry of each `bytes` that is bound.
    """
    cdef Py_buffer view
    cdef uint32_t total
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        if view.len != CHUNK_BYTES:
            raise InternalError(f"a chunk of {view.len} bytes")
        stored = packed(<const uint32_t *>view.buf)
        if stored is None:
            stored = data
            total = crc_bytes(<const uint8_t *>view.buf, CHUNK_BYTES, 0)
        else:
            total = crc_bytes(<const uint8_t *>PyByteArray_AS_STRING(stored), len(stored), 0)
    finally:
        PyBuffer_Release(&view)
    return head_of(key, total), stored, total


# --- what was read ---------------------------------------------------------------------------------------


def opened(head, data):
    """(key, checksum of the data) of a row that may be a slot's, in use or free; None when either is not what was written."""
    cdef const uint8_t *at
    cdef uint64_t key
    cdef uint32_t total, check
    if type(head) is not bytes or len(head) != SLOT_HEAD or type(data) is not bytes or (len(data) != CHUNK_BYTES and len(data) not in PACKED_BYTES):
        return None
    at = <const uint8_t *>PyBytes_AS_STRING(head)
    memcpy(&key, at, 8)
    memcpy(&total, at + 8, 4)
    memcpy(&check, at + 12, 4)
    if crc_bytes(at, 12, 0) != check or crc_bytes(<const uint8_t *>PyBytes_AS_STRING(data), len(data), 0) != total:
        return None
    return key, total


def unpack(bytes data not None):
    """The chunk of a slot's data; None when they are none."""
    cdef bytes chunk
    if len(data) == CHUNK_BYTES:
        return data
    chunk = PyBytes_FromStringAndSize(NULL, CHUNK_BYTES)
    if not unpack_rows(<const uint8_t *>PyBytes_AS_STRING(data), len(data), <uint32_t *>PyBytes_AS_STRING(chunk)):
        return None
    return chunk


cdef inline int be16(const uint8_t *at) noexcept nogil:
    return at[0] << 8 | at[1]


def page_below(bytes page not None):
    """The page below the last entry of a page of a table's tree, 0: it is a leaf; None when what is written into the page may hit its cells.

    SQLite file format, section 1.6: a new cell goes in front of where the content is said to begin, or into a free block.
    """
    cdef const uint8_t *at = <const uint8_t *>PyBytes_AS_STRING(page)
    cdef Py_ssize_t size = len(page)
    cdef int start, nr, content, cell, block, i
    if size < 512 or at[0] != INTERIOR and at[0] != LEAF:
        return None
    start = 12 if at[0] == INTERIOR else 8
    nr, content = be16(at + 3), be16(at + 5)
    if start + 2 * nr > content:
        return None
    for i in range(nr):
        cell = be16(at + start + 2 * i)
        if not content <= cell <= size - 4:
            return None
        block = be16(at + 1)
        while block:  # mostly there is none; they go upwards
            if block > size - 4 or block <= cell < block + be16(at + block + 2) or 0 < be16(at + block) <= block:
                return None
            block = be16(at + block)
    return int.from_bytes(page[8:12], "big") if at[0] == INTERIOR else 0


# --- a step that is kept ---------------------------------------------------------------------------------


cdef uint32_t *entry_of(bytearray directory, uint64_t key) except NULL:
    if len(directory) != NR_ENTRIES * 4:
        raise InternalError(f"a directory of {len(directory)} bytes")
    return <uint32_t *>PyByteArray_AS_STRING(directory) + key % NR_ENTRIES


def slot_in(bytearray directory, uint64_t key):
    """The entry of a chunk in its directory."""
    return entry_of(directory, key)[0]


def put_elsewhere(chunks, machine, list dirty):
    """Write chunks to free slots, and name these in the directory. Yields: the rows of those that need new ones, to be inserted.

    What the directory named before goes to `chunks._replaced`.
    """
    cdef dict sums = chunks._sums
    cdef list replaced = chunks._replaced
    cdef list first_free = chunks.first_free
    cdef uint64_t key, number = <uint64_t>-1
    cdef uint32_t nr_slots = chunks.nr_slots, slot, old, total
    cdef int64_t more = 0
    cdef bytearray directory = None
    for pool, chunk in dirty:
        key = <uint64_t>pool << POOL_SHIFT | <uint64_t>chunk
        if key // NR_ENTRIES != number:
            number = key // NR_ENTRIES
            directory = chunks.change_directory(number)
        slot = entry_of(directory, key)[0]
        name = key
        known = sums.get(name) if slot else 0
        old = chunks.sum_of(name, slot) if known is None else known
        replaced.append((name, slot, old))
        head, stored, checksum = seal(key, machine.chunk(pool, chunk))
        total = checksum
        more += <int64_t>total - old
        sums[name] = checksum
        if first_free[PACKED_BYTES.index(len(stored)) if len(stored) < CHUNK_BYTES else NR_SIZES]:
            slot = chunks.fill_free(head, stored)
        else:
            nr_slots += 1
            slot = nr_slots
            yield slot, head, stored
        entry_of(directory, key)[0] = slot
    chunks.nr_slots = nr_slots
    chunks.total += more
