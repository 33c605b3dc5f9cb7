"""Datasets: files that people upload, checked and kept as immutable versions of canonical rows."""

from studio.checks import FINDINGS_KEPT
from studio.comparing import DIFF_KINDS, DiffKind
from studio.datasets.arrivals import (
    ArrivalSight,
    cancel_import,
    forget_arrival,
    forget_old_arrivals,
    get_arrival,
    go_on,
    keep_upload,
    list_arrivals,
    take_upload,
)
from studio.datasets.arrived import arrival_of, import_request, keep_import
from studio.datasets.blockers import Blocker, launch_blockers
from studio.datasets.card import croissant, dataset_card, file_stem
from studio.datasets.catalogue import (
    delete_dataset,
    get_dataset,
    get_version,
    list_datasets,
    pick_version,
    rename_dataset,
)
from studio.datasets.checking import MappingNeeded, RowsRefused
from studio.datasets.checkups import (
    FoundRow,
    ask_checkup,
    checkup_key,
    checkup_of,
    findings_folder,
    found_by_checks,
    healths,
    keep_findings,
    read_findings,
)
from studio.datasets.diff import (
    Difference,
    DifferentRow,
    ask_difference,
    compare,
    difference_chore,
    difference_request,
    keep_difference,
    read_difference,
)
from studio.datasets.edits import check_edit
from studio.datasets.hub import HubSource, ask_hub
from studio.datasets.importing import import_upload
from studio.datasets.keys import is_named
from studio.datasets.licensing import LICENSE_CHARACTERS, SaidLicense, license_of, set_license
from studio.datasets.mapping import MappedRow, guess_mapping, map_samples, read_samples
from studio.datasets.models import Arrival, Dataset, DatasetVersion, offsets_key, rows_key
from studio.datasets.own_test import added_test, datasets_to_test_with, tests_with
from studio.datasets.reading import (
    NumberedRow,
    read_places,
    read_rows,
    split_of,
    version_split_codes,
    version_split_sizes,
)
from studio.datasets.rebuilding import make_files_again, offsets_fit
from studio.datasets.receiving import ReceivedUpload, Receiver, discard_leftovers
from studio.datasets.recipe import Recipe, RecipeField, RecipeStep, read_recipe, sentences, write_recipe
from studio.datasets.resplitting import ask_split, fields_of, get_splitting, publish_split
from studio.datasets.searching import LONGEST_TEXT as LONGEST_SEARCH
from studio.datasets.searching import FoundRows, search_rows
from studio.datasets.split_plan import SplitRows
from studio.datasets.splits import SPLIT_NAMES, Split, SplitName, codes_key, split_rows, split_sizes
from studio.datasets.token_truth import (
    LONGEST_ALLOWED,
    Bar,
    LongRow,
    Profile,
    Truth,
    ask_profile,
    keep_profile,
    last_profile,
    profile_key,
    profile_of,
    smallest_for,
)
from studio.datasets.token_view import Token, TokenView, read_tokens
from studio.datasets.versions import (
    ChangedRow,
    ask_mending,
    get_mending,
    keep_changes,
    publish_mended,
    read_changes,
    use_again,
)
from studio.formats import EXTENSIONS, TARGETS, ImportLimits
from studio.mending import CHANGES_KEPT

__all__ = [
    "CHANGES_KEPT",
    "DIFF_KINDS",
    "EXTENSIONS",
    "FINDINGS_KEPT",
    "LICENSE_CHARACTERS",
    "LONGEST_ALLOWED",
    "LONGEST_SEARCH",
    "SPLIT_NAMES",
    "TARGETS",
    "Arrival",
    "ArrivalSight",
    "Bar",
    "Blocker",
    "ChangedRow",
    "Dataset",
    "DatasetVersion",
    "DiffKind",
    "Difference",
    "DifferentRow",
    "FoundRow",
    "FoundRows",
    "HubSource",
    "ImportLimits",
    "LongRow",
    "MappedRow",
    "MappingNeeded",
    "NumberedRow",
    "Profile",
    "ReceivedUpload",
    "Receiver",
    "Recipe",
    "RecipeField",
    "RecipeStep",
    "RowsRefused",
    "SaidLicense",
    "Split",
    "SplitName",
    "SplitRows",
    "Token",
    "TokenView",
    "Truth",
    "added_test",
    "arrival_of",
    "ask_checkup",
    "ask_difference",
    "ask_hub",
    "ask_mending",
    "ask_profile",
    "ask_split",
    "cancel_import",
    "check_edit",
    "checkup_key",
    "checkup_of",
    "codes_key",
    "compare",
    "croissant",
    "dataset_card",
    "datasets_to_test_with",
    "delete_dataset",
    "difference_chore",
    "difference_request",
    "discard_leftovers",
    "fields_of",
    "file_stem",
    "findings_folder",
    "forget_arrival",
    "forget_old_arrivals",
    "found_by_checks",
    "get_arrival",
    "get_dataset",
    "get_mending",
    "get_splitting",
    "get_version",
    "go_on",
    "guess_mapping",
    "healths",
    "import_request",
    "import_upload",
    "is_named",
    "keep_changes",
    "keep_difference",
    "keep_findings",
    "keep_import",
    "keep_profile",
    "keep_upload",
    "last_profile",
    "launch_blockers",
    "license_of",
    "list_arrivals",
    "list_datasets",
    "make_files_again",
    "map_samples",
    "offsets_fit",
    "offsets_key",
    "pick_version",
    "profile_key",
    "profile_of",
    "publish_mended",
    "publish_split",
    "read_changes",
    "read_difference",
    "read_findings",
    "read_places",
    "read_recipe",
    "read_rows",
    "read_samples",
    "read_tokens",
    "rename_dataset",
    "rows_key",
    "search_rows",
    "sentences",
    "set_license",
    "smallest_for",
    "split_of",
    "split_rows",
    "split_sizes",
    "take_upload",
    "tests_with",
    "use_again",
    "version_split_codes",
    "version_split_sizes",
    "write_recipe",
]
