"""The `vmtool` program. What it does is in `cli/front.py`; here only how it begins and ends."""

import gc
import os
import sys


def main() -> int:
    """Run the command of sys.argv; the exit status."""
    gc.disable()  # a command makes no garbage in cycles; those that run for long (`execute`) turn it on
    try:
        from vmtool.cli.front import run
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return 130


def leave(status: int) -> None:
    """End the process, without the interpreter's tidying up of every module, which takes a tenth of a command's time.

    What a command wrote is written, its files are closed. Who has threads or buffers ends as any program.
    """
    if "threading" in sys.modules or "atexit" in sys.modules:
        sys.exit(status)
    os._exit(status)


if __name__ == "__main__":
    leave(main())
