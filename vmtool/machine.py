"""vmtool.Machine: a simulated machine for Python programs.

    import vmtool

    machine = vmtool.Machine()                    # in memory
    machine.boot(ram_bytes=256 << 20)
    pid = machine.spawn("render", None, [b"render"], [])
    heap = machine.brk(pid)
    machine.brk(pid, heap + 65536)
    machine.touch(pid, heap, 65536, "w")          # Touched(minor=16, major=0)
    print(machine.procfs["meminfo"], machine.procfs[f"{pid}/smaps"])

    with vmtool.Machine.open("machine.vmt", write=True) as machine:      # of a state file
        machine.fork(1)
        machine.commit()

A call that Linux would refuse raises vmtool.errors.KernelError (`.errno`), a fatal access vmtool.errors.Signal, a state file that is
not there or damaged StateError.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmtool import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmtool.procfs.tree import Tree
    from vmtool.store.session import Session

WAIT_SECONDS = 60.0


def _reference() -> str:
    """The methods of the core by subject, as _door/ declares them; what _core.pyi declares itself is not for programs."""
    import ast
    from importlib.resources import files
    stubs = files("vmtool")
    door = ast.parse(stubs.joinpath("_core.pyi").read_text(encoding="utf-8")).body
    room_of = {line.names[0].name: line.module or "" for line in door if isinstance(line, ast.ImportFrom)}
    lines: list[str] = []
    for subject in next(node for node in door if isinstance(node, ast.ClassDef)).bases:
        name = room_of[ast.unparse(subject)].removeprefix("vmtool._door.")
        room = ast.parse(stubs.joinpath("_door").joinpath(f"{name}.pyi").read_text(encoding="utf-8"))
        lines += ["", f"-- {(ast.get_docstring(room) or '').rstrip('.')} --"]
        for node in ast.walk(room):
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            takes = ast.unparse(node.args).removeprefix("self, ").removeprefix("self")
            gives = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
            words = ast.get_docstring(node) or ""
            lines += [f"{node.name}({takes}){gives}", *(f"    {line}" for line in words.split("\n") if words)]
    return "\n".join(lines).strip("\n")


class ProcFiles(Mapping[str, str]):
    """The files of the simulated /proc: `procfs["meminfo"]`, `procfs["1/maps"]`, as text.

    Names are given as below /proc. Iterating gives the names in its root directory, processes last.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def __getitem__(self, name: str) -> str:
        """A whole file; bytes that are no UTF-8 as surrogates. KeyError for what is not there or no file."""
        from vmtool.errors import KernelError
        try:
            return self.tree.read(name).decode("utf-8", "surrogateescape")
        except KernelError as failure:
            raise KeyError(f"{name}: {failure}") from None

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self.tree.list("/")])

    def __len__(self) -> int:
        return len(self.tree.list("/"))

    def read(self, name: str) -> bytes:
        """A whole file. KernelError with the errno that open() or read() would have."""
        return self.tree.read(name)

    def list(self, directory: str = "/") -> list[str]:
        """Names in a directory. KernelError."""
        return [name for name, _ in self.tree.list(directory)]

    def write(self, name: str, data: bytes) -> None:
        """Write to a file that can be written: clear_refs, oom_score_adj, comm, sys/vm/*. KernelError."""
        self.tree.write(name, data)


class _WithReference(type):
    """help() shows the core's methods, too, with what _door/ says of them: the compiled ones have no words of their own."""

    @property
    def __doc__(cls) -> str:  # type: ignore[override]
        import inspect
        own = cls.__dict__.get("__doc__") or ""
        return f"{inspect.cleandoc(own)}\n\n{_reference()}" if cls.__module__ == __name__ else own


class Machine(_core.Machine, metaclass=_WithReference):
    """A simulated machine: processes, their memory, the kernel that manages it.

    >>> machine = vmtool.Machine()
    >>> machine.boot(ram_bytes=256 << 20)
    >>> pid = machine.spawn("render", None, [b"render"], [])
    >>> heap = machine.brk(pid)
    >>> machine.brk(pid, heap + 65536)
    >>> machine.touch(pid, heap, 65536, "w")
    >>> machine.procfs[f"{pid}/smaps"]

    Its methods are system calls (mmap, brk, fork, ...), accesses by a process (touch, load, store) and looks at what is there (maps,
    smaps, meminfo, walk, ...). Addresses and lengths are bytes, what begins with nr_ are pages; flags are the kernel's own values. A
    call that Linux would refuse raises vmtool.errors.KernelError (.errno), a fatal access vmtool.errors.Signal. Two machines share
    nothing. Of a state file: Machine.open().
    """

    _session: Session | None = None

    @classmethod
    def open(cls, path: str, write: bool = False, wait: float = WAIT_SECONDS) -> Machine:
        """The machine of a state file. Without `write` nothing of it can be kept; with it, other writers wait until this one is closed.

        `wait`: seconds for which another writer is waited for. Raises StateError.
        """
        from vmtool.store.session import open_machine

        def make(*arguments: Any, **named: Any) -> Machine:
            return cls(*arguments, **named)

        session = open_machine(path, write, wait, factory=make)
        machine = session.machine
        assert isinstance(machine, Machine)
        machine._session = session
        return machine

    def commit(self) -> None:
        """Save what was changed, all of it or nothing, and let others write. The machine is of no use afterwards: open it again."""
        if self._session is None:
            raise ValueError("the machine is of no state file")
        self._session.commit()

    def close(self) -> None:
        """Let go of the state file; what was not committed is forgotten."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *what: object) -> None:
        self.close()

    @property
    def procfs(self) -> ProcFiles:
        """The files of /proc, as they are when they are read."""
        from vmtool.procfs.tree import Tree
        return ProcFiles(Tree(self))
