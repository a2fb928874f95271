/*
 * The plain-C model of the simulator's loops: the limit that it is measured against.
 *
 *   model NR_PAGES NR_ACCESSES      prints "fault NS", "fork NS", "cow NS", "hit NS" (CPU time for each), then "counters NAME=N ..."
 */
#include "model.h"

#include <stdio.h>
#include <time.h>

/* One translation unit: the compiler sees the whole loop, which is what makes this a limit. */
static int handle_mm_fault(struct machine *m, uint64_t addr, unsigned error);
#include "model_mmu.c"
#include "model_mm.c"

static const uint64_t BASE = 0x7f0000000000;
enum { HOT_PAGES = 32, ROUNDS = 3 };  /* the first round warms the host's pages up; the last is printed */

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static int measure(struct machine *m, uint64_t nr_pages, struct access *list, uint64_t nr_accesses, double ns[4])
{
    static struct mm parent, child;
    uint64_t length = nr_pages << PAGE_SHIFT, sum = 0;
    double t[8];

    if (mm_init(m, &parent))
        return -1;
    parent.vma[parent.nr_vmas++] = (struct vma){ BASE, BASE + length, VM_READ | VM_WRITE, 1, BASE >> PAGE_SHIFT };
    load_cr3(m, &parent);

    t[0] = now_ns();
    if (touch(m, BASE, length, 1))
        return -1;
    t[1] = t[2] = now_ns();
    if (dup_mmap(m, &parent, &child))
        return -1;
    t[3] = t[4] = now_ns();
    if (touch(m, BASE, length, 1))
        return -1;
    t[5] = now_ns();
    if (access_stream(m, list, HOT_PAGES * 2, &sum))  /* fills the TLB */
        return -1;
    m->tlb_hits = m->tlb_misses = 0;
    t[6] = now_ns();
    if (access_stream(m, list, nr_accesses, &sum))
        return -1;
    t[7] = now_ns();
    for (int i = 0; i < 4; i++)
        ns[i] = (t[i * 2 + 1] - t[i * 2]) / (i < 3 ? nr_pages : nr_accesses);
    printf("sum %lu\ncounters pgfault=%lu rss_anon=%lu rss_anon_child=%lu pgtables=%lu pgtables_child=%lu nr_anon=%lu tlb_hits=%lu tlb_misses=%lu\n",
           sum, m->pgfault, parent.rss_anon, child.rss_anon, parent.pgtables, child.pgtables, m->nr_anon, m->tlb_hits, m->tlb_misses);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t nr_pages = argc > 1 ? strtoull(argv[1], 0, 0) : 65536, nr_accesses = argc > 2 ? strtoull(argv[2], 0, 0) : 1 << 21;
    struct access *list = malloc(nr_accesses * sizeof *list);
    struct machine m;
    double ns[4];

    if (!list || machine_init(&m, nr_pages * 2 + nr_pages / 64 + 4096)) {
        fprintf(stderr, "model: out of memory\n");
        return 1;
    }
    for (uint64_t i = 0; i < nr_accesses; i++)
        list[i] = (struct access){ BASE + (i * 7 % HOT_PAGES << PAGE_SHIFT) + i % 500 * 8, 8, i & 1 };
    for (int round = 0; round < ROUNDS; round++) {
        machine_boot(&m);
        if (measure(&m, nr_pages, list, nr_accesses, ns)) {
            fprintf(stderr, "model: a simulated access failed\n");
            return 1;
        }
    }
    printf("fault %.3f\nfork %.3f\ncow %.3f\nhit %.3f\n", ns[0], ns[1], ns[2], ns[3]);
    return 0;
}
