"""Who asks. Every front-door verb that reads or writes a person's rows takes an Actor."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, or the one person of local mode."""

    id: str


LOCAL_ACTOR = Actor(id="usr_local")
