from typing import Any

from vmtool.cli.declare import Command

def read(line: str) -> tuple[Command, dict[str, Any]] | None: ...
