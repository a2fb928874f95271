/* The judge: a trace of a heap's calls on the real C library, in the words of `vmtool heaptrace`.

   replayer TRACE [log|faults|each|time]     log (default): INDEX ADDR USABLE BREAK for each operation, then mallinfo2() and the chunks
                                        faults: the minor faults that the operations took
                                        each: how many they had been after each operation
                                        time: nanoseconds an operation

   It runs itself again without address randomization and with the trace's tunables. Then everything it has is populated, the break is
   moved to HEAP_START and every hole above MMAP_TOP is plugged, so that addresses and faults are those of the heap alone. It uses no
   stdio and no memory of malloc's for itself. A static program would not do: the dynamic linker's parts in it allocate before main(). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define HEAP_START 0x555560000000UL
#define MMAP_TOP 0x7ffff7000000UL
#define MAX_TRACE (32UL << 20)  /* all of it lies below HEAP_START */
#define MAX_OUT (64UL << 20)
#define MAX_IDS (1UL << 20)
#define ON_PAGES __attribute__((aligned(4096)))

static char trace[MAX_TRACE] ON_PAGES, out[MAX_OUT] ON_PAGES, maps[1 << 20], env[1 << 16];
static size_t nr_out;
static void *block[MAX_IDS] ON_PAGES;
static int quiet, foreign;

static void put(char c) { if (nr_out < MAX_OUT) out[nr_out++] = c; }
static void text(const char *s) { while (*s) put(*s++); }
static void num(uint64_t n, unsigned base) {
    char d[24]; int i = 24;
    do { d[--i] = "0123456789abcdef"[n % base]; n /= base; } while (n);
    while (i < 24) put(d[i++]);
}
static void flush_out(void) { for (size_t at = 0; at < nr_out;) { ssize_t n = write(1, out + at, nr_out - at); if (n <= 0) _exit(3); at += n; } }

static char *at;  /* in the trace */
static char *word(void) {
    while (*at == ' ') at++;
    char *w = at;
    while (*at && *at != ' ' && *at != '\n') at++;
    return w;
}
static uint64_t number(void) {
    char *w = word(); uint64_t n = 0; int neg = *w == '-';
    for (w += neg; *w >= '0' && *w <= '9'; w++) n = n * 10 + (*w - '0');
    return neg ? -n : n;
}
static int is(const char *w, const char *name) { size_t n = strlen(name); return !strncmp(w, name, n) && (w[n] == ' ' || w[n] == '\n' || !w[n]); }

static size_t read_file(const char *path, char *to, size_t room) {
    int fd = open(path, O_RDONLY); size_t n = 0; ssize_t got;
    if (fd < 0) _exit(2);
    while (n < room && (got = read(fd, to + n, room - n)) > 0) n += got;
    close(fd);
    return n;
}
static uint64_t hex(char **p) {
    uint64_t n = 0;
    for (;; (*p)++) {
        if (**p >= '0' && **p <= '9') n = n * 16 + **p - '0';
        else if (**p >= 'a' && **p <= 'f') n = n * 16 + **p - 'a' + 10;
        else return n;
    }
}

static void again_without_aslr(char **argv) {
    size_t n = strlen(strcpy(env, "GLIBC_TUNABLES="));
    for (at = trace; *at; at++) {
        if (is(at, "tun")) {
            char *w; word();
            if (env[n - 1] != '=') env[n++] = ':';
            for (w = word(); w < at; w++) env[n++] = *w;
            env[n++] = '=';
            for (w = word(); w < at; w++) env[n++] = *w;
        }
        while (*at && *at != '\n') at++;
        if (!*at) break;
    }
    char *environment[] = {"REPLAYER=1", n > 15 ? env : NULL, NULL};
    personality(ADDR_NO_RANDOMIZE);
    execve("/proc/self/exe", argv, environment);
    _exit(4);
}

