"""What the bot remembers of itself: its beats, how far each mailbox is read, and who holds which lease."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from bot.storage import tables as t
from bot.storage.rows import upsert

MAILBOX = "mailbox"
"""The cursor of the support mailbox."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a mailbox or channel is read.

    `polled_at` is when the last complete poll *began*, `poll_wanted_at` when somebody last asked for one; both on the
    business clock. A poll is wanted while `poll_wanted_at` is later than `polled_at`, or there was none.
    """

    name: str
    uidvalidity: int | None = None
    uid: int | None = None
    slack_ts: str | None = None
    polled_at: datetime | None = None
    poll_wanted_at: datetime | None = None

    @property
    def wanted(self) -> bool:
        if self.poll_wanted_at is None:
            return False
        return self.polled_at is None or self.poll_wanted_at > self.polled_at


class Beats:
    """Beats, cursors and leases."""

    __slots__ = ("_connection", "_machine")

    def __init__(self, connection: Connection, machine: Callable[[], datetime]) -> None:
        self._connection = connection
        self._machine = machine

    # --- Beats ------------------------------------------------------------------------------------------------------

    def beat(self, name: str, at: datetime) -> datetime | None:
        """Record a beat; returns the one before. Two replicas never see the same one before."""
        row = t.beats.c
        before = self._connection.execute(select(row.at).where(row.name == name).with_for_update()).scalar_one_or_none()
        upsert(self._connection, t.beats, {"name": name}, {"at": at})
        return before

    def last(self, name: str) -> datetime | None:
        return self._connection.execute(select(t.beats.c.at).where(t.beats.c.name == name)).scalar_one_or_none()

    def all(self) -> dict[str, datetime]:
        """Every beat by its name."""
        return {row.name: row.at for row in self._connection.execute(select(t.beats).order_by(t.beats.c.name))}

    def forget(self, *names: str) -> None:
        self._connection.execute(delete(t.beats).where(t.beats.c.name.in_(names)))

    # --- Cursors ----------------------------------------------------------------------------------------------------

    def cursor(self, name: str = MAILBOX) -> Cursor:
        """How far `name` is read; an empty cursor if it never was."""
        row = self._connection.execute(select(t.cursor).where(t.cursor.c.name == name)).mappings().one_or_none()
        return Cursor(name) if row is None else Cursor(**row)

    def move(self, uidvalidity: int, uid: int, name: str = MAILBOX) -> None:
        """All mails up to `uid` are stored. A smaller `uid` under the same `uidvalidity` changes nothing."""
        at = self.cursor(name)
        if at.uidvalidity != uidvalidity or at.uid is None or at.uid < uid:
            upsert(self._connection, t.cursor, {"name": name}, {"uidvalidity": uidvalidity, "uid": uid})

    def move_slack(self, slack_ts: str, name: str) -> None:
        """All of a channel's messages up to `slack_ts` are stored."""
        upsert(self._connection, t.cursor, {"name": name}, {"slack_ts": slack_ts})

    def polled(self, began_at: datetime, name: str = MAILBOX) -> None:
        """A poll that began then is complete: all mail the server had by then is in the inbox."""
        upsert(self._connection, t.cursor, {"name": name}, {"polled_at": began_at})

    def want_poll(self, at: datetime, name: str = MAILBOX) -> None:
        """Ask for a poll that begins at `at` or later."""
        upsert(self._connection, t.cursor, {"name": name}, {"poll_wanted_at": at})

    # --- Leases -----------------------------------------------------------------------------------------------------

    def take(self, name: str, holder: str, span: timedelta) -> int | None:
        """Take or renew a lease on the machine's clock; returns its fencing token, None while another holds it.

        The token grows each time the holder changes, so that a holder which slept too long can be told.
        """
        now, row = self._machine(), t.leases.c
        found = self._connection.execute(select(t.leases).where(row.name == name).with_for_update()).one_or_none()
        if found is None:
            values = {"name": name, "holder": holder, "token": 1, "until": now + span}
            return 1 if upsert(self._connection, t.leases, {"name": name}, values, replace=False) else None
        if found.holder != holder and found.until > now:
            return None
        token = found.token if found.holder == holder and found.until > now else found.token + 1
        self._connection.execute(
            update(t.leases).where(row.name == name).values(holder=holder, token=token, until=now + span)
        )
        return int(token)

    def holds(self, name: str, token: int) -> bool:
        """Whether the lease with this token is still good; locks it to the end of the transaction."""
        row = t.leases.c
        held = select(row.token).where(row.name == name, row.token == token, row.until > self._machine())
        return self._connection.execute(held.with_for_update()).one_or_none() is not None

    def release(self, name: str, holder: str) -> None:
        """Give a lease back at once; without effect if another holds it."""
        row = t.leases.c
        mine = update(t.leases).where(row.name == name, row.holder == holder)
        self._connection.execute(mine.values(until=self._machine()))

    def lease_holder(self, name: str) -> str | None:
        """Who holds the lease now."""
        row = t.leases.c
        held = select(row.holder).where(row.name == name, row.until > self._machine())
        return self._connection.execute(held).scalar_one_or_none()
