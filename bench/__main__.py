"""python -m bench [--rounds N] [NAME…]: run the named benches (all of BENCHES unless named) and print their ratios."""

import argparse
import os
import sys
from importlib import import_module

from bench.measure import print_rows

BENCHES = ("faults", "areas", "streams", "startup", "lines", "traces", "heap", "reclaim", "procfs", "pictures")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benches: " + ", ".join(BENCHES))
    parser.add_argument("--rounds", type=int, default=7, help="alternations of each comparison; the median counts (default: 7)")
    options = parser.parse_args()
    for name in options.names:
        if name not in BENCHES:
            parser.error(f"no bench {name}")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the commands are measured with their byte code there
    missed = 0
    for name in options.names or BENCHES:
        bench = import_module(f"bench.{name}")
        print(bench.__doc__.strip().splitlines()[0], flush=True)
        missed += print_rows(bench.rows(options.rounds))
        print()
    print("every target reached" if not missed else f"{missed} targets missed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
