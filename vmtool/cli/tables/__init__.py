"""The declarations, one module a family of commands; `table` finds a command's family by its name."""
