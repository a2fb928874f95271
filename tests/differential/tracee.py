"""A live process, driven by ptrace one stub at a time.

Registers in, continue, registers out. SIGSEGV and SIGBUS are read from the siginfo and never
delivered; forked children are attached before their first instruction. The process and its
recorder share one CPU, so that the recorder can drain that CPU's LRU batches before a dump.

Linux v6.12 kernel/ptrace.c, include/uapi/linux/ptrace.h for the numbers.
"""

import ctypes
import os
import resource
import signal

from tests.differential import target

TRACEME, CONT, GETREGS, SETREGS = 0, 7, 12, 13
SETOPTIONS, GETEVENTMSG, GETSIGINFO = 0x4200, 0x4201, 0x4202
O_TRACEFORK, O_TRACEEXEC, O_EXITKILL = 2, 16, 1 << 20
EVENT_FORK, EVENT_EXEC = 1, 4
WALL = 0x40000000
ADDR_NO_RANDOMIZE = 0x0040000
MADV_COLD, MADV_COLLAPSE = 20, 25
HUGE = 2 << 20
SYS_FORK, SYS_EXECVE, SYS_EXIT_GROUP = 57, 59, 231
NOBODY = 65534
CANONICAL_LOW, CANONICAL_HIGH = 1 << 47, (1 << 64) - (1 << 47)  # between them is no address: a fault there names none

REGS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs").split()
CODES = {
    (signal.SIGSEGV, 1): "SEGV_MAPERR", (signal.SIGSEGV, 2): "SEGV_ACCERR", (signal.SIGSEGV, 0x80): "SI_KERNEL",
    (signal.SIGBUS, 1): "BUS_ADRALN", (signal.SIGBUS, 2): "BUS_ADRERR", (signal.SIGBUS, 3): "BUS_OBJERR",
}

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class Regs(ctypes.Structure):
    """struct user_regs_struct."""

    _fields_ = [(name, ctypes.c_ulonglong) for name in REGS]


class Siginfo(ctypes.Structure):
    """The head of siginfo_t, as far as a fault fills it."""

    _fields_ = [("signo", ctypes.c_int), ("errno", ctypes.c_int), ("code", ctypes.c_int), ("pad", ctypes.c_int),
                ("addr", ctypes.c_ulonglong), ("rest", ctypes.c_char * 104)]


class Fault(Exception):
    """The access took a signal."""

    def __init__(self, signo: int, code: int, addr: int) -> None:
        super().__init__(signo, code, addr)
        self.signo, self.addr = signo, addr
        self.code = CODES.get((signo, code), f"code {code}")


def ptrace(request: int, pid: int, addr: int = 0, data: object = 0) -> int:
    ctypes.set_errno(0)
    result = libc.ptrace(request, pid, addr, data)
    if result == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}: {os.strerror(ctypes.get_errno())}")
    return result


