"""Accesses."""

from vmtool import records as r

class Accesses:
    def touch(self, pid: int, addr: int, length: int, access: str, probe: bool = False) -> r.Touched:
        """Access each page of addr..addr+length-1 in order; access is 'r', 'w' or 'x'. Signal at the first that fails."""

    def store(self, pid: int, addr: int, data: bytes, probe: bool = False) -> r.Touched: ...
    def load(self, pid: int, addr: int, length: int, probe: bool = False) -> bytes: ...
    def translate_supervisor(self, pid: int, addr: int, access: str = "r", ac: bool = False) -> tuple[int | None, int | None]:
        """What the kernel's own access would find: the physical address, or None and the error code of its fault.

        Code 0 is a read of what is not there.

        (None, None): an address that is none. KernelError(EOPNOTSUPP): an architecture without SMEP and SMAP.
        """

    def translate(self, pid: int, addr: int, access: str = "r") -> int:
        """The physical address by the tables as they are.

        Signal (not delivered) with the fault that the access would take and not survive, KernelError(EFAULT) with detail for one that
        the kernel would resolve.
        """

    def push(self, pid: int, nr_bytes: int) -> int:
        """Moves the stack pointer down, touching each page on the way; the new stack pointer."""

    def access_stream(self, pid: int, accesses: bytes, probe: bool = False) -> r.Touched:
        """Many accesses at C speed: packed little-endian records of u64 address, u32 size, u32 kind (0 r, 1 w, 2 x).

        Signal.nr_done: how many came before the one that took the signal.
        """
