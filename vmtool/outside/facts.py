"""What the host knows of the files and programs that a log names.

What is modelled: the answers that a sidecar would give (vmtool.strace.sidecar.Facts), from the host's own
files: real paths, device and inode as a mapping shows them, ELF headers, `#!` lines.
Simplified: the host's files are those of now; one that was replaced since the log was made has another inode.
Invariant: a file that cannot be read is unknown, never an error.
"""

import os
import stat

from vmtool.errors import HostError
from vmtool.images import Image
from vmtool.outside.elf import HEADERS, read_image
from vmtool.outside.host import read_file, stat_tells
from vmtool.strace.sidecar import ExecFact, FileFact

SCRIPT_LINE = 256  # BINPRM_BUF_SIZE
MOST_DIRECTORIES = 10_000


class HostFacts:
    """The host as a source of facts."""

    root = 0
    raw_io = False
    cwd = ""

    def __init__(self) -> None:
        self._directories: dict[str, str | None] = {}  # as spelled -> real
        self._real: dict[str, str | None] = {}  # as spelled -> real
        self._scripts: dict[str, str | None] = {}
        self._images: dict[str, Image | None] = {}

    def realpath(self, path: str) -> str | None:
        """None when nothing is there. A relative path that the log did not explain is tried from here."""
        if path not in self._real:
            if len(self._real) > MOST_DIRECTORIES:
                self._real.clear()
            self._real[path] = self._realpath(path)
        return self._real[path]

    def _realpath(self, path: str) -> str | None:
        if path.startswith("/proc/self"):
            return None
        head, _, tail = path.rpartition("/")
        real = self._directory(head if head or path[:1] != "/" else "/")
        if real is None:
            return None
        whole = f"{real.rstrip('/')}/{tail}"
        try:
            if tail in ("", ".", "..") or stat.S_ISLNK(os.lstat(whole).st_mode):
                return os.path.realpath(path, strict=True)
        except (OSError, ValueError):
            return None
        return whole

    def _directory(self, head: str) -> str | None:
        """A directory's real path; logs open many files of few directories."""
        if head not in self._directories:
            if len(self._directories) > MOST_DIRECTORIES:
                self._directories.clear()
            try:
                self._directories[head] = os.path.realpath(head or ".", strict=True)
            except (OSError, ValueError):
                self._directories[head] = None
        return self._directories[head]

    def file(self, real: str, was_removed: bool) -> FileFact | None:
        if was_removed or not real.startswith("/"):
            return None
        try:
            st = os.stat(real)
            if not stat.S_ISREG(st.st_mode):
                return FileFact(os.major(st.st_dev), os.minor(st.st_dev), st.st_ino, 0)
            if stat_tells(st.st_dev):
                return FileFact(os.major(st.st_dev), os.minor(st.st_dev), st.st_ino, st.st_size)
            host = read_file(real, 0)
            return FileFact(host.dev_major, host.dev_minor, host.inode, host.size)
        except (OSError, ValueError, HostError):
            return None

    def tmpfile(self, directory: str, nth: int) -> FileFact | None:
        return None  # it is gone

    def image(self, real: str) -> Image | None:
        if real not in self._images:
            try:
                # a replay needs the headers alone; the bytes would make the machine as large as the programs
                self._images[real] = _without_data(read_image(real, HEADERS))
            except HostError:
                self._images[real] = None
        return self._images[real]

    def script(self, real: str) -> str | None:
        if real not in self._scripts:
            try:
                head = read_file(real, SCRIPT_LINE).data
            except HostError:
                head = b""
            is_script = head[:2] == b"#!"
            self._scripts[real] = head[2:].split(b"\n")[0].strip().decode("utf-8", "surrogateescape") if is_script else None
        return self._scripts[real]

    def exec_fact(self, pid: int, nth: int) -> ExecFact | None:
        return None

    def is_process(self, tid: int) -> bool | None:
        return None


def _without_data(image: Image) -> Image:
    interp = image.interp
    return image._replace(data=None, interp=None if interp is None else interp._replace(data=None))
