LACKEY: int
LIST: int
LONGEST_LINE: int

class Scanner:
    line: int
    bad_line: int
    bad_text: bytes
    nr_reads: int
    nr_writes: int
    nr_fetches: int
    def __init__(self, form: int) -> None: ...
    def feed(self, block: bytes, is_last: bool = False) -> bytes: ...

def pages(records: bytes, known: set[int]) -> list[int]: ...
