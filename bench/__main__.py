"""python -m bench [--rounds N] [NAME…]: run the named benches (all of BENCHES unless named) and print their ratios."""

import argparse
import os
import subprocess
import sys
from importlib import import_module

from bench.measure import print_rows

ALL_REACHED = "every target reached"
BENCHES = ("faults", "areas", "streams", "startup", "lines", "traces", "heap", "reclaim", "swap", "procfs", "pictures")


def run(name: str, rounds: int) -> int:
    """One bench; how many targets it missed."""
    bench = import_module(f"bench.{name}")
    print(bench.__doc__.strip().splitlines()[0], flush=True)
    missed = print_rows(bench.rows(rounds))
    print(flush=True)
    return missed


def apart(name: str, rounds: int) -> int:
    """The same in a process of its own: what one bench does to its heap is not another's."""
    command = [sys.executable, "-m", "bench", name, "--rounds", str(rounds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        lines = child.stdout or ()
        missed = 0
        for line in lines:
            if line.startswith(ALL_REACHED) or line.endswith(" targets missed\n"):
                missed = 0 if line.startswith(ALL_REACHED) else int(line.split()[0])
            else:
                print(line, end="", flush=True)
    if child.returncode:
        raise SystemExit(child.returncode)
    return missed


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
        missed += run(name, options.rounds) if len(options.names) == 1 else apart(name, options.rounds)
    print(ALL_REACHED if not missed else f"{missed} targets missed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
