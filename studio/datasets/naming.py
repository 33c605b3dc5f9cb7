"""Names of datasets: what a person types, or what the file was called."""

from studio.errors import InvalidInput
from studio.formats import EXTENSIONS, shown

NAME_CHARACTERS = 200


def dataset_name(text: str) -> str:
    """Return a clean name; raises InvalidInput."""
    name = " ".join(text.split())
    if not name:
        raise _refused("Give the dataset a name.")
    if len(name) > NAME_CHARACTERS:
        raise _refused(f"The name has {len(name)} characters; {NAME_CHARACTERS} are allowed.")
    if shown(name, NAME_CHARACTERS) != name:
        raise _refused("The name holds a character that cannot be shown; remove it.")
    return name


def name_from_file(file_name: str) -> str:
    """Call a dataset as its file, without the endings."""
    stem = file_name[:-3] if file_name.lower().endswith(".gz") else file_name
    ending = next((known for known in EXTENSIONS if stem.lower().endswith(known)), "")
    return (stem[: len(stem) - len(ending)].strip() or file_name)[:NAME_CHARACTERS]


def _refused(sentence: str) -> InvalidInput:
    return InvalidInput(sentence, fields={"name": sentence})
