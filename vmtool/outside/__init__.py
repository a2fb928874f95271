"""The outside world: host files, host processes and what other programs read. Nothing else opens a host file."""
