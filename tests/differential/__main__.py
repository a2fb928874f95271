"""`python -m tests.differential -n 1000 [--category C[/SUB]] [--seed S]`: many scripts, on this kernel and on vmtool.

Prints how many agreed, category by category, the commonest differences with a script of a few lines each, and
with --mix what was drawn beside what was recorded. Exit status 1 when a script differed.
"""

import argparse
import signal
import sys
import time
from collections import Counter, defaultdict

from tests.differential import conditions
from tests.differential.categories import CATEGORIES
from tests.differential.drawing import Sub, for_each
from tests.differential.judge import Verdict, compare, judge, smallest
from tests.differential.mix import Mix
from tests.differential.writer import Writer


def subs_of(wanted: list[str] | None) -> list[Sub]:
    """(category, sub) of all that were asked for; a name may be a category or category/sub."""
    every = [(category, sub) for category, subs in CATEGORIES.items() for sub in subs]
    return [(c, s) for c, s in every if not wanted or c in wanted or f"{c}/{s}" in wanted]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__.partition("\n")[0])
    parser.add_argument("-n", "--n", type=int, default=200, help="scripts in all (default: %(default)s)")
    parser.add_argument("--category", action="append", help="vma, fault, pagecache, thp, scenario, exec, or CATEGORY/SUB (repeatable)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--until-different", action="store_true", help="stop at the first script that differs")
    parser.add_argument("--unless-in", metavar="DIR", help="a difference that the vmtool in DIR has too does not count")
    parser.add_argument("--no-shrink", action="store_true", help="print the first script of each difference as it was drawn")
    parser.add_argument("--only-kernel", action="store_true", help="draw and record, compare with nothing: the mix alone")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the host's settings are put back
    subs = subs_of(args.category)
    if not subs:
        parser.error(f"no such category: {' '.join(args.category)}")
    try:
        if reason := conditions.obstacle():
            raise conditions.Unsuitable(reason)
        with conditions.workplace() as root:
            return Run(root, args).run(subs)
    except conditions.Unsuitable as e:
        print(f"not compared with the live kernel: {e}")
        return 0


class Run:
    """The counts of one run over many scripts."""

    def __init__(self, root: str, args: argparse.Namespace) -> None:
        self.root, self.args, self.mix = root, args, Mix()
        self.nr: Counter[str] = Counter()
        self.alike: Counter[str] = Counter()
        self.unsteady = 0
        self.failed: dict[str, list[Verdict]] = defaultdict(list)

    def run(self, subs: list[Sub]) -> int:
        began = time.monotonic()
        for_each(self.root, subs, -(-self.args.n // len(subs)), self.args.seed, self.one)
        print(self.mix.table())
        if self.args.only_kernel:
            return 0
        for category in self.nr:
            print(f"{category:10} {self.alike[category]:5} of {self.nr[category]:5} scripts alike")
        left = f"; {self.unsteady} left out, the kernel did not repeat its answer" if self.unsteady else ""
        print(f"{sum(self.alike.values())} of {sum(self.nr.values())} in {time.monotonic() - began:.0f} s{left}")
        for kind, verdicts in sorted(self.failed.items(), key=lambda item: -len(item[1])):
            print(f"\n{len(verdicts)} × {kind}")
            print(verdicts[0] if self.args.no_shrink else smallest(self.root, verdicts[0]), flush=True)
        return 1 if self.failed else 0

    def one(self, name: Sub, w: Writer) -> bool:
        """Judge a script; True when no more are wanted."""
        category, sub = name
        self.mix.add(category, sub, w)
        if self.args.only_kernel:
            return False
        verdict = judge(self.root, w.lines, w.answers)
        if verdict.differences and not verdict.is_steady:
            self.unsteady += 1
            return False
        if verdict.differences and self.args.unless_in and compare(w.lines, w.answers, self.args.unless_in):
            return False
        self.nr[category] += 1
        self.alike[category] += not verdict.differences
        if verdict.differences:
            self.failed[verdict.kind].append(verdict)
        return bool(self.failed) and self.args.until_different


if __name__ == "__main__":
    sys.exit(main())
