"""The calls on files and descriptors: what a number refers to, what a name means, what the page cache holds.

What is modelled: open, close, dup, fcntl, pipe, chdir, rename, unlink, link, truncate, fallocate, memfd_create, and read and
write as far as they bring pages of a regular file into the cache (see the manual page of each).
Simplified: the bytes of a write are not in the log, so zeros are written; reads of files that nothing maps are made on the
machine only when the file's facts are known. Links (symlink) are known by the facts alone.
"""

import posixpath
import re
from collections.abc import Callable
from typing import Any

from vmtool.strace import hot, parser
from vmtool.strace.context import Context
from vmtool.strace.fds import File, Open, descriptor_path
from vmtool.strace.flags import number
from vmtool.strace.origin import EARLY
from vmtool.strace.parser import Fd, Result
from vmtool.strace.procs import Process
from vmtool.strace.sidecar import FileFact
from vmtool.uapi import FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, O_CLOEXEC, O_CREAT, O_EXCL, O_TMPFILE, O_TRUNC, RLIMIT_MEMLOCK

_OWN_EXE = re.compile(r"/proc/(?:self|thread-self|(\d+))/exe$")
_OWN_FD = re.compile(r"(?:/proc/(?:self|thread-self)/fd|/dev/fd)/(\d+)$")
_MAKEDEV = re.compile(r"st_dev=makedev\((\w+), (\w+)\)")


# --- the machine that differs from the recorded one ---------------------------------------------------


def with_sysctl(r: Context, name: str, value: str, function: Callable[[], Any]) -> tuple[Any, str]:
    """Make a call under another setting: what `attempt` gives."""
    before = r.machine.sysctl(name)
    r.machine.set_sysctl(name, value)
    try:
        return r.attempt(function)
    finally:
        r.machine.set_sysctl(name, before)


def with_overcommit(r: Context, function: Callable[[], Any]) -> Any:
    """Make a call that this machine refused for want of memory: the recorded one had more. None when it is refused all the same."""
    return with_sysctl(r, "vm.overcommit_memory", "1", function)[0]


def privileged(r: Context, p: Process, what: str, expected: str, function: Callable[[], Any]) -> None:
    """mlock and mlockall: a recording made by root may lock what RLIMIT_MEMLOCK forbids here; then the limit goes."""
    _, errno = r.attempt(function)
    if errno in ("ENOMEM", "EPERM", "EAGAIN") and errno != expected:
        r.machine.lift_limit(r.space(p), RLIMIT_MEMLOCK)
        _, errno = r.attempt(function)
    r.agree(what, expected, errno)


# --- names and descriptors --------------------------------------------------------------------------------


def resolve(r: Context, p: Process, path: str, where: str) -> str:
    """The real path of a name, also of /proc/self/exe and of what /proc/self/fd/N stands for."""
    exe = _OWN_EXE.match(path)
    if exe is not None:
        its = p if exe[1] is None else r.procs.by_tid.get(int(exe[1]))
        return its.exe if its is not None and its.exe else path
    fd = _OWN_FD.match(path)
    if fd is None:
        return r.names.real(path, where)
    opened = p.fds.fds.get(int(fd[1]))
    return opened.file.path if opened is not None and opened.file is not None else path


def directory(r: Context, p: Process, text: str) -> str:
    """The directory of an *at call's first argument, '' when unknown."""
    fd = parser.fd_of(text)
    if fd.path.startswith("/"):
        if fd.number == -100:
            p.cwd.path = fd.path
        return fd.path
    if fd.number == -100:
        return p.cwd.path
    opened = p.fds.fds.get(fd.number)
    return opened.file.path if opened and opened.file else ""


def do_openat(r: Context, p: Process, text: str, tid: int) -> None:
    if not r.origin.is_settled and r.line < EARLY:
        r.origin.path(r.line, text)
    try:
        name, bits, value, errno, answer, cwd = hot.openat(text)
    except ValueError:
        _unusual_openat(r, p, text)
        return
    if value is None or errno:
        return
    if cwd and cwd != p.cwd.path:
        p.cwd.path = cwd
    open_path(r, p, p.cwd.path, name, bits, Result(value, "", answer))


