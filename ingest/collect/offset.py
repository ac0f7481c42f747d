"""How far the exchange's clock is from ours: asked for over REST, noted with each connection."""

import click

from ingest import rest
from ingest.collect.calm import Calm
from ingest.collect.clock import Clock
from ingest.collect.plan import Plan
from ingest.collect.sessions import SessionLog
from ingest.http import Host, NoAnswer


class Offset:
    """`us`: the exchange's time minus ours in microseconds, None as long as it was not told."""

    def __init__(self, plan: Plan, host: Host, clock: Clock, log: SessionLog, calm: Calm) -> None:
        self.us: int | None = None
        self._plan, self._host, self._clock = plan, host, clock
        self._log, self._calm = log, calm

    async def read(self) -> rest.Reading | None:
        """The exchange's clock; None, with a warning, when it does not answer. A replay's clock is
        followed from then on. ClickException where a replay has taken the exchange's place, or the
        exchange that of a replay.
        """
        try:
            reading = await rest.clock_offset(self._host)
        except NoAnswer as error:
            self._calm.say("WARNING", "no clock offset from {}: {}", self._host.url, error.why)
            return None
        if (reading.speed is None) == self._clock.replay:
            now, was = ("a replay", "live") if reading.speed else ("live", "a replay")
            raise click.ClickException(
                f"{self._plan.rest_url} says that it is {now}, but this run began as {was}:"
                " start again, into another folder"
            )
        if reading.speed:
            self._clock.follow(reading.recv_us, reading.speed)
        return reading

    async def tell(self, conn: int) -> None:
        """Ask, and note the answer with a connection."""
        if reading := await self.read():
            self.note(conn, reading)

    def note(self, conn: int, reading: rest.Reading) -> None:
        """Bring a reading into the session log of a connection."""
        self.us = reading.offset_us
        trip = f"round trip {reading.round_trip_us} µs"
        self._log.note("clock", conn, offset=reading.offset_us, detail=trip)
        shown_ms, trip_ms = reading.offset_us / 1000, reading.round_trip_us / 1000
        self._calm.say("INFO", "exchange's clock {:+.1f} ms, {:.1f} ms away", shown_ms, trip_ms)
