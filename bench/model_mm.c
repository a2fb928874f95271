/* The kernel of the plain-C model: buddy lists, page tables, anonymous faults, copy-on-write, fork. Included by model.c. */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void buddy_push(struct machine *m, uint32_t pfn, int order)
{
    struct frame *f = &m->frame[pfn];

    f->flags = PG_BUDDY;
    f->index = order;
    f->lru_prev = 0;
    f->lru_next = m->buddy[order];
    if (f->lru_next)
        m->frame[f->lru_next].lru_prev = pfn;
    m->buddy[order] = pfn;
}

/* A block of the order off the buddy lists, splitting the smallest one that is there. */
static uint32_t buddy_pop(struct machine *m, int order)
{
    int found = order;
    uint32_t pfn;

    while (found <= MAX_ORDER && !m->buddy[found])
        found++;
    if (found > MAX_ORDER)
        return 0;
    pfn = m->buddy[found];
    m->buddy[found] = m->frame[pfn].lru_next;
    if (m->buddy[found])
        m->frame[m->buddy[found]].lru_prev = 0;
    while (found-- > order)
        buddy_push(m, pfn + (1u << found), found);
    return pfn;
}

/* Fill the per-CPU list with one block; it hands out frames in ascending order. */
static uint32_t pcp_refill(struct machine *m)
{
    uint32_t first = buddy_pop(m, PCP_ORDER);

    if (!first)
        return 0;
    for (uint32_t i = 0; i < 1u << PCP_ORDER; i++)
        m->frame[first + i].lru_next = first + i + 1;
    m->frame[first + (1u << PCP_ORDER) - 1].lru_next = m->pcp;
    return m->pcp = first;
}

static uint32_t alloc_page(struct machine *m)
{
    uint32_t pfn = m->pcp;

    if (!pfn && !(pfn = pcp_refill(m)))
        return 0;
    m->pcp = m->frame[pfn].lru_next;
    m->frame[pfn] = (struct frame){ .refcount = 1 };
    m->nr_free--;
    m->pgalloc++;
    return pfn;
}

static __attribute__((noinline)) uint32_t alloc_table(struct machine *m)
{
    uint32_t pfn = alloc_page(m);

    if (!pfn)
        return 0;
    m->frame[pfn].flags = PG_TABLE;
    memset(table_bytes(m, pfn), 0, PAGE_BYTES);
    m->nr_pagetable++;
    return pfn;
}

/* The table below one, made when it is not there. 0: no memory. */
static inline uint32_t table_below(struct machine *m, struct mm *mm, uint32_t table, uint64_t addr, int level)
{
    uint64_t *entry = &table_bytes(m, table)[level_index(addr, level)];

    if (!(*entry & PTE_P)) {
        uint32_t below = alloc_table(m);

        if (!below)
            return 0;
        *entry = (uint64_t)below << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US | PTE_A;
        m->frame[table].index++;
        mm->pgtables++;
    }
    return (*entry & PTE_PFN) >> PAGE_SHIFT;
}

/* The PTE table of addr, with the levels above it made on the way. */
static inline uint64_t *pte_alloc(struct machine *m, struct mm *mm, uint64_t addr)
{
    uint32_t table = mm->pgd;

    if (!(table = table_below(m, mm, table, addr, 3)) || !(table = table_below(m, mm, table, addr, 2)) ||
        !(table = table_below(m, mm, table, addr, 1)))
        return 0;
    return table_bytes(m, table);
}

static void lru_add(struct machine *m, uint32_t pfn)
{
    struct frame *f = &m->frame[pfn];

    f->lru_next = m->lru_head;
    f->lru_prev = 0;
    if (m->lru_head)
        m->frame[m->lru_head].lru_prev = pfn;
    else
        m->lru_tail = pfn;
    m->lru_head = pfn;
    m->nr_lru++;
}

static struct vma *find_vma(struct mm *mm, uint64_t addr)
{
    for (uint32_t i = 0; i < mm->nr_vmas; i++)
        if (addr < mm->vma[i].vm_end)
            return addr >= mm->vma[i].vm_start ? &mm->vma[i] : 0;
    return 0;
}

/* A new anonymous frame for addr: descriptor, reverse map, LRU, counters. */
static uint32_t new_anon(struct machine *m, struct vma *vma, uint64_t addr)
{
    uint32_t pfn = alloc_page(m);
    struct frame *f = &m->frame[pfn];

    if (!pfn)
        return 0;
    f->flags = PG_UPTODATE | PG_LRU | PG_SWAPBACKED | PG_ANON_EXCLUSIVE;
    f->mapcount = 1;
    f->mapping = vma->anon_vma;
    f->index = vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);
    lru_add(m, pfn);
    m->nr_anon++;
    return pfn;
}

