"""The live kernel as one back end: runs the lines of a `vmtool run` script on real processes.

Every line gives an Answer in the form of `vmtool run --jsonl`. Processes are tracees without a life
of their own (tracee.py); files are read and written by the recorder itself through one open file for each
process and path, so that the process needs no buffers; mmap opens the file anew, through a link named
`f` in the process's directory.

Deviations of the measuring, all invisible in the answers: files have the device and inode that the script's mkfile
gave them (maps is rewritten), mincore's vector lies in a page of bss that execve() already dirtied; smaps has no ProtectionKey,
which a kernel prints on a processor with protection keys only (conditions.has_protection_keys()).
"""

import ctypes
import errno
import glob
import os
import re
import resource
import shutil
import signal
import subprocess
import time

from tests.differential import rounds, target
from tests.differential.script import Answer, Words, address, protection, size
from tests.differential.swap_areas import SwapAreas
from tests.differential.tracee import Drainer, Fault, Tracee, set_limit, start

MAP_LINE = re.compile(r"^([0-9a-f]+-[0-9a-f]+ [-rwx]{3}[ps] [0-9a-f]+ )(\S+ \d+) +(\S.*)$")
MAP = {"--fixed": 0x10, "--growsdown": 0x100, "--locked": 0x2000, "--noreserve": 0x4000, "--populate": 0x8000, "--stack": 0x20000,
       "--fixed-noreplace": 0x100000}
MADV = dict(
    normal=0, random=1, sequential=2, willneed=3, dontneed=4, free=8, remove=9, dontfork=10, dofork=11, mergeable=12, unmergeable=13,
    hugepage=14, nohugepage=15, dontdump=16, dodump=17, wipeonfork=18, keeponfork=19, cold=20, pageout=21, populate_read=22,
    populate_write=23, dontneed_locked=24, collapse=25, guard_install=102, guard_remove=103)
SYS_OPEN, SYS_CLOSE, SYS_MMAP, SYS_MPROTECT, SYS_MUNMAP, SYS_BRK = 2, 3, 9, 10, 11, 12
SYS_MREMAP, SYS_MSYNC, SYS_MINCORE, SYS_MADVISE = 25, 26, 27, 28
SYS_MLOCK, SYS_MUNLOCK, SYS_MLOCKALL, SYS_MUNLOCKALL, SYS_MLOCK2 = 149, 150, 151, 152, 325
SYS_PRCTL, PR_SET_THP_DISABLE = 157, 41
MASK = (1 << 64) - 1



def read_number(path: str) -> int:
    with open(path, encoding="utf-8") as f:
        return int(f.read())


