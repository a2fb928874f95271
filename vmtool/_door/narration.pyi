"""Narration."""

from vmtool import records as r

class Narration:
    def set_trace(self, on: bool) -> None:
        """The machine keeps the setting; records of the last command that changed something stay readable."""

    def tracing(self) -> bool: ...
    def trace_reset(self) -> None: ...
    def nr_traced(self) -> int:
        """Steps of the last command; `trace()` has the first 65,536 of them."""

    def start_tally(self) -> None:
        """Count events and frames from here on, until the machine is closed: for a copy that is not to be committed."""

    def tally(self) -> r.Tally: ...
    def trace(self) -> list[r.TraceRecord]: ...
    def traced_file(self, inode: int) -> r.TracedFile | None:
        """The file that a step calls by its record; None when it is gone."""
