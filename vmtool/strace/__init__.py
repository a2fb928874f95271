"""Logs of real programs: strace text and access traces, turned into calls of the Machine interface."""
