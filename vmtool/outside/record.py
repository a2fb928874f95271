"""`record`: a real program under strace, and one archive with all that a replay needs.

What is recorded: the log (strace -f, the calls that move memory, files and processes), a sidecar with the facts that a log lacks
(vmtool/strace/sidecar.py), and with --faults the page faults from tracefs, of which root can have them.
Environments are not recorded, only their sizes. How: the program runs with randomization off, as `setarch -R` does, so that the log
determines every address; the strings of
execve are kept whole, for their size decides the stack's. The log goes through a replay that touches nothing: what that asks of the
host is what a later replay will ask of the sidecar.
Simplified: a file that was mapped and is gone when the program ends is in the log alone, without device and inode.
Invariant: the archive appears whole or not at all; the same recording gives the same bytes (no times in it).
"""

import errno
import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vmtool.errors import HostError, KernelError
from vmtool.images import Image
from vmtool.outside.facts import HostFacts
from vmtool.outside.tracee import Ended, repeat, watched
from vmtool.strace.procs import Process
from vmtool.strace.sidecar import ExecFact, FileFact
from vmtool.uapi import ADDR_NO_RANDOMIZE

if TYPE_CHECKING:
    from vmtool.strace.merge import LogFile

CALLS = ("%memory,%process,%desc,%file,%ipc,personality,prctl,prlimit64,setrlimit,getpid,set_tid_address")
STRINGS = 131072  # MAX_ARG_STRLEN: no argument is cut
READ_PERSONALITY = 0xFFFFFFFF
TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
EVENTS = ("exceptions/page_fault_user", "exceptions/page_fault_kernel", "raw_syscalls/sys_enter", "sched/sched_process_fork",
          "sched/sched_process_exec", "sched/sched_process_exit")
BUFFER_KB = 65536


class NotRun(HostError):
    """The command could not be started: 127 when it is not there, 126 when it is no program, as env(1) has it."""

    def __init__(self, number: int, command: str) -> None:
        self.exit_status = 127 if number == errno.ENOENT else 126
        super().__init__(f"{errno.errorcode.get(number, number)} ({os.strerror(number)}): {command}")


