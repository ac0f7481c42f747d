"""What a run of the collector did, once it is over."""

from dataclasses import dataclass

from ingest.collect.connections import Connections
from ingest.collect.feed import Desk


@dataclass(frozen=True)
class Summary:
    """What a run did. `lost`: lines that a full disk never took; `ended`: why it ended."""

    mode: str
    trades: int
    quotes: int
    rejected: int
    reconnects: int
    dropped: int
    lost: int
    ended: str

    @property
    def messages(self) -> int:
        """Trades and quotes that came, and what could not be read."""
        return self.trades + self.quotes + self.rejected

    @property
    def lines(self) -> int:
        """Raw lines written."""
        return self.trades + self.quotes - self.dropped - self.lost


def summary_of(desk: Desk, connections: Connections, mode: str, lost: int, ended: str) -> Summary:
    """What these connections brought."""
    meters = desk.meters.values()
    return Summary(
        mode=mode,
        trades=sum(meter.trades for meter in meters),
        quotes=sum(meter.quotes for meter in meters),
        rejected=desk.rejected,
        reconnects=connections.reconnects,
        dropped=connections.dropped,
        lost=lost,
        ended=ended,
    )
