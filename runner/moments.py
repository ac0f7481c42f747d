"""Days and times in UTC: as text, as counts since 1970, and on the command line."""

import re
from datetime import UTC, date, datetime, timedelta

import click

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_US = 86_400_000_000
HOURS_A_DAY = 24
SECOND_US = 1_000_000
# How long a bar is.
WIDTHS_US = {
    "1s": SECOND_US,
    "1m": 60 * SECOND_US,
    "5m": 300 * SECOND_US,
    "15m": 900 * SECOND_US,
    "1h": 3600 * SECOND_US,
    "1d": DAY_US,
}


class Moment(click.ParamType):
    """An option's value such as 2025-10-20 or 2025-10-20T12:00:00Z, as microseconds since 1970."""

    name = "TIME"

    def convert(self, value, param, ctx) -> int:
        try:
            return microseconds(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write 2025-10-20 or 2025-10-20T12:00:00Z", param, ctx)


def microseconds(text: str) -> int:
    """The moment that an ISO text means, without a zone in UTC; or 16 digits, as raw lines have it.
    ValueError outside 2000 to 2099.

    >>> microseconds("2025-10-20") == microseconds("2025-10-20T02:00:00+02:00")
    True
    >>> microseconds("2025-10-20 00:00:00.5 UTC") == microseconds("1760918400500000")
    True
    """
    text = text.strip().removesuffix(" UTC")
    if re.fullmatch(r"[0-9]{16}", text):
        moment = EPOCH + timedelta(microseconds=int(text))
    else:
        moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=moment.tzinfo or UTC)
    if not 2000 <= moment.year < 2100:
        raise ValueError(f"{text} is not in the years 2000 to 2099")
    return (moment - EPOCH) // timedelta(microseconds=1)


def iso(us: int) -> str:
    """A moment as text, to the second where it is whole.

    >>> iso(microseconds("2025-10-20T12:00Z"))
    '2025-10-20T12:00:00Z'
    """
    return (EPOCH + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")


def day_of(us: int) -> str:
    """The UTC day of a moment."""
    return (EPOCH + timedelta(microseconds=us)).date().isoformat()


def day_number(day: str) -> int:
    """Days since 1970-01-01.

    >>> day_number("1970-01-02")
    1
    """
    return (date.fromisoformat(day) - EPOCH.date()).days


def day_text(number: int) -> str:
    """The day that lies so many days after 1970-01-01.

    >>> day_text(20381)
    '2025-10-20'
    """
    return (EPOCH.date() + timedelta(days=number)).isoformat()


def hours_of(day: str) -> list[int]:
    """The hours of a day, counted from 1970.

    >>> hours_of("1970-01-02")[::23]
    [24, 47]
    """
    first = day_number(day) * HOURS_A_DAY
    return list(range(first, first + HOURS_A_DAY))
