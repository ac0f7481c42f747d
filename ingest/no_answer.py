"""What a host answers when it does not answer: told apart, each in one sentence."""

import re

import click
import msgspec

# What a ban lasts that does not say it.
SHORTEST_BAN_S = 120.0
BANNED = re.compile(rb"banned until (\d{13})")


class NoAnswer(click.ClickException):
    """No answer that can be used: one sentence for the user, and `why` in a few words."""

    def __init__(self, sentence: str, why: str) -> None:
        super().__init__(sentence)
        self.why = why


class Unreachable(NoAnswer):
    """The tries are used up, or the host has banned us for long."""


class Refused(NoAnswer):
    """The host says no. `code` and `msg`: as in its JSON, None where it sent none."""

    def __init__(
        self, sentence: str, status: int, code: int | None = None, msg: str | None = None
    ) -> None:
        super().__init__(sentence, f"status {status}" + (f", {msg}" if msg else ""))
        self.status, self.code, self.msg = status, code, msg


class Passing(Exception):
    """No answer this time; the text says why."""


def decoded(body: bytes) -> object:
    """The JSON of an answer; Passing where it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        begin = body[:40].decode(errors="replace")
        raise Passing(f"no JSON: {begin!r}" if body.strip() else "an empty answer") from None


def error_of(body: bytes) -> tuple[int | None, str | None]:
    """Code and message of the exchange's error JSON, None for each where it is none."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, None
    if not isinstance(told, dict) or type(told.get("code")) is not int:
        return None, None
    return told["code"], str(told.get("msg"))


def banned_until_us(now_us: int, asked_s: float, body: bytes) -> int:
    """When a ban ends, which header (`asked_s`) and text tell; the later of the two.

    >>> banned_until_us(0, 2.0, b"IP banned until 1659146400000. Please") == 1_659_146_400_000_000
    True
    """
    found = BANNED.search(body)
    told_us = int(found[1]) * 1000 if found else 0
    return max(now_us + int((asked_s or (not found and SHORTEST_BAN_S)) * 1e6), told_us)
