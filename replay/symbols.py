"""Symbols of the synthetic market: what they cost and how lively they are.

The figures are orders of magnitude of the real pairs, so that ticks, lots and prices look right.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

import click


class Listing(NamedTuple):
    """Price and order size to start from, smallest steps of both, and taker orders a second."""

    price: str
    tick: str
    lot: str
    order: str
    orders_per_second: float


LISTINGS = {
    "SOLUSDT": Listing("186.52", "0.01", "0.001", "2.4", 6.0),
    "SUIUSDT": Listing("2.4871", "0.0001", "0.1", "140", 3.0),
    "ADAUSDT": Listing("0.6512", "0.0001", "0.1", "420", 2.0),
    "BTCUSDT": Listing("108412.55", "0.01", "0.00001", "0.012", 12.0),
    "ETHUSDT": Listing("3921.18", "0.01", "0.0001", "0.25", 9.0),
    "BNBUSDT": Listing("1092.41", "0.01", "0.001", "0.4", 3.0),
    "XRPUSDT": Listing("2.4418", "0.0001", "0.1", "260", 3.0),
    "DOGEUSDT": Listing("0.19842", "0.00001", "1", "1900", 3.0),
    "TRXUSDT": Listing("0.3214", "0.0001", "0.1", "800", 1.0),
    "AVAXUSDT": Listing("20.14", "0.01", "0.01", "14", 1.0),
    "LINKUSDT": Listing("17.62", "0.01", "0.01", "16", 1.0),
    "DOTUSDT": Listing("3.061", "0.001", "0.01", "70", 0.5),
    "LTCUSDT": Listing("93.47", "0.01", "0.001", "2.1", 0.5),
    "BCHUSDT": Listing("478.9", "0.1", "0.001", "0.5", 0.3),
    "NEARUSDT": Listing("2.287", "0.001", "0.1", "90", 0.5),
    "UNIUSDT": Listing("6.283", "0.001", "0.01", "30", 0.3),
    "APTUSDT": Listing("3.291", "0.001", "0.01", "45", 0.2),
    "AAVEUSDT": Listing("229.83", "0.01", "0.001", "0.6", 0.1),
    "XLMUSDT": Listing("0.3173", "0.0001", "1", "600", 0.05),
}


def unknown_symbol(
    symbol: str, known: Iterable[str], where: str, option: str = "--symbols"
) -> click.ClickException:
    """The refusal of a symbol that is not there, with the names that were probably meant."""
    known = sorted(known)
    meant = get_close_matches(symbol.upper(), known, n=3) or known[:8]
    return click.ClickException(
        f"{option}: {symbol} is not in {where}; did you mean {', '.join(meant)}?"
    )