class Kernel:
    """A machine for one script. `root` is a directory on the file system under test; close() ends every process."""

    def __init__(self, root: str, cold_pause: float = 0.004) -> None:
        self.root, self.cold_pause = root, cold_pause
        self.cwd = f"{root}/cwd"
        os.makedirs(self.cwd, exist_ok=True)
        os.chmod(self.cwd, 0o755)
        self.drainer = Drainer()
        self.tasks: dict[str, Tracee] = {}
        self.names: dict[str, str] = {}
        self.fds: dict[tuple[str, str], int] = {}
        self.counted: dict[str, int] = {}  # of hugepages-*kB/stats, by path: what they were
        self.identity: dict[str, str] = {}  # path -> "08:01 1001"
        self.settings: dict[str, str] = {}  # files of /sys/kernel/mm that the script changed -> what they said before
        self.cold: set[str] = set()  # files of which something may not be in the page cache
        self.warm: set[str] = set()  # programs that were brought in
        self.nr_lines = 0
        self.swap = SwapAreas(root)

    def close(self) -> None:
        for task in self.tasks.values():
            task.kill()
        self.swap.close()
        for fd in self.fds.values():
            os.close(fd)
        for path in self.identity:
            if os.path.exists(path):
                os.unlink(path)
        for path, text in self.settings.items():
            write_text(path, text)
        if os.path.ismount(f"{self.root}/shm"):
            subprocess.run(["umount", "--lazy", f"{self.root}/shm"], check=True)

    def __enter__(self) -> "Kernel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, line: str) -> Answer:
        """One line of a script."""
        self.nr_lines += 1
        m = re.match(r"^(\w+) = (.*)$", line.partition("#")[0])
        name, text = m.groups() if m else (None, line.partition("#")[0])
        text = re.sub(r"\$\{?(\w+)\}?", lambda v: self.names[v[1]], text)
        cmd, *words = text.split()
        answer = Answer(self.nr_lines, cmd)
        try:
            out = getattr(self, "do_" + cmd.replace("-", "_"))(Words(words[:]))
            answer = out._replace(line=self.nr_lines) if isinstance(out, Answer) else answer._replace(out=out or "")
        except Fault as e:
            answer = self._signalled(answer, e, "--probe" in words, words[0])
        except OSError as e:
            answer = answer._replace(exit=1, errno=errno.errorcode[e.errno or errno.EIO])
        if name and answer.exit == 0:
            self.names[name] = answer.out
        return answer

    def _signalled(self, answer: Answer, e: Fault, probe: bool, pid: str) -> Answer:
        if not probe:
            self.tasks[pid].kill()
        return answer._replace(exit=128 + e.signo, signal=signal.Signals(e.signo).name, sigcode=e.code, sigaddr=e.addr)

    def task(self, words: Words) -> Tracee:
        task = self.tasks.get(words.next())
        if task is None or not task.alive:
            raise OSError(errno.ESRCH, "no such process")
        return task

    def _call(self, words: Words, number: int, *args: int) -> int:
        """A system call of the process that `words` begins with."""
        return check(self.task(words).syscall(number, *args))

    def _add(self, task: Tracee) -> str:
        self.tasks[str(task.pid)] = task
        return str(task.pid)

    def do_sysctl(self, w: Words) -> None:
        """A file of /sys/kernel/mm, set for this script alone; the answer is not compared."""
        name, _, value = w.next().partition("=")
        if name == "tmpfs/huge":
            self._mount_tmpfs(value)
            return
        path = f"/sys/kernel/mm/{name}"
        with open(path, encoding="utf-8") as f:
            text = f.read().strip()
        chosen = re.search(r"\[(\w+)\]", text)
        self.settings.setdefault(path, chosen[1] if chosen else text)
        if name.startswith("hugepages/") and name.endswith("/nr_hugepages"):
            value = str(int(value) + self._hold(os.path.dirname(path)))
        elif "/hugepages-" in path and not self.counted:
            self.counted = {file: read_number(file) for file in glob.glob("/sys/kernel/mm/transparent_hugepage/hugepages-*kB/stats/*")}
        write_text(path, value)

    def _hold(self, pool: str) -> int:
        """Pages of a pool that were promised before: the script's are beside them, and what it reads of the pool is less these."""
        held = read_number(f"{pool}/resv_hugepages")
        self.counted.update({f"{pool}/{name}_hugepages": held for name in ("nr", "free", "resv")} | {f"{pool}/surplus_hugepages": 0})
        return held

    def _mount_tmpfs(self, huge: str | None = None) -> None:
        """One of the script's own, at shm/; huge= is set once more, if it must be."""
        path = f"{self.root}/shm"
        if not os.path.ismount(path):
            os.makedirs(path, exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=1G,huge={huge or 'never'}", "tmpfs", path], check=True)
        elif huge:
            subprocess.run(["mount", "-o", f"remount,huge={huge}", path], check=True)

    def do_sleep(self, w: Words) -> None:
        """Time passes, in which khugepaged comes by everywhere: here at once."""
        w.next()
        rounds.scan_all()

    def do_thp_disable(self, w: Words) -> str:
        task, mode = self.task(w), w.words[0]
        check(task.syscall(SYS_PRCTL, PR_SET_THP_DISABLE, mode != "no", 2 * (mode == "except-advised"), 0, 0))
        return {0: "no", 1: "yes", 3: "except-advised"}[check(task.syscall(SYS_PRCTL, PR_SET_THP_DISABLE + 1, 0, 0, 0, 0))]

    def do_cat(self, w: Words) -> str:
        """A count of one size of huge pages: what the script added to it, from its first setting on. Of a pool: what is there for it."""
        path = w.next()
        if path.startswith("/proc/"):
            return self.swap.cat(path)
        return str((read_number(path) - self.counted[path]) % (1 << 64))  # an unsigned long, which may have gone below 0

    # --- processes ---

    def do_spawn(self, w: Words) -> str:
        path = w.option("--exe")
        self._warm(path)
        return self._add(start(path, self.cwd))

    def _warm(self, path: str) -> None:
        """Bring a program and the interpreter wholly into the page cache, once: the default machine's state."""
        for name in filter(os.path.exists, (path, f"{self.root}/ld.so")):
            if name not in self.warm:
                self.warm.add(name)
                target.read_ahead(name)

    def do_fork(self, w: Words) -> str:
        return self._add(self.task(w).fork())

    def do_exec(self, w: Words) -> None:
        task, path = self.task(w), w.next()
        self._warm(path)
        check(task.execve(path))

    def do_exit(self, w: Words) -> None:
        self.task(w).exit()

    # --- system calls ---

    def do_brk(self, w: Words) -> "Answer | str":
        task, by = self.task(w), w.option("--by")
        now = task.syscall(SYS_BRK, 0)
        if by is None and not w.words:
            return hex(now)
        wanted = now + size(by) if by else address(w.next())
        got = task.syscall(SYS_BRK, wanted)
        if got == wanted:
            return hex(got)
        if 0 <= wanted < start_brk(task.pid):
            return Answer(0, "brk", out=hex(got), may_fail=True)
        if got > wanted >= 0:  # it could not be lowered: no error to the C library, nor here
            return hex(got)
        raise OSError(errno.ENOMEM, "brk")

    def do_mmap(self, w: Words) -> str:
        flags = sum(bit for name, bit in MAP.items() if w.flag(name))
        flags |= 1 if w.flag("--shared") else 2
        w.flag("--private")
        prot, addr, path = w.option("--prot"), w.option("--addr"), w.option("--file")
        offset, huge = size(w.option("--offset") or "0"), w.option("--hugetlb")
        if huge:
            flags |= 0x40000 | {"2M": 21, "1G": 30}[huge] << 26
        task, length = self.task(w), size(w.next())
        args = (address(addr) if addr else 0, length, protection(prot or "rw"))
        if path is None:
            return hex(check(task.syscall(SYS_MMAP, *args, flags | 0x20, -1, 0)))
        fd = self._open_in(task, path)
        result = task.syscall(SYS_MMAP, *args, flags, fd, offset)
        task.syscall(SYS_CLOSE, fd)
        self._settle()
        return hex(check(result))

    def _open_in(self, task: Tracee, path: str) -> int:
        link = f"{self.cwd}/f"
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(path, link)
        return check(task.syscall(SYS_OPEN, task.stub + target.NAME, os.O_RDWR | os.O_CLOEXEC))

    def do_munmap(self, w: Words) -> None:
        check(self.task(w).syscall(SYS_MUNMAP, address(w.next()), size(w.next())))

    def do_mprotect(self, w: Words) -> None:
        check(self.task(w).syscall(SYS_MPROTECT, address(w.next()), size(w.next()), protection(w.next())))

    def do_mremap(self, w: Words) -> str:
        flags = 1 * w.flag("--maymove") + 4 * w.flag("--dontunmap")
        to = w.option("--fixed")
        task, addr, old, new = self.task(w), address(w.next()), size(w.next()), size(w.next())
        return hex(check(task.syscall(SYS_MREMAP, addr, old, new, flags | 2 * bool(to), address(to) if to else 0)))

    def do_madvise(self, w: Words) -> None:
        task, addr, length, advice = self.task(w), address(w.next()), size(w.next()), w.next()
        if advice in ("pageout", "remove"):
            self.cold.update(self.identity)
        check(task.syscall(SYS_MADVISE, addr, length, MADV[advice]))
        self._settle()

    def do_mlock(self, w: Words) -> None:
        number, flags = (SYS_MLOCK2, 1) if w.flag("--onfault") else (SYS_MLOCK, 0)
        task = self.task(w)
        result = task.syscall(number, address(w.next()), size(w.next()), flags)
        self._settle()
        check(result)

    def do_munlock(self, w: Words) -> None:
        check(self.task(w).syscall(SYS_MUNLOCK, address(w.next()), size(w.next())))

    def do_mlockall(self, w: Words) -> None:
        flags = 1 * w.flag("--current") + 2 * w.flag("--future") + 4 * w.flag("--onfault")
        result = self.task(w).syscall(SYS_MLOCKALL, flags)
        self._settle()
        check(result)

    def do_munlockall(self, w: Words) -> None:
        check(self.task(w).syscall(SYS_MUNLOCKALL))

    def do_msync(self, w: Words) -> None:
        flags = (1 if w.flag("--async") else 4) | 2 * w.flag("--invalidate")
        check(self.task(w).syscall(SYS_MSYNC, address(w.next()), size(w.next()), flags))

    def do_mincore(self, w: Words) -> str:
        task, addr, length = self.task(w), address(w.next()), size(w.next())
        vector, out = task.stub + target.SCRATCH, b""
        while True:
            part = min(length, 1024 * 4096)
            check(task.syscall(SYS_MINCORE, addr, part, vector))
            out += task.load(vector, (part + 4095) // 4096)  # /proc/PID/mem would mark the page accessed
            addr, length = addr + part, length - part
            if length <= 0:
                return "".join(str(b & 1) for b in out)

    def do_setrlimit(self, w: Words) -> None:
        task, name, value = self.task(w), w.next(), w.next()
        set_limit(task.pid, name, resource.RLIM_INFINITY if value == "unlimited" else size(value))

    # --- accesses ---

    def do_touch(self, w: Words) -> str:
        access = "r" if w.flag("-r") else "x" if w.flag("-x") else "w"
        w.flag("-w"), w.flag("--probe")
        task, addr, length = self.task(w), address(w.next()), size(w.next()) if w.words else 1
        before = task.faults()
        if self.cold:
            for at in (addr, *range((addr | 4095) + 1, addr + length, 4096)):
                task.touch(at, 1, access)
                self._settle()
        else:
            task.touch(addr, length, access)
        after = task.faults()
        return f"minor={after[0] - before[0]} major={after[1] - before[1]}"

    def do_store(self, w: Words) -> None:
        task, addr, hexa = self.task(w), address(w.next()), w.option("--hex")
        task.store(addr, bytes.fromhex(hexa) if hexa else w.next().encode())

    def do_load(self, w: Words) -> str:
        w.flag("--hex")
        return self.task(w).load(address(w.next()), size(w.next())).hex()

    # --- files ---

    def do_mkfile(self, w: Words) -> None:
        source, dev, inode = w.option("--from"), w.option("--dev"), w.option("--inode")
        if w.flag("--tmpfs"):
            self._mount_tmpfs()
        path, length = w.next(), size(w.next())
        os.makedirs(os.path.dirname(path), exist_ok=True)
        major, minor = (int(n) for n in (dev or "8:1").split(":"))
        self.identity[path] = f"{major:02x}:{minor:02x} {inode}"
        with open(path, "xb") as f:
            if source:
                with open(source, "rb") as g:
                    shutil.copyfileobj(g, f, 1 << 20)
            f.truncate(length)
            os.fchmod(f.fileno(), 0o666)
            os.fsync(f.fileno())
            forget(f.fileno())
        self.cold.add(path)

    def _file(self, w: Words) -> int:
        self.task(Words(w.words[:1]))
        key = w.next(), w.next()
        if key not in self.fds:
            self.fds[key] = os.open(key[1], os.O_RDWR | os.O_CLOEXEC)
        return self.fds[key]

    def do_read(self, w: Words) -> None:
        path, fd, offset = w.words[1], self._file(w), size(w.next())
        got = os.pread(fd, size(w.next()), offset)
        self._settle()
        if offset == 0 and len(got) == os.fstat(fd).st_size:
            self.cold.discard(path)

    def do_write(self, w: Words) -> None:
        fd, offset = self._file(w), size(w.next())
        os.pwrite(fd, w.next().encode(), offset)
        self._settle()

    def do_truncate(self, w: Words) -> None:
        os.truncate(w.next(), size(w.next()))

    def do_fallocate(self, w: Words) -> None:
        w.flag("--punch-hole")
        path, offset, length = w.next(), size(w.next()), size(w.next())
        with open(path, "r+b") as f:
            punch_hole(f.fileno(), offset, length)

    def do_rmfile(self, w: Words) -> None:
        """What maps it keeps it; sync() writes its pages, too."""
        path = w.next()
        self.fds["", path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        os.unlink(path)

    def do_swapon(self, w: Words) -> None:
        self.swap.swapon(w)

    def do_swapoff(self, _: Words) -> None:
        self.swap.swapoff()

    def do_cgroup(self, w: Words) -> None:
        self.swap.cgroup(w)

    def do_reclaim(self, w: Words) -> Answer:
        self.swap.reclaim(w)
        return Answer(0, "reclaim", may_fail=True)

    def do_sync(self, _: Words) -> None:
        if self.swap.areas:
            self.swap.settle()
            self.drainer.drain_all()
        for path in filter(os.path.exists, self.identity):
            with open(path, "rb") as f:
                os.fsync(f.fileno())
        for fd in (fd for (task, _), fd in self.fds.items() if not task):
            os.fsync(fd)

    def do_drop_caches(self, _: Words) -> None:
        """What drop_caches does, to the files of this script alone (any user may)."""
        self.cold.update(self.identity)
        programs = {f"{self.root}/{name}" for name in os.listdir(self.root)}
        for path in filter(os.path.isfile, [*self.identity, *programs]):
            with open(path, "rb") as f:
                forget(f.fileno())

    def _settle(self) -> None:
        """Wait until readahead is over: its pages are mapped around only when they are up to date."""
        if self.cold:
            time.sleep(self.cold_pause)
            dev = os.stat(self.root).st_dev
            inflight = f"/sys/dev/block/{os.major(dev)}:{os.minor(dev)}/inflight"
            for _ in range(100):
                with open(inflight) as f:
                    if f.read().split() == ["0", "0"]:
                        return
                time.sleep(0.001)

    # --- looking ---

    def _proc(self, task: Tracee, name: str) -> str:
        self.drainer.drain()
        with open(f"/proc/{task.pid}/{name}", encoding="utf-8") as f:
            return f.read().removesuffix("\n")

    def _dump(self, task: Tracee, name: str) -> str:
        """maps or smaps, with the device and inode of the script's files."""
        return "\n".join(map(self._named, self._proc(task, name).split("\n")))

    def _named(self, line: str) -> str:
        m = MAP_LINE.match(line)
        ours = m and self.identity.get(m[3].removesuffix(" (deleted)"))
        return f"{m[1]}{ours} ".ljust(73) + m[3] if m and ours else line

    def do_cat_maps(self, w: Words) -> str:
        return self._dump(self.task(w), "maps")

    def do_smaps(self, w: Words) -> str:
        rollup = w.flag("--rollup")
        text = self._dump(self.task(w), "smaps_rollup" if rollup else "smaps")
        return "\n".join(line for line in text.split("\n") if not line.startswith("ProtectionKey:"))

    def do_status(self, w: Words) -> str:
        return self._proc(self.task(w), "status")

    def do_statm(self, w: Words) -> str:
        return self._proc(self.task(w), "statm")

    def do_pagemap(self, w: Words) -> str:
        w.flag("--raw")
        task, addr, length = self.task(w), address(w.next()), size(w.next())
        self.drainer.drain()
        with open(f"/proc/{task.pid}/pagemap", "rb") as f:
            f.seek(addr >> 12 << 3)
            data = f.read((length + 4095 >> 12) * 8)
        return "\n".join(f"{addr + i * 512:#x} {int.from_bytes(data[i : i + 8], 'little'):#x}" for i in range(0, len(data), 8))


def check(result: int) -> int:
    """A system call's result; OSError for -errno."""
    if -4096 < result < 0:
        raise OSError(-result, os.strerror(-result))
    return result & MASK


def start_brk(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as f:
        return int(f.read().rpartition(")")[2].split()[44])


def write_text(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def punch_hole(fd: int, offset: int, length: int) -> None:
    """fallocate(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate(fd, 3, ctypes.c_long(offset), ctypes.c_long(length)) < 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def forget(fd: int) -> None:
    """Drop the file's clean, unmapped pages from the page cache."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
