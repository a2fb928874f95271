"""A file of the host that a command was asked to write: whole or not at all."""

import os
import tempfile

from vmtool.errors import HostError


def save(path: str, data: bytes) -> None:
    """Replace the file. What is no regular file (a terminal, a pipe, /dev/null) is written to as it is. HostError."""
    try:
        if os.path.exists(path) and not os.path.isfile(path) or os.path.islink(path):
            with open(path, "wb") as file:
                file.write(data)
            return
        mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o666 & ~_umask()
        fd, beside = tempfile.mkstemp(prefix=".vmtool-", dir=os.path.dirname(path) or ".")
        try:
            with open(fd, "wb") as file:
                file.write(data)
                os.fchmod(fd, mode)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as failure:
        raise HostError(f"{path}: {failure.strerror}") from None


def _umask():
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
