"""A script on both sides, compared; and a script made smaller while it still differs in the same way."""

import re
from typing import NamedTuple

from tests.differential import simulator
from tests.differential.compare import Comparison, Difference
from tests.differential.kernel import Kernel
from tests.differential.script import Answer


class Verdict(NamedTuple):
    """What a script showed. `is_steady` is false when the kernel itself answered differently the second time."""

    script: str
    differences: list[Difference]
    is_steady: bool = True

    @property
    def kind(self) -> str:
        """The first difference, in a few words; '' when all is alike."""
        return self.differences[0].kind if self.differences else ""

    def __str__(self) -> str:
        shown = "\n".join(map(str, self.differences[:3]))
        return f"{self.script}\n{shown}\n({len(self.differences)} lines differ)"


def ask_kernel(root: str, lines: list[str]) -> list[Answer] | None:
    """The live answers; None when the script makes no sense (a variable that nothing set)."""
    with Kernel(root) as kernel:
        try:
            return [kernel.run(line) for line in lines]
        except (KeyError, FileNotFoundError):
            return None


def compare(lines: list[str], answers: list[Answer], project: str = simulator.PROJECT) -> list[Difference]:
    """The differences of vmtool from the kernel's answers, in order; a broken invariant is the last."""
    objects, complaint = simulator.run("\n".join(lines) + "\n", project=project)
    comparison = Comparison()
    found = [d for line, a in zip(lines, answers, strict=True) if (d := comparison.line(line, a, objects.get(a.line)))]
    if complaint:
        kind = "fsck" if complaint.startswith("fsck") else "crash"
        found.append(Difference(len(lines), lines[-1], kind, "", complaint))
    return found


def judge(root: str, lines: list[str], answers: list[Answer]) -> Verdict:
    """Compare; when they differ, ask the kernel once more whether it always says so."""
    found = compare(lines, answers)
    again = ask_kernel(root, lines) if found else answers
    steady = again is not None and not _changed(answers, again)
    return Verdict("\n".join(lines), found, steady)


def _changed(before: list[Answer], after: list[Answer]) -> bool:
    comparison = Comparison()
    return any(comparison.line("", a, {**b._asdict()}) for a, b in zip(before, after, strict=True))


def shrink(root: str, lines: list[str], kind: str, budget: int = 150) -> list[str]:
    """Leave out ever smaller runs of lines while the first difference stays of the same kind (at most `budget` runs)."""

    def fails(some: list[str]) -> bool:
        answers = ask_kernel(root, some)
        return answers is not None and any(d.kind == kind for d in compare(some, answers))

    first = next((d.line for d in compare(lines, ask_kernel(root, lines) or []) if d.kind == kind), len(lines))
    units = _units(lines[:first] if kind not in ("fsck", "crash") else lines)
    run = max(len(units) // 2, 1)
    while budget > 0:
        at, shrunk = len(units) - 1 - run, False
        while at >= 0 and budget > 0:
            some = units[:at] + units[at + run :]
            budget -= 1
            if fails([line for unit in some for line in unit]):
                units, shrunk = some, True
                at = min(at, len(units) - 1) - run
            else:
                at -= run
        if run == 1 and not shrunk:
            break
        run = max(run // 2, 1)
    return [line for unit in units for line in unit]


def _units(lines: list[str]) -> list[list[str]]:
    """Lines that are left out together: a process, and the touch of its stub page after it; a `sync`, and what it is behind; a group's
    reclaim, as often as it is asked for."""
    units: list[list[str]] = []
    for line in lines:
        if units and (line == "sync" or (line.startswith("reclaim ") and line in units[-1])):
            units[-1].append(line)
        elif units and line.endswith(" 0x2000 -x") and re.search(r"= (spawn|fork) |^exec ", units[-1][0]):
            units[-1].append(line)
        else:
            units.append([line])
    return units


def smallest(root: str, verdict: Verdict) -> Verdict:
    """The same difference in a few lines."""
    lines = shrink(root, verdict.script.split("\n"), verdict.kind)
    return judge(root, lines, ask_kernel(root, lines) or [])
