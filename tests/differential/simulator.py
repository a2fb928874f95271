"""vmtool as the other back end: the whole script in one `vmtool run --jsonl --keep-going`."""

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

TIMEOUT = 60
LOOKS = {"smaps", "status", "statm", "cat-maps", "pagemap"}
DRAINER = ("drainer = spawn drainer", "drained = mmap $drainer 4K", "touch $drainer $drained -w")
PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(script: str, *, project: str = PROJECT, fsck: bool = True) -> tuple[dict[int, dict[str, Any]], str]:
    """(objects by line, complaint): `complaint` says what went wrong beside the answers, '' for nothing.

    `project` is where vmtool is; with `fsck` the machine's invariants are checked at the end.
    """
    with tempfile.TemporaryDirectory(prefix="vmtool-diff.") as where:
        path = f"{where}/script.vmt"
        lines, numbers = with_drains(script.splitlines())
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        env = dict(os.environ, VMTOOL_STATE=f"{where}/machine.vmt", VMTOOL_SYNC="off", LC_ALL="C", PYTHONPATH=project)
        try:
            done = _vmtool(["run", "--jsonl", "--keep-going", path], where, env)
            objects = {numbers[line]: value for line, value in _objects(done.stdout).items() if line in numbers}
            complaint = "" if done.returncode >= 0 else f"killed by signal {-done.returncode}"
            if "Traceback" in done.stderr or not objects:
                complaint = done.stderr.strip() or "no output"
            if fsck and not complaint:
                checked = _vmtool(["fsck"], where, env)
                if checked.returncode:
                    complaint = f"fsck: {checked.stdout}{checked.stderr}".strip()
        except subprocess.TimeoutExpired:
            return {}, f"no end within {TIMEOUT} s"
    return objects, complaint


def with_drains(lines: list[str]) -> tuple[list[str], dict[int, int]]:
    """(the script as the recorder runs it, which of its lines is which of the given ones).

    Before each look the recorder empties the per-CPU batches of the LRU by its own madvise() (kernel.Drainer), as the exit of any `cat`
    does; vmtool's looks change nothing and only show what a drained machine would, so here another process does as the recorder. With swap
    it does so behind each `sync`, too: what was written to swap has arrived, and waits in a batch of some CPU to be rotated.
    """
    out, numbers = list(DRAINER), {}
    has_swap = any(line.startswith("swapon ") for line in lines)
    for number, line in enumerate(lines, 1):
        if line.split(" ", 1)[0] in LOOKS:
            out.append("madvise $drainer $drained 4K cold")
        out.append(line)
        numbers[len(out)] = number
        if line == "sync" and has_swap:
            out.append("madvise $drainer $drained 4K cold")
    return out, numbers


def _vmtool(args: list[str], where: str, env: dict[str, str]) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "vmtool", *args]
    return subprocess.run(command, cwd=where, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                          timeout=TIMEOUT, check=False)


def _objects(text: str) -> dict[int, dict[str, Any]]:
    found = {}
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and isinstance(value.get("line"), int):
            found[value["line"]] = value
    return found
