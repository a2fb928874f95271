"""How a line of an strace log begins: its columns and the name of a call, or the mark of something else.

What is modelled: the order in which strace writes them: PID (perhaps with its comm), times, the number of the call, the instruction's
address.
Invariant: a text that matches begins where strace began it, but for blanks.
"""

import re

_TIME = r"(?:(?:\(\+ *)?\d[\d:]*[:.][\d.]+\)? +)"
COLUMNS = rf"(?:\[pid +(\d+)(?:<[^\n]*?>)?\] |(\d+)(?:<[^\n]*?>)? +)? *{_TIME}*(?:\[ *[0-9a-f?]+\] )*"
LINE = re.compile(COLUMNS + r"(?:([a-z_]\w*)\(|<\.\.\. (\w+) resumed> *)")
OTHER = re.compile(COLUMNS + r"(\+\+\+|---|\?+\(|\[ Process |strace: |Process (?=\d))(.*)")
BEGUN = re.compile(COLUMNS + r"(?:[a-z_]\w*\(|<\.\.\. |\+\+\+|---|\?+\(|\[ Process |strace: |Process (?=\d)|> |\| )")
ENDS = re.compile(r"\) += +\S|<(?:unfinished|detached|pid changed to \d+) \.\.\.>\)?\s*$")
