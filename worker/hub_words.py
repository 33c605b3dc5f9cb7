"""Sentences for what the Hub's library raises; its own words go to a log."""

import errno
from typing import Literal

from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

Noun = Literal["model", "dataset"]


def is_disk_full(error: Exception) -> bool:
    """Whether it is about the disk."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def sentence(error: Exception, noun: Noun, name: str, revision: str | None, place: str) -> str:
    """What went wrong with a model or dataset of this name on the Hub at `place`, and what to do."""
    if is_disk_full(error):
        return f"The disk became full while {name} was fetched. Free some space, then {_AGAIN[noun]}."
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, GatedRepoError) or status == 403:
        return (
            f"{name} is gated. Accept the licence on the {noun}'s page, put a token of the same account into a file, "
            "name that file in TUNEWRIGHT_HUB_TOKEN_FILE and start the worker again."
        )
    if isinstance(error, RevisionNotFoundError):
        return f"{name} has no revision {revision!r}; check it on the {noun}'s page."
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"There is no {noun} {name} on {place}, or it is private. Check the id; for a private {noun} name a file "
            "with a token in TUNEWRIGHT_HUB_TOKEN_FILE."
        )
    if status == 401:
        return f"{place} refused the token in TUNEWRIGHT_HUB_TOKEN_FILE; make a new one."
    if status is not None and (status != 404 or noun == "dataset"):
        return f"{place} answered {status} when {name} was asked for; {_AGAIN[noun]} later."
    return _UNREACHABLE[noun].format(name=name, place=place)


_AGAIN: dict[Noun, str] = {"model": "run again", "dataset": "try it again"}
_UNREACHABLE: dict[Noun, str] = {
    "model": (
        "{place} cannot be reached, and {name} has not been fetched before. Check the network of the worker, then "
        "run again; what has arrived is kept."
    ),
    "dataset": "{place} cannot be reached, so {name} was not fetched. Check the network of the worker, then try again.",
}
