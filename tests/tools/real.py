"""The real procps over a /proc of our making: files bound over the live ones, in a mount namespace of their own."""

import contextlib
import os
import re
import shutil
import subprocess

import pytest

REQUIRED = os.environ.get("VMTOOL_REQUIRE_HOST") == "1"


def need(tool, version="4.0.2"):
    """Skip, with a sentence, where the comparison cannot be made."""
    reason = None
    if shutil.which(tool) is None:
        reason = f"{tool} is not installed here"
    elif version not in subprocess.run([tool, "-V"], capture_output=True, text=True).stdout:
        reason = f"{tool} here is not of procps {version}, whose output is compared"
    elif subprocess.run(["unshare", "-m", "mount", "--bind", "/dev/null", "/proc/meminfo"], capture_output=True).returncode:
        reason = "binding files over /proc needs root and mount namespaces"
    if reason and REQUIRED:
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


def outputs(runs, directory):
    """[(files, words)] -> stdout of each `words`, run while the `files` {path: text} lie over the live ones."""
    script = []
    for number, (files, words) in enumerate(runs):
        for at, (path, text) in enumerate(files.items()):
            source = directory / f"{number}.{at}"
            source.write_text(text)
            script.append(f"mount --bind {source} {path}")
        script.append(" ".join(words) + f" >{directory}/{number}.out")
        script += [f"umount {path}" for path in files]
    subprocess.run(["unshare", "-m", "sh", "-c", "\n".join(script)], check=True, timeout=120, env={**os.environ, "LC_ALL": "C.UTF-8"})
    return [(directory / f"{number}.out").read_text() for number in range(len(runs))]


PMAP_FILES = ("maps", "smaps", "stat", "status", "cmdline")


def pmap_outputs(texts, options, directory):
    """`pmap OPTIONS` for each of the options, over a process that has the files {name: text}; its PID is replaced by PID."""
    with sleeper() as pid:
        files = {f"/proc/{pid}/{name}": texts[name] for name in PMAP_FILES}
        # pmap believes these two, not the name of the directory
        files[f"/proc/{pid}/stat"] = re.sub(r"^\d+", str(pid), texts["stat"])
        files[f"/proc/{pid}/status"] = re.sub(r"(?m)^(Tgid|Pid):.*", rf"\1:\t{pid}", texts["status"])
        found = outputs([(files, ["pmap", *words, str(pid)]) for words in options], directory)
    return [re.sub(rf"^{pid}:", "PID:", out) for out in found]


@contextlib.contextmanager
def sleeper():
    """The PID of a process over whose files others are bound."""
    process = subprocess.Popen(["sleep", "100"])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
