"""The facts that a log lacks: files, programs, scripts and the start of each program.

What is modelled: the sidecar, a JSON object (`record` writes it, `replay --sidecar` reads it):
    root     PID of the first process;  cwd  its directory
    files    real path -> {dev, inode, size, mode, elf}; elf: class, type, machine, entry, interp, phdrs; null: not a program
    paths    path as the log spells it -> real path
    scripts  real path -> the rest of its `#!` line
    raw_io   true when `record` made the log: the buffers of read and write stand in it as addresses
    execs    PID -> for each successful execve in order {arg_bytes, env_bytes, rlimit_stack, personality}
A file that was deleted by the time of the recording stands under `PATH (deleted)`, one of O_TMPFILE under `DIRECTORY/#INODE (deleted)`.
Without a sidecar the same questions go to the host (outside/), which answers for the files that are still there.
Simplified: one file for each real path; program contents are not recorded, so they read as zeros.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from vmtool.errors import HostError
from vmtool.images import Image, Segment

DELETED = " (deleted)"


class FileFact(NamedTuple):
    """What a mapping shows of a file beside its name; `size` 0 when unknown."""

    major: int
    minor: int
    inode: int
    size: int


class ExecFact(NamedTuple):
    """The start of a program; None where it is not known."""

    string_bytes: int | None
    rlimit_stack: int | None  # -1: unlimited
    personality: int | None


class Facts(Protocol):
    """Whoever knows files and programs: a sidecar, the host, both, or nobody."""

    root: int
    cwd: str  # of the first process, '' when unknown
    raw_io: bool  # the log shows the buffers of every read and write, whatever the program does

    def realpath(self, path: str) -> str | None: ...
    def file(self, real: str, was_removed: bool) -> FileFact | None: ...
    def tmpfile(self, directory: str, nth: int) -> FileFact | None: ...
    def image(self, real: str) -> Image | None: ...
    def script(self, real: str) -> str | None: ...
    def exec_fact(self, pid: int, nth: int) -> ExecFact | None: ...
    def is_process(self, tid: int) -> bool | None: ...


class Sidecar:
    """Facts from a sidecar; `host` is asked for what it does not hold."""

    def __init__(self, data: dict[str, Any], host: Facts | None = None) -> None:
        self._files: dict[str, Any] = data.get("files") or {}
        self._paths: dict[str, str | None] = data.get("paths") or {}
        self._scripts: dict[str, str] = data.get("scripts") or {}
        self._execs: dict[str, list[dict[str, Any]]] = data.get("execs") or {}
        self.root = int(data.get("root") or 0)
        self.raw_io = bool(data.get("raw_io"))
        self.cwd = str(data.get("cwd") or "")
        self._host = host
        self._images: dict[str, Image | None] = {}

    def realpath(self, path: str) -> str | None:
        found = self._paths.get(path)
        if found is None and path in self._files:
            return path
        if found is None and self._host is not None:
            found = self._host.realpath(path)
        if found is None:
            found = self._paths[path] = self._likely(path)
        return found

    def _likely(self, path: str) -> str | None:
        """A link that nobody recorded: /lib of a merged /usr, a library's shorter name. None: no file fits."""
        for link in ("/lib/", "/lib64/", "/bin/", "/sbin/", "/lib32/", "/libx32/"):
            if path.startswith(link):
                merged = "/usr" + path
                return self._paths.get(merged) or (merged if merged in self._files else self._likely(merged))
        fits = [known for known in self._files if known.startswith(path + ".")]
        if not fits and path.endswith(".so.2"):  # ld.so stands in its library directory
            base = path.rsplit("/", 1)[-1]
            fits = [known for known in self._files if known.endswith("/" + base)]
        if not fits and "/ld-musl-" in path:
            fits = [known for known in self._files if "musl" in known and known.endswith("/libc.so")]
        return fits[0] if len(fits) == 1 else None

    def file(self, real: str, was_removed: bool) -> FileFact | None:
        real = real.replace("\n", "\\012")  # names are as maps shows them
        deleted = self._files.get(real + DELETED)
        entry = deleted if was_removed and deleted else self._files.get(real) or deleted
        if entry is None:
            return self._host.file(real, was_removed) if self._host is not None else None
        major, minor = device(entry["dev"])
        return FileFact(major, minor, int(entry["inode"]), int(entry.get("size") or 0))

    def tmpfile(self, directory: str, nth: int) -> FileFact | None:
        """The nth file without a name (O_TMPFILE) that is known of a directory, the oldest first."""
        start = directory.rstrip("/") + "/#"
        known = sorted(int(name) for path in self._files if path.startswith(start) and path.endswith(DELETED)
                       for name in [path[len(start) : -len(DELETED)]] if name.isdigit())
        return self.file(f"{start}{known[nth]}", True) if nth < len(known) else None

    def image(self, real: str) -> Image | None:
        if real not in self._images:
            entry = self._files.get(real)
            if entry is not None and entry.get("elf"):
                self._images[real] = self._build(real, entry)
            else:
                self._images[real] = self._host.image(real) if self._host is not None else None
        return self._images[real]

    def _build(self, real: str, entry: dict[str, Any]) -> Image:
        name = entry["elf"].get("interp")
        interp = None
        if name:
            its_path = self.realpath(name) or name
            its_entry = self._files.get(its_path)
            if its_entry is not None and its_entry.get("elf"):
                interp = image_of(its_path, its_entry, None)
            elif self._host is not None:
                interp = self._host.image(its_path)
        return image_of(real, entry, interp)

    def script(self, real: str) -> str | None:
        found = self._scripts.get(real)
        if found is None and self._host is not None and real not in self._files:
            return self._host.script(real)
        return found

    def exec_fact(self, pid: int, nth: int) -> ExecFact | None:
        rows = self._execs.get(str(pid)) or ()
        if nth >= len(rows):
            return None
        row = rows[nth]
        size = row["arg_bytes"] + row["env_bytes"] if "arg_bytes" in row and "env_bytes" in row else None
        limit = row.get("rlimit_stack")
        person = row.get("personality")
        return ExecFact(size, None if limit is None else -1 if limit in ("unlimited", -1) else int(limit),
                        None if person is None else int(person, 16))

    def is_process(self, tid: int) -> bool | None:
        """Whether a number of the log is a process, not a thread; None when nobody knows."""
        return str(tid) in self._execs if self._execs else None