class Drainer:
    """madvise(MADV_COLD) on a page of our own: lru_add_drain() of the CPU we run on, as any user."""

    def __init__(self) -> None:
        import mmap

        self.page = mmap.mmap(-1, 4096)
        self.page[0] = 1
        self.addr = ctypes.addressof(ctypes.c_char.from_buffer(self.page))

    def drain(self) -> None:
        libc.madvise(ctypes.c_void_p(self.addr), ctypes.c_size_t(4096), MADV_COLD)

    def drain_all(self) -> None:
        """Those of every CPU: madvise_collapse() begins with lru_add_drain_all(), whatever it finds."""
        import mmap

        with mmap.mmap(-1, 2 * HUGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
            address = ctypes.c_char.from_buffer(area)
            at = -(-ctypes.addressof(address) // HUGE) * HUGE
            libc.madvise(ctypes.c_void_p(at), ctypes.c_size_t(HUGE), MADV_COLLAPSE)
            del address


def start(path: str, cwd: str) -> "Tracee":
    """Run `path` without privileges, with the default machine's limits, up to its first instruction."""
    pid = os.fork()
    if pid == 0:
        try:
            _become(path, cwd)
        finally:
            os._exit(127)
    _, status = os.waitpid(pid, WALL)
    if not os.WIFSTOPPED(status):
        raise RuntimeError(f"{path}: not started, wait status {status:#x}")
    ptrace(SETOPTIONS, pid, 0, O_TRACEFORK | O_TRACEEXEC | O_EXITKILL)
    return Tracee(pid)


def _become(path: str, cwd: str) -> None:
    """In the new child: everything that execve() passes on."""
    os.chdir(cwd)
    libc.personality(ADDR_NO_RANDOMIZE)
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (8 << 20, 8 << 20))
    resource.setrlimit(resource.RLIMIT_AS, unlimited)
    resource.setrlimit(resource.RLIMIT_DATA, unlimited)
    if os.geteuid() == 0:
        _drop_privileges()
    ptrace(TRACEME, 0)
    os.execve(path, [path], {})


def _drop_privileges() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def set_limit(pid: int, name: str, value: int) -> None:
    """The soft limit of a process, set by one of its own user: root without CAP_SYS_RESOURCE may not."""
    which = getattr(resource, f"RLIMIT_{name.upper()}")
    helper = os.fork()
    if helper == 0:
        try:
            if os.geteuid() == 0:
                _drop_privileges()
            resource.prlimit(pid, which, (value, resource.prlimit(pid, which)[1]))
            os._exit(0)
        except OSError as e:
            os._exit(e.errno or 1)
        finally:
            os._exit(127)
    _, status = os.waitpid(helper, 0)
    if status:
        raise OSError(os.WEXITSTATUS(status), "prlimit")


class Tracee:
    """One stopped process. `base` are the registers of its start; every run begins from them."""

    def __init__(self, pid: int, like: "Tracee | None" = None) -> None:
        self.pid = pid
        self.alive = True
        if like is None:
            self._after_exec()
        else:
            self.base, self.stub = like.base, like.stub

    def _after_exec(self) -> None:
        self.base = self._regs()
        # the entry point of every target is its stub page
        self.stub = self.base.rip & ~4095

    def _regs(self) -> Regs:
        regs = Regs()
        ptrace(GETREGS, self.pid, 0, ctypes.byref(regs))
        return regs

    def _run(self, rip: int, **values: int) -> Regs:
        """From `rip` to the next int3. Raises Fault at a signal."""
        regs = Regs.from_buffer_copy(self.base)
        regs.rip, regs.orig_rax = rip, (1 << 64) - 1
        for name, value in values.items():
            setattr(regs, name, value & (1 << 64) - 1)
        ptrace(SETREGS, self.pid, 0, ctypes.byref(regs))
        while True:
            ptrace(CONT, self.pid)
            _, status = os.waitpid(self.pid, WALL)
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                self.alive = False
                return regs
            event, signo = status >> 16, os.WSTOPSIG(status)
            if event == EVENT_EXEC:
                self._after_exec()
                return self.base
            if event == EVENT_FORK:
                self._note_child()
            elif signo == signal.SIGTRAP:
                return self._regs()
            elif signo in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL):
                info = Siginfo()
                ptrace(GETSIGINFO, self.pid, 0, ctypes.byref(info))
                raise Fault(signo, info.code, info.addr)

    def _note_child(self) -> None:
        message = ctypes.c_ulong()
        ptrace(GETEVENTMSG, self.pid, 0, ctypes.byref(message))
        self.child = message.value
        os.waitpid(self.child, WALL)  # its SIGSTOP

    def syscall(self, number: int, *args: int) -> int:
        """The result, negative for -errno."""
        regs = self._run(self.stub + target.SYSCALL, rax=number, **dict(zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), args, strict=False)))
        return ctypes.c_longlong(regs.rax).value

    def fork(self) -> "Tracee":
        result = self.syscall(SYS_FORK)
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return Tracee(self.child, self)

    def execve(self, path: str) -> int:
        """0 or -errno. The strings go below the stack pointer; that page is about to be thrown away."""
        at, before = self.base.rsp - 1024, self.base
        with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as mem:
            mem.seek(at)
            mem.write((at + 32).to_bytes(8, "little") + bytes(24) + os.fsencode(path) + b"\0")
        result = self.syscall(SYS_EXECVE, at + 32, at, at + 8)
        return result if self.base is before else 0

    def exit(self, status: int = 0) -> None:
        self.syscall(SYS_EXIT_GROUP, status)

    def kill(self) -> None:
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, WALL)
            self.alive = False

    def faults(self) -> tuple[int, int]:
        """(minor, major) since the process began."""
        with open(f"/proc/{self.pid}/stat") as f:
            words = f.read().rpartition(")")[2].split()
        return int(words[7]), int(words[9])

    def touch(self, addr: int, length: int, access: str) -> None:
        """Access every page of addr..addr+length-1 in order."""
        if access == "x":
            for at in (addr, *range((addr | 4095) + 1, addr + length, 4096)):
                self._execute(at)
        else:
            self._run(self.stub + (target.READ if access == "r" else target.WRITE), rdi=addr, rsi=addr + length)

    def _execute(self, addr: int) -> None:
        """Run what is at addr: int3, or bytes that soon trap, as every register points at the stub page, which is read-only.

        Not a single step: for that the kernel reads the instruction itself and so takes the page fault away.
        """
        anywhere = dict.fromkeys(("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11"), self.stub + 2048)
        try:
            self._run(addr, **anywhere)
        except Fault as e:
            if e.addr == addr or CANONICAL_LOW <= addr < CANONICAL_HIGH:
                raise

    def store(self, addr: int, data: bytes) -> None:
        for i, byte in enumerate(data):
            self._run(self.stub + target.STORE, rdi=addr + i, rax=byte)

    def load(self, addr: int, length: int) -> bytes:
        return bytes(self._run(self.stub + target.LOAD, rdi=addr + i).rax & 0xFF for i in range(length))
