"""What licences ask of a use, who must accept it, and what is never guessed."""

import pytest

from studio.base_models import curated, get_base_model
from studio.budget.licensing import DISCLAIMER, DataLicense, card_license, refuse_unaccepted, statement_of
from studio.errors import InvalidInput
from studio.licenses import FOR_DATA, LICENSES, find_license
from studio.runs.spec_limits import IntendedUse, LicenseUse

DEMO = get_base_model("demo", None)
LLAMA = get_base_model("meta-llama/Llama-3.2-1B-Instruct", None)
GEMMA = get_base_model("google/gemma-3-270m-it", None)
STRANGER = get_base_model("acme/nameless-1b", None)
OWN = DataLicense("Tickets", "Own data")
USES: tuple[IntendedUse, ...] = ("private", "research", "internal", "product")


def test_the_licence_of_every_curated_base_model_is_known() -> None:
    assert [facts.id for facts in curated() if find_license(facts.license) is None] == []


def test_every_licence_has_its_link_and_is_found_by_each_of_its_names() -> None:
    names = [name.casefold() for facts in LICENSES for name in (facts.name, *facts.ids)]

    assert all(facts.link.startswith("https://") or facts.own for facts in LICENSES)
    assert all(find_license(name.upper()) is facts for facts in LICENSES for name in (facts.name, *facts.ids))
    assert len(set(names)) >= len(LICENSES)
    assert FOR_DATA[0].own and not any(facts.consent for facts in FOR_DATA)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("data", ["Own data", "cc0-1.0", "CC-BY-4.0", "MIT", "apache-2.0", "odc-by"])
def test_nothing_has_to_be_accepted_where_all_is_permissive(use: IntendedUse, data: str) -> None:
    statement = statement_of(DEMO, [DataLicense("Tickets", data)], use)

    assert not statement.needs_acceptance
    assert statement.warnings == ()
    assert card_license(statement.text) == "apache-2.0"
    refuse_unaccepted(statement, LicenseUse(intended_use=use))


def test_a_llama_is_to_be_named_after_and_its_users_are_counted() -> None:
    statement = statement_of(LLAMA, [OWN], "product")

    assert statement.needs_acceptance
    assert "more than 700 million monthly users" in statement.text
    assert 'show "Built with Llama"' in statement.text
    assert 'a name that begins with "Llama"' in statement.text
    assert "https://www.llama.com/llama3_2/use-policy/" in statement.text
    assert "only to those who have accepted the terms" in statement.text
    assert card_license(statement.text) == "llama3.2"
    assert statement.text.endswith(DISCLAIMER)


def test_gemma_asks_to_bind_others() -> None:
    statement = statement_of(GEMMA, [OWN], "internal")

    assert statement.needs_acceptance
    assert "bind those who use the result to their use restrictions" in statement.text
    assert "Before you hand the result on" in statement.text


@pytest.mark.parametrize("use", USES)
def test_an_unknown_base_model_is_told_and_never_guessed(use: IntendedUse) -> None:
    statement = statement_of(STRANGER, [OWN], use)

    assert statement.needs_acceptance
    assert "Base model nameless-1b: not known" in statement.text
    assert "it is not guessed" in statement.text
    assert card_license(statement.text) is None
    assert bool(statement.warnings) == (use == "product")


@pytest.mark.parametrize("use", USES)
def test_an_upload_without_a_word_stops_only_a_product(use: IntendedUse) -> None:
    statement = statement_of(DEMO, [DataLicense("Tickets")], use)

    assert statement.needs_acceptance == (use == "product")
    assert "Dataset Tickets: not said" in statement.text
    assert card_license(statement.text) is None


@pytest.mark.parametrize("name", ["", "acme-1"])
def test_rows_of_the_hub_whose_licence_is_not_known_have_to_be_accepted(name: str) -> None:
    statement = statement_of(DEMO, [DataLicense("Tickets", name, from_hub=True)], "private")

    assert statement.needs_acceptance
    assert f"Dataset Tickets: {name or 'not known'}" in statement.text


def test_data_that_forbids_commerce_stands_against_a_product() -> None:
    for use, words in {"product": "does not allow commercial use", "internal": "may count as commercial"}.items():
        statement = statement_of(DEMO, [OWN, DataLicense("Essays", "cc-by-nc-4.0")], use)  # type: ignore[arg-type]

        assert statement.needs_acceptance
        assert len(statement.warnings) == 1
        assert words in statement.warnings[0] and "dataset Essays" in statement.warnings[0]
        assert card_license(statement.text) is None
    assert statement_of(DEMO, [DataLicense("Essays", "CC-BY-NC-4.0")], "research").warnings == ()


def test_data_to_be_shared_alike_is_told() -> None:
    statement = statement_of(DEMO, [DataLicense("Essays", "cc-by-sa-4.0")], "private")

    assert statement.needs_acceptance
    assert "under the same licence" in statement.warnings[0]


def test_what_is_not_accepted_is_refused_at_the_box() -> None:
    statement = statement_of(LLAMA, [OWN], "private")

    with pytest.raises(InvalidInput) as refusal:
        refuse_unaccepted(statement, LicenseUse(intended_use="private"))

    assert "tick that you accept it" in refusal.value.fields["license.accepted"]
    refuse_unaccepted(statement, LicenseUse(intended_use="private", accepted=True))


def test_the_key_changes_with_what_is_asked() -> None:
    keys = {statement_of(base, [OWN], use).key for base in (DEMO, LLAMA, GEMMA) for use in USES}

    assert len(keys) == 3 * len(USES)
    assert statement_of(LLAMA, [OWN], "private").key == statement_of(LLAMA, [OWN], "private").key
