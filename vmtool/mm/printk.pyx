"""Lines of the log, oldest first; the first ones go when there are too many.

Modelled: what /dev/kmsg keeps: a time and a text. Counterpart: Linux v6.18 kernel/printk/printk.c:vprintk_store().
Invariants: records kmsg_first .. kmsg_next - 1 (modulo KMSG_MOST, from 1) are lines in order.
"""

from libc.string cimport memcpy, memset, strlen

from vmtool.mm.arena cimport arena_resize, rec_mut


cdef void printk(arena_t *a, const char *line) noexcept nogil:
    cdef size_t left = strlen(line)
    cdef size_t part
    cdef kmsg_t *k
    cdef uint32_t at
    while True:
        part = min(left, <size_t>KMSG_TEXT)
        at = <uint32_t>(a.m.kmsg_next % KMSG_MOST) + 1
        if arena_resize(a, POOL_KMSG, at + 1) < 0:
            return
        k = <kmsg_t *>rec_mut(a, POOL_KMSG, at)
        memset(k, 0, sizeof(kmsg_t))
        k.time_us = a.m.now_us
        k.len = <uint32_t>part
        k.level = KMSG_CONT if part < left else 0
        memcpy(k.text, line, part)
        a.m.kmsg_next += 1
        if a.m.kmsg_next - a.m.kmsg_first > KMSG_MOST:
            a.m.kmsg_first = a.m.kmsg_next - KMSG_MOST
        line += part
        left -= part
        if left == 0:
            return