def record(command: list[str], output: str, *, with_faults: bool = False, is_randomized: bool = False) -> int:
    """Run `command` under strace and write the archive. Returns: the command's exit status.

    HostError: no strace, no place to write, no tracefs when faults are wanted; NotRun: the command cannot be started. A signal that ends
    the recorder ends the command as well, and leaves no file.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise HostError("strace is not installed, or not in PATH")
    _check_command(command[0])
    try:
        with watched():
            return _record(strace, command, output, with_faults, is_randomized)
    except Ended as ended:
        repeat(ended)
        raise HostError(f"ended by signal {ended.number}") from None


def _check_command(name: str) -> None:
    """NotRun: execve() would refuse it, as far as that is known before."""
    if shutil.which(name) is not None:
        return
    if "/" in name:
        there = name
    else:
        there = next((full for folder in os.environ.get("PATH", "").split(":") if os.path.isfile(full := os.path.join(folder, name))), "")
    try:
        os.stat(there or name)
    except (OSError, ValueError) as e:
        raise NotRun(getattr(e, "errno", None) or errno.ENOENT, name) from None
    raise NotRun(errno.EACCES if there else errno.ENOENT, name)


def _refusal(log: str) -> int:
    """The errno of the first execve when that failed: nothing else ran."""
    with open(log, encoding="latin-1") as lines:
        first = lines.readline(1 << 20)
    symbol = first.rpartition(") = -1 ")[2].split(" ")[0] if "execve(" in first and ") = -1 E" in first else ""
    return getattr(errno, symbol, 0) if symbol.isalnum() else 0


def _record(strace: str, command: list[str], output: str, with_faults: bool, is_randomized: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="vmtool-record-") as work:
        log = os.path.join(work, "strace.log")
        words = [strace, "-f", "-y", "-q", "-e", f"trace={CALLS}", "-e", "abbrev=!execve,execveat,fstat,fstat64,newfstatat,statx",
                 "-e", "raw=read,readv,pread64,write,writev,pwrite64",
                 "-s", str(STRINGS), "-o", log, "--", *command]
        faults = b""
        if with_faults:
            with _Tracefs() as trace:
                status = trace.run(words, lambda: _personality(is_randomized))
                faults = trace.text()
        else:
            status = subprocess.run(words, preexec_fn=lambda: _personality(is_randomized), check=False).returncode  # noqa: PLW1509
        if not os.path.exists(log) or os.path.getsize(log) == 0:
            raise HostError(f"strace did not trace {command[0]} (exit status {status})")
        if refused := _refusal(log):
            raise NotRun(refused, command[0])
        members = [("sidecar.json", _sidecar(log, is_randomized))]
        _without_environments(log)
        if with_faults:
            members.append(("faults.trace", _of_the_log(faults, log)))
        _write(output, members, log)
    return status if status >= 0 else 128 - status


def _personality(is_randomized: bool) -> None:
    """In the child, before strace: no randomization. Where that is forbidden (a container) the program runs as it would."""
    if is_randomized:
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    now = libc.personality(READ_PERSONALITY)
    if now >= 0:
        libc.personality(now | ADDR_NO_RANDOMIZE)


# --- the sidecar ---------------------------------------------------------------------------------------


class _Asked:
    """The host's answers, kept: they become the sidecar."""

    def __init__(self) -> None:
        self._host = HostFacts()
        self.root = 0
        self.raw_io = True
        self.cwd = os.getcwd()
        self.first: ExecFact | None = None
        self.execs: dict[str, list[dict[str, Any]]] = {}
        self.paths: dict[str, str] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.scripts: dict[str, str] = {}

    def realpath(self, path: str) -> str | None:
        found = self._host.realpath(path)
        if found is not None:
            self.paths[path] = found
        return found

    def file(self, real: str, was_removed: bool) -> FileFact | None:
        fact = self._host.file(real, was_removed)
        if fact is not None and real not in self.files:
            self.files[real] = {"dev": f"{fact.major:02x}:{fact.minor:02x}", "inode": fact.inode, "size": fact.size, "mode": None,
                                "elf": None}
        return fact

    def tmpfile(self, directory: str, nth: int) -> None:
        return None

    def image(self, real: str) -> Image | None:
        image = self._host.image(real)
        if image is not None:
            self._keep(image)
            if image.interp is not None:
                self._keep(image.interp)
        return image

    def _keep(self, image: Image) -> None:
        self.file(image.path, False)
        entry = self.files.setdefault(image.path, {"dev": f"{image.dev_major:02x}:{image.dev_minor:02x}", "inode": image.inode,
                                                   "size": image.size, "mode": None, "elf": None})
        rows = [{"type": "LOAD", "flags": s.prot, "offset": hex(s.offset), "vaddr": hex(s.vaddr), "filesz": hex(s.filesz),
                 "memsz": hex(s.memsz),
                 "align": hex(s.align)} for s in image.segments]
        if image.gnu_stack is not None:
            rows.append(_header("GNU_STACK", image.gnu_stack, 0, 0))
        if image.relro is not None:
            rows.append(_header("GNU_RELRO", 4, *image.relro))
        entry["elf"] = {"class": 32 if image.is_32 else 64, "type": "DYN" if image.is_dyn else "EXEC", "machine": 3 if image.is_32 else 62,
                        "entry": hex(image.entry), "interp": image.interp.path if image.interp else None, "phdrs": rows}

    def script(self, real: str) -> str | None:
        found = self._host.script(real)
        if found is not None:
            self.scripts[real] = found
            self.file(real, False)
        return found

    def exec_fact(self, pid: int, nth: int) -> ExecFact | None:
        return self.first if pid == self.root and nth == 0 else None

    def is_process(self, tid: int) -> None:
        return None

    def at_exec(self, process: Process) -> None:
        """Hook: the sizes of an execve's strings, before they leave the log."""
        row: dict[str, Any] = {"arg_bytes": process.arg_bytes, "env_bytes": process.env_bytes}
        if process.rlimit_stack is not None:
            row["rlimit_stack"] = "unlimited" if process.rlimit_stack < 0 else str(process.rlimit_stack)
        if process.personality is not None:
            row["personality"] = f"{process.personality:08x}"
        self.execs.setdefault(str(process.pid), []).append(row)


