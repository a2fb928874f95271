"""Machine: the one door to the simulated kernel.

Units: addresses and lengths are bytes, `nr_` are pages. A failed system call raises
`errors.KernelError`, a fatal access `errors.Signal`; a missing process is KernelError(ESRCH).
Flags are the kernel's own values (PROT_, MAP_, MREMAP_, MADV_, MS_, MCL_, RLIMIT_).
What programs call is in _door/, a file for each subject; here is what the store asks of a machine, and what tests do to one.
"""

from collections.abc import Callable
from typing import Any

from vmtool._door.accesses import Accesses
from vmtool._door.calls import SystemCalls
from vmtool._door.files import Files
from vmtool._door.frames import LooksAtFrames
from vmtool._door.heap import Heap
from vmtool._door.kernel import Kernel
from vmtool._door.machine import TheMachine
from vmtool._door.narration import Narration
from vmtool._door.outside import Outside
from vmtool._door.pressure import Pressure
from vmtool._door.processes import Processes
from vmtool._door.space import LooksAtProcesses
from vmtool._door.views import LooksAtTheMachine

class Machine(
    TheMachine, Processes, SystemCalls, Accesses, Files, Outside, LooksAtProcesses,
    LooksAtFrames, LooksAtTheMachine, Kernel, Narration, Heap, Pressure,
):
    def __init__(self, load: Callable[[int, int], bytes | None] | None = None, header: bytes | None = None) -> None:
        """An empty image. With `load(pool, chunk)` and the saved `header`: one that reads its chunks on first use."""

    def header(self) -> bytes:
        """The pools' counts and the free lists' heads, to be saved with the chunks (fixed little-endian layout)."""

    def dirty(self) -> list[tuple[int, int]]:
        """(pool, chunk) of every chunk that changed since the last `clean()`, sorted."""

    def dropped(self) -> list[tuple[int, int]]:
        """(pool, chunk) of saved chunks that became empty: to be deleted."""

    def chunk(self, pool: int, chunk: int) -> memoryview:
        """The bytes of one loaded chunk (16 KiB), valid until the next call."""

    def clean(self) -> None:
        """What `dirty()` and `dropped()` named has been saved."""

    def check(self) -> None:
        """Raise InternalError when a load failed or an index was out of range since the last check; the image is then lost."""

    def verify_clean(self) -> None:
        """Debug builds: InternalError when a chunk changed without being marked. Release: nothing."""

    def savepoint(self) -> Any:
        """The state as it is, for rollback()."""

    def rollback(self, point: Any) -> None:
        """Everything as it was at the savepoint, to the byte."""

    def fail_nth(self, nth: int) -> int:
        """Tests: the nth allocation from now on is refused, as by a task's /proc/PID/fail-nth; 0: none. What was left of the number before.

        Of pages, of an object from a slab, or of a record that a pool does not have yet. That is the host's memory: InternalError, and
        the image is lost.
        """

    @staticmethod
    def pools() -> list[tuple[str, int, int]]:
        """(name, record bytes, records a chunk) of each pool, by number."""

    # for tests only
    def poke(self, pool: str, record: int, field: str, value: int) -> None:
        """Damage one field of one record, marking its chunk: fsck's tests."""

    def peek(self, pool: str, record: int, field: str) -> int: ...

def constants() -> dict[str, Any]:
    """VM_, PG_, PROT_, MAP_, MADV_, … by name."""
