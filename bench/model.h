/*
 * The plain-C model's records: what the simulator keeps for a page, without its arena, its file or its generality.
 *
 *   pgd -> pud -> pmd -> pte -> frame        tables are the 4096 bytes of frames, entries in x86-64's format
 *   buddy[order] -> pcp -> a fault           order-0 frames come in batches from the buddy lists
 *
 * All links are frame numbers (0: none), as in the simulator, so that both sides read and write the same amount.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    PAGE_SHIFT = 12, PAGE_BYTES = 4096, TABLE_ENTRIES = 512, LEVELS = 4, MAX_ORDER = 10, PCP_ORDER = 6,
    TLB_SETS = 16, TLB_WAYS = 4,
};
enum { PTE_P = 1, PTE_RW = 2, PTE_US = 4, PTE_A = 0x20, PTE_D = 0x40 };
#define PTE_NX (1ull << 63)
#define PTE_PFN 0x000ffffffffff000ull

enum { PG_UPTODATE = 1, PG_LRU = 2, PG_SWAPBACKED = 4, PG_ANON_EXCLUSIVE = 8, PG_TABLE = 16, PG_BUDDY = 32, PG_CONTENT = 64 };
enum { VM_READ = 1, VM_WRITE = 2 };
enum { PF_PROT = 1, PF_WRITE = 2, PF_USER = 4 };

struct frame {               /* 32 bytes */
    uint32_t flags, refcount, mapcount, mapping, index, lru_next, lru_prev, unused;
};
struct vma { uint64_t vm_start, vm_end; uint32_t vm_flags, anon_vma; uint64_t vm_pgoff; };
struct mm { uint32_t pgd; struct vma vma[2]; uint32_t nr_vmas; uint64_t rss_anon, pgtables; };

/* tag[write] is vpn + 1 where the entry allows that access, else 0: a write through an entry that is not dirty must walk, to set D. */
struct tlb_entry { uint64_t tag[2], pte, age; };

struct access { uint64_t addr; uint32_t size, kind; };

struct machine {
    uint32_t nr_frames;
    struct frame *frame;
    char *memory;                              /* physical memory; only tables, and data that is not zero, are ever touched */
    uint32_t buddy[MAX_ORDER + 1], pcp, nr_free;
    uint32_t lru_head, lru_tail, nr_lru;
    struct tlb_entry tlb[TLB_SETS][TLB_WAYS];
    uint64_t tlb_clock;
    uint64_t cr3;
    struct mm *mm;                             /* of the running process */
    /* counters, compared with the simulator's at the end */
    uint64_t pgfault, pgalloc, pgfree, nr_anon, nr_pagetable, tlb_hits, tlb_misses;
};

static inline uint64_t *table_bytes(struct machine *m, uint32_t pfn)
{
    return (uint64_t *)(m->memory + ((uint64_t)pfn << PAGE_SHIFT));
}

static inline unsigned level_index(uint64_t addr, int level)
{
    return addr >> (PAGE_SHIFT + 9 * level) & (TABLE_ENTRIES - 1);
}

#endif
