// Threads that allocate, map and unmap at once.
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
static void *work(void *a) {
    long n = (long)a; char *p[20];
    for (int i = 0; i < 20; i++) { p[i] = malloc(50000 + n * 1000 * i); p[i][0] = 1; }
    char *q = mmap(0, (n + 1) * 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); q[0] = 1;
    for (int i = 0; i < 20; i += 2) free(p[i]);
    munmap(q + 4096 * n, 4096);
    return 0;
}
int main(void) {
    pthread_t t[6];
    for (long i = 0; i < 6; i++) pthread_create(t + i, 0, work, (void *)i);
    for (int i = 0; i < 6; i++) pthread_join(t[i], 0);
    return 0;
}
