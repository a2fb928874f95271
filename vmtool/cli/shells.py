"""Completion in bash, where click's own script would not do: names of files are anybody's.

Click puts a word on the line as it is, so a file called `$(reboot)` would be run by the Enter that follows; its script also expands
patterns in what it got. Here a word is quoted for the shell, and read as it is. zsh and fish quote by themselves.
"""

from __future__ import annotations

import re

from click.shell_completion import BashComplete, add_completion_class

_SOURCE = """\
%(complete_func)s() {
    local IFS=$' \\t\\n' type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain)
                COMPREPLY+=("$value")
                [[ $value == */ ]] && compopt -o nospace
                ;;
        esac
    done < <(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD %(complete_var)s=bash_complete "$1")
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    source_template = _SOURCE

    def format_completion(self, item):
        return f"{item.type},{quoted(item.value)}"


def quoted(word: str) -> str:
    """A word as one types it, so that the shell takes it for one word and nothing else."""
    return re.sub(r"([^\w@%+=:,./-])", r"\\\1", word)


def register() -> None:
    add_completion_class(Bash)
