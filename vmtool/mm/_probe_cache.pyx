"""For tests only: the page cache's rooms driven from Python, without processes. The product never imports it.

A Cache owns an arena with memory in it and nothing mapped; files and open files are named by their record numbers.
"""

from libc.stdlib cimport free, malloc

from vmtool.mm.arch cimport arch_lookup
from vmtool.mm.arena cimport *
from vmtool.mm.frame cimport boot_memory, folio_order, page_folio
from vmtool.mm.fsck_cache cimport fsck_cache, fsck_cache_check
from vmtool.mm.names cimport name_free, name_read, name_store, nr_path_buckets, path_bucket
from vmtool.mm.pagecache cimport *
from vmtool.mm.slab cimport kmem_cache_init
from vmtool.mm.swap_lru cimport lru_add_drain_all
from vmtool.mm.types cimport *
from vmtool.mm.vmstat cimport *

cdef enum:
    TO_END = -1

STATS = {"file_pages": NR_FILE_PAGES, "shmem": NR_SHMEM, "file_dirty": NR_FILE_DIRTY, "dirtied": NR_DIRTIED, "written": NR_WRITTEN,
         "inactive_file": NR_INACTIVE_FILE, "active_file": NR_ACTIVE_FILE, "inactive_anon": NR_INACTIVE_ANON}
EVENTS = {"pgpgin": PGPGIN, "pgpgout": PGPGOUT, "pgactivate": PGACTIVATE, "drop_pagecache": DROP_PAGECACHE, "drop_slab": DROP_SLAB}
LETTERS = ((PG_referenced, "R"), (PG_dirty, "D"), (PG_active, "A"), (PG_readahead, "M"))


cdef void collect(void *ctx, const char *name, uint64_t a, uint64_t b) noexcept nogil:
    with gil:
        (<list>ctx).append((name.decode(), a, b))


cdef void record_unmap(arena_t *a, idx_t inode, uint64_t first, uint64_t last, uint32_t even_cows) noexcept nogil:
    with gil:
        (<Cache>a.ctx).unmapped.append((inode, first, None if last == <uint64_t>TO_END else last, bool(even_cows)))


