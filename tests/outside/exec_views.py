"""What a process shows at its first instruction: read from the live kernel, and kept as a fixture.

`python -m tests.outside.exec_views DIRECTORY` records fixtures/exec anew (Linux 6.18, a C compiler).
"""

import json
import os
import shutil
import struct
import subprocess
import sys

from tests.differential.tracee import start
from vmtool.images import Image, Segment
from vmtool.outside.elf import read_image

SOURCE = "char big[50000]; int set = 5; int main(void) { return big[set]; }\n"
KINDS = {"static": "-static", "static-pie": "-static-pie", "no-pie": "-no-pie", "pie": "-pie"}
STAT_FIELDS = {
    "vsize": 20, "rss": 21, "startcode": 23, "endcode": 24, "startstack": 25, "start_data": 42, "end_data": 43, "start_brk": 44,
    "arg_start": 45, "arg_end": 46, "env_start": 47, "env_end": 48,
}
"""Of /proc/PID/stat, counted from the state letter: addresses and sizes that execve() decides."""
AUXV = {3: "PHDR", 4: "PHENT", 5: "PHNUM", 6: "PAGESZ", 7: "BASE", 8: "FLAGS", 9: "ENTRY", 31: "EXECFN", 33: "SYSINFO_EHDR"}
"""The entries of the auxiliary vector that do not depend on the processor."""


def build(directory: str) -> dict[str, str]:
    """The four kinds of program, by name; empty without a C compiler."""
    cc = shutil.which("cc") or shutil.which("gcc")
    if not cc:
        return {}
    source, programs = f"{directory}/main.c", {}
    with open(source, "w", encoding="utf-8") as f:
        f.write(SOURCE)
    for name, option in KINDS.items():
        path = f"{directory}/{name}"
        done = subprocess.run([cc, "-O0", option, "-o", path, source], capture_output=True, check=False)
        if done.returncode == 0:
            programs[name] = path
    return programs


def kernel_views(path: str) -> dict[str, str]:
    """maps, smaps, the memory lines of status, statm, facts of stat and auxv, as the kernel shows them."""
    process = start(path, "/")
    try:
        texts = {name: _read(f"/proc/{process.pid}/{name}").decode() for name in ("maps", "smaps", "status", "statm", "stat")}
        auxv = _read(f"/proc/{process.pid}/auxv")
    finally:
        process.kill()
    return {"maps": texts["maps"], "smaps": texts["smaps"], "statm": texts["statm"], "status": memory_lines(texts["status"]),
            "stat": stat_facts(texts["stat"]), "auxv": auxv_facts(auxv)}


def _read(path: str) -> bytes:
    with open(path, "rb") as f:
        return f.read()


def memory_lines(status: str) -> str:
    """The Vm and Rss lines, without VmHWM, which the kernel keeps only roughly."""
    return "".join(line + "\n" for line in status.splitlines() if line.startswith(("Vm", "Rss")) and not line.startswith("VmHWM"))


def stat_facts(stat: str) -> str:
    words = stat.rpartition(")")[2].split()
    return "".join(f"{name} {int(words[at]):#x}\n" for name, at in STAT_FIELDS.items())


def auxv_facts(auxv: bytes) -> str:
    found = dict(struct.iter_unpack("<QQ", auxv[: len(auxv) // 16 * 16]))
    return "".join(f"{name} {found.get(key, 0):#x}\n" for key, name in AUXV.items())


def image_to_json(image: Image) -> str:
    """Everything of an image but its bytes."""

    def plain(i: Image) -> dict:
        return {**i._asdict(), "data": None, "interp": plain(i.interp) if i.interp else None}

    return json.dumps(plain(image), indent=1) + "\n"


def image_from_json(text: str) -> Image:
    def image(d: dict) -> Image:
        segments = tuple(Segment(*s) for s in d["segments"])
        relro = tuple(d["relro"]) if d["relro"] else None
        return Image(**{**d, "segments": segments, "relro": relro, "interp": image(d["interp"]) if d["interp"] else None})

    return image(json.loads(text))


def record(directory: str) -> None:
    """Write DIRECTORY/NAME/{image.json,maps,…} for /bin/cat and the built programs."""
    where = "/tmp/exec-fixture"  # the path is part of what is recorded
    os.makedirs(where, mode=0o755)
    try:
        for name, path in {"cat": "/bin/cat", **build(where)}.items():
            os.makedirs(f"{directory}/{name}", exist_ok=True)
            texts = {**kernel_views(path), "image.json": image_to_json(read_image(path)), "argv": path + "\n"}
            for file, text in texts.items():
                with open(f"{directory}/{name}/{file}", "w", encoding="utf-8") as f:
                    f.write(text)
    finally:
        shutil.rmtree(where)
    with open(f"{directory}/RELEASE", "w", encoding="utf-8") as f:
        f.write(os.uname().release + "\n")


if __name__ == "__main__":
    record(sys.argv[1])
