"""Campaigns: many seeded rounds of one trial, counted and summed up as a Markdown table.

A short form runs with the suite; the long one is behind the marker `soak`:
`pytest -n 0 -m soak -s tests/test_campaign_<name>.py --rounds 100 --seed 7`. A failing round names
its own seed, with which it can be had again: `--rounds 1 --seed <that>`.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Campaign:
    """Which rounds to run, and what they met; `seen` counts events by a plain name."""

    name: str
    rounds: int
    first_seed: int
    seen: Counter = field(default_factory=Counter)

    @property
    def seeds(self) -> range:
        """One seed a round."""
        return range(self.first_seed, self.first_seed + self.rounds)

    def saw(self, what: str, count: int = 1) -> None:
        self.seen[what] += count

    def table(self) -> str:
        """What was met, as a Markdown table."""
        title = f"{self.name}: {self.rounds} rounds from seed {self.first_seed}"
        rows = [f"| {what} | {count:,} |" for what, count in sorted(self.seen.items())]
        return "\n".join([title, "", "| what | count |", "|---|---:|", *rows])
