/*
 * A program that makes random memory calls, writes to what it maps, and forks into others of its kind.
 *
 *   random_calls SEED NR_CALLS NR_FORKS FILE      exits with exit_group() at the end of the last call
 *
 * Addresses lie in a window of 256 pages below the libraries, so that calls meet.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, WINDOW = 256, LONGEST = 20 };

static uint64_t state;
static char *window;
static int file;

static unsigned draw(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
}

static char *somewhere(void)
{
    return window + (size_t)draw(WINDOW) * PAGE;
}

/* Half of what can be written is. */
static void map(char *where, size_t length, int prot, int flags, int fd, off_t offset)
{
    volatile char *p = mmap(where, length, prot, flags, fd, offset);

    if (p == MAP_FAILED || !(prot & PROT_WRITE) || fd >= 0 || draw(2))
        return;
    for (size_t i = 0; i < length; i += PAGE)
        p[i] = 1;
}

static void random_mmap(size_t length, int prot)
{
    static const int also[] = { 0, 0, MAP_FIXED, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_NORESERVE, MAP_STACK, MAP_GROWSDOWN };
    int flags = also[draw(8)];

    switch (draw(4)) {
    case 0:
        map(somewhere(), length, prot & ~PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS | flags, -1, 0);
        break;
    case 1:
        map(somewhere(), length, prot, MAP_PRIVATE | flags, file, draw(40) * PAGE);
        break;
    default:
        map(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) || draw(3) ? somewhere() : 0, length, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    }
}

static void random_call(size_t length, int prot)
{
    static const int advice[] = { MADV_DONTNEED, MADV_DONTFORK, MADV_DOFORK, MADV_MERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP,
                                  MADV_WIPEONFORK, MADV_FREE, MADV_POPULATE_WRITE };
    static const int moves[] = { 0, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED, MREMAP_MAYMOVE | MREMAP_DONTUNMAP };
    char *p = somewhere();

    switch (draw(12)) {
    case 0: case 1: case 2: case 3:
        random_mmap(length, prot);
        break;
    case 4: case 5:
        munmap(p, length);
        break;
    case 6: case 7:
        mprotect(p, length, prot);
        break;
    case 8:
        syscall(SYS_mremap, p, length, draw(2) ? length : (size_t)(1 + draw(30)) * PAGE, moves[draw(4)], somewhere());
        break;
    case 9:
        madvise(p, length, advice[draw(10)]);
        break;
    case 10:
        (draw(2) ? mlock : munlock)(p, length);
        break;
    default:
        syscall(SYS_brk, syscall(SYS_brk, 0) + ((long)draw(20) - 4) * PAGE);
    }
}

int main(int argc, char **argv)
{
    static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC, 7 };
    int nr_calls = atoi(argv[2]), nr_forks = atoi(argv[3]);

    (void)argc;
    state = strtoull(argv[1], 0, 0);
    file = open(argv[4], O_RDWR);
    window = mmap(0, 16 * WINDOW * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    munmap(window, 16 * WINDOW * PAGE);
    for (int i = 0; i < nr_calls; i++) {
        random_call((size_t)(1 + draw(LONGEST)) * PAGE, prots[draw(6)]);
        if (nr_forks && draw(40) == 0) {
            nr_forks--;
            if (fork() == 0)
                state += 77;
            else if (draw(2))
                wait(0);
        }
    }
    while (wait(0) > 0)
        ;
    _exit(0);
}