cdef class Cache:
    cdef arena_t a
    cdef public list unmapped  # what unmap_mapping_range() was called with

    def __cinit__(self, ram=1 << 30, ra_pages=32):
        self.unmapped = []
        if arena_init(&self.a) < 0:
            raise MemoryError
        arch_lookup(b"x86-64", &self.a.m.arch)
        self.a.m.ram_bytes = ram
        self.a.m.nr_cpus = 1
        self.a.m.ra_pages = ra_pages
        self.a.m.dirty_ratio = 20
        self.a.m.dirty_background_ratio = 10
        self.a.ctx = <void *>self
        self.a.unmap_mapping_range = record_unmap
        self.a.alloc_da_blocks = alloc_da_blocks
        if boot_memory(&self.a) < 0:
            raise ValueError(ram)
        kmem_cache_init(&self.a)

    def __dealloc__(self):
        arena_destroy(&self.a)

    @property
    def err(self):
        return self.a.err

    # --- names, inodes, open files -------------------------------------------------------------------
    def name_round_trip(self, bytes text):
        cdef char out[8192]
        cdef idx_t name = name_store(&self.a, text, len(text))
        n = name_read(&self.a, name, out, sizeof(out))
        name_free(&self.a, name)
        return out[:n]

    def create(self, bytes path, size=0, bytes data=b"", kind=INODE_EXT4, ino=0):
        """The inode, or -errno."""
        cdef int err
        cdef bytes block
        cdef idx_t inode = inode_create(&self.a, path, len(path), kind, 8, 1, ino, size or len(data), &err)
        if inode == 0:
            return -err
        for index in range((len(data) + 4095) // 4096):
            block = data[index * 4096 : index * 4096 + 4096]
            disk_write_block(&self.a, inode, index, block, len(block))
        return inode

    def create_shmem(self, bytes path, size):
        return self.create(path, size, kind=INODE_SHMEM)

    def lookup(self, bytes path):
        return path_lookup(&self.a, path, len(path))

    def path(self, inode):
        cdef char out[8192]
        n = inode_path(&self.a, inode, out, sizeof(out))
        return out[:n]

    def unlink(self, inode):
        path_unlink(&self.a, inode)

    def rename(self, inode, bytes path):
        return path_rename(&self.a, inode, path, len(path))

    def open(self, inode):
        return file_open(&self.a, inode)

    def get(self, file):
        fget(&self.a, file)

    def put(self, file):
        fput(&self.a, file)

    def inode(self, inode):
        cdef inode_t *i = inode_at(&self.a, inode)
        return {"nlink": i.nlink, "nr_open": i.nr_open, "ino": i.ino, "size": i.size, "nrpages": i.nrpages, "nr_dirty": i.nr_dirty,
                "nr_blocks": i.nr_blocks, "alloc_end": i.alloc_end, "objects": (i.obj[0] != 0) + (i.obj[1] != 0)}

    def ra(self, file):
        cdef file_t *f = file_at(&self.a, file)
        return {"start": f.ra_start, "size": f.ra_size, "async_size": f.ra_async_size, "order": f.ra_order, "mmap_miss": f.mmap_miss,
                "prev_pos": f.prev_pos}

    # --- calls on files --------------------------------------------------------------------------------
    def read(self, file, pos, length):
        """The bytes, or -errno."""
        cdef char *buf = <char *>malloc(length + 1)
        n = filemap_read(&self.a, file, pos, buf, length)
        data = buf[:n] if n >= 0 else n
        free(buf)
        return data

    def write(self, file, pos, bytes data):
        return filemap_write(&self.a, file, pos, data, len(data))

    def truncate(self, inode, size):
        return do_truncate(&self.a, inode, size)

    def punch_hole(self, inode, offset, length):
        return punch_hole(&self.a, inode, offset, length)

    def fsync(self, inode, first=0, last=TO_END):
        """By somebody who opens it for that."""
        file = file_open(&self.a, inode)
        err = self.fsync_of(file, first, last)
        fput(&self.a, file)
        return err

    def fsync_of(self, file, first=0, last=TO_END):
        return file_write_and_wait_range(&self.a, file, first, <uint64_t><int64_t>last)

    def sync(self):
        sync_all(&self.a)

    def invalidate(self, inode, first=0, last=TO_END):
        lru_add_drain_all(&self.a)  # as posix_fadvise(POSIX_FADV_DONTNEED) does
        return invalidate_range(&self.a, inode, first, <uint64_t><int64_t>last)

    def drop_caches(self, what):
        drop_caches(&self.a, what)

    def fail(self, inode, reads=0, writes=0):
        inode_mut(&self.a, inode).fail_read = reads
        inode_mut(&self.a, inode).fail_write = writes

    # --- faults' side ------------------------------------------------------------------------------------
    def fault(self, file, index, vm_flags=0, first=0, end=1 << 40):
        """What filemap_fault() does, without fault-around: "hit", "miss" or -errno."""
        cdef int err = 0
        page = filemap_get(&self.a, file_at(&self.a, file).inode, index)
        if page:
            filemap_fault_hit(&self.a, file, index, vm_flags, page)
            return "hit"
        return "miss" if filemap_fault_miss_in(&self.a, file, index, vm_flags, first, end, &err) else -err

    def shmem_get(self, inode, index):
        cdef uint32_t result = 0
        return shmem_get(&self.a, inode, index, 0, 0, &result)

    def willneed(self, file, index, nr_pages):
        return force_readahead(&self.a, file, index, nr_pages)

    def populate(self, inode):
        return filemap_populate(&self.a, inode)

    def set_mapcount(self, inode, index, mapcount):
        frame_mut(&self.a, filemap_get(&self.a, inode, index)).mapcount = mapcount

    def mark_dirty(self, inode, index):
        folio_mark_dirty(&self.a, page_folio(&self.a, filemap_get(&self.a, inode, index)))

    # --- looking ----------------------------------------------------------------------------------------
    def pages(self, inode, past=0):
        """A word a page: `.` not cached or not up to date, c clean, else letters R D A M, H for the head of a large folio, t for its tails."""
        cdef pfn_t page
        words = []
        for index in range((inode_at(&self.a, inode).size + 4095) // 4096 + past):
            page = filemap_get(&self.a, inode, index)
            if page == 0 or not page_uptodate(&self.a, page):
                words.append(".")
                continue
            flags = frame_at(&self.a, page_folio(&self.a, page)).flags
            word = "".join(letter for bit, letter in LETTERS if flags & bit)
            if folio_order(&self.a, page_folio(&self.a, page)):
                word += "H" if page_folio(&self.a, page) == page else "t"
            words.append(word or "c")
        return words

    def cached(self, inode):
        return [index for index, word in enumerate(self.pages(inode)) if word != "."]

    def stats(self):
        return {name: self.a.m.node_stat[<int>item] for name, item in STATS.items()} | {
            name: self.a.m.event[<int>item] for name, item in EVENTS.items()}

    def nr_free(self):
        return sum(self.a.m.zone[<int>z].free_pages for z in range(NR_ZONES))

    def nr_contents(self):
        return self.a.m.nr_contents

    def drain(self):
        """What waits in batches goes to the LRU lists."""
        lru_add_drain_all(&self.a)

    def fsck(self):
        """(name, a, b) of each broken invariant. Open files that a test holds have no owner here, so their counts are not compared."""
        found = []
        fsck_cache(&self.a, collect, <void *>found)
        return [line for line in found if line[0] != "file-refcount"]

    def fsck_names(self):
        names = []
        while fsck_cache_check(len(names)) != NULL:
            names.append(fsck_cache_check(len(names)).name.decode())
        return names

    def damage(self, what, inode=0, index=0, file=0):
        """Spoil one record in the way that the named check must notice."""
        cdef idx_t i = inode
        cdef pfn_t page = filemap_get(&self.a, i, index) if i else 0
        cdef inode_t *ino = inode_mut(&self.a, i)
        cdef frame_t *f = frame_mut(&self.a, page)
        if what == "inode-life":
            ino.nlink = 0
            ino.nr_open = 0
        elif what == "inode-count":
            self.a.m.nr_inodes += 1
        elif what == "inode-nrpages":
            ino.nrpages += 1
        elif what == "inode-nr-dirty":
            ino.nr_dirty += 1
        elif what == "inode-nr-blocks":
            ino.nr_blocks += 1
        elif what == "inode-nr-open":
            ino.nr_open += 1
        elif what == "path-lost":
            ino.hash_next = 0
            (<uint32_t *>rec_mut(&self.a, POOL_HASH, path_bucket(&self.a, ino.name)))[0] = 0
        elif what == "path-stray":
            (<uint32_t *>rec_mut(&self.a, POOL_HASH, (path_bucket(&self.a, ino.name) + 1) % nr_path_buckets()))[0] = i
        elif what == "file-inode":
            file_mut(&self.a, file).inode = 1 << 20
        elif what == "cache-page-mapping":
            f.mapping += 1
        elif what == "cache-page-index":
            f.index_lo += 1
        elif what == "cache-page-reference":
            f.extra_refs = 0
        elif what == "cache-page-lru":
            f.flags &= ~<uint32_t>PG_lru
        elif what == "cache-dirty-mark":
            f.flags ^= PG_dirty
        elif what == "cache-page-kind":
            f.flags ^= PG_swapbacked
        elif what == "cache-past-end":
            ino.size = 1
        elif what == "lru-stray":
            f.mapping = 0
            frame_mut(&self.a, filemap_get(&self.a, i, index + 1)).index_lo = 77
        elif what == "sum-file-pages":
            self.a.m.node_stat[<int>NR_FILE_PAGES] += 1
        elif what == "sum-shmem":
            self.a.m.node_stat[<int>NR_SHMEM] += 1
        elif what == "sum-file-dirty":
            self.a.m.node_stat[<int>NR_FILE_DIRTY] += 1
        elif what == "sum-write-pending":
            self.a.m.zone_stat[1][<int>NR_ZONE_WRITE_PENDING] += 1
        else:
            raise KeyError(what)