static void lay_out(void) {
    size_t n = read_file("/proc/self/maps", maps, sizeof maps - 1);
    uint64_t below = MMAP_TOP;
    maps[n] = 0;
    for (char *p = maps; *p; p++) {
        uint64_t start = hex(&p), end = (p++, hex(&p));
        int writable = p[2] == 'w';
        char *line_end = strchr(p, '\n'), *bracket = strchr(p, '[');
        if (p[1] == 'r' && p[4] == 'p' && !(bracket && bracket < line_end && bracket[1] == 'v'))
            madvise((void *)start, end - start, writable ? 23 : 22);  /* MADV_POPULATE_WRITE, _READ */
        if (start >= MMAP_TOP && start < 0x7ffff7fff000UL && start > below)
            mmap((void *)below, start - below, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (start >= MMAP_TOP && end > below && end < 0x7ffff8000000UL) below = end;
        while (*p && *p != '\n') p++;
        if (!*p) break;
    }
    if (below < 0x7ffff7fff000UL)
        mmap((void *)below, 0x7ffff7fff000UL - below, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (brk((void *)HEAP_START)) _exit(5);
}

/* glibc 2.36 reads "always [madvise] never" into a buffer that it does not terminate and compares it as a string, so that
   glibc.malloc.hugetlb=1 holds or not by what earlier calls left on the stack: they are to have left zeros. */
static __attribute__((noinline)) void clean_stack(void) {
    volatile char below[1 << 16];
    for (size_t i = 0; i < sizeof below; i++) below[i] = 0;
}

static uint64_t nr_ops;
static void begin(void) { num(nr_ops, 10); put(' '); }
static void end(void) { put(' '); num((uint64_t)sbrk(0) - HEAP_START, 16); put('\n'); }
static int is_mapped(void *p) { return ((size_t *)p)[-1] & 2; }
static void answer(void *p) {
    if (quiet) return;
    begin();
    if (!p) text("NULL -");
    else {
        text(is_mapped(p) ? "mmap+" : "h+");
        num((uint64_t)p - (is_mapped(p) ? 0 : HEAP_START), 16);
        put(' ');
        num(malloc_usable_size(p), 10);
    }
    end();
}
static void value(int v) { if (!quiet) { begin(); put('='); num((unsigned)v, 10); text(" -"); end(); } }

static int option(const char *w) {
    static const struct { const char *name; int param; } names[] = {{"M_MXFAST", M_MXFAST}, {"M_TRIM_THRESHOLD", M_TRIM_THRESHOLD},
        {"M_TOP_PAD", M_TOP_PAD}, {"M_MMAP_THRESHOLD", M_MMAP_THRESHOLD}, {"M_MMAP_MAX", M_MMAP_MAX}, {"M_CHECK_ACTION", M_CHECK_ACTION},
        {"M_PERTURB", M_PERTURB}, {"M_ARENA_TEST", M_ARENA_TEST}, {"M_ARENA_MAX", M_ARENA_MAX}};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) if (is(w, names[i].name)) return names[i].param;
    _exit(6);
}

static int operate(void) {  /* one line; 0: it held none */
    char *w = word();
    if (*w == '#' || *w == '\n' || !*w || is(w, "tun")) return 0;
    if (is(w, "opt")) { int o = option(word()); value(mallopt(o, (int)number())); return 1; }
    if (is(w, "trim")) { value(malloc_trim(number())); return 1; }
    if (is(w, "sbrk")) { foreign = 1; value(sbrk((intptr_t)number()) != (void *)-1); return 1; }
    uint64_t id = number() % MAX_IDS, a, b;
    void *p;
    switch (*w) {
    case 'm': answer(block[id] = malloc(number())); break;
    case 'c': a = number(); b = number(); answer(block[id] = calloc(a, b)); break;
    case 'a': a = number(); b = number(); answer(block[id] = memalign(a, b)); break;
    case 'f': free(block[id]); block[id] = NULL; if (!quiet) { begin(); text("- -"); end(); } break;
    case 'r': a = number(); p = realloc(block[id], a); if (p || !a) block[id] = p; answer(p); break;
    default: _exit(7);
    }
    return 1;
}

static int is_live(void *p) { for (uint64_t i = 0; i < MAX_IDS; i++) if (block[i] == p) return 1; return 0; }
static void final(void) {
    struct mallinfo2 m = mallinfo2();
    const struct { const char *name; size_t n; } f[] = {{"arena", m.arena}, {"ordblks", m.ordblks}, {"smblks", m.smblks}, {"hblks", m.hblks},
        {"hblkhd", m.hblkhd}, {"usmblks", m.usmblks}, {"fsmblks", m.fsmblks}, {"uordblks", m.uordblks}, {"fordblks", m.fordblks},
        {"keepcost", m.keepcost}};
    for (unsigned i = 0; i < sizeof f / sizeof *f; i++) { text("@ "); text(f[i].name); put(' '); num(f[i].n, 10); put('\n'); }
    uint64_t top = (uint64_t)sbrk(0), p = HEAP_START;
    while (!foreign && p < top) {
        uint64_t size = *(uint64_t *)(p + 8) & ~7UL, next = p + size;
        int used = next < top && *(uint64_t *)(next + 8) & 1;
        text("= "); num(p - HEAP_START, 16); put(' '); num(size, 16);
        text(next >= top ? " T\n" : !used ? " F\n" : is_live((void *)(p + 16)) ? " L\n" : " U\n");
        if (size < 16) break;
        p = next;
    }
}

int main(int argc, char **argv) {
    struct rusage before, after;
    struct timespec t0, t1;
    const char *what = argc > 2 ? argv[2] : "log";
    size_t n = read_file(argv[1], trace, MAX_TRACE - 1);
    trace[n] = 0;
    if (!getenv("REPLAYER")) again_without_aslr(argv);
    int each = !strcmp(what, "each");
    quiet = strcmp(what, "log") != 0;
    lay_out();
    clock_gettime(CLOCK_MONOTONIC, &t0);  /* first: it reads a page of the vdso's data */
    getrusage(RUSAGE_SELF, &before);
    clean_stack();
    clock_gettime(CLOCK_MONOTONIC, &t0);
    for (at = trace; *at; at++) {
        if (operate()) {
            nr_ops++;
            if (each) { getrusage(RUSAGE_SELF, &after); num(after.ru_minflt - before.ru_minflt, 10); put('\n'); }
        }
        while (*at && *at != '\n') at++;
        if (!*at) break;
    }
    clock_gettime(CLOCK_MONOTONIC, &t1);
    getrusage(RUSAGE_SELF, &after);
    if (!strcmp(what, "faults")) { num(after.ru_minflt - before.ru_minflt, 10); put('\n'); }
    else if (each) ;
    else if (quiet) { num(((t1.tv_sec - t0.tv_sec) * 1000000000UL + t1.tv_nsec - t0.tv_nsec) / (nr_ops ? nr_ops : 1), 10); put('\n'); }
    else final();
    flush_out();
    _exit(0);
}
