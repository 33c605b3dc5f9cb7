"""The licence of a dataset: what its owner says of it, else what its card on the Hub says."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from studio.actors import Actor
from studio.datasets.catalogue import get_dataset
from studio.datasets.models import Dataset, DatasetVersion
from studio.errors import InvalidInput
from studio.formats import shown
from studio.licenses import find_license

LICENSE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class SaidLicense:
    """The licence of a version's rows; `license` is empty when nobody said it, `from_hub` when the rows are from there.

    `by_owner` tells that the owner's word counts, and not that of the card on the Hub.
    """

    license: str
    from_hub: bool
    by_owner: bool


def license_of(version: DatasetVersion) -> SaidLicense:
    """What is said of the rows of a version."""
    source = version.facts.get("source")
    own = version.dataset.license
    on_card = (source.get("licence") or "") if source else ""
    # What a card says may be anything, and it comes to stand in statements line by line.
    said = own or shown(" ".join(str(on_card).split()), LICENSE_CHARACTERS)
    return SaidLicense(said, from_hub=source is not None, by_owner=bool(own))


def set_license(session: Session, actor: Actor, dataset_id: str, license_name: str) -> Dataset:
    """Keep what its owner says of it, by its own name where it is known; empty takes it back.

    Raises NotFound and InvalidInput.
    """
    dataset = get_dataset(session, actor, dataset_id)
    dataset.license = _clean(license_name)
    session.flush()
    return dataset


def _clean(text: str) -> str:
    name = " ".join(text.split())
    facts = find_license(name)
    if facts is not None:
        return facts.name
    if len(name) > LICENSE_CHARACTERS or shown(name, LICENSE_CHARACTERS) != name:
        sentence = f"Name the licence in at most {LICENSE_CHARACTERS} characters that can be shown, such as CC-BY-4.0."
        raise InvalidInput(sentence, fields={"license": sentence})
    return name
