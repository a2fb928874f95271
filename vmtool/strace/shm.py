"""What the calls of System V shared memory do to the machine: a segment is a file of shared memory, attached as mmap() maps one."""

from vmtool.strace import files as f
from vmtool.strace import parser
from vmtool.strace.calls import map_it
from vmtool.strace.context import Context
from vmtool.strace.fds import Open
from vmtool.strace.flags import number
from vmtool.strace.parser import Mmap
from vmtool.strace.procs import Process
from vmtool.uapi import (
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_SHARED,
    O_RDONLY,
    O_RDWR,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
    SHM_EXEC,
    SHM_RDONLY,
    SHM_REMAP,
    SHM_RND,
)


def do_shmget(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(parser.uncomment(text))
    if result.value is None or result.errno or result.value in r.shm:
        return
    key = 0 if args[0] == "IPC_PRIVATE" else number(args[0])
    r.shm[result.value] = f.segment(key, result.value, parser.address(args[1]))


def do_shmat(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(parser.uncomment(text))
    if result.value is None or result.errno:
        return
    shmid, addr, flags = number(args[0]), parser.address(args[1]), number(args[2])
    file = r.shm.get(shmid)
    if file is None:
        r.summary.note(f"line {r.line}: shared memory {shmid} was made before the log began")
        file = r.shm[shmid] = f.segment(0, shmid, r.page_bytes)
    prot = PROT_READ if flags & SHM_RDONLY else PROT_READ | PROT_WRITE
    prot |= PROT_EXEC if flags & SHM_EXEC else 0
    if flags & SHM_RND:
        addr &= -r.shmlba
    fixed = MAP_FIXED if flags & SHM_REMAP else MAP_FIXED_NOREPLACE if addr else 0
    opened = Open(file, O_RDONLY if flags & SHM_RDONLY else O_RDWR)
    map_it(r, p, Mmap(addr, file.size, prot, MAP_SHARED | fixed, parser.Fd(-1, "", False), 0, result), opened)
    p.space.shm[result.value] = file.size


def do_shmdt(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(text)
    addr = parser.address(args[0])
    size = p.space.shm.pop(addr, None)
    if result.errno or size is None:
        return
    r.attempt(r.machine.munmap, r.space(p), addr, size)


HANDLERS = {"shmget": do_shmget, "shmat": do_shmat, "shmdt": do_shmdt}
MEMORY = frozenset({"shmat", "shmdt"})
