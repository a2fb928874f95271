/*
 * The plain-C model of a stream of reads: two levels of TLB, LRU, and walks of four levels, over memory that is all mapped.
 *
 *   model_stream NR_PAGES FILE      FILE: records as Machine.access_stream() takes them, of pages from BASE on
 *   prints "access NS" (CPU time), then "counters l1_hits=N l2_hits=N misses=N"
 *
 *   L1  16 sets x 4 ways        a hit there, or a hit in L2 that is copied to L1, or a walk that fills both
 *   L2  128 sets x 12 ways
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE_SHIFT = 12, ENTRIES = 512, L1_SETS = 16, L1_WAYS = 4, L2_SETS = 128, L2_WAYS = 12, ROUNDS = 2 };
enum { PTE_P = 1, PTE_A = 0x20 };
#define PTE_PFN 0x000ffffffffff000ull
static const uint64_t BASE = 0x600000000000;

struct access { uint64_t addr; uint32_t size, kind; };
struct entry { uint64_t tag, pte, age; };
struct machine {
    struct entry l1[L1_SETS][L1_WAYS], l2[L2_SETS][L2_WAYS];
    uint64_t clock, l1_hits, l2_hits, misses;
    uint64_t *table;        /* all tables, ENTRIES words each; a table's number stands where a frame's would */
    uint64_t nr_tables, root;
};

static uint64_t new_table(struct machine *m)
{
    return m->nr_tables++;
}

static void map_page(struct machine *m, uint64_t addr)
{
    uint64_t at = m->root;

    for (int level = 3; level > 0; level--) {
        uint64_t *entry = &m->table[at * ENTRIES + (addr >> (PAGE_SHIFT + 9 * level) & (ENTRIES - 1))];

        if (!*entry)
            *entry = new_table(m) << PAGE_SHIFT | PTE_P | PTE_A;
        at = *entry >> PAGE_SHIFT;
    }
    m->table[at * ENTRIES + (addr >> PAGE_SHIFT & (ENTRIES - 1))] = (addr & 0xffffffffff000) | PTE_P | PTE_A;
}

static inline uint64_t walk(struct machine *m, uint64_t addr)
{
    uint64_t at = m->root;

    for (int level = 3; level >= 0; level--) {
        uint64_t *entry = &m->table[at * ENTRIES + (addr >> (PAGE_SHIFT + 9 * level) & (ENTRIES - 1))];

        if (!(*entry & PTE_P))
            abort();
        if (!(*entry & PTE_A))
            *entry |= PTE_A;
        if (level == 0)
            return *entry;
        at = *entry >> PAGE_SHIFT;
    }
    return 0;
}

static inline struct entry *find(struct entry *set, int ways, uint64_t tag)
{
    for (int way = 0; way < ways; way++)
        if (set[way].tag == tag)
            return &set[way];
    return 0;
}

static inline void fill(struct entry *set, int ways, uint64_t tag, uint64_t pte, uint64_t age)
{
    struct entry *victim = set;

    for (int way = 1; way < ways; way++)
        victim = set[way].age < victim->age ? &set[way] : victim;
    *victim = (struct entry){ tag, pte, age };
}

static uint64_t access_stream(struct machine *m, const struct access *a, uint64_t nr)
{
    uint64_t sum = 0;

    for (const struct access *end = a + nr; a < end; a++) {
        uint64_t vpn = a->addr >> PAGE_SHIFT, tag = vpn + 1, age = ++m->clock;
        struct entry *first = m->l1[vpn % L1_SETS], *second = m->l2[vpn % L2_SETS], *e = find(first, L1_WAYS, tag);

        if (e) {
            e->age = age;
            m->l1_hits++;
            sum += e->pte & PTE_PFN;
            continue;
        }
        e = find(second, L2_WAYS, tag);
        if (e) {
            e->age = age;
            m->l2_hits++;
            fill(first, L1_WAYS, tag, e->pte, age);
            sum += e->pte & PTE_PFN;
        } else {
            uint64_t pte = walk(m, a->addr);

            m->misses++;
            fill(first, L1_WAYS, tag, pte, age);
            fill(second, L2_WAYS, tag, pte, age);
            sum += pte & PTE_PFN;
        }
    }
    return sum;
}

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
    static struct machine m;
    uint64_t nr_pages = argc > 2 ? strtoull(argv[1], 0, 0) : 0, nr, sum = 0;
    FILE *in = argc > 2 ? fopen(argv[2], "rb") : 0;
    struct access *list;
    double start = 0, spent = 0;

    if (!in || fseek(in, 0, SEEK_END) || !(nr = ftell(in) / sizeof *list) || !(list = malloc(nr * sizeof *list))) {
        fprintf(stderr, "model_stream: NR_PAGES FILE\n");
        return 1;
    }
    rewind(in);
    if (fread(list, sizeof *list, nr, in) != nr || !(m.table = calloc(nr_pages / ENTRIES * 2 + 16, ENTRIES * 8))) {
        fprintf(stderr, "model_stream: out of memory, or the file is short\n");
        return 1;
    }
    m.root = new_table(&m);
    for (uint64_t i = 0; i < nr_pages; i++)
        map_page(&m, BASE + (i << PAGE_SHIFT));
    for (int round = 0; round < ROUNDS; round++) {  /* the first warms the host up */
        memset(m.l1, 0, sizeof m.l1);
        memset(m.l2, 0, sizeof m.l2);
        m.clock = m.l1_hits = m.l2_hits = m.misses = 0;
        start = now_ns();
        sum += access_stream(&m, list, nr);
        spent = now_ns() - start;
    }
    printf("sum %lu\naccess %.3f\ncounters l1_hits=%lu l2_hits=%lu misses=%lu\n", sum, spent / nr, m.l1_hits, m.l2_hits, m.misses);
    return 0;
}
