"""What pthread_create() costs a process of this host, and one of the machine."""

import shutil
import subprocess

import pytest

from tests.outside.elf_bytes import elf, phdr
from vmtool.procfs.tree import Tree

core = pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)
NR_THREADS = 3
PROGRAM = r"""
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static pthread_barrier_t b;
static void *run(void *x) { pthread_barrier_wait(&b); pause(); return x; }
static void show(const char *name) {
    char line[512]; FILE *f = fopen(name, "r");
    static char buffer[1 << 16]; setvbuf(f, buffer, _IOFBF, sizeof(buffer));
    while (fgets(line, sizeof(line), f)) fputs(line, stdout);
    fclose(f); puts("--");
}
int main(void) {
    pthread_t t[8]; char name[64];
    setvbuf(stdout, NULL, _IOLBF, 4096);  /* its memory before the first look */
    show("/proc/self/smaps"); show("/proc/self/smaps");
    pthread_barrier_init(&b, NULL, NR + 1);
    for (int i = 0; i < NR; i++) pthread_create(&t[i], NULL, run, NULL);
    pthread_barrier_wait(&b);
    show("/proc/self/smaps"); show("/proc/self/status");
    return 0;
}
"""


def areas(text):
    """[(bytes, permissions, Rss in kB)] of areas that have no file, without those of the kernel."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if "-" in words[0] and ":" not in words[0]:
            start, end = (int(word, 16) for word in words[0].split("-"))
            is_ours = len(words) < 6 or words[5] == "[heap]"
            found.append([end - start, words[1], 0, is_ours])
        elif words[0] == "Rss:":
            found[-1][2] = int(words[1])
    return sorted(tuple(area[:3]) for area in found if area[3])


def without(these, others):
    these = list(these)
    for area in others:
        if area in these:
            these.remove(area)
    return these


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    place = tmp_path_factory.mktemp("threads")
    (place / "t.c").write_text(PROGRAM)
    subprocess.run(["cc", "-O1", f"-DNR={NR_THREADS}", "-o", place / "t", place / "t.c", "-lpthread"], check=True)
    out = subprocess.run([place / "t"], capture_output=True, text=True, check=True, timeout=20).stdout.split("--\n")
    if "GLIBC 2.36" not in subprocess.run(["ldd", "--version"], capture_output=True, text=True).stdout:
        pytest.skip("the C library is not glibc 2.36")
    return out


def test_areas_and_pages_of_stacks(real):
    from vmtool.cli.process import pthread_create

    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20)
    machine.spawn("t", None, [b"t"], [])
    tree = Tree(machine)
    before = areas(tree.read("1/smaps").decode())
    for _ in range(NR_THREADS):
        pthread_create(machine, 1)
    ours = without(areas(tree.read("1/smaps").decode()), before)
    theirs = without(areas(real[2]), areas(real[1]))
    stacks = [area for area in theirs if area[0] >= 8 << 20 or area[1] == "---p"]
    assert [area for area in ours if area[0] >= 8 << 20 or area[1] == "---p"] == stacks and len(stacks) == 2 * NR_THREADS
    assert f"Threads:\t{NR_THREADS + 1}\n" in real[3] and f"Threads:\t{NR_THREADS + 1}\n" in tree.read("1/status").decode()
    assert [task.min_flt for task in machine.threads(1)[1:]] == [1] * NR_THREADS
    assert machine.fsck() == []


@pytest.mark.parametrize(("types", "nr_areas"), [([1], 0), ([1, 7], 3)])
def test_a_program_without_a_c_library_gives_its_threads_no_stack(tmp_path, types, nr_areas):
    """pthread_create() is the C library's (a stack, its guard, a heap); one that is linked in has variables of each thread, PT_TLS."""
    from vmtool.cli.process import spawn

    program = tmp_path / "prog"
    program.write_bytes(elf([phdr(kind, 5, 0, 0x400000, 0x1000, 0x1000) for kind in types]))
    program.chmod(0o755)
    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20)
    for threads in (1, 2):
        spawn(machine, None, str(program), None, [], [], threads, False)
    alone, both = (len(machine.maps(pid)) for pid in (1, 2))
    assert both - alone == nr_areas
    assert [len(machine.threads(pid)) for pid in (1, 2)] == [1, 2]
