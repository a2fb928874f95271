// execve of a thread that is not the first: the others end, and it goes on under the first one's number.
#include <pthread.h>
#include <unistd.h>
static void *execs(void *a) { execl("/bin/echo", "echo", "from a thread", (char *)0); return a; }
static void *waits(void *a) { for (;;) pause(); return a; }
int main(void) {
    pthread_t t, u;
    pthread_create(&u, 0, waits, 0);
    pthread_create(&t, 0, execs, 0);
    pthread_join(t, 0);
    return 0;
}
