"""The data doctor's checks. They run in a child process, `python -m studio.checks FOLDER`, never in the website.

A check is one file under `rules/`, which nothing else names.
"""

# Changes when a rule changes, so that what was found by the old one is not taken for the new one's.
RULES_VERSION = 2
FINDINGS_FOLDER = "findings"
# More would fill a disk and nobody would read them; the count stays exact.
FINDINGS_KEPT = 1_000_000

__all__ = ["FINDINGS_FOLDER", "FINDINGS_KEPT", "RULES_VERSION"]
