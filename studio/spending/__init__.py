"""Spending: the price table, what finished runs teach the estimates, and what was spent."""

from studio.spending.launching import launch
from studio.spending.licenses import accept_licenses, license_statement
from studio.spending.measurements import measured_on, remember
from studio.spending.models import Price
from studio.spending.prices import PricedHardware, list_prices, price_of, remove_price, set_price
from studio.spending.quotes import Fitting, MethodOffer, Quote, Refusal
from studio.spending.quoting import find_device, quote
from studio.spending.raising import raise_cap
from studio.spending.stints import (
    LINE_COLUMNS,
    By,
    Total,
    last_price,
    launches,
    lines,
    spent,
    spent_before,
    spent_by_run,
    totals,
)
from studio.spending.trying import launch_full

__all__ = [
    "LINE_COLUMNS",
    "By",
    "Fitting",
    "MethodOffer",
    "Price",
    "PricedHardware",
    "Quote",
    "Refusal",
    "Total",
    "accept_licenses",
    "find_device",
    "last_price",
    "launch",
    "launch_full",
    "launches",
    "license_statement",
    "lines",
    "list_prices",
    "measured_on",
    "price_of",
    "quote",
    "raise_cap",
    "remember",
    "remove_price",
    "set_price",
    "spent",
    "spent_before",
    "spent_by_run",
    "totals",
]
