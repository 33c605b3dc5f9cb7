"""The data doctor's checks. They run in a child process, `python -m studio.checks FOLDER`, never in the website.

A check is one file under `rules/`, which nothing else names.
"""

# Changes when a rule changes, so that what was found by the old one is not taken for the new one's.
RULES_VERSION = 2
FINDINGS_FOLDER = "findings"

__all__ = ["FINDINGS_FOLDER", "RULES_VERSION"]
