"""The standard library's SQLite module, without what importing it brings along.

`_sqlite3`, in C, is all of it that a state file needs: the package in front of it imports datetime. It asks for
functools.lru_cache itself, to remember prepared statements, and functools with its collections costs as much as the
rest of the store (2.8 ms of a command's 20). So it is given a functools that has nothing else, for as long as it is imported.
(Python 3.10 asks when it connects, and gets the true one.)
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False

def import_sqlite() -> object:
    """`_sqlite3`. Where the stand-in will not do, by the plain import."""
    if "functools" not in sys.modules:
        try:
            sys.modules["functools"] = _functools()
            import _sqlite3
            return _sqlite3
        except Exception:  # a Python that keeps its cache of statements in another way
            sys.modules.pop("_sqlite3", None)
        finally:
            sys.modules.pop("functools", None)
    import _sqlite3
    return _sqlite3


def _functools():
    """A module with lru_cache(maxsize) alone, which is functools' without the names of the function that it wraps."""
    from _functools import _lru_cache_wrapper as wrapper
    module = type(sys)("functools")
    module.lru_cache = lambda maxsize: lambda function: wrapper(function, maxsize, False, tuple)
    return module


if TYPE_CHECKING:
    import _sqlite3 as sqlite  # noqa: F401 - for those that import this name
else:
    sqlite = import_sqlite()
