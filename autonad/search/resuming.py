"""Going on with a search where its journal ends."""

from __future__ import annotations

from autonad.errors import SearchError, StorageError
from autonad.search.ask_tell import AskTell
from autonad.search.state import merged
from autonad.storage.journal import Journal, changed_since


def resume_from(search: AskTell, journal: Journal, inputs: dict[str, str], *, restart: bool) -> bool:
    """Put a search back to where its journal ends.

    Args:
        search: The search, as it begins.
        journal: Its first entry names the inputs, the others are the search's.
        inputs: Sha256 of what the search works with, by name.
        restart: Whether a journal of something else, or one that cannot be read, is passed over.

    Returns:
        Whether there was something to go on with: also not where a search under other limits has ended.

    Raises:
        SearchError: The journal is of another search, unless `restart`.
        StorageError: It cannot be read, unless `restart`.
    """
    if not journal.path.is_file():
        return False
    try:
        first, *entries = journal.read("the search's journal") or [{}]
        changed = changed_since(first.get("inputs"), inputs)
        if changed:
            raise SearchError(
                f"the search in {journal.path.parent} was begun with another {' and '.join(changed)}; give "
                "--replace to start over, or choose another --output"
            )
        if not entries:
            return False
        state = merged(entries)
        if search.follows(state):
            return False
        search.load_state_dict(state)
    except (SearchError, StorageError):
        if restart:
            return False
        raise
    return True


def known_scores(search: AskTell, journal: Journal, inputs: dict[str, str]) -> dict[str, float]:
    """What a journal's search has scored and another one need not: mIoU by architecture key.

    Args:
        search: The other one; it says at which size pixels are counted.
        journal: See `resume_from`; nothing is known by one that is missing, unreadable or of other inputs.
        inputs: Sha256 of what the search works with, by name.
    """
    try:
        first, *entries = journal.read("the search's journal") or [{}]
        state = merged(entries)
        if changed_since(first.get("inputs"), inputs) or not search.scores_as(state):
            return {}
        told = (one for one in state["candidates"] if one["miou"] is not None)
        return {str(one["key"]): float(one["miou"]) for one in told}
    except (SearchError, StorageError, KeyError, TypeError, ValueError):
        return {}
