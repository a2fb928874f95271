/* What the kernel answers to calls and accesses on sixteen pages at 0x20000000: an operation a line on stdin, an answer a line on stdout.
 *
 * m PAGE N PROT FLAGS  mmap, fixed     p PAGE N PROT KEY  pkey_mprotect     u PAGE N  munmap      s PAGE N  mseal
 * d PAGE N ADVICE  madvise             l PAGE N  mlock                      z PAGE N NEW  mremap, in place
 * a RIGHTS  pkey_alloc                 f KEY  pkey_free                     v VALUE  WRPKRU       g  RDPKRU
 * r w x PAGE  an access                k PAGE  the area's key, permissions, flags
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define BASE 0x20000000UL
#define AT(page) ((char *)BASE + ((page) << 12))

static sigjmp_buf back;
static siginfo_t told;
static unsigned long error_code;

static unsigned rdpkru(void) { unsigned a, d; __asm__ volatile(".byte 0x0f,0x01,0xee" : "=a"(a), "=d"(d) : "c"(0)); return a; }
static void wrpkru(unsigned v) { __asm__ volatile(".byte 0x0f,0x01,0xef" ::"a"(v), "c"(0), "d"(0)); }

static void handler(int signo, siginfo_t *info, void *context) {
    told = *info;
    error_code = ((ucontext_t *)context)->uc_mcontext.gregs[REG_ERR];
    siglongjmp(back, 1);
}

static void access_page(char kind, char *p) {
    unsigned rights = rdpkru(); /* the handler runs with the kernel's own */
    if (sigsetjmp(back, 1) == 0) {
        if (kind == 'r') (void)*(volatile char *)p;
        if (kind == 'w') *(volatile char *)p = (char)0xc3; /* ret */
        if (kind == 'x') __asm__ volatile("xor %%eax, %%eax\n call *%0" ::"r"(p) : "rax", "memory");
        printf("ok\n");
        return;
    }
    wrpkru(rights);
    if (kind == 'x' && told.si_addr != p) printf("ok\n"); /* fetched: zeros are a store through rax, which is 0 */
    else printf("signal %d %d %lx\n", told.si_signo, told.si_code, error_code);
}

static void show(char *at) {
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512], perms[8] = "", key[16] = "-";
    unsigned long start, end, from = 0, to = 0;
    int within = 0;
    while (fgets(line, sizeof line, f)) {
        char p[8];
        if (sscanf(line, "%lx-%lx %7s", &start, &end, p) == 3) {
            within = start <= (unsigned long)at && (unsigned long)at < end;
            if (within) { from = start; to = end; strcpy(perms, p); }
        } else if (within && sscanf(line, "ProtectionKey: %15s", key) != 1 && strncmp(line, "VmFlags:", 8) == 0) {
            printf("%lx-%lx %s %s %.*s\n", from, to, perms, key, (int)strlen(line) - 11, line + 9);
            fclose(f);
            return;
        }
    }
    fclose(f);
    printf("none\n");
}

static void answer(long value) { printf("%ld\n", value < 0 ? -(long)errno : value); }

int main(void) {
    struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
    char op;
    long a, b, c, d;
    sigaction(SIGSEGV, &act, 0);
    sigaction(SIGBUS, &act, 0);
    while (scanf(" %c", &op) == 1) {
        a = b = c = d = 0;
        if (strchr("mp", op) && scanf("%ld %ld %ld %ld", &a, &b, &c, &d) != 4) return 1;
        if (strchr("dz", op) && scanf("%ld %ld %ld", &a, &b, &c) != 3) return 1;
        if (strchr("usl", op) && scanf("%ld %ld", &a, &b) != 2) return 1;
        if (strchr("afvrwxk", op) && scanf("%ld", &a) != 1) return 1;
        b <<= 12;
        if (op == 'm') answer(mmap(AT(a), b, c, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | d, -1, 0) == MAP_FAILED ? -1 : 0);
        if (op == 'p') answer(d == -1 ? mprotect(AT(a), b, c) : syscall(SYS_pkey_mprotect, AT(a), b, c, d));
        if (op == 'u') answer(munmap(AT(a), b));
        if (op == 's') answer(syscall(462, AT(a), b, 0));
        if (op == 'd') answer(madvise(AT(a), b, c));
        if (op == 'l') answer(mlock(AT(a), b));
        if (op == 'z') answer(mremap(AT(a), b, c << 12, 0) == MAP_FAILED ? -1 : 0);
        if (op == 'a') answer(syscall(SYS_pkey_alloc, 0, a));
        if (op == 'f') answer(syscall(SYS_pkey_free, a));
        if (op == 'v') { wrpkru(a); printf("0\n"); }
        if (op == 'g') printf("%x\n", rdpkru());
        if (strchr("rwx", op)) access_page(op, AT(a));
        if (op == 'k') show(AT(a));
        fflush(stdout);
    }
    return 0;
}
