"""Record what the installed procps 4.0.2 prints over text of our making, into fixtures/proc/procps-4.0.2/.

As root, in the project's directory: PYTHONPATH=tests python -m tools.record
"""

import gzip
import json
import random
import tempfile
from pathlib import Path

from procfs.captured import CAPTURES, FIXTURES, PROCESSES, text

from tools.draw import PMAP_WORDS, UNIT_FLAGS, drawn_words, synthetic
from tools.real import PMAP_FILES, outputs, pmap_outputs

NR_DRAWN = 60


def record_free(to):
    rng = random.Random(1)
    cases = [{"words": [unit, *flags], "capture": capture} for capture in CAPTURES for unit in UNIT_FLAGS for flags in ([], ["-w", "-t"])]
    cases += [{"words": drawn_words(rng), "meminfo": synthetic(rng)} for _ in range(NR_DRAWN)]
    runs = [({"/proc/meminfo": case.get("meminfo") or text(case["capture"] + "/meminfo")}, ["free", *case["words"]]) for case in cases]
    with tempfile.TemporaryDirectory() as directory:
        for case, out in zip(cases, outputs(runs, Path(directory)), strict=True):
            case["out"] = out
    (to / "free.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))


def record_pmap(to):
    cases = []
    for process in PROCESSES:
        texts = {name: text(f"{process}/{name}") for name in PMAP_FILES}
        with tempfile.TemporaryDirectory() as directory:
            outs = pmap_outputs(texts, PMAP_WORDS, Path(directory))
        cases += [{"process": process, "words": words, "out": out} for words, out in zip(PMAP_WORDS, outs, strict=True)]
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    (to / "pmap.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))


def record_tools(to):
    from tools.procps_lines import LINES, files_of, machine_of
    from tools.test_procps import run_real
    from vmtool import _core

    texts = files_of(machine_of(_core))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        out = run_real(texts, LINES, Path(directory))
    (to / "tools.json.gz").write_bytes(gzip.compress(json.dumps({"files": texts, "out": out}, indent=0).encode(), mtime=0))


if __name__ == "__main__":
    record_tools(FIXTURES / "procps-4.0.2")
    record_free(FIXTURES / "procps-4.0.2")
    record_pmap(FIXTURES / "procps-4.0.2")
