"""The reader without click: a command's words, by its declaration, become its parameters' values.

It serves `run`, where click's dispatch would cost more than the command, and a plain command line
before click is imported. Counterpart: getopt_long(3) as GNU programs use it, and click's parser,
with which it must agree (tests/cli/test_readers.py): options and arguments in any order, `--`
ends the options, `--name=value`, `-abc` for `-a -b -c`, `-oVALUE`; no abbreviations. Where an
argument may begin with `-`, a word that is no option is an argument.
"""

from __future__ import annotations

from vmtool.cli.kinds import converter
from vmtool.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from vmtool.cli.declare import Command, Param

WRONG = ""  # no parameter's name: what was wrong with options' values, by option
_CONVERTERS: dict[Any, Callable[[str], Any]] = {}  # kind -> function, filled on first use


def read(command: Command, words: Sequence[str]) -> dict[str, Any]:
    """The values of `words` (the command's own name not among them) by name. Raises UsageError."""
    options = command.options
    arguments = command.arguments
    values = command.defaults.copy()
    given: list[Param] = []
    nr_arguments = at = 0
    nr_words = len(words)
    while at < nr_words:
        word = words[at]
        at += 1
        if word[:1] == "-" and len(word) > 1:
            param = options.get(word)
            if param is not None:
                given.append(param)
                if param.kind is None:
                    _switch(param, values)
                elif at == nr_words:
                    raise UsageError(f"option {word} needs a value ({param.metavar})")
                else:
                    _store(param, words[at], values, word)
                    at += 1
                continue
            if word == "--":
                if command.rest is not None:
                    values[command.rest.name] = [convert(command.rest, w, "") for w in words[at:]]
                    break
                for word in words[at:]:
                    nr_arguments = _argument(arguments, nr_arguments, word, values)
                break
            taken = _unusual(command, word, words, at, values, given)
            if taken >= 0:
                at += taken
                continue
        if command.tail and nr_arguments == len(arguments) - 1:
            values[arguments[-1].name] = [convert(arguments[-1], w, arguments[-1].metavar) for w in words[at - 1:]]
            nr_arguments += 1
            break
        # The common case of _argument(), written out: this line runs for nearly every word of a script.
        if nr_arguments < len(arguments) and not arguments[nr_arguments].repeat:
            param = arguments[nr_arguments]
            nr_arguments += 1
            try:
                values[param.name] = _CONVERTERS[param.kind](word)
            except KeyError:
                values[param.name] = convert(param, word, param.metavar)
            except ValueError as wrong:
                raise UsageError(f"{param.metavar}: {wrong}") from None
        else:
            nr_arguments = _argument(arguments, nr_arguments, word, values)
    if WRONG in values:
        for wrong in values.pop(WRONG).values():
            raise wrong
    if nr_arguments < command.nr_required:
        raise UsageError(f"missing {arguments[nr_arguments].metavar}")
    if command.exclusive:
        check_exclusive(command, [*given, *arguments[:nr_arguments]])
    return values


def check_exclusive(command: Command, given: Sequence[Param]) -> None:
    """UsageError when two of the parameters given exclude each other."""
    for group in command.exclusive:
        found = [param for param in group if param in given]
        if len(found) > 1:
            first, second = ((param.flags or (param.metavar,))[-1] for param in found[:2])
            raise UsageError(f"{first} and {second} exclude each other")


def _argument(arguments, nr_arguments, word, values):
    """Bind one argument; the number bound so far. A repeated one, always the last, is counted once."""
    last = len(arguments) - 1
    if last >= 0 and arguments[last].repeat and nr_arguments >= last:
        param = arguments[last]
        values[param.name] = [*values[param.name], convert(param, word, param.metavar)]
        return last + 1
    if nr_arguments > last:
        raise UsageError(f"unexpected argument {word!r}")
    param = arguments[nr_arguments]
    values[param.name] = convert(param, word, param.metavar)
    return nr_arguments + 1


def _unusual(command, word, words, at, values, given):
    """`--name=value`, `-abc`, `-oVALUE`: how many further words it took; -1: the word is an argument."""
    if word[1] == "-":
        flag, equals, value = word.partition("=")
        param = command.options.get(flag) if equals else None
        if param is None:
            if command.may_dash:
                return -1
            from vmtool.cli.likeness import did_you_mean
            raise UsageError(f"no such option {flag}{did_you_mean(flag, command.options)}")
        if param.kind is None:
            raise UsageError(f"option {flag} takes no value")
        given.append(param)
        _store(param, value, values, flag)
        return 0
    if command.may_dash:
        return -1
    for i in range(1, len(word)):
        flag = "-" + word[i]
        param = command.options.get(flag)
        if param is None:
            raise UsageError(f"no such option {flag}")
        given.append(param)
        if param.kind is None:
            _switch(param, values)
        elif i + 1 < len(word):
            _store(param, word[i + 1:], values, flag)
            return 0
        elif at == len(words):
            raise UsageError(f"option {flag} needs a value ({param.metavar})")
        else:
            _store(param, words[at], values, flag)
            return 1
    return 0


def _switch(param, values):
    values[param.name] = values[param.name] + 1 if param.count else param.value


def _store(param, word, values, flag):
    """A wrong value of an option that is given again does not count: the last one does."""
    try:
        value = convert(param, word, flag)
    except UsageError as wrong:
        if param.repeat:
            raise
        values.setdefault(WRONG, {})[param.name] = wrong
        return
    values[param.name] = [*values[param.name], value] if param.repeat else value
    if WRONG in values:
        values[WRONG].pop(param.name, None)


def convert(param: Param, word: str, what: str) -> Any:
    """A word's value by its parameter's kind; `what` begins the message when it has none."""
    function = _CONVERTERS.get(param.kind)
    if function is None:
        function = _CONVERTERS[param.kind] = converter(param.kind)
    try:
        return function(word)
    except ValueError as wrong:
        raise UsageError(f"{what}: {wrong}" if what else str(wrong)) from None


def seconds(text: str) -> float:
    """The value of --wait. ValueError."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 366 * 86400:
        raise ValueError(f"{text!r} is not a number of seconds")
    return value
