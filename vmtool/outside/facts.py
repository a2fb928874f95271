"""What the host knows of the files and programs that a log names.

What is modelled: the answers that a sidecar would give (vmtool.strace.sidecar.Facts), from the host's own
files: real paths, device and inode as a mapping shows them, ELF headers, `#!` lines.
Simplified: the host's files are those of now; one that was replaced since the log was made has another inode.
Invariant: a file that cannot be read is unknown, never an error.
"""

import os
import stat

from vmtool.errors import HostError
from vmtool.outside.elf import read_image
from vmtool.outside.host import read_file
from vmtool.records import Image
from vmtool.strace.sidecar import ExecFact, FileFact

SCRIPT_LINE = 256  # BINPRM_BUF_SIZE


class HostFacts:
    """The host as a source of facts; each question is asked once."""

    root = 0
    raw_io = False
    cwd = ""

    def __init__(self) -> None:
        self._real: dict[str, str | None] = {}
        self._files: dict[str, FileFact | None] = {}
        self._images: dict[str, Image | None] = {}

    def realpath(self, path: str) -> str | None:
        """None when nothing is there. A relative path that the log did not explain is tried from here."""
        if path not in self._real:
            found = None
            if not path.startswith("/proc/self"):
                try:
                    found = os.path.realpath(path, strict=True)
                except (OSError, ValueError):
                    found = None
            self._real[path] = found
        return self._real[path]

    def file(self, real: str, was_removed: bool) -> FileFact | None:
        if was_removed or not real.startswith("/"):
            return None
        if real not in self._files:
            self._files[real] = _fact(real)
        return self._files[real]

    def image(self, real: str) -> Image | None:
        if real not in self._images:
            try:
                # a replay needs the headers alone; the bytes would make the machine as large as the programs
                self._images[real] = _without_data(read_image(real))
            except HostError:
                self._images[real] = None
        return self._images[real]

    def script(self, real: str) -> str | None:
        try:
            head = read_file(real, SCRIPT_LINE).data
        except HostError:
            return None
        if head[:2] != b"#!":
            return None
        return head[2:].split(b"\n")[0].strip().decode("utf-8", "surrogateescape")

    def exec_fact(self, pid: int, nth: int) -> ExecFact | None:
        return None

    def is_process(self, tid: int) -> bool | None:
        return None


def _fact(real: str) -> FileFact | None:
    try:
        st = os.stat(real)
        if stat.S_ISREG(st.st_mode):
            host = read_file(real, 0)
            return FileFact(host.dev_major, host.dev_minor, host.inode, host.size)
        return FileFact(os.major(st.st_dev), os.minor(st.st_dev), st.st_ino, 0)
    except (OSError, ValueError, HostError):
        return None


def _without_data(image: Image) -> Image:
    interp = image.interp
    return image._replace(data=None, interp=None if interp is None else interp._replace(data=None))
