"""Every call that a replay does: its handler, by name, and what the order of a log's lines needs to know of it."""

from vmtool.strace import calls, files, processes, shm

HANDLERS = {**calls.HANDLERS, **shm.HANDLERS, **processes.HANDLERS, **files.HANDLERS}
MEMORY = calls.MEMORY | shm.MEMORY
AT_BEGIN = processes.AT_BEGIN | {"close", "close_range"}
SLEEPERS = frozenset(HANDLERS) - MEMORY - AT_BEGIN
WANTED = frozenset(HANDLERS)
KINDS = {name: (handler, name in MEMORY, name in AT_BEGIN) for name, handler in HANDLERS.items()}
