"""exchangeInfo: the symbols of an exchange with their steps, and its limits."""

import json
import re

from replay.questions import BadRequest, Question, illegal

QUOTE_ASSETS = ("USDT", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR", "TRY")


def names(question: Question, symbols: dict[str, tuple[str, str]]) -> list[str]:
    """The symbols that are asked for, all when none is named. BadRequest for one that is none."""
    if "symbol" in question and "symbols" in question:
        raise BadRequest(-1128, "Combination of optional parameters invalid.")
    if "symbol" in question:
        key, asked = "symbol", [question.text("symbol")]
    elif "symbols" in question:
        key, asked = "symbols", _listed(question.text("symbols"))
    else:
        return list(symbols)
    if not all(isinstance(name, str) and re.fullmatch(r"[^\sa-z]{1,20}", name) for name in asked):
        raise illegal(key)
    if not all(name in symbols for name in asked):
        raise BadRequest(-1121, "Invalid symbol.")
    return asked


def _listed(value: str) -> list:
    try:
        asked = json.loads(value)
    except ValueError:
        asked = None
    if not isinstance(asked, list):
        raise illegal("symbols")
    return asked


def listing(symbol: str, tick: str, lot: str) -> dict:
    """One entry of exchangeInfo. `tick` and `lot`: the smallest steps of price and quantity."""
    quote = next((asset for asset in QUOTE_ASSETS if symbol.endswith(asset)), "")
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": symbol.removesuffix(quote),
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "isSpotTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": tick},
            {"filterType": "LOT_SIZE", "stepSize": lot},
        ],
    }


def weight_limits(weight: int, raw: int | None = None) -> list[dict]:
    """`rateLimits`: weight a minute, and calls in five minutes."""
    limits = [_limit("REQUEST_WEIGHT", 1, weight)]
    return limits if raw is None else [*limits, _limit("RAW_REQUESTS", 5, raw)]


def _limit(kind: str, minutes: int, limit: int) -> dict:
    return {"rateLimitType": kind, "interval": "MINUTE", "intervalNum": minutes, "limit": limit}
