"""Run a real program that sees a directory in place of /proc, as an ordinary user: in user, mount and PID namespaces of its own.

    vmtool ── waits, removes the copy
      └─ keeper      owns the namespaces, in the old PID namespace
           └─ init   PID 1 of the new one; reaps; when it goes, the kernel ends all that it left
                └─ the program, under a PID of the simulated machine, so that ps and psutil find themselves in what they read

Where that PID is 1, the program is init itself. The namespaces end with their last process: nothing stays mounted. A user keeps his
own number and has no further rights outside.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from vmtool.errors import HostError
from vmtool.outside.tracee import Ended, ender, repeat
from vmtool.uapi import CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, MS_BIND, MS_PRIVATE, MS_REC, PR_SET_PDEATHSIG

SHM = "/dev/shm"
ENDING = (signal.SIGTERM, signal.SIGHUP)
NOT_EXECUTABLE, NOT_FOUND = 126, 127
FORBIDDEN = (errno.EPERM, errno.ENOSPC, errno.EINVAL, errno.EUSERS, errno.ENOSYS)
ADVICE = (
    "user namespaces are not allowed here: as root, sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone or "
    "kernel.apparmor_restrict_unprivileged_userns allow them"
)


@contextmanager
def tidied() -> Iterator[None]:
    """While there is a copy: a signal that ends this process has it removed on the way out, and then does what it does."""
    before = {signo: signal.getsignal(signo) for signo in ENDING}
    for signo, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(signo, ender(ENDING))
    try:
        yield
    except Ended as ended:
        repeat(ended)
        raise
    finally:
        for signo, handler in before.items():
            signal.signal(signo, handler)


def enter(proc: str, pid: int, command: list[str]) -> int:
    """Run a command with the directory `proc` as /proc, as process `pid`; its exit status, 128+N for a signal. HostError."""
    told, tells = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    keeper = os.fork()
    if keeper == 0:
        os.close(told)
        for signo in ENDING:  # tidied() is its parent's
            signal.signal(signo, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        os._exit(_keep(tells, proc, pid, command))
    os.close(tells)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        with os.fdopen(told, "rb") as pipe:
            complaint = pipe.read()  # closed when the program runs
        status = _wait(keeper)
    except BaseException:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(keeper, signal.SIGKILL)
            os.waitpid(keeper, 0)
        raise
    if complaint:
        raise HostError(complaint.decode("utf-8", "surrogateescape"))
    return status


@contextmanager
def served(state: str, directory: str, own: int) -> Iterator[None]:
    """While a server of its own has the machine mounted there. HostError with what it says where it cannot."""
    import subprocess
    import sys
    import time
    words = [sys.executable, "-m", "vmtool", "-s", state, "mount", "--self", str(own), directory]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True) as server:
        try:
            while not os.path.ismount(directory) and server.poll() is None:
                time.sleep(0.01)
            if server.poll() is not None:
                assert server.stderr is not None
                said = server.stderr.read().decode("utf-8", "replace").strip()
                raise HostError(said.removeprefix("vmtool: mount: ") or "nothing can be mounted here")
            yield
        finally:
            server.terminate()  # it unmounts


def memory_directory() -> str | None:
    """Where files are memory; None: in the usual place for temporary ones."""
    return SHM if os.path.isdir(SHM) and os.access(SHM, os.W_OK | os.X_OK) else None


def _wait(child: int) -> int:
    """Its status; a signal to this process goes on to it first."""
    def forward(signo, frame):
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(child, signo)

    before = {signo: signal.signal(signo, forward) for signo in ENDING}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the program has got it itself
    try:
        return _status_of(os.waitpid(child, 0)[1])
    finally:
        for signo, handler in before.items():
            signal.signal(signo, handler)


def _status_of(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _libc():
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        text = f"{errno.errorcode.get(number, number)} ({os.strerror(number)}): {what}"
        raise OSError(number, f"{text}: {ADVICE}" if number in FORBIDDEN and what == "unshare" else text)


def _keep(tells: int, proc: str, pid: int, command: list[str]) -> int:
    """The keeper: makes the namespaces, starts init."""
    try:
        _unshare()
        init = os.fork()
        if init == 0:
            os._exit(_init(tells, proc, pid, command))
    except OSError as error:
        os.write(tells, os.fsencode(error.strerror or str(error)))
        return 1
    os.close(tells)
    for signo in ENDING:
        signal.signal(signo, lambda number, frame: os.kill(init, signal.SIGKILL))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _status_of(os.waitpid(init, 0)[1])


def _unshare() -> None:
    libc = _libc()
    uid, gid = os.geteuid(), os.getegid()
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    _check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount private")


def _init(tells: int, proc: str, pid: int, command: list[str]) -> int:
    """PID 1: puts the directory over /proc, runs the program, reaps what it leaves."""
    libc = _libc()
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    try:
        if pid != 1:  # the next fork gets it
            with open("/proc/sys/kernel/ns_last_pid", "w") as file:
                file.write(str(pid - 1))
        _check(libc.mount(os.fsencode(proc), b"/proc", None, MS_BIND, None), "mount --bind")
        if pid == 1:
            return _exec(tells, command)
        child = os.fork()
        if child == 0:
            os._exit(_exec(tells, command))
        if child != pid:
            os.kill(child, signal.SIGKILL)
            raise OSError(errno.EAGAIN, f"EAGAIN (no process {pid}): PID {child} was given")
    except OSError as error:
        os.write(tells, os.fsencode(error.strerror or str(error)))
        return 1
    os.close(tells)
    for signo in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signo, signal.SIG_IGN)
    while True:
        found, status = os.wait()
        if found == child:
            return _status_of(status)


def _exec(tells: int, command: list[str]) -> int:
    for signo in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(signo, signal.SIG_DFL)
    os.set_inheritable(tells, False)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(tells, os.fsencode(f"{errno.errorcode.get(error.errno or 0)} ({error.strerror}): {command[0]}"))
        return NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
