"""Facts of licences, read from licenses.toml; a name that is not there is unknown, and nothing is guessed from it."""

import tomllib
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict

OWN_DATA = "Own data"


class LicenseFacts(BaseModel):
    """What a licence says; `asks` holds for whoever hands the result on, `consent` marks one that asks for more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    ids: tuple[str, ...] = ()
    link: str = ""
    acceptable_use: str = ""
    commercial: Literal["yes", "no", "conditions"]
    monthly_users: int | None = None
    built_with: str = ""
    name_begins_with: str = ""
    share_alike: bool = False
    own: bool = False
    consent: bool = False
    asks: tuple[str, ...] = ()

    @property
    def hub_id(self) -> str:
        """The name by which model cards know it; empty where they do not."""
        return self.ids[0] if self.ids else ""


def _read() -> tuple[LicenseFacts, ...]:
    text = resources.files("studio.licenses").joinpath("licenses.toml").read_text(encoding="utf-8")
    return tuple(LicenseFacts(**entry) for entry in tomllib.loads(text)["license"])


LICENSES = _read()
# What an owner says of data; the licences of models come with data that was made by them, and then its card says so.
FOR_DATA = tuple(sorted((facts for facts in LICENSES if not facts.consent), key=lambda facts: not facts.own))
_BY_NAME = {known.casefold(): facts for facts in LICENSES for known in (facts.name, facts.title, *facts.ids)}


def find_license(name: str) -> LicenseFacts | None:
    """The facts of a licence by its name, its title or the name that hubs give it; None for every other."""
    return _BY_NAME.get(" ".join(name.split()).casefold())
