"""What is said of a dataset's licence: by its owner first, else by its card on the Hub."""

import pytest

from studio import datasets
from studio.actors import LOCAL_ACTOR
from studio.datasets import DatasetVersion
from studio.db import SessionFactory, transaction
from studio.errors import InvalidInput

SOURCE = {"repository": "acme/tickets", "subset": "default", "split": "train", "commit": "a" * 40, "licence": "mit"}


@pytest.mark.parametrize(
    ("said", "kept"),
    [("cc-by-4.0", "CC-BY-4.0"), ("  Acme   terms 2 ", "Acme terms 2"), ("My own data", "Own data"), ("", "")],
)
def test_the_owner_names_a_known_licence_or_another(
    session_factory: SessionFactory, version: DatasetVersion, said: str, kept: str
) -> None:
    with transaction(session_factory) as session:
        datasets.set_license(session, LOCAL_ACTOR, version.dataset_id, said)

    with transaction(session_factory) as session:
        found = datasets.get_version(session, LOCAL_ACTOR, version.id)
        assert datasets.license_of(found) == datasets.SaidLicense(kept, from_hub=False, by_owner=bool(kept))


@pytest.mark.parametrize("name", ["x" * 81, "mit\u202e", "a\x00b"])
def test_a_name_that_cannot_be_shown_is_refused(
    session_factory: SessionFactory, version: DatasetVersion, name: str
) -> None:
    with transaction(session_factory) as session, pytest.raises(InvalidInput) as refusal:
        datasets.set_license(session, LOCAL_ACTOR, version.dataset_id, name)

    assert refusal.value.fields["license"].startswith("Name the licence in at most 80 characters")


def test_the_word_of_the_owner_outweighs_that_of_the_card(
    session_factory: SessionFactory, version: DatasetVersion
) -> None:
    with transaction(session_factory) as session:
        found = datasets.get_version(session, LOCAL_ACTOR, version.id)
        found.facts = {"source": SOURCE}
        on_card = datasets.license_of(found)
        datasets.set_license(session, LOCAL_ACTOR, version.dataset_id, "CC0-1.0")
        own = datasets.license_of(found)
        papers = datasets.croissant(found.dataset, found)
        found.facts = {"source": SOURCE | {"licence": "a\nb" + "c" * 99}}
        found.dataset.license = ""
        odd = datasets.license_of(found)

    assert on_card == datasets.SaidLicense("mit", from_hub=True, by_owner=False)
    assert own == datasets.SaidLicense("CC0-1.0", from_hub=True, by_owner=True)
    assert papers["license"] == "CC0-1.0"
    assert odd.license == "a b" + "c" * 76 + "…"
