"""What a person sees of a run: a live table on a terminal, a latency line a minute in the log."""

import asyncio
import sys
import time
from collections.abc import Callable

from loguru import logger

from ingest.collect.meter import Meter, latency_line

LOG_EVERY_S = 60.0
REFRESH_S = 0.5
HEADINGS = ("symbol", "messages/s", "p50 ms", "p95 ms", "last price", "spread", "reconnects")


async def show(
    meters: dict[str, Meter], offset_us: Callable[[], int | None], reconnects: Callable[[], int]
) -> None:
    """Show the run until cancelled."""
    tasks = [_log(meters, offset_us)]
    if sys.stdout is not None and sys.stdout.isatty():
        tasks.append(_table(meters, offset_us, reconnects))
    await asyncio.gather(*tasks)


async def _log(meters: dict[str, Meter], offset_us: Callable[[], int | None]) -> None:
    while True:
        await asyncio.sleep(LOG_EVERY_S)
        if line := latency_line(meters, offset_us()):
            logger.info("{}", line)


async def _table(
    meters: dict[str, Meter], offset_us: Callable[[], int | None], reconnects: Callable[[], int]
) -> None:
    # Imported here: it takes a tenth of a second and most runs have no terminal.
    from rich.live import Live

    before = {symbol: 0 for symbol in meters}
    seen = time.monotonic()
    with Live(auto_refresh=False) as live:
        while True:
            await asyncio.sleep(REFRESH_S)
            now = time.monotonic()
            rows = []
            for symbol, meter in meters.items():
                total = meter.trades + meter.quotes
                rate = (total - before[symbol]) / (now - seen)
                before[symbol] = total
                rows.append(row(symbol, meter, rate, offset_us(), reconnects()))
            seen = now
            live.update(_drawn(rows), refresh=True)


def row(
    symbol: str, meter: Meter, rate: float, offset_us: int | None, reconnects: int
) -> tuple[str, ...]:
    """The cells of one symbol, in the order of HEADINGS."""
    latency = meter.latency_ms(offset_us)
    spread = meter.spread()
    return (
        symbol,
        f"{rate:,.0f}",
        f"{latency[0]:.0f}" if latency else "",
        f"{latency[1]:.0f}" if latency else "",
        short(meter.price),
        short(f"{spread:.8f}") if spread is not None else "",
        str(reconnects),
    )


def short(number: str) -> str:
    """A decimal number without the zeros at its end, for the eye; other text as it is.

    >>> short("184.97000000"), short("100.00"), short("100"), short("NaN")
    ('184.97', '100', '100', 'NaN')
    """
    is_decimal = number.partition(".")[2].isdecimal()
    return number.rstrip("0").rstrip(".") if is_decimal else number


def _drawn(rows: list[tuple[str, ...]]) -> object:
    from rich.table import Table

    table = Table(*HEADINGS)
    for column in table.columns[1:]:
        column.justify = "right"
    for cells in rows:
        table.add_row(*cells)
    return table