def _unusual_openat(r: Context, p: Process, text: str) -> None:
    fd, shown, path, flags, result = parser.openat(text)
    if result.value is None or result.errno:
        return
    where = p.cwd.path
    if fd not in ("AT_FDCWD", "-100") or shown and where != shown:
        where = directory(r, p, f"{fd}<{shown}>" if shown else fd)
    open_it(r, p, where, path, flags, result)


def do_openat2(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(text)
    open_it(r, p, directory(r, p, args[0]), args[1], parser.field(args[2], "flags") or "0", result)


def do_open(r: Context, p: Process, text: str, tid: int) -> None:
    if not r.origin.is_settled and r.line < EARLY:
        r.origin.path(r.line, text)
    args, result = parser.split(text)
    open_it(r, p, p.cwd.path, args[0], args[1] if len(args) > 1 else "0", result)


def do_creat(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(text)
    open_it(r, p, p.cwd.path, args[0], "O_WRONLY|O_CREAT|O_TRUNC", result)


def open_it(r: Context, p: Process, where: str, path_text: str, flags_text: str, result: Result) -> None:
    if result.value is None or result.errno:
        return
    flags = number(parser.uncomment(flags_text))
    try:
        path = parser.path_of(path_text)
    except ValueError:
        path = ""
    open_path(r, p, where, path, flags, result)


def open_path(r: Context, p: Process, where: str, path: str, flags: int, result: Result) -> None:
    """A descriptor for a name, '' when the log hides it."""
    assert result.value is not None
    real = descriptor_path(result.path) if result.path else None
    if not path and real is None:
        p.fds.install(result.value, Open(None, flags), bool(flags & O_CLOEXEC))  # the log hides the name
        return
    if flags & O_TMPFILE == O_TMPFILE:
        file = _tmpfile(r, real or r.names.real(path, where))
    elif result.path and real is None:
        p.fds.install(result.value, Open(None, flags), bool(flags & O_CLOEXEC))
        return
    else:
        if real is None:
            real = resolve(r, p, path, where)
        is_new = flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL
        file = r.names.file(real, is_new)
        if flags & O_TRUNC and flags & 3:
            set_size(r, file, 0)
    p.fds.install(result.value, Open(file, flags), bool(flags & O_CLOEXEC))


def _tmpfile(r: Context, where: str) -> File:
    """O_TMPFILE: a file that never had a name; maps shows `/dir/#INODE (deleted)`, and so does -y, without the end."""
    directory, _, tail = where.rpartition("/")
    if tail[:1] == "#" and tail[1:].isdigit():
        dev = r.facts.file(directory, False)
        fact = None if dev is None else FileFact(dev.major, dev.minor, int(tail[1:]), 0)
    else:
        fact = r.facts.tmpfile(where, r.nr_tmpfiles)
        r.nr_tmpfiles += 1
    file = File(where if fact is None or tail[:1] == "#" else f"{where}/#{fact.inode}", fact)
    file.size = 0
    file.is_deleted = True
    return file


def do_close(r: Context, p: Process, text: str, tid: int) -> None:
    p.fds.close(hot.close(text)[0])


def do_close_range(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(parser.uncomment(text))
    if result.errno:
        return
    first, last, flags = parser.address(args[0]), parser.address(args[1]), number(args[2])
    for fd in [fd for fd in p.fds.fds if first <= fd <= last]:
        if flags & 4:
            p.fds.cloexec.add(fd)
        else:
            p.fds.close(fd)


def _dup(r: Context, p: Process, old: Fd, result: Result, is_cloexec: bool) -> None:
    if result.value is None or result.errno:
        return
    opened = r.opened(p, old)
    if opened is None:
        p.fds.close(result.value)
    elif result.value != old.number:
        p.fds.install(result.value, opened, is_cloexec)


def do_dup(r: Context, p: Process, text: str, tid: int) -> None:
    try:
        old, _, _, _, value, errno = hot.ranges(text)  # dup2(3, 0) = 0
    except ValueError:
        pass
    else:
        _dup(r, p, Fd(old, "", False), Result(value, errno, ""), False)
        return
    args, result = parser.split(text)
    _dup(r, p, parser.fd_of(args[0]), result, len(args) > 2 and "O_CLOEXEC" in args[2])


def do_fcntl(r: Context, p: Process, text: str, tid: int) -> None:
    command = text[text.find(", ") + 2 :]
    if command.startswith("F_DUPFD") or command.startswith(("0, ", "1030", "0 /*", "0x")):
        args, result = parser.split(parser.uncomment(text))
        which = number(args[1])
        if which in (0, 1030):
            _dup(r, p, parser.fd_of(args[0]), result, which == 1030)
            return
        command = args[1]
        if which != 2:
            return
    elif not command.startswith(("F_SETFD", "2, ", "2 /*")):
        return
    args, result = parser.split(parser.uncomment(text))
    fd = parser.fd_of(args[0]).number
    if not result.errno:
        (p.fds.cloexec.add if number(args[2]) & 1 else p.fds.cloexec.discard)(fd)


def do_pipe(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(text)
    if result.errno or not args[0].startswith("[") or "..." in args[0]:
        return
    for part in parser.arguments(args[0][1:-1]):
        p.fds.install(parser.fd_of(part).number, Open(None), len(args) > 1 and "O_CLOEXEC" in args[1])


def do_chdir(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(text)
    if not result.errno and result.value is not None:
        where, p.cwd.path = p.cwd.path, ""
        p.cwd.path = resolve(r, p, parser.path_of(args[0]), where)


def do_fchdir(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(text)
    if not result.errno and result.value is not None:
        p.cwd.path = directory(r, p, args[0])


def do_getcwd(r: Context, p: Process, text: str, tid: int) -> None:
    if not p.cwd.path:
        args, result = parser.split(text)
        if not result.errno and args[0].startswith('"'):
            p.cwd.path = parser.path_of(args[0])


def _named(r: Context, p: Process, text: str, is_at: bool) -> tuple[list[str], list[str], Result]:
    """(the real paths, the arguments after them, the answer) of a call on one or two names."""
    args, result = parser.split(text)
    paths, rest = [], list(args)
    while rest:
        where = p.cwd.path
        if is_at and not rest[0].startswith('"'):
            if len(rest) < 2 or not rest[1].startswith('"'):
                break
            where = directory(r, p, rest.pop(0))
        if not rest[0].startswith('"'):
            break
        paths.append(_name(r, parser.path_of(rest.pop(0)), where))
    return paths, rest, result


def _name(r: Context, path: str, where: str) -> str:
    """The real path of a name whose last part is meant itself, not what it links to."""
    head, tail = posixpath.split(path)
    if not tail or tail in (".", ".."):
        return r.names.real(path, where)
    return posixpath.join(r.names.real(head or ".", where) if head or where else where, tail)


def do_unlink(r: Context, p: Process, text: str, tid: int) -> None:
    paths, _, result = _named(r, p, text, "AT_" in text[:6] or text[:1].isdigit() or text[:1] == "-")
    if result.errno or result.value is None or not paths:
        return
    file = r.names.unlink(paths[0])
    if file is not None:
        r.machine.unlink(file)
        identify(r, file)


def do_rename(r: Context, p: Process, text: str, tid: int) -> None:
    paths, _, result = _named(r, p, text, text[:1] != '"')
    if result.errno or result.value is None or len(paths) < 2:
        return
    old, new = paths
    replaced = r.names.known(new)
    if replaced is not None and old != new:
        r.names.unlink(new)
        r.machine.unlink(replaced)
    for file, _ in r.names.rename(old, new):
        r.machine.rename(file)
        identify(r, file)


def identify(r: Context, file: File) -> None:
    """A file that nobody knew may be known under the name that it has now."""
    if file.is_known or file.kind == "shmem":
        return
    fact = r.facts.file(file.path, file.is_deleted)
    if fact is not None:
        file.dev, file.inode, file.is_known = (fact.major, fact.minor), fact.inode, True
        r.machine.identify(file)


def do_link(r: Context, p: Process, text: str, tid: int) -> None:
    paths, _, result = _named(r, p, text, text[:1] != '"')
    if not result.errno and result.value is not None and len(paths) == 2:
        r.names.link(paths[0], paths[1])


def do_memfd_create(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(parser.uncomment(text))
    if result.value is None or result.errno:
        return
    file = File("/memfd:" + parser.string(args[0])[0].decode("utf-8", "surrogateescape"), None, "shmem")
    file.dev, file.is_deleted = (0, 1), True
    p.fds.install(result.value, Open(file), "MFD_CLOEXEC" in args[1] or bool(args[1].isdigit() and int(args[1]) & 1))


def segment(key: int, shmid: int, size: int) -> File:
    """A System V segment; its inode number is its id."""
    file = File(f"/SYSV{key & 0xFFFFFFFF:08x}", None, "shmem")
    file.dev, file.inode, file.size, file.is_deleted, file.is_known = (0, 1), shmid, size, True, True
    return file


# --- sizes and contents -----------------------------------------------------------------------------------------


def set_size(r: Context, file: File | None, size: int) -> None:
    if file is None:
        return
    file.size = size
    r.attempt(r.machine.truncate, file, size)


def do_ftruncate(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(text)
    opened = r.opened(p, parser.fd_of(args[0]))
    if not result.errno and result.value is not None and opened is not None:
        set_size(r, opened.file, parser.address(args[1]))


def do_truncate(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(text)
    if not result.errno and result.value is not None:
        set_size(r, r.names.known(r.names.real(parser.path_of(args[0]), p.cwd.path)), parser.address(args[1]))


def do_fallocate(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(parser.uncomment(text))
    opened = r.opened(p, parser.fd_of(args[0]))
    if result.errno or result.value is None or opened is None or opened.file is None:
        return
    mode, offset, length = number(args[1]), parser.address(args[2]), parser.address(args[3])
    file = opened.file
    if mode & FALLOC_FL_PUNCH_HOLE:
        r.attempt(r.machine.punch_hole, file, offset, length)
    elif not mode & FALLOC_FL_KEEP_SIZE and offset + length > file.size:
        set_size(r, file, offset + length)


def do_stat(r: Context, p: Process, text: str, tid: int) -> None:
    """fstat and its kin: with -v they show the device and inode that no one else may know any more."""
    fd = hot.leading_number(text)
    if fd < 0 or "_ino=" not in text:
        return  # of a path, or abbreviated
    opened = p.fds.fds.get(fd)
    if opened is None or opened.file is None or opened.file.is_known:
        return
    args, result = parser.split(text)
    if result.errno or result.value is None or len(args) > 1 and args[1].startswith('"') and args[1] != '""':
        return
    fact, file = _stat_fact(text), opened.file
    if fact is not None:
        file.dev, file.inode, file.is_known = (fact.major, fact.minor), fact.inode, True
        file.size = max(file.size, fact.size)


def _stat_fact(text: str) -> FileFact | None:
    """st_dev=makedev(0xfe, 0), st_ino=247, st_size=41927; statx: stx_dev_major=0xfe, stx_dev_minor=0, stx_ino=247."""
    inode = parser.field(text, "st_ino") or parser.field(text, "stx_ino")
    dev = _MAKEDEV.search(text)
    if dev is not None:
        major, minor = int(dev[1], 0), int(dev[2], 0)
    else:
        major, minor = number(parser.field(text, "stx_dev_major") or "0"), number(parser.field(text, "stx_dev_minor") or "0")
    if inode is None or not inode.isdigit():
        return None
    size = parser.field(text, "st_size") or parser.field(text, "stx_size") or "0"
    return FileFact(major, minor, int(inode), int(size) if size.isdigit() else 0)


def do_lseek(r: Context, p: Process, text: str, tid: int) -> None:
    fd, value, errno = hot.descriptor_and_answer(text)
    opened = p.fds.fds.get(fd)
    if opened is not None and not errno and value is not None:
        opened.pos = value


def do_llseek(r: Context, p: Process, text: str, tid: int) -> None:
    """The position comes back through a pointer."""
    args, result = parser.split(text)
    opened = p.fds.fds.get(parser.fd_of(args[0]).number)
    if opened is not None and result.value == 0 and args[-2].startswith("["):
        opened.pos = parser.address(args[-2].strip("[]"))


def transfer(r: Context, p: Process, opened: Open | None, offset: int | None, nr_bytes: int, is_write: bool) -> None:
    """Bytes between a process and a file: through the page cache. `offset` None: at the file's position."""
    if opened is None or opened.file is None or nr_bytes <= 0:
        return
    file = opened.file
    if offset is None:
        offset = opened.pos
        opened.pos += nr_bytes
    if is_write:
        if offset + nr_bytes > file.size:
            set_size(r, file, offset + nr_bytes)
    if file.kind not in ("disk", "plain", "shmem") or not file.is_known or not r.keeps_cache:
        return
    r.note_file(file)
    r.attempt(r.machine.file_io, r.space(p), file, offset, nr_bytes, is_write)


def _io(is_write: bool, is_positioned: bool) -> Callable[[Context, Process, str, int], None]:
    def do_io(r: Context, p: Process, text: str, tid: int) -> None:
        fd, path, is_deleted, buffer, _, offset, nr, errno = hot.file_io(text, is_positioned)
        if not nr or errno:
            return
        if not r.origin.is_settled and r.line < EARLY and '"\\177ELF' in text:
            r.origin.elf(r.line, parser.string(text[text.index('"') :])[0])
        opened = r.opened_at(p, fd, path, is_deleted)
        if opened is not None and opened.file is not None:
            transfer(r, p, opened, offset, nr, is_write)
        if buffer and not is_write:
            r.writes.stored(p.space, r.space(p), buffer, nr)

    return do_io


def do_sendfile(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(parser.uncomment(text))
    if result.value is None or result.errno:
        return
    offset = None if args[2] == "NULL" else parser.address(args[2].strip("[]").split(" ")[0])
    transfer(r, p, r.opened(p, parser.fd_of(args[1])), offset, result.value, False)
    transfer(r, p, r.opened(p, parser.fd_of(args[0])), None, result.value, True)


def do_copy_file_range(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(parser.uncomment(text))
    if result.value is None or result.errno:
        return
    for which, is_write in ((0, False), (2, True)):
        at = args[which + 1]
        offset = None if at == "NULL" else parser.address(at.strip("[]").split(" ")[0])
        transfer(r, p, r.opened(p, parser.fd_of(args[which])), offset, result.value, is_write)


HANDLERS = {
    "openat": do_openat, "open": do_open, "openat2": do_openat2, "creat": do_creat, "close": do_close, "close_range": do_close_range,
    "dup": do_dup, "dup2": do_dup, "dup3": do_dup, "fcntl": do_fcntl, "fcntl64": do_fcntl, "pipe": do_pipe, "pipe2": do_pipe,
    "chdir": do_chdir, "fchdir": do_fchdir, "getcwd": do_getcwd, "unlink": do_unlink, "unlinkat": do_unlink,
    "rename": do_rename, "renameat": do_rename, "renameat2": do_rename, "link": do_link, "linkat": do_link,
    "memfd_create": do_memfd_create, "ftruncate": do_ftruncate, "ftruncate64": do_ftruncate, "truncate": do_truncate,
    "truncate64": do_truncate, "fallocate": do_fallocate, "lseek": do_lseek, "_llseek": do_llseek,
    "read": _io(False, False), "readv": _io(False, False), "write": _io(True, False), "writev": _io(True, False),
    "pread64": _io(False, True), "pwrite64": _io(True, True), "pread": _io(False, True), "pwrite": _io(True, True),
    "sendfile": do_sendfile, "sendfile64": do_sendfile,
    "copy_file_range": do_copy_file_range,
    "fstat": do_stat, "fstat64": do_stat, "newfstatat": do_stat, "fstatat64": do_stat, "statx": do_stat,
}
