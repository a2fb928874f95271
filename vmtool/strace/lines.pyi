from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

WHOLE: int
SECOND_HALF: int
FIRST_HALF: int

class Lines(Iterator[Any]):
    number: int
    last_line: str
    is_waiting: bool
    def __init__(self, lines: Iterable[str], wanted: frozenset[str], slow: Callable[[str, int], list[Any]],
                 finish: Callable[[Lines], None]) -> None: ...
    def __next__(self) -> Any: ...
    def flush(self, counts: defaultdict[str, int]) -> None: ...
