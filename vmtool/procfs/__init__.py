"""The text of /proc: one module a file, each a function of the core's records."""
