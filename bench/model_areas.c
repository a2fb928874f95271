/*
 * The plain-C model on areas: what bench/kernel_areas.c measures, on the records of model.h.
 *
 *   model_areas NR_PAGES     prints "read NS", "shared NS", "protect NS", "unmap NS", then "counters read_faults=N shared_faults=N ..."
 */
#include "model.h"

#include <stdio.h>
#include <time.h>

enum { ZERO_PFN = 1, FAULT_AROUND = 16, ROUNDS = 3 };  /* the first round warms the host's pages up; the last is printed */
static const uint64_t BASE = 0x7f0000000000, FILE_BASE = 0x7e0000000000;
static uint32_t *page_cache;  /* by index: the file's frames */

static int handle_mm_fault(struct machine *m, uint64_t addr, unsigned error);
#include "model_mmu.c"
#define handle_mm_fault anon_fault
#include "model_mm.c"
#undef handle_mm_fault

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

/* Map the pages of the cache around addr that have no entry yet, within its window of 16. */
static int map_pages(struct machine *m, struct vma *vma, uint64_t addr, uint64_t *table)
{
    uint64_t from = addr & ~((uint64_t)FAULT_AROUND * PAGE_BYTES - 1), at;

    for (at = from < vma->vm_start ? vma->vm_start : from; at < from + FAULT_AROUND * PAGE_BYTES && at < vma->vm_end; at += PAGE_BYTES) {
        uint64_t *pte = table + level_index(at, 0);
        uint32_t pfn = page_cache[vma->vm_pgoff + ((at - vma->vm_start) >> PAGE_SHIFT)];

        if ((*pte & PTE_P) || !pfn)
            continue;
        m->frame[pfn].refcount++;
        m->frame[pfn].mapcount++;
        m->mm->rss_anon++;
        *pte = (uint64_t)pfn << PAGE_SHIFT | PTE_P | PTE_US | (at == addr ? PTE_A : 0) | PTE_NX;
    }
    return 0;
}

/* Of memory that is only read: the page of zeros, or the file's. */
static int handle_mm_fault(struct machine *m, uint64_t addr, unsigned error)
{
    struct vma *vma;
    uint64_t *table;

    if (error & PF_WRITE)
        return anon_fault(m, addr, error);
    m->pgfault++;
    vma = find_vma(m->mm, addr);
    if (!vma || !(vma->vm_flags & VM_READ))
        return -1;
    table = pte_alloc(m, m->mm, addr);
    if (!table)
        return -1;
    if (!vma->anon_vma)
        return map_pages(m, vma, addr, table);
    table[level_index(addr, 0)] = (uint64_t)ZERO_PFN << PAGE_SHIFT | PTE_P | PTE_US | PTE_A | PTE_NX;
    return 0;
}

static void lru_del(struct machine *m, uint32_t pfn)
{
    struct frame *f = &m->frame[pfn];

    *(f->lru_prev ? &m->frame[f->lru_prev].lru_next : &m->lru_head) = f->lru_next;
    *(f->lru_next ? &m->frame[f->lru_next].lru_prev : &m->lru_tail) = f->lru_prev;
    m->nr_lru--;
}

static void free_page(struct machine *m, uint32_t pfn)
{
    m->frame[pfn] = (struct frame){ .lru_next = m->pcp };
    m->pcp = pfn;
    m->nr_free++;
    m->pgfree++;
}

static void change_protection(struct machine *m, struct vma *vma)
{
    vma->vm_flags &= ~VM_WRITE;
    for (uint64_t addr = vma->vm_start; addr < vma->vm_end; addr += (uint64_t)TABLE_ENTRIES << PAGE_SHIFT) {
        uint64_t *table = pte_alloc(m, m->mm, addr);

        for (int i = 0; i < TABLE_ENTRIES; i++)
            if (table[i] & PTE_P)
                table[i] &= ~(uint64_t)PTE_RW;
    }
    flush_tlb_all(m);
}

static void unmap(struct machine *m, struct vma *vma)
{
    for (uint64_t addr = vma->vm_start; addr < vma->vm_end; addr += (uint64_t)TABLE_ENTRIES << PAGE_SHIFT) {
        uint64_t *table = pte_alloc(m, m->mm, addr);

        for (int i = 0; i < TABLE_ENTRIES; i++) {
            uint32_t pfn = (table[i] & PTE_PFN) >> PAGE_SHIFT;

            if (!(table[i] & PTE_P))
                continue;
            table[i] = 0;
            m->mm->rss_anon--;
            m->nr_anon--;
            if (--m->frame[pfn].mapcount || --m->frame[pfn].refcount)
                continue;
            lru_del(m, pfn);
            free_page(m, pfn);
        }
    }
    flush_tlb_all(m);
    vma->vm_end = vma->vm_start;
}

static int measure(struct machine *m, uint64_t nr_pages, double ns[4])
{
    static struct mm mm;
    uint64_t length = nr_pages << PAGE_SHIFT, faults;
    double t;

    if (mm_init(m, &mm))
        return -1;
    mm.vma[mm.nr_vmas++] = (struct vma){ FILE_BASE, FILE_BASE + length, VM_READ, 0, 0 };
    mm.vma[mm.nr_vmas++] = (struct vma){ BASE, BASE + length, VM_READ | VM_WRITE, 1, BASE >> PAGE_SHIFT };
    load_cr3(m, &mm);

    t = now_ns();
    if (touch(m, BASE, length, 0))
        return -1;
    ns[0] = (now_ns() - t) / nr_pages;
    faults = m->pgfault;
    flush_tlb_all(m);
    for (uint64_t addr = BASE; addr < BASE + length; addr += PAGE_BYTES)
        pte_alloc(m, &mm, addr)[level_index(addr, 0)] = 0;
    if (touch(m, BASE, length, 1))
        return -1;
    t = now_ns();
    change_protection(m, &mm.vma[1]);
    ns[2] = (now_ns() - t) / nr_pages;
    t = now_ns();
    unmap(m, &mm.vma[1]);
    ns[3] = (now_ns() - t) / nr_pages;

    for (uint64_t i = 0; i < nr_pages; i++) {
        if (!(page_cache[i] = alloc_page(m)))
            return -1;
        lru_add(m, page_cache[i]);
    }
    m->pgfault = 0;
    t = now_ns();
    if (touch(m, FILE_BASE, length, 0))
        return -1;
    ns[1] = (now_ns() - t) / nr_pages;
    printf("counters read_faults=%lu shared_faults=%lu pgfree=%lu\n", faults, m->pgfault, m->pgfree);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t nr_pages = argc > 1 ? strtoull(argv[1], 0, 0) : 32768;
    struct machine m;
    double ns[4];

    page_cache = calloc(nr_pages, sizeof *page_cache);
    if (!page_cache || machine_init(&m, nr_pages * 2 + nr_pages / 64 + 4096)) {
        fprintf(stderr, "model_areas: out of memory\n");
        return 1;
    }
    for (int round = 0; round < ROUNDS; round++) {
        machine_boot(&m);
        if (measure(&m, nr_pages, ns)) {
            fprintf(stderr, "model_areas: a simulated access failed\n");
            return 1;
        }
    }
    printf("read %.3f\nshared %.3f\nprotect %.3f\nunmap %.3f\n", ns[0], ns[1], ns[2], ns[3]);
    return 0;
}
