"""The variables of the environment, as os.environ has them, without importing os.

That import, with the abstract classes of collections that it brings, is a seventh of a bare start-up. Where something
else has imported it, the variables are asked of it: they may have been changed since.
"""

from __future__ import annotations

import posix
import sys


def get(name: str) -> str | None:
    """A variable's value, None when it is not set."""
    os = sys.modules.get("os")
    if os is not None:
        return os.environ.get(name)
    value = posix.environ.get(name.encode())
    return None if value is None else value.decode(sys.getfilesystemencoding(), "surrogateescape")
