LACKEY: int
LIST: int
PINATRACE: int
DINERO: int
MEMTRACE: int
LONGEST_LINE: int

class Scanner:
    line: int
    bad_line: int
    bad_text: bytes
    nr_other: int
    first_other: int
    other_text: bytes
    is_cut: bool
    nr_reads: int
    nr_writes: int
    nr_fetches: int
    def __init__(self, form: int) -> None: ...
    def feed(self, block: bytes, is_last: bool = False) -> bytes: ...

def pages(records: bytes, known: set[int], page_shift: int) -> list[int]: ...
