"""Log lines that a storm of reconnects cannot turn into a flood."""

import time
from collections import deque

from loguru import logger

LINES = 20
WINDOW_S = 60.0


class Calm:
    """Lets through a number of lines a minute and says how many it kept back."""

    def __init__(self) -> None:
        self._said: deque[float] = deque(maxlen=LINES)
        self._kept_back = 0

    def say(self, level: str, message: str, *values: object) -> None:
        """Log a line, unless too many were logged within the last minute."""
        now = time.monotonic()
        if len(self._said) == LINES and now - self._said[0] < WINDOW_S:
            self._kept_back += 1
            return
        if self._kept_back:
            logger.warning("{} lines like the next one were left out", self._kept_back)
            self._kept_back = 0
        self._said.append(now)
        logger.opt(depth=1).log(level, message, *values)
