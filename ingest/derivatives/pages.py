"""What an answer of the futures exchange must be before it is kept.

    {"symbol":"BTCUSDT","fundingTime":1760947200000,"fundingRate":"0.00010000","markPrice":"…"}
    {"symbol":"BTCUSDT","sumOpenInterest":"2.5","sumOpenInterestValue":"9.1","timestamp":1760947200000}

https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data
Other fields may come and go.
"""

import re
from itertools import pairwise

DECIMAL = re.compile(r"[+-]?\d{1,20}(?:\.\d{1,20})?")


def times_of(body: object, field: str) -> list[int]:
    """The times of an answer's rows in ms, which older ones give as text; ValueError with what is
    wrong with them.

    >>> times_of([{"timestamp": 5}, {"timestamp": "7"}], "timestamp")
    [5, 7]
    """
    if not isinstance(body, list):
        raise ValueError("it is no list")
    try:
        return [int(row[field]) for row in body]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"not every row has its {field}") from None


def flaw(body: list, times: list[int], request: dict, numbers: tuple[str, ...]) -> str | None:
    """Why rows cannot be what was asked for, None when they can.

    `times`: of the rows, in ms; `numbers`: the fields that hold decimals as text.
    """
    if len(body) > request["limit"]:
        return f"it has {len(body):,} rows, asked for were {request['limit']:,} at most"
    if any(not request["startTime"] <= time <= request["endTime"] for time in times):
        return "it has rows of another time"
    if any(after < before for before, after in pairwise(times)):
        return "its rows are out of order"
    for row in body:
        if row.get("symbol") != request["symbol"]:
            return f"it has rows of {row.get('symbol')!r}"
        for field in numbers:
            if not isinstance(row.get(field), str) or not DECIMAL.fullmatch(row[field]):
                return f"its {field} is no number: {row.get(field)!r}"
    return None
