"""The machine's chunks in a SQLite file and back; knows nothing of memory management."""
