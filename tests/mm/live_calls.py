"""The kernel that runs here as judge of single calls: a process of nobody's makes them, one after another, and says how each ended."""

import json
import subprocess
import sys

U64_MAX = (1 << 64) - 1
PROGRAM = """
import ctypes, errno, json, mmap, os, resource, sys, time
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.mmap.restype = ctypes.c_void_p
libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, which setuid() took: others of the same user may set the limits of a process that is

def call(number, *args):
    kept = [ctypes.create_string_buffer(arg.encode("latin-1")) if isinstance(arg, str) else arg for arg in args]
    got = libc.syscall(ctypes.c_long(number), *(arg if isinstance(arg, ctypes.Array) else ctypes.c_ulong(arg) for arg in kept))
    return errno.errorcode[ctypes.get_errno()] if got == -1 else got

exec(json.loads(sys.stdin.readline()))
"""


def live(body: str, given: object = None) -> list:
    """What `body`, statements of Python that have `call(number, *args)` and `given`, leaves in `answers`."""
    text = f"given = json.loads({json.dumps(json.dumps(given))})\nanswers = []\n{body}\nprint(json.dumps(answers))"
    command = [sys.executable, "-c", PROGRAM]
    ran = subprocess.run(command, input=json.dumps(text) + "\n", capture_output=True, text=True, timeout=60, check=True)
    return json.loads(ran.stdout)


def answer(call, *args):
    """How the simulated one ended: the name of its errno, or what it returned."""
    from vmtool.errors import KernelError
    try:
        return call(*args) or 0
    except KernelError as failure:
        return failure.name
