"""Slack on a bad day, on request: what the stand-in does wrong while somebody looks how the bot takes it."""

from __future__ import annotations

import threading
from enum import StrEnum


class Fault(StrEnum):
    """One way of failing.

    `down`: connections are cut before any answer and sockets are closed; `unavailable`: 503 on everything;
    `429`: every call is limited; `lose_events`: events never arrive nor are resent (seen on 26 February 2025);
    `lose_acks`: acknowledgements are not heard, so Slack resends events; `lose_reply`: a write is carried out and the
    connection cut before the answer; `slow`: every call is answered late.
    """

    OK = "ok"
    DOWN = "down"
    UNAVAILABLE = "unavailable"
    LIMITED = "429"
    LOSE_EVENTS = "lose_events"
    LOSE_ACKS = "lose_acks"
    LOSE_REPLY = "lose_reply"
    SLOW = "slow"


class Faults:
    """The fault in force. Thread-safe: set by the sandbox, read by the server's loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fault = Fault.OK
        self._methods: frozenset[str] = frozenset()
        self._left: int | None = None
        self.delay_s = 0.0
        self.retry_after_s = 1

    @property
    def current(self) -> Fault:
        """The fault in force now."""
        return self._fault

    def set(
        self,
        fault: Fault,
        *,
        methods: tuple[str, ...] = (),
        times: int | None = None,
        delay_s: float = 1.0,
        retry_after_s: int = 1,
    ) -> None:
        """From now on fail like this: on `methods` only (empty: on all), `times` times (None: until changed)."""
        with self._lock:
            self._fault = fault
            self._methods = frozenset(methods)
            self._left = times
            self.delay_s = delay_s
            self.retry_after_s = retry_after_s

    def clear(self) -> None:
        """All is well again."""
        self.set(Fault.OK)

    def take(self, fault: Fault, method: str = "") -> bool:
        """Whether `fault` strikes this call (or event, without a method); counts it if so."""
        with self._lock:
            if self._fault is not fault or (method and self._methods and method not in self._methods):
                return False
            if self._left is not None:
                if self._left <= 0:
                    return False
                self._left -= 1
            return True
