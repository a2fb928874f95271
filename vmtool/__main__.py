"""The `vmtool` program. What it does is in `cli/front.py`; here only what must hold before anything is imported."""

import sys


def main() -> int:
    """Run the command of sys.argv; the exit status."""
    try:
        from vmtool.cli.front import run
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