def _header(kind: str, flags: int, vaddr: int, memsz: int) -> dict[str, Any]:
    return {"type": kind, "flags": flags, "offset": "0x0", "vaddr": hex(vaddr), "filesz": "0x0", "memsz": hex(memsz), "align": "0x1"}


class _NoMachine:
    """Takes every call and does nothing: the replay that collects the facts needs no memory."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        answers: dict[str, Any] = {"maps": [], "like_borders": [], "sysctl": "0"}  # all others are 0
        return lambda *args, **kwargs: answers.get(name, 0)

    def file(self, path: str) -> Any:
        raise KernelError(errno.ENOENT, path)

    def info(self) -> Any:
        return _HostInfo()

    def mm(self, pid: int) -> Any:
        return _Zeros()

    def task(self, pid: int) -> Any:
        return _Zeros()

    def spawn(self, *args: Any, **kwargs: Any) -> int:
        return 1

    def fork(self, *args: Any, **kwargs: Any) -> int:
        return 1


class _Zeros:
    def __getattr__(self, name: str) -> int:
        return 0


class _HostInfo(_Zeros):
    page_shift = os.sysconf("SC_PAGESIZE").bit_length() - 1  # of this computer, whose log it is


def sidecar_of(files: "list[LogFile]", root: int, is_randomized: bool) -> bytes:
    """The sidecar of a log that was just made here: what its replay asks of the host."""
    import json
    import resource

    from vmtool.strace.replay import Hooks, Replay

    asked = _Asked()
    soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
    asked.first = ExecFact(None, -1 if soft < 0 else soft, None if is_randomized else ADDR_NO_RANDOMIZE)
    asked.root = root
    Replay(_NoMachine(), asked, Hooks(at_exec=asked.at_exec)).run(files)
    data = {"root": asked.root, "cwd": asked.cwd, "raw_io": True, "files": dict(sorted(asked.files.items())),
            "paths": dict(sorted(asked.paths.items())),
            "scripts": dict(sorted(asked.scripts.items())), "execs": asked.execs}
    return (json.dumps(data, indent=1) + "\n").encode()


def _sidecar(log: str, is_randomized: bool) -> bytes:
    from vmtool.strace.merge import LogFile

    with open(log, encoding="latin-1", newline="\n") as lines:
        first = lines.readline()
        lines.seek(0)
        return sidecar_of([LogFile(log, 0, lines)], int(first.split(" ", 1)[0]) if first[:1].isdigit() else 0, is_randomized)


def _without_environments(log: str) -> None:
    """The log again, with `/* 5 vars */` for each environment: what is in one is nobody's business, and its size is in the sidecar."""
    from vmtool.strace.parser import arguments

    with open(log, encoding="latin-1", newline="\n") as lines, open(log + ".new", "w", encoding="latin-1", newline="\n") as out:
        for line in lines:
            start = line.find("execve(") + len("execve(")
            if start > len("execve(") and line[:start].split("(")[0].split(" ")[-1] == "execve":
                stop = line.rfind(" <unfinished ...>")
                stop = line.rfind(") ") if stop < 0 else stop
                args = arguments(line[start:stop])
                if len(args) == 3 and args[2].startswith("["):
                    args[2] = f"0x0 /* {len(arguments(args[2][1:-1]))} vars */"
                    line = line[:start] + ", ".join(args) + line[stop:]
            out.write(line)
    os.replace(log + ".new", log)


# --- page faults ---------------------------------------------------------------------------------------------


