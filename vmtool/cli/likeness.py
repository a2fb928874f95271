"""What a word that is none of those that there are was meant to be."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """` (did you mean …?)` when some of the words are like the one that is none of them."""
    from difflib import get_close_matches
    like = get_close_matches(word, list(words), n=3, cutoff=0.7)
    return f" (did you mean {' or '.join(like)}?)" if like else ""
