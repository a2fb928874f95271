"""Pictures of a machine: one scene of plain data read through `Machine`, and what renders it."""