class Unknown:
    """No facts at all."""

    root = 0
    raw_io = False
    cwd = ""

    def realpath(self, path: str) -> str | None:
        return None

    def file(self, real: str, was_removed: bool) -> FileFact | None:
        return None

    def tmpfile(self, directory: str, nth: int) -> FileFact | None:
        return None

    def image(self, real: str) -> Image | None:
        return None

    def script(self, real: str) -> str | None:
        return None

    def exec_fact(self, pid: int, nth: int) -> ExecFact | None:
        return None

    def is_process(self, tid: int) -> bool | None:
        return None


def device(text: str) -> tuple[int, int]:
    """`fe:00` as maps prints it."""
    major, _, minor = text.partition(":")
    return int(major, 16), int(minor, 16)


_TYPES = {"LOAD": "PT_LOAD", "GNU_STACK": "PT_GNU_STACK", "GNU_RELRO": "PT_GNU_RELRO", 1: "PT_LOAD", 0x6474E551: "PT_GNU_STACK",
          0x6474E552: "PT_GNU_RELRO"}


def image_of(path: str, entry: dict[str, Any], interp: Image | None) -> Image:
    """An Image from a sidecar's entry of a file with `elf`."""
    elf = entry["elf"]
    major, minor = device(entry["dev"])
    rows = [(_TYPES.get(p["type"], p["type"]), p) for p in elf["phdrs"]]
    segments = tuple(Segment(_int(p["vaddr"]), _int(p["offset"]), _int(p["filesz"]), _int(p["memsz"]), _flags(p["flags"]), _int(p["align"]))
                     for kind, p in rows if kind == "PT_LOAD")
    stack = [_flags(p["flags"]) for kind, p in rows if kind == "PT_GNU_STACK"]
    relro = [(_int(p["vaddr"]), _int(p["memsz"])) for kind, p in rows if kind == "PT_GNU_RELRO"]
    is_32 = int(elf["class"]) == 32
    return Image(path=path, dev_major=major, dev_minor=minor, inode=int(entry["inode"]), size=int(entry.get("size") or 0), data=None,
                 is_dyn=elf["type"] in ("DYN", "ET_DYN", 3), is_32=is_32, entry=_int(elf["entry"]), phoff=52 if is_32 else 64,
                 phnum=len(rows),
                 phentsize=32 if is_32 else 56, segments=segments, gnu_stack=stack[-1] if stack else None, interp=interp,
                 relro=relro[-1] if relro else None)


