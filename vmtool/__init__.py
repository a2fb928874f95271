"""vmtool: Linux memory management in a file.

`vmtool.Machine` is a simulated machine for Python programs: help(vmtool.Machine).
"""

from vmtool._loader import install

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.machine import Machine as Machine

__version__ = "0.1.0"

install(__path__[0])


def __getattr__(name: str) -> object:
    """What a command that starts has no time for."""
    if name == "Machine":
        from vmtool.machine import Machine
        return Machine
    raise AttributeError(f"module 'vmtool' has no attribute {name!r}")
