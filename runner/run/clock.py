"""The clock that `lake run` keeps its schedule by: the machine's, in a replay the replay's."""

from ingest.status import Status, machine_us


class SourceClock:
    """Time of the source as the collector tells it. `speed`: its seconds in a real one."""

    def __init__(self) -> None:
        self.speed = 1.0
        self.is_replay = False
        self._told: Status | None = None
        self._newest_us = 0

    def follow(self, status: Status) -> None:
        """Take note of what the collector tells."""
        self._told = status
        self.is_replay = status.speed is not None
        # of a replay that is sent as fast as it is read, nobody knows the speed
        self.speed = (status.speed or 1.0) if self.is_replay else 1.0

    def now_us(self) -> int:
        """The time in µs since 1970; in a replay it never goes back."""
        if not self.is_replay:
            return machine_us()
        passed_s = (machine_us() - self._told.written_us) / 1e6
        # A replay goes on while nobody collects; of one that is sent as fast as it is read the
        # clock stands then, and ours must not: the collector is to be started again.
        carried_s = max(passed_s, 0.0) * self.speed
        self._newest_us = max(self._newest_us, self._told.now_us + int(carried_s * 1e6))
        return self._newest_us

    def real_s(self, seconds: float, least: float) -> float:
        """How long seconds of this clock really take, but not less than `least` real ones."""
        return max(seconds / self.speed, least)

    def lasting_us(self, seconds: float, least: float) -> int:
        """The same as µs of this clock."""
        return int(max(seconds, least * self.speed) * 1e6)
