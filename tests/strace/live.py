"""The kernel's own maps of every process of a recording, read as it exits.

strace can hold a call at its entry (inject=…:delay_enter): each exit_group waits there long enough for its maps to be read from
outside, so the
log and the truth are of one run. Linux, strace 5.1 or later, and the right to read another process's /proc/PID/syscall are needed.

    python -m tests.strace.live DIRECTORY [NAME…]      records the fixtures: for each program or form of log NAME.tar.gz, and NAME.maps
                                                       with the kernel's maps
"""

import gzip
import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path

EXIT_GROUP = {"231", "252"}  # x86-64, i386
HELLO = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n"
HELLO_32 = """.globl _start
_start: mov $45, %eax; xor %ebx, %ebx; int $0x80
        mov %eax, %ebx; add $0x3000, %ebx; mov $45, %eax; int $0x80
        mov $192, %eax; xor %ebx, %ebx; mov $0x5000, %ecx; mov $3, %edx; mov $0x22, %esi; mov $-1, %edi; xor %ebp, %ebp; int $0x80
        movb $1, (%eax)
        mov $252, %eax; xor %ebx, %ebx; int $0x80
        .section .note.GNU-stack,"",@progbits
"""
PROGRAMS_IN_C = ("threads", "exec_thread", "spawns")
BUILDS = {"hello": ["hello.c"], "hello-static": ["-static", "hello.c"], "hello-static-pie": ["-static-pie", "hello.c"],
          "hello-nopie": ["-no-pie", "hello.c"], "hello-m32": ["-m32", "-nostdlib", "-static", "hello32.s"],
          **{name: [f"{name}.c"] for name in PROGRAMS_IN_C}}
PROGRAMS = {
    "cat": ["cat", "hello.c"], "ls": ["ls", "-l", "/usr"],
    "bash": ["bash", "-c", "x=$(echo a | cat); (cd /usr; ls | wc -l); for i in 1 2; do echo $i | (read y; echo $y); done"],
    "python3": ["/usr/bin/python3", "-c", "import json; print(len(json.dumps(list(range(1000)))))"],
    "perl": ["perl", "-e", "@a = (1..50000); fork or exit; wait; print scalar @a"], "git": ["git", "-C", "repository", "status"],
    "sqlite3": ["sqlite3", ":memory:", "create table t(a); insert into t values(1),(2); select sum(a) from t"],
    "gcc": ["gcc", "-o", "hello.out", "hello.c"], "make": ["make", "-j2"], "sort": ["sh", "-c", "seq 1 800000 | sort -rn | tail -n 1"],
    "tar": ["sh", "-c", "tar cf - repository | gzip > /dev/null"], "node": ["node", "-e", "console.log(1)"], "java": ["java", "-version"],
    **{name: [f"./{name}"] for name in BUILDS if name not in PROGRAMS_IN_C}}
FORMS = {"threads-ff": (["-ff"], ["./threads"]), "threads-ff-t": (["-ff", "-t"], ["./threads"]),
         "threads-ff-ttt": (["-ff", "-ttt"], ["./threads"]), "threads-f": (["-f"], ["./threads"]),
         "exec-thread-f": (["-f"], ["./exec_thread"]), "exec-thread-ff": (["-ff"], ["./exec_thread"]),
         "spawns-f": (["-f"], ["./spawns"]), "spawns-ff": (["-ff"], ["./spawns"]), "spawns-raw": (["-f", "-X", "raw"], ["./spawns"])}
"""Other forms of logs, NAME: (strace's words, command); -ff makes a file for each thread."""
DELAY_US = 150_000
POLL_S = 0.002


