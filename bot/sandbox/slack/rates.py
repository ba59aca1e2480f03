"""Slack's rate limits as token buckets on a clock that is handed in."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from bot.sandbox.slack.methods import Method

PER_MINUTE = {"t1": 1, "t2": 20, "t3": 50, "t4": 100, "t5": 600}
"""Calls a minute by tier; t5 is "special", where we allow hundreds. Source: Slack, "Rate limits"."""

CHANNEL_BURST = 3
"""chat.postMessage: one a second and channel, short bursts tolerated. Source: Slack, "Rate limits"."""


class Rates:
    """Whether a call is within the limits. `clock` in seconds, any origin; `on=False` lets everything pass."""

    def __init__(self, clock: Callable[[], float], *, on: bool = True) -> None:
        self.on = on
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def wait_s(self, method: Method, channel: str) -> int:
        """Seconds until this call is allowed again (Retry-After); 0 when it is allowed, and then it is counted."""
        if not self.on:
            return 0
        per_minute = PER_MINUTE[method.tier]
        limits = [((method.name, ""), float(per_minute), per_minute / 60)]
        if method.name == "chat.postMessage":
            limits.append(((method.name, channel), float(CHANNEL_BURST), 1.0))
        with self._lock:
            now = self._clock()
            levels = [(key, self._level(key, now, size, per_s), per_s) for key, size, per_s in limits]
            waits = [math.ceil((1 - level) / per_s) for _, level, per_s in levels if level < 1]
            for key, level, _ in levels:
                self._buckets[key] = (level if waits else level - 1, now)
            return max(waits, default=0)

    def _level(self, key: tuple[str, str], now: float, size: float, per_s: float) -> float:
        level, since = self._buckets.get(key, (size, now))
        return min(size, level + (now - since) * per_s)
