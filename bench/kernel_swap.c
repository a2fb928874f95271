/*
 * The live kernel on swap: MADV_PAGEOUT of pages with bytes of their own, and reading them again; CPU time a page.
 *
 *   kernel_swap NR_PAGES      prints "out NS", "in NS", then "counters major_faults=N"
 *
 * 4 KiB pages. Precondition: a swap area with room for them.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
    uint64_t nr_pages = argc > 1 ? strtoull(argv[1], 0, 0) : 16384, sum = 0;
    char *p = mmap(0, nr_pages << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct rusage before, after;
    double start, out;

    if (p == MAP_FAILED || madvise(p, nr_pages << 12, MADV_NOHUGEPAGE)) {
        perror("kernel_swap");
        return 1;
    }
    for (uint64_t i = 0; i < nr_pages; i++)
        *(volatile uint64_t *)(p + (i << 12)) = i + 1;
    start = now_ns();
    if (madvise(p, nr_pages << 12, MADV_PAGEOUT)) {
        perror("kernel_swap: MADV_PAGEOUT");
        return 1;
    }
    out = now_ns();
    getrusage(RUSAGE_SELF, &before);
    for (uint64_t i = 0; i < nr_pages; i++)
        sum += *(volatile uint64_t *)(p + (i << 12));
    printf("out %f\nin %f\n", (out - start) / nr_pages, (now_ns() - out) / nr_pages);
    getrusage(RUSAGE_SELF, &after);
    printf("counters major_faults=%ld right=%d\n", after.ru_majflt - before.ru_majflt, sum == nr_pages * (nr_pages + 1) / 2);
    return 0;
}
