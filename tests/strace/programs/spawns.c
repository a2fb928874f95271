// Programs started in every way: posix_spawn, vfork, a descriptor, /proc/self/exe, a script of a script; a fork that grows its heap.
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
static char *words[] = {"true", 0};
static void script(const char *name, const char *text) {
    int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0755);
    write(fd, text, strlen(text));
    close(fd);
}
static void by_descriptor(void) { syscall(SYS_execveat, open("/bin/true", O_RDONLY | O_CLOEXEC), "", words, environ, AT_EMPTY_PATH); }
static void by_itself(void) { execl("/proc/self/exe", "spawns", "again", (char *)0); }
static void by_script(void) { execl("./outer", "outer", (char *)0); }
static void grows(void) { for (int i = 0; i < 3000; i++) *(char *)malloc(100) = 1; _exit(0); }
int main(int argc, char **argv) {
    pid_t p;
    if (argc > 1) return 0;
    posix_spawn(&p, "/bin/true", 0, 0, words, environ);
    waitpid(p, 0, 0);
    if ((p = vfork()) == 0) { execl("/bin/echo", "echo", (char *)0); _exit(1); }
    waitpid(p, 0, 0);
    script("inner", "#!/bin/sh\ntrue\n");
    script("outer", "#!./inner\n");
    void (*ways[])(void) = {by_descriptor, by_itself, by_script, grows};
    memset(malloc(1 << 20), 1, 1 << 20);
    for (int i = 0; i < 4; i++) {
        if ((p = fork()) == 0) { ways[i](); _exit(1); }
        waitpid(p, 0, 0);
    }
    return 0;
}
