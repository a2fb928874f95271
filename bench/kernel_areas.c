/*
 * The live kernel on areas: reads of untouched memory, reads of shared pages that are in memory, mprotect, munmap; CPU time a page.
 *
 *   kernel_areas NR_PAGES     prints "read NS", "shared NS", "protect NS", "unmap NS", then "counters read_faults=N shared_faults=N"
 *
 * 4 KiB pages: the areas are marked MADV_NOHUGEPAGE. A shared page stays in its file when MADV_DONTNEED takes the entry away. mprotect takes
 * the right to write from pages that were written; munmap unmaps these.
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

static long minor_faults(void)
{
    struct rusage r;

    getrusage(RUSAGE_SELF, &r);
    return r.ru_minflt;
}

static char *area(uint64_t nr_pages, int flags)
{
    char *p = mmap(0, nr_pages << 12, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED || madvise(p, nr_pages << 12, MADV_NOHUGEPAGE)) {
        perror("kernel_areas");
        exit(1);
    }
    return p;
}

static uint64_t each_page(volatile char *p, uint64_t nr_pages, int write)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < nr_pages; i++)
        if (write)
            p[i << 12] = 1;
        else
            sum += p[i << 12];
    return sum;
}

int main(int argc, char **argv)
{
    uint64_t nr_pages = argc > 1 ? strtoull(argv[1], 0, 0) : 32768;
    char *p = area(nr_pages, MAP_PRIVATE);
    long faults = minor_faults(), read_faults;
    double t = now_ns();

    each_page(p, nr_pages, 0);
    printf("read %.1f\n", (now_ns() - t) / nr_pages);
    read_faults = minor_faults() - faults;

    each_page(p, nr_pages, 1);
    t = now_ns();
    if (mprotect(p, nr_pages << 12, PROT_READ))
        return 1;
    printf("protect %.1f\n", (now_ns() - t) / nr_pages);
    t = now_ns();
    if (munmap(p, nr_pages << 12))
        return 1;
    printf("unmap %.1f\n", (now_ns() - t) / nr_pages);

    p = area(nr_pages, MAP_SHARED);
    each_page(p, nr_pages, 1);
    if (madvise(p, nr_pages << 12, MADV_DONTNEED))
        return 1;
    faults = minor_faults();
    t = now_ns();
    each_page(p, nr_pages, 0);
    printf("shared %.1f\n", (now_ns() - t) / nr_pages);
    printf("counters read_faults=%ld shared_faults=%ld\n", read_faults, minor_faults() - faults);
    return 0;
}
