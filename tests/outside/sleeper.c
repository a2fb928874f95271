// sleeper MODE: sets its memory up as the mode says, prints a line, and waits for ever.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <pthread.h>

#define PAGE 4096
#define HUGE (2u << 20)
#define RW (PROT_READ | PROT_WRITE)

static char data[5 * PAGE] = "initialized";

static char *map(size_t size, int prot, int flags, int fd) {
    char *p = mmap(NULL, size, prot, flags, fd, 0);
    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return p;
}

static char *private(size_t size) { return map(size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1); }

static void touch(char *p, size_t size, size_t step) {
    for (size_t i = 0; i < size; i += step)
        p[i] = 1;
}

static long look(const char *p, size_t size) {
    long sum = 0;
    for (size_t i = 0; i < size; i += PAGE)
        sum += ((volatile const char *)p)[i];
    return sum;
}

static int file_of(const char *name, size_t size) {
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    char page[PAGE];
    memset(page, 7, PAGE);
    for (size_t i = 0; i < size; i += PAGE)
        if (write(fd, page, PAGE) != PAGE)
            exit(1);
    return fd;
}

static void plain(void) {
    touch(data, sizeof(data), 2 * PAGE);
    touch(private(300 * PAGE), 200 * PAGE, 3 * PAGE);
    look(private(64 * PAGE), 64 * PAGE);                    // the zero page
    char *p = private(64 * PAGE);
    touch(p, 64 * PAGE, PAGE);
    mprotect(p, 20 * PAGE, PROT_NONE);                       // pages that nobody can reach
    mprotect(p + 20 * PAGE, 20 * PAGE, PROT_READ);
    madvise(p + 50 * PAGE, 4 * PAGE, MADV_FREE);
    madvise(p + 60 * PAGE, 2 * PAGE, 102);                   // guard pages
    p = private(32 * PAGE);
    mlock(p, 16 * PAGE);
    touch(malloc(1 << 20), 1 << 19, PAGE);
    touch(malloc(1000), 1000, 100);
    size_t room = sizeof(p) == 8 ? (size_t)1 << 36 : (size_t)1 << 29;
    p = map(room, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);  // mostly a hole
    touch(p, 10 * PAGE, PAGE);
    touch(p + room / 2, 10 * PAGE, PAGE);
}

static void huge(void) {
    char *p = private(12 * HUGE);
    p = (char *)(((unsigned long)p + HUGE - 1) & ~(unsigned long)(HUGE - 1));
    madvise(p, 10 * HUGE, MADV_HUGEPAGE);
    touch(p, 3 * HUGE, PAGE);
    look(p + 3 * HUGE, HUGE);                                // the huge zero page
    touch(p + 4 * HUGE, 2 * HUGE, PAGE);
    madvise(p + 4 * HUGE, 16 * PAGE, MADV_DONTNEED);         // split
    mprotect(p + 5 * HUGE + 100 * PAGE, 100 * PAGE, PROT_READ);
    madvise(p + 7 * HUGE, HUGE, MADV_NOHUGEPAGE);
    touch(p + 7 * HUGE, HUGE, 5 * PAGE);
    touch(p + 9 * HUGE, HUGE, HUGE);
}

static void areas(void) {
    char *p = private(6200 * PAGE);
    for (int i = 0; i < 3000; i++) {
        mprotect(p + 2 * i * PAGE, PAGE, i % 3 ? PROT_READ : PROT_NONE);
        if (i % 2)
            p[(2 * i + 1) * PAGE] = 1;
    }
}

static void files(void) {
    int fd = file_of("kept", 40 * PAGE), gone = file_of("gone", 40 * PAGE);
    char *p = map(40 * PAGE, RW, MAP_SHARED, fd);
    touch(p, 20 * PAGE, 2 * PAGE);
    look(p, 30 * PAGE);
    fsync(fd);
    touch(p + 30 * PAGE, 5 * PAGE, PAGE);
    p = map(40 * PAGE, RW, MAP_PRIVATE, gone);
    unlink("gone");
    look(p, 20 * PAGE);
    touch(p + 10 * PAGE, 8 * PAGE, PAGE);
    p = map(40 * PAGE, PROT_READ, MAP_SHARED, gone);
    look(p, 10 * PAGE);
    int memory = syscall(SYS_memfd_create, "frames", 0);
    ftruncate(memory, 64 * PAGE);
    p = map(64 * PAGE, RW, MAP_SHARED, memory);
    touch(p, 10 * PAGE, PAGE);
    look(p + 20 * PAGE, 10 * PAGE);
    p = map(64 * PAGE, RW, MAP_PRIVATE, memory);
    look(p, 10 * PAGE);
    touch(p, 4 * PAGE, PAGE);
    touch(map(64 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1), 30 * PAGE, PAGE);
    touch(map(64 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1), 3 * PAGE, PAGE);
    int shm = open("/dev/shm/vmtool-sleeper", O_RDWR | O_CREAT, 0600);
    ftruncate(shm, 16 * PAGE);
    touch(map(16 * PAGE, RW, MAP_SHARED, shm), 8 * PAGE, PAGE);
    unlink("/dev/shm/vmtool-sleeper");
    int id = shmget(IPC_PRIVATE, 32 * PAGE, IPC_CREAT | 0600);
    p = shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    touch(p, 9 * PAGE, PAGE);
}

static void *thread(void *ignored) {
    char stack[20000];
    touch(stack, sizeof(stack), 1000);
    pause();
    return ignored;
}

static void threads(void) {
    pthread_t t;
    for (int i = 0; i < 5; i++)
        pthread_create(&t, NULL, thread, NULL);
    usleep(100000);
}

static void family(void) {
    char *p = private(200 * PAGE), *s = map(50 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1), *h = private(4 * HUGE);
    h = (char *)(((unsigned long)h + HUGE - 1) & ~(unsigned long)(HUGE - 1));
    madvise(h, 2 * HUGE, MADV_HUGEPAGE);
    touch(h, 2 * HUGE, PAGE);
    touch(p, 200 * PAGE, PAGE);
    touch(s, 20 * PAGE, PAGE);
    touch(data, sizeof(data), PAGE);
    for (int child = 0; child < 3; child++)
        if (fork() == 0) {
            touch(p + 50 * PAGE * child, 30 * PAGE, PAGE);
            look(s, 10 * PAGE);
            if (child == 1)
                touch(h + HUGE, 10 * PAGE, PAGE);            // its half of a huge page is its own
            if (child == 2 && fork() == 0) {
                touch(p, 10 * PAGE, PAGE);
                touch(private(20 * PAGE), 20 * PAGE, PAGE);
                mprotect(p + 20 * PAGE, 10 * PAGE, PROT_READ);
            }
            pause();
        }
    usleep(200000);
    touch(p + 190 * PAGE, 10 * PAGE, PAGE);
}

static void like_go(void) {
    mmap((void *)0xc000000000, 64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    mmap((void *)0xc000000000, 4 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    touch((char *)0xc000000000, 1 << 20, PAGE);
    touch(map(1 << 18, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1), 1 << 16, PAGE);
    map(512 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

int main(int argc, char **argv) {
    static const struct { const char *name; void (*run)(void); } modes[] = {
        {"plain", plain}, {"huge", huge}, {"areas", areas}, {"files", files}, {"threads", threads}, {"family", family}, {"go", like_go}};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (argc > 1 && strcmp(argv[1], modes[i].name) == 0)
            modes[i].run();
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}