class _Tracefs:
    """A tracing instance of its own, removed in the end."""

    def __enter__(self) -> "_Tracefs":
        self.mounted = ""
        root = next((root for root in TRACEFS if os.path.isdir(root + "/instances")), None) or self._mount()
        self.path = f"{root}/instances/vmtool-{os.getpid()}"
        try:
            os.mkdir(self.path)
            for event in EVENTS:
                self._set(f"events/{event}/enable", "1")
            self._set("buffer_size_kb", str(BUFFER_KB))
            self._set("trace_clock", "mono")
            self._set("options/event-fork", "1")
            self._set("options/overwrite", "0")
        except OSError as e:
            self.__exit__()
            raise HostError(f"--faults: {e.filename or self.path}: {e.strerror} (root is needed)") from None
        return self

    def _mount(self) -> str:
        """A host that does not mount tracefs has it all the same: it is mounted for the time of the recording."""
        import ctypes

        self.mounted = tempfile.mkdtemp(prefix="vmtool-tracefs-")
        if ctypes.CDLL(None, use_errno=True).mount(b"nodev", self.mounted.encode(), b"tracefs", 0, None) != 0:
            os.rmdir(self.mounted)
            raise HostError("--faults needs tracefs (/sys/kernel/tracing), and root to use it")
        return self.mounted

    def __exit__(self, *ignored: object) -> None:
        try:
            os.rmdir(self.path)
        except OSError:
            pass
        if self.mounted:
            import ctypes

            ctypes.CDLL(None, use_errno=True).umount2(self.mounted.encode(), 2)  # MNT_DETACH
            try:
                os.rmdir(self.mounted)
            except OSError:
                pass

    def _set(self, name: str, value: str) -> None:
        with open(f"{self.path}/{name}", "w", encoding="ascii") as f:
            f.write(value)

    def run(self, words: list[str], prepare: Callable[[], None]) -> int:
        """The command, traced from its start: it waits until its number is known to the tracer."""
        ready, go = os.pipe()

        def wait() -> None:
            os.close(go)
            os.read(ready, 1)
            prepare()

        pid = os.fork()
        if pid == 0:
            try:
                wait()
                os.execv(words[0], words)
            finally:
                os._exit(127)
        os.close(ready)
        try:
            self._set("set_event_pid", str(pid))
            self._set("tracing_on", "1")
        finally:
            os.close(go)
        _, status = os.waitpid(pid, 0)
        self._set("tracing_on", "0")
        return os.waitstatus_to_exitcode(status)

    def text(self) -> bytes:
        with open(f"{self.path}/trace", "rb") as f:
            return f.read()


def _of_the_log(trace: bytes, log: str) -> bytes:
    """The events of the log's processes: strace's own go."""
    import re

    numbers = set()
    with open(log, "rb") as lines:
        for line in lines:
            number = line.split(b" ", 1)[0]
            if number.isdigit():
                numbers.add(number)
    pid = re.compile(rb"\s*.*?-(\d+)\s+(?:\(\s*[-\d]+\)\s+)?\[")
    kept = [line for line in trace.splitlines(True) if (found := pid.match(line)) and found[1] in numbers]
    return b"".join(kept)


# --- the archive --------------------------------------------------------------------------------------------------


def _write(output: str, members: list[tuple[str, bytes]], log: str) -> None:
    """A tar in gzip, or a zip by the name; without times and owners, so that equal contents are equal bytes."""
    partial = output + ".partial"
    try:
        if output.endswith(".zip"):
            _write_zip(partial, members, log)
        else:
            _write_tar(partial, members, log, is_packed=not output.endswith(".tar"))
        os.replace(partial, output)
    except BaseException as e:
        try:
            os.unlink(partial)
        except OSError:
            pass
        if not isinstance(e, OSError):
            raise
        raise HostError(f"{errno.errorcode.get(e.errno or 0, 'error')} ({e.strerror}): {output}") from None


def _write_tar(path: str, members: list[tuple[str, bytes]], log: str, is_packed: bool) -> None:
    import gzip
    import tarfile

    with open(path, "wb") as raw:
        packed = gzip.GzipFile("", "wb", 6, raw, mtime=0) if is_packed else raw
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:  # type: ignore[call-overload]
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            info = tarfile.TarInfo("strace.log")
            info.size = os.path.getsize(log)
            with open(log, "rb") as f:
                archive.addfile(info, f)
        if is_packed:
            packed.close()


def _write_zip(path: str, members: list[tuple[str, bytes]], log: str) -> None:
    import zipfile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        with open(log, "rb") as f, archive.open(zipfile.ZipInfo("strace.log"), "w") as out:
            shutil.copyfileobj(f, out)
