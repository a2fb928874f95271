/* The processor of the plain-C model: TLB, walk of four levels, A and D bits, fault codes. Included by model.c. */

/* An entry that allows the access, or NULL. */
static inline struct tlb_entry *tlb_lookup(struct machine *m, uint64_t vpn, int write)
{
    struct tlb_entry *e = m->tlb[vpn % TLB_SETS];

    for (int way = 0; way < TLB_WAYS; way++, e++)
        if (e->tag[write] == vpn + 1)
            return e;
    return 0;
}

/* Over an older entry for the page, else over the least recently used. */
static inline void tlb_fill(struct machine *m, uint64_t vpn, uint64_t pte)
{
    struct tlb_entry *set = m->tlb[vpn % TLB_SETS], *victim = set;

    for (int way = 0; way < TLB_WAYS; way++) {
        uint64_t age = set[way].tag[0] == vpn + 1 ? 0 : set[way].age;

        victim = age < victim->age ? &set[way] : victim;
    }
    victim->tag[0] = vpn + 1;
    victim->tag[1] = (pte & (PTE_RW | PTE_D)) == (PTE_RW | PTE_D) ? vpn + 1 : 0;
    victim->pte = pte;
    victim->age = ++m->tlb_clock;
}

static void flush_tlb_all(struct machine *m)
{
    memset(m->tlb, 0, sizeof m->tlb);
}

static void flush_tlb_page(struct machine *m, uint64_t addr)
{
    struct tlb_entry *set = m->tlb[(addr >> PAGE_SHIFT) % TLB_SETS];

    for (int way = 0; way < TLB_WAYS; way++)
        if (set[way].tag[0] == (addr >> PAGE_SHIFT) + 1)
            set[way] = (struct tlb_entry){ 0 };
}

static void load_cr3(struct machine *m, struct mm *mm)
{
    m->mm = mm;
    m->cr3 = (uint64_t)mm->pgd << PAGE_SHIFT;
    flush_tlb_all(m);
}

/* One table above the last: the physical address of the next one, 0 when the entry is not present. */
static inline uint64_t walk_step(struct machine *m, uint64_t table, uint64_t addr, int level, uint64_t *allowed)
{
    uint64_t *entry = (uint64_t *)(m->memory + table) + level_index(addr, level);

    if (!(*entry & PTE_P))
        return 0;
    if (!(*entry & PTE_A))
        *entry |= PTE_A;
    *allowed &= *entry;
    return *entry & PTE_PFN;
}

/* The walk from CR3, written out because a loop costs 3 ns. 0 and *pte, or the error code of the fault plus 0x10000. */
static inline unsigned walk(struct machine *m, uint64_t addr, int write, uint64_t *pte)
{
    uint64_t table = m->cr3, allowed = PTE_RW | PTE_US, *entry;
    unsigned error = 0x10000 | PF_USER | (write ? PF_WRITE : 0);

    if (!(table = walk_step(m, table, addr, 3, &allowed)) || !(table = walk_step(m, table, addr, 2, &allowed)) ||
        !(table = walk_step(m, table, addr, 1, &allowed)))
        return error;
    entry = (uint64_t *)(m->memory + table) + level_index(addr, 0);
    if (!(*entry & PTE_P))
        return error;
    allowed &= *entry;
    if (!(allowed & PTE_US) || (write && !(allowed & PTE_RW)))
        return error | PF_PROT;
    *pte = *entry | (write ? PTE_A | PTE_D : PTE_A);
    if (*pte != *entry)
        *entry = *pte;
    return 0;
}

/* What a TLB miss costs: the walk, and as many faults as it takes. 0 and *pte, or -1 (a signal). */
static int access_slowpath(struct machine *m, uint64_t addr, int write, uint64_t *pte)
{
    unsigned error;

    m->tlb_misses++;
    while ((error = walk(m, addr, write, pte)))
        if (handle_mm_fault(m, addr, error))
            return -1;
    tlb_fill(m, addr >> PAGE_SHIFT, *pte);
    return 0;
}

/* Access each page of the range once, as a program would. 0 or -1. */
static int touch(struct machine *m, uint64_t addr, uint64_t length, int write)
{
    uint64_t pte;

    for (uint64_t end = addr + length; addr < end; addr += PAGE_BYTES) {
        struct tlb_entry *e = tlb_lookup(m, addr >> PAGE_SHIFT, write);

        if (e) {
            e->age = ++m->tlb_clock;
            m->tlb_hits++;
        } else if (access_slowpath(m, addr, write, &pte)) {
            return -1;
        }
    }
    return 0;
}

/* One access that missed, or that reaches into the next page. */
static __attribute__((noinline)) int access_slow(struct machine *m, const struct access *a, uint64_t *sum)
{
    uint64_t last = (a->addr + a->size - 1) >> PAGE_SHIFT, pte;

    for (uint64_t vpn = a->addr >> PAGE_SHIFT; vpn <= last; vpn++) {
        struct tlb_entry *e = tlb_lookup(m, vpn, a->kind == 1);

        if (e) {
            e->age = ++m->tlb_clock;
            m->tlb_hits++;
            pte = e->pte;
        } else if (access_slowpath(m, vpn << PAGE_SHIFT, a->kind == 1, &pte)) {
            return -1;
        }
        *sum += pte & PTE_PFN;
    }
    return 0;
}

/* Packed records, as Machine.access_stream() takes them: u64 address, u32 size, u32 kind (1: write). *sum: what was accessed. */
static int access_stream(struct machine *m, const struct access *a, uint64_t nr, uint64_t *sum)
{
    uint64_t total = 0, hits = 0, clock = m->tlb_clock;

    for (const struct access *end = a + nr; a < end; a++) {
        uint64_t vpn = a->addr >> PAGE_SHIFT;
        struct tlb_entry *e = tlb_lookup(m, vpn, a->kind == 1);

        if (e && (a->addr + a->size - 1) >> PAGE_SHIFT == vpn) {
            e->age = ++clock;
            hits++;
            total += e->pte & PTE_PFN;
            continue;
        }
        m->tlb_clock = clock;
        if (access_slow(m, a, &total))
            return -1;
        clock = m->tlb_clock;
    }
    m->tlb_hits += hits;
    m->tlb_clock = clock;
    *sum += total;
    return 0;
}
