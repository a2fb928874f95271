"""What the calls that make, end and change processes do to the machine; execve is execs.py's."""

from vmtool.strace import hot, parser
from vmtool.strace.context import Context
from vmtool.strace.execs import do_execve
from vmtool.strace.flags import number
from vmtool.strace.procs import Directory, Process, Space
from vmtool.uapi import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
    PR_SET_NAME,
    PR_SET_THP_DISABLE,
    PR_SET_VMA,
    RLIM_INFINITY,
    RLIMIT_MEMLOCK,
    RLIMIT_STACK,
)


def do_clone(r: Context, p: Process, text: str, tid: int) -> None:
    result = parser.answer(text)
    if result.value is None or result.errno:
        return
    if "flags=" in text:
        flags = number(parser.field(parser.uncomment(text), "flags") or "0")
    else:  # -e raw: clone's first argument; clone3's are behind an address
        args, _ = parser.split(text)
        first = args[0] if args and args[0][:1].isdigit() else "0"  # a line in parts may have lost its flags
        flags = parser.address(first) if parser.address(first) < 1 << 32 else 0
    new_process(r, p, result.value, flags)


def do_fork(r: Context, p: Process, text: str, tid: int) -> None:
    _, result = parser.split(text)
    if result.value:
        new_process(r, p, result.value, 0)


def do_vfork(r: Context, p: Process, text: str, tid: int) -> None:
    _, result = parser.split(text)
    if result.value:
        new_process(r, p, result.value, CLONE_VM | CLONE_VFORK)


def new_process(r: Context, p: Process, pid: int, flags: int) -> None:
    """A thread, a sharer of the memory, or a copy of it."""
    if flags & CLONE_THREAD:
        r.procs.add_thread(p, pid)
        return
    if flags & CLONE_VM:
        space = p.space
        space.users += 1
    else:
        parent_mid = r.space(p)
        r.writes.forked(p.space)
        space = Space(r.machine.fork(parent_mid, pid))
        space.is_32, space.shm, space.habits = p.space.is_32, dict(p.space.shm), p.space.habits.copy()
        space.is_guessed = p.space.is_guessed
    child = Process(pid, space, p.fds if flags & CLONE_FILES else p.fds.copy(), p.cwd if flags & CLONE_FS else Directory(p.cwd.path))
    child.exe = p.exe
    child.name, child.rlimit_stack, child.personality, child.parent = p.name, p.rlimit_stack, p.personality, p.pid
    r.procs.add(child)


def do_exit_group(r: Context, p: Process, text: str, tid: int) -> None:
    r.wants_to_exit(p, max(hot.leading_number(text), 0) << 8)


def do_exit(r: Context, p: Process, text: str, tid: int) -> None:
    """One thread's end; the process's with the last."""
    if len(p.tids - {0}) <= 1:
        do_exit_group(r, p, text, tid)
    elif tid != p.pid:
        r.procs.end_thread(p, tid)


def do_prctl(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(parser.uncomment(text))
    if result.value is None or result.errno:
        return
    option = number(args[0])
    if option == PR_SET_VMA and len(args) >= 5:
        try:
            name: str | None = parser.string(args[4])[0].decode("utf-8", "replace")
        except ValueError:
            name = None
        _, errno = r.attempt(r.machine.set_vma_name, r.space(p), parser.address(args[2]), parser.address(args[3]), name)
        r.agree("prctl", result.errno, errno)
    elif option == PR_SET_THP_DISABLE:
        flags = 2 if "PR_THP_DISABLE_EXCEPT_ADVISED" in args[2:3] else number(args[2]) if args[2:3] else 0
        _, errno = r.attempt(r.machine.set_thp_disable, r.space(p), bool(number(args[1])), flags)
        r.agree("prctl", result.errno, errno)
    elif option == PR_SET_NAME and tid == p.pid:
        try:
            p.name = parser.string(args[1])[0].decode("utf-8", "replace")[:15]
        except ValueError:
            return
        r.machine.set_comm(r.space(p), p.name)


def do_prlimit(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(text)
    if result.value is None or result.errno or args[2] == "NULL":
        return
    pid = number(args[0])
    target = p if pid == 0 else r.procs.by_tid.get(pid)
    if target is not None:
        set_limit(r, target, args[1], args[2])


def do_setrlimit(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(text)
    if result.value is not None and not result.errno:
        set_limit(r, p, args[0], args[1])


def set_limit(r: Context, p: Process, resource: str, value: str) -> None:
    which = number(parser.uncomment(resource))
    soft = number(parser.field(parser.uncomment(value), "rlim_cur") or "-1")
    limit = None if soft < 0 or soft >= RLIM_INFINITY or soft == 0xFFFFFFFF and p.space.is_32 else soft
    if which == RLIMIT_STACK:
        p.rlimit_stack = -1 if limit is None else limit
    if which != RLIMIT_MEMLOCK:  # a privileged recording went beyond it; see files.privileged()
        r.attempt(r.machine.setrlimit, r.space(p), which, limit)


def do_personality(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(parser.uncomment(text))
    value = number(args[0]) & 0xFFFFFFFF
    if result.value is None or result.errno or value == 0xFFFFFFFF:
        return
    p.personality = value
    setter = getattr(r.machine, "set_personality", None)
    if setter is not None:
        setter(r.space(p), value)


def do_own_number(r: Context, p: Process, text: str, tid: int) -> None:
    """set_tid_address, getpid: a log without numbers shows the process's here."""
    if p.pid == 0:
        _, result = parser.split(text)
        if result.value:
            r.number_is(p, result.value)


HANDLERS = {
    "execve": do_execve, "execveat": do_execve, "clone": do_clone, "clone3": do_clone, "fork": do_fork, "vfork": do_vfork,
    "exit_group": do_exit_group, "exit": do_exit, "_exit": do_exit, "prctl": do_prctl, "prlimit64": do_prlimit, "setrlimit": do_setrlimit,
    "personality": do_personality, "set_tid_address": do_own_number, "getpid": do_own_number,
}
"""`kill` needs none: what a signal ends says so itself (+++ killed by … +++)."""

AT_BEGIN = frozenset({"execve", "execveat", "clone", "clone3", "fork", "vfork", "exit_group", "exit", "_exit"})
