/*
 * The live kernel doing the same work, by the program's and its own CPU time.
 *
 *   kernel NR_PAGES     prints "fault NS", "fork NS", "cow NS": for each page
 *
 * 4 KiB pages: the areas are marked MADV_NOHUGEPAGE. fork is the parent's call alone, the child waits on a pipe; a copy is the
 * parent's write while the child still has the page.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

static void write_pages(volatile char *p, uint64_t nr_pages)
{
    for (uint64_t i = 0; i < nr_pages; i++)
        p[i << 12] = 1;
}

/* Fork a child that exits when the pipe closes; the CPU time of the call, in ns. */
static double timed_fork(pid_t *child, int *wake)
{
    int fd[2];
    double t;

    if (pipe(fd))
        exit(1);
    t = now_ns();
    *child = fork();
    t = now_ns() - t;
    if (*child == 0) {
        char c;

        close(fd[1]);
        _exit(read(fd[0], &c, 1) != 0);
    }
    if (*child < 0)
        exit(1);
    close(fd[0]);
    *wake = fd[1];
    return t;
}

int main(int argc, char **argv)
{
    uint64_t nr_pages = argc > 1 ? strtoull(argv[1], 0, 0) : 65536;
    char *p = mmap(0, nr_pages << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    double t, empty_fork;
    pid_t child;
    long faults;
    int wake;

    if (p == MAP_FAILED || madvise(p, nr_pages << 12, MADV_NOHUGEPAGE)) {
        perror("kernel");
        return 1;
    }
    empty_fork = timed_fork(&child, &wake);
    close(wake);
    waitpid(child, 0, 0);

    faults = minor_faults();
    t = now_ns();
    write_pages(p, nr_pages);
    printf("fault %.1f\n", (now_ns() - t) / nr_pages);

    t = timed_fork(&child, &wake);
    printf("fork %.1f\n", (t - empty_fork) / nr_pages);

    t = now_ns();
    write_pages(p, nr_pages);
    printf("cow %.1f\n", (now_ns() - t) / nr_pages);
    faults = minor_faults() - faults;
    close(wake);
    waitpid(child, 0, 0);
    printf("counters pgfault=%ld\n", faults);
    return faults < (long)(2 * nr_pages);
}