def _int(value: Any) -> int:
    return value if isinstance(value, int) else int(value, 0)


def _flags(value: Any) -> int:
    """p_flags as a number, or as the letters of readelf."""
    if isinstance(value, int):
        return value & 7
    if value[:2] == "0x" or value.isdigit():
        return int(value, 0) & 7
    return sum({"R": 4, "W": 2, "X": 1, "E": 1}.get(c, 0) for c in value.upper())


def load(text: str, host: Facts | None, fail: Callable[[str], HostError] = HostError) -> Sidecar:
    """A sidecar from its JSON text; HostError when it is not one."""
    import json

    try:
        data = json.loads(text)
        if not isinstance(data, dict) or not isinstance(data.get("files", {}), dict):
            raise ValueError("not an object with `files`")
        _check(data, _SHAPE, "")
        return Sidecar(data, host)
    except (ValueError, TypeError) as e:
        raise fail(f"sidecar: {e}") from None
    except RecursionError:
        raise fail("sidecar: nested too deeply") from None


def _natural(value: Any) -> bool:
    """A number of 64 bits, or one as text."""
    if isinstance(value, str):
        try:
            value = int(value, 0)
        except ValueError:
            return False
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


_DEVICE = re.compile(r"[0-9a-fA-F]{1,8}:[0-9a-fA-F]{1,8}")
_RIGHTS = re.compile(r"[RWXErwxe -]{0,8}|\d{1,4}|0x[0-9a-fA-F]{1,8}")


def _rights(value: Any) -> bool:
    return _natural(value) or isinstance(value, str) and _RIGHTS.fullmatch(value) is not None


_TEXT, _KIND = str, (str, int)
_PHDR = {"type": _KIND, "flags": _rights, "offset": _natural, "vaddr": _natural, "filesz": _natural, "memsz": _natural, "align": _natural}
_ELF = {"class": lambda value: value in (32, 64, "32", "64"), "type": _KIND, "entry": _natural, "interp": _TEXT, "phdrs": [_PHDR]}
_FILE = {"dev": lambda value: isinstance(value, str) and _DEVICE.fullmatch(value) is not None, "inode": _natural, "size": _natural,
         "elf": _ELF}
_EXEC = {"arg_bytes": _natural, "env_bytes": _natural, "rlimit_stack": lambda value: value in ("unlimited", -1) or _natural(value),
         "personality": lambda value: isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{1,8}", value) is not None}
_SHAPE: dict[str, Any] = {"root": _natural, "cwd": _TEXT, "files": {None: _FILE}, "paths": {None: _TEXT}, "scripts": {None: _TEXT},
                          "execs": {None: [_EXEC]}}
_NEEDED = {id(_FILE): ("dev", "inode"), id(_ELF): ("class", "type", "entry", "phdrs"), id(_PHDR): tuple(_PHDR)}


def _check(value: Any, shape: Any, where: str) -> None:
    """ValueError: something in a sidecar is not what its place is for; null stands for nothing everywhere. A dict with None: any keys."""
    if value is None:
        return
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise ValueError(f"{where[:80]} is no list")
        for item in value:
            if item is None:
                raise ValueError(f"{where[:80]} has a null in it")
            _check(item, shape[0], where)
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            raise ValueError(f"{where[:80]} is no object")
        for name in _NEEDED.get(id(shape), ()):
            if value.get(name) is None:
                raise ValueError(f"{where[:80]} has no `{name}`")
        for name, item in value.items():
            its = shape.get(None, shape.get(name))
            if its is not None:
                _check(item, its, f"{where}.{name}" if where else name)
    elif not (isinstance(value, shape) if isinstance(shape, (type, tuple)) else shape(value)):
        raise ValueError(f"{where[:80]} cannot be {str(value)[:40]!r}")
