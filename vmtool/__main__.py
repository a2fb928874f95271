"""The `vmtool` program. What it does is in `cli/front.py`; here only how it begins and ends.

Ctrl-C is exit status 130 whenever it comes. While Python itself starts nothing could answer it but a traceback: so the
launcher, where `env` can do it, starts Python with SIGINT blocked, and main() lets it through as soon as it can be caught.
"""

import gc
import sys
from _signal import SIG_BLOCK, SIG_UNBLOCK, SIGINT, pthread_sigmask
from posix import _exit

EXIT_INTERRUPTED = 130


def swallowed(failure: "sys.UnraisableHookArgs") -> None:
    """Python drops what is raised within a callback (of a lock of its imports, say), an interrupt too: then the process ends here."""
    if failure.exc_type is KeyboardInterrupt:
        _exit(EXIT_INTERRUPTED)  # as safe as a kill: the state file is as before the command
    sys.__unraisablehook__(failure)


def main() -> int:
    """Run the command of sys.argv; the exit status. Interrupts are held back again when it is known."""
    gc.disable()  # a command makes no garbage in cycles; those that run for long (`execute`) turn it on
    sys.unraisablehook = swallowed
    try:
        pthread_sigmask(SIG_UNBLOCK, (SIGINT,))
        from vmtool.cli.front import run
        status = run(sys.argv[1:])
        pthread_sigmask(SIG_BLOCK, (SIGINT,))
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    return status


def leave(status: int) -> None:
    """End the process, without the interpreter's tidying up of every module, which takes a tenth of a command's time.

    What a command wrote is written, its files are closed. Who has threads or buffers ends as any program.
    """
    if "threading" in sys.modules or "atexit" in sys.modules:
        sys.exit(status)
    _exit(status)


if __name__ == "__main__":
    leave(main())
