"""Licences: what those of base models and of data say, as far as it is sure. Pure; no legal advice."""

from studio.licenses.facts import FOR_DATA, LICENSES, OWN_DATA, LicenseFacts, find_license

__all__ = ["FOR_DATA", "LICENSES", "OWN_DATA", "LicenseFacts", "find_license"]
