"""The movable business clock: the machine's time and an offset, or a moment at which time stands while it is walked.

Sandbox and bot are two processes on one machine and share nothing but the offset, so they always agree on `now`.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def machine_now() -> datetime:
    """The machine's time, UTC-aware."""
    return datetime.now(UTC)


class Clock:
    """Business time, UTC-aware. It runs at real speed unless it is `held`; it never goes back. Thread-safe."""

    def __init__(self, offset: timedelta, machine: Callable[[], datetime] = machine_now) -> None:
        self._machine = machine
        self._offset = offset
        self._standing: datetime | None = None
        self._lock = threading.Lock()

    @classmethod
    def at(cls, now: datetime, machine: Callable[[], datetime] = machine_now) -> "Clock":
        """A clock that shows `now` and runs on from there."""
        return cls(now - machine(), machine)

    @property
    def offset(self) -> timedelta:
        """How far it is ahead of the machine's clock while it runs."""
        return self._offset

    def now(self) -> datetime:
        """Business time."""
        with self._lock:
            return self._standing or self._machine() + self._offset

    def hold(self, at: datetime | None = None) -> datetime:
        """Let time stand at `at` (None: now) until `run`; a moment that has passed counts as now. Returns it."""
        with self._lock:
            now = self._standing or self._machine() + self._offset
            self._standing = now if at is None else max(at, now)
            return self._standing

    def run(self) -> timedelta:
        """Let time run on from where it stands; returns the offset from now on."""
        with self._lock:
            if self._standing is not None:
                self._offset = self._standing - self._machine()
                self._standing = None
            return self._offset

    def follow(self, offset: timedelta) -> None:
        """Run on with another clock's offset."""
        with self._lock:
            self._offset, self._standing = offset, None