class Watcher(threading.Thread):
    """Reads the maps of whoever waits in exit_group below this process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.maps: dict[int, str] = {}
        self.is_done = False

    def run(self) -> None:
        while not self.is_done:
            for pid in self._others():
                self._look(pid)
            time.sleep(POLL_S)

    def _others(self) -> list[int]:
        """Whoever it may be: numbers wrap at pid_max, so a child's may be below this process's own."""
        own = os.getpid()
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != own]

    def _look(self, pid: int) -> None:
        try:
            for tid in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{tid}/syscall", encoding="ascii") as f:
                    if f.read().split(" ", 1)[0] in EXIT_GROUP:
                        text = Path(f"/proc/{pid}/maps").read_text()
                        if "[stack]" in text or "[vsyscall]" in text:  # else it was cut: the process went on meanwhile
                            self.maps[pid] = text
                        return
        except (OSError, ValueError):
            return  # it is gone


def record_live(command: list[str], archive: Path, work: Path, *, with_faults: bool = False) -> dict[int, str]:
    """Record a command; the maps of each process at its exit_group, by PID."""
    from vmtool.outside.record import record

    real = shutil.which("strace")
    wrapper = work / "bin" / "strace"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    wrapper.write_text(f'#!/bin/sh\nexec {real} -e inject=exit_group:delay_enter={DELAY_US} "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    path = os.environ["PATH"]
    watcher = Watcher()
    watcher.start()
    try:
        os.environ["PATH"] = f"{wrapper.parent}:{path}"
        record(command, str(archive), with_faults=with_faults)
    finally:
        os.environ["PATH"] = path
        watcher.is_done = True
        watcher.join()
    return watcher.maps


def record_form(words: list[str], command: list[str], archive: Path, work: Path) -> dict[int, str]:
    """Record a command in a given form of log, with a sidecar as `record` makes it; the maps of each process at its exit_group."""
    from vmtool.outside.record import sidecar_of
    from vmtool.outside.traces import open_trace, text_lines
    from vmtool.strace.merge import LogFile

    log = work / "log"
    shutil.rmtree(log, ignore_errors=True)
    log.mkdir()
    is_split = "-ff" in words
    watcher = Watcher()
    watcher.start()
    target = log / ("out" if is_split else "strace.log")
    strace = ["setarch", "-R", "strace", "-o", str(target), "-e", f"inject=exit_group:delay_enter={DELAY_US}", *words, "--", *command]
    try:
        subprocess.run(strace, check=False, stdout=subprocess.DEVNULL)
    finally:
        watcher.is_done = True
        watcher.join()
    own = set()  # this machine may have other processes in exit_group
    for file in log.iterdir():
        text = file.read_bytes().replace(b" (DELAYED)", b"")
        file.write_bytes(text)
        own |= {int(file.suffix[1:])} if is_split else {int(line.split()[0]) for line in text.splitlines() if line[:1].isdigit()}
    maps = {pid: text for pid, text in watcher.maps.items() if pid in own}
    parts = open_trace(str(log if is_split else target)).parts
    files = [LogFile(part.name, part.tid, text_lines(part.stream, part.name)) for part in parts]
    members = [("sidecar.json", sidecar_of(files, min(own), False))]
    with gzip.GzipFile(archive, "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as out:
        for name, data in [*members, *((file.name, file.read_bytes()) for file in sorted(log.iterdir()))]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return maps


def prepare(directory: Path) -> None:
    """The files that PROGRAMS work on."""
    (directory / "hello.c").write_text(HELLO)
    (directory / "hello32.s").write_text(HELLO_32)
    for name in PROGRAMS_IN_C:
        shutil.copy(Path(__file__).parent / "programs" / f"{name}.c", directory)
    (directory / "Makefile").write_text("all: a.o b.o\n%.o: hello.c\n\tgcc -c -o $@ hello.c\n")
    for name, words in BUILDS.items():
        subprocess.run(["gcc", "-o", name, *words], cwd=directory, check=False, capture_output=True)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", "repository"]
    subprocess.run(["git", "init", "-q", "repository"], cwd=directory, check=True)
    (directory / "repository" / "file").write_text("x\n")
    subprocess.run([*git, "add", "file"], cwd=directory, check=True)
    subprocess.run([*git, "commit", "-qm", "x"], cwd=directory, check=True)


def maps_text(maps: dict[int, str]) -> str:
    """The maps of several processes in one file: a line `== PID` before each."""
    return "".join(f"== {pid}\n{maps[pid]}" for pid in sorted(maps))


def read_maps(text: str) -> dict[int, str]:
    parts = text.split("== ")[1:]
    return {int(part.split("\n", 1)[0]): part.split("\n", 1)[1] for part in parts}


def main(target: str, *wanted: str) -> None:
    out = Path(target).resolve()
    out.mkdir(parents=True, exist_ok=True)
    os.environ.clear()  # nothing of the recorder's own in a fixture
    os.environ.update(PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME="/nonexistent", LANG="C.UTF-8")
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        os.chdir(name)
        for program, command in PROGRAMS.items():
            if (not wanted or program in wanted) and shutil.which(command[0]):
                maps = record_live(command, out / f"{program}.tar.gz", Path(name))
                (out / f"{program}.maps").write_text(maps_text(maps))
        for form, (words, command) in FORMS.items():
            if wanted and form not in wanted:
                continue
            (out / f"{form}.maps").write_text(maps_text(record_form(words, command, out / f"{form}.tar.gz", Path(name))))
        for program in ("cat", "bash", "perl", "hello-static"):
            if wanted and f"{program}-faults" not in wanted:
                continue
            maps = record_live(PROGRAMS[program], out / f"{program}-faults.tar.gz", Path(name), with_faults=True)
            (out / f"{program}-faults.maps").write_text(maps_text(maps))


if __name__ == "__main__":
    main(*sys.argv[1:])
