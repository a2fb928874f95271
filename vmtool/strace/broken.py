r"""Calls that do not end on their line: what another writer put into them is taken out, and the parts are joined.

What is modelled: a log on a terminal shares it with the program, its children and strace's own messages. strace writes a call when it
begins and the rest when it ends; whatever is written between stands in the middle of the line, or on lines of its own:
    write(1, "Hello\n", 6Hello                read(0, hello                 vfork(Process 201 attached
    )           = 6                           "hello\n", 1024) = 6          )                   = 201
A mail program or a terminal breaks long lines where it likes. The parts are put together as they are when that is a call, else without what
does not belong to it: the longest row of sound arguments from the first part, and the end of the last.
Simplified: a digit that the program wrote right behind a number counts as part of it.
Invariant: a call that was joined has sound arguments and an answer.
"""

import re

_STRING = r'@?"(?:[^"\\]|\\.)*"(?:\.\.\.)?'
_NUMBER = r"-?(?:0x[0-9a-f]+|\d+)"
_WORD = rf"(?:{_NUMBER}(?!\w)|[A-Z_][A-Za-z0-9_]*(?:\([^()]*\))?)"
_PATH = r"<.*?>(?=(?:\(deleted\))?(?:[,)\]}]|$))(?:\(deleted\))?"
_NOTE = r"(?: /\*[^*]*\*/)?"
_ARGUMENT = re.compile(rf"(?:[a-z_]\w*=)?(?:{_STRING}|\.\.\.|{_WORD}(?:(?:\||\*|<<|\+){_WORD})*{_NOTE}(?:{_PATH})?){_NOTE}", re.DOTALL)
_BEGUN = re.compile(rf"{_NUMBER}|NULL")
_GROUP = re.compile(r"(?:[a-z_]\w*=)?[~&]?[\[{]")
_GROUP_PART = re.compile(rf"{_STRING}|[\[{{]|[\]}}]|[^\"\[\]{{}}]+", re.DOTALL)
_COMMENT = re.compile(r" /\*[^*]*\*/")
_ANSWER = re.compile(r"\) += +(?:\?|-?\d+|0x[0-9a-f]+)")
_NO_ANSWER = re.compile(r",? *<(?:unfinished|detached|pid changed to \d+) \.\.\.>\)?\s*$")

MOST_PARTS = 8  # of a wrapped line


def arguments_end(text: str) -> tuple[int, bool]:
    """(where the sound arguments from the start of `text` end, whether the `)` of the call stands there)."""
    if text[:1] == ")":
        return 0, True
    end = at = 0
    while True:
        stop = _argument_end(text, at)
        if stop < 0:
            begun = _BEGUN.match(text, at)
            return (begun.end() if begun else end), False
        end = stop
        if text.startswith(" => ", end):
            at = end + 4  # a structure that the kernel filled in
        elif text.startswith(", ", end):
            at = end + 2
        else:
            return end, text.startswith(")", end)


def _argument_end(text: str, at: int) -> int:
    """Behind the argument that begins at `at`; -1: none does."""
    if _GROUP.match(text, at) is None:
        found = _ARGUMENT.match(text, at)
        return found.end() if found else -1
    depth = 0
    for part in _GROUP_PART.finditer(text, at):
        if part[0] in ("[", "{"):
            depth += 1
        elif part[0] in ("]", "}"):
            depth -= 1
            if depth == 0:
                comment = _COMMENT.match(text, part.end())
                return comment.end() if comment else part.end()
    return -1


def is_whole(text: str) -> bool:
    """Whether all after `name(` is sound: arguments, and an answer or the words that stand for one."""
    end, is_closed = arguments_end(text)
    if is_closed:
        return _ANSWER.match(text, end) is not None
    return _NO_ANSWER.match(text, end) is not None


def tidied(text: str) -> str | None:
    """A call without what stands between its arguments and its answer; None: it has none."""
    return _patched(text, text)


def joined(head: str, parts: list[str]) -> str | None:
    """The call whose first part is `head` (all after `name(`), with what it lacks from the lines that followed; None: that is to come."""
    last = parts[-1]
    if head.rstrip()[-1:] in (",", "|"):  # a mail that flows has a space there
        head = head.rstrip()
    for middle in (parts, parts[-1:]):
        for glue in (" ", "") if head[-1:] in (",", "|") else ("", " "):
            text = glue.join([head, *middle])
            if is_whole(text):
                return text
    sound = head[: arguments_end(head)[0]]
    for text in (f"{sound}, {last}", sound + last):
        if is_whole(text):
            return text
    return _patched(head, last)


def _patched(head: str, last: str) -> str | None:
    """The sound arguments of the one, the answer of the other."""
    tail = ""
    for found in _ANSWER.finditer(last):
        tail = last[found.start() :]
    if not tail:
        none = _NO_ANSWER.search(last)
        if none is None:
            return None
        tail = none[0]
    return head[: arguments_end(head)[0]] + tail