static uint64_t user_pte(uint32_t pfn)
{
    return (uint64_t)pfn << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_NX;
}

/* Writing to a page that fork shared: copy it, unless this process is the last that has it. */
static int do_wp_page(struct machine *m, struct vma *vma, uint64_t addr, uint64_t *pte)
{
    uint32_t old = (*pte & PTE_PFN) >> PAGE_SHIFT, pfn;

    if (m->frame[old].mapcount == 1) {
        m->frame[old].flags |= PG_ANON_EXCLUSIVE;
        *pte |= PTE_RW | PTE_A | PTE_D;
        return 0;
    }
    pfn = new_anon(m, vma, addr);
    if (!pfn)
        return -1;
    if (m->frame[old].flags & PG_CONTENT) {
        memcpy(table_bytes(m, pfn), table_bytes(m, old), PAGE_BYTES);
        m->frame[pfn].flags |= PG_CONTENT;
    }
    m->frame[old].mapcount--;
    m->frame[old].refcount--;
    *pte = user_pte(pfn);
    flush_tlb_page(m, addr);
    return 0;
}

/* 0: try the access again; -1: a signal. */
static int handle_mm_fault(struct machine *m, uint64_t addr, unsigned error)
{
    struct mm *mm = m->mm;
    struct vma *vma = find_vma(mm, addr);
    uint64_t *pte;
    uint32_t pfn;

    m->pgfault++;
    if (!vma || !(vma->vm_flags & (error & PF_WRITE ? VM_WRITE : VM_READ)))
        return -1;
    pte = pte_alloc(m, mm, addr);
    if (!pte)
        return -1;
    pte += level_index(addr, 0);
    if (*pte & PTE_P)
        return do_wp_page(m, vma, addr, pte);
    pfn = new_anon(m, vma, addr);
    if (!pfn)
        return -1;
    *pte = user_pte(pfn);
    mm->rss_anon++;
    return 0;
}

/* Copy one PTE table: both sides lose the right to write, each frame gains a mapping. */
static int copy_pte_range(struct machine *m, struct mm *child, uint64_t *from, uint64_t addr)
{
    uint64_t *to = pte_alloc(m, child, addr);

    if (!to)
        return -1;
    for (int i = 0; i < TABLE_ENTRIES; i++) {
        struct frame *f;

        if (!(from[i] & PTE_P))
            continue;
        f = &m->frame[(from[i] & PTE_PFN) >> PAGE_SHIFT];
        f->refcount++;
        f->mapcount++;
        f->flags &= ~PG_ANON_EXCLUSIVE;
        from[i] &= ~(uint64_t)PTE_RW;
        to[i] = from[i] & ~(uint64_t)(PTE_A);
        child->rss_anon++;
    }
    return 0;
}

static int mm_init(struct machine *m, struct mm *mm)
{
    *mm = (struct mm){ .pgd = alloc_table(m) };
    return mm->pgd ? 0 : -1;
}

static int dup_mmap(struct machine *m, struct mm *parent, struct mm *child)
{
    if (mm_init(m, child))
        return -1;
    for (uint32_t v = 0; v < parent->nr_vmas; v++) {
        struct vma *vma = &parent->vma[v];

        child->vma[child->nr_vmas++] = *vma;
        for (uint64_t addr = vma->vm_start; addr < vma->vm_end; addr += (uint64_t)TABLE_ENTRIES << PAGE_SHIFT) {
            uint64_t *from = pte_alloc(m, parent, addr);

            if (!from || copy_pte_range(m, child, from, addr))
                return -1;
        }
    }
    flush_tlb_all(m);
    return 0;
}

/* Host memory for the machine; what is in it does not matter. */
static int machine_init(struct machine *m, uint32_t nr_frames)
{
    size_t bytes = (size_t)nr_frames << PAGE_SHIFT;

    m->nr_frames = nr_frames;
    m->frame = calloc(nr_frames, sizeof *m->frame);
    m->memory = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return m->frame && m->memory != MAP_FAILED ? 0 : -1;
}

/* All frames free, all counters 0. A second boot finds the host's pages already there, so that no clock counts their faults. */
static void machine_boot(struct machine *m)
{
    uint32_t step = 1u << MAX_ORDER;

    *m = (struct machine){ .nr_frames = m->nr_frames, .frame = m->frame, .memory = m->memory };
    memset(m->frame, 0, m->nr_frames * sizeof *m->frame);
    for (uint32_t pfn = m->nr_frames / step * step - step; pfn; pfn -= step)  /* the first block stays reserved: 0 is no frame */
        buddy_push(m, pfn, MAX_ORDER);
    m->nr_free = m->nr_frames / step * step - step;
}
