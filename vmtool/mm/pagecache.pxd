# cython: language_level=3
"""Files, the simulated disk, and the page cache in front of it: the names that rooms above need, under one roof.

    names      strings; path -> inode
    filemap    page of a file -> frame; dirty marks
    inode      inodes, open files, blocks of the disk
    readahead  what a miss reads, what a mark starts; the faults' side
    writeback  sync, msync
    folio_split, truncate   truncation, holes, drop_caches
    shmem      files without a disk
    fileio     read() and write()

Each uses only those above it in this list (fileio also shmem). A clean page has no contents of its own: page_bytes() gives the disk's block.
"""

from vmtool.mm.fileio cimport filemap_read, filemap_write
from vmtool.mm.filemap cimport (filemap_add, filemap_get, filemap_get_leaf, filemap_get_range, filemap_swapped, in_its_place, folio_mark_dirty,
                                page_uptodate)
from vmtool.mm.inode cimport disk_write_block, fget, file_open, fput, inode_create, inode_path, may_write_file, tmpfs_create, path_rename, path_unlink
from vmtool.mm.names cimport name_free, name_read, name_store, path_lookup
from vmtool.mm.readahead cimport (NOT_IN_FLIGHT, filemap_fault_hit, filemap_fault_miss_in, filemap_fault_reread, filemap_map_hits, filemap_populate,
                                  force_readahead)
from vmtool.mm.shmem cimport shmem_acct_size, shmem_adopt_size, shmem_get, shmem_is_charged_whole
from vmtool.mm.swap_lru cimport folio_mark_accessed
from vmtool.mm.truncate cimport do_truncate, drop_caches, invalidate_range, punch_hole
from vmtool.mm.writeback cimport alloc_da_blocks, file_write_and_wait_range, sync_all
