"""The composition root: builds every part from the settings, beats the time, and stops without losing anything.

Nothing is decided here. APScheduler only beats; what is due is a question to the database.
"""

import _thread
import random
import secrets
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from math import inf
from socket import AF_INET, AF_INET6, create_server, gethostname
from time import monotonic

import uvicorn
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.casework import Identity, Office
from bot.delivery import MAIL, SLACK, Delivery, Terms, Watch
from bot.flows import letters
from bot.flows.letters import Wording
from bot.flows.policy import Policy
from bot.handlers.posting import Fenced, Later, Never, Pace, Posted
from bot.handlers.workspace import Hands, Workspace, real_pace
from bot.intake import Intake, Signs
from bot.mail import smtp
from bot.mail.inbox import PACE, Desk, Fetched, Reader
from bot.mail.smtp import Server
from bot.settings import HostPort, Settings, SettingsError, load_policy, load_templates
from bot.storage.outbox import OutboxRow
from bot.storage.schema import NewerSchema, SchemaState, migrate, schema_state
from bot.storage.store import DatabaseUnreachable, InUse, Store, sqlite_path
from bot.telemetry import METRICS_TYPE, POLL, TICK, Health, Metrics, log

BEAT_S = 1.0
OBSERVE_S = 60.0
LEASE = timedelta(seconds=10)
LEASE_BEAT_S = 3.0
WORKSPACE_BEAT_S = 3.0
CATCH_UP_S = 300.0
REQUEST_BYTES_MAX = 4 * 1024 * 1024
LOOK_BACK = timedelta(hours=24)
RETRY_MAX_S = 60.0
DRAIN_S = 20.0
SLICE_S = 0.5
FIRST_START = "first_start"
READER = "mailbox"
BACKUPS_KEPT = 5

_LOG = log("app")


class NotMigrated(RuntimeError):
    """The database's schema is not the one of this version, and `run` does not change it by itself."""


class CannotListen(RuntimeError):
    """The address of PARLEY_HTTP cannot be listened on."""


@dataclass(frozen=True, slots=True)
class Times:
    """The two clocks, UTC: `business` can be moved (deadlines, undo), `machine` cannot (leases, back-off)."""

    business: Callable[[], datetime]
    machine: Callable[[], datetime]


def real_times() -> Times:
    """Both clocks as the machine has them."""
    return Times(_utc_now, _utc_now)


@dataclass(frozen=True, slots=True)
class Values:
    """What is loaded once and handed in: the policy and the letters' wording."""

    policy: Policy
    wording: Wording


def load_values(settings: Settings) -> Values:
    """The policy and templates that the settings name. Raises `PolicyError`, or `SettingsError` that names every
    template which is wrong."""
    policy = load_policy(settings.policy)
    wording = Wording(load_templates(settings.templates), policy.wording)
    wrong = letters.check(wording)
    if wrong:
        raise SettingsError(wrong)
    return Values(policy, wording)


def identity(settings: Settings, operator: str) -> Identity:
    """Who we are in mail: the address, its domain, the secrets that sign, and the mode."""
    return Identity(
        address=settings.mail_address,
        domain=settings.mail_address.rpartition("@")[2],
        secrets=settings.secret,
        name=operator,
        reply=settings.reply_address,
        mode=settings.mode,
        slack=settings.slack is not None,
    )


def prepare_database(url: str, now: datetime) -> None:
    """Bring an SQLite database to this version's schema, after a backup beside it; refuse an old PostgreSQL one.

    Raises `NotMigrated` with what would be right, `NewerSchema`, or what the driver raises if it cannot be reached.
    """
    store = Store(url)
    try:
        state = schema_state(store.engine)
        path = sqlite_path(url)
        if state is SchemaState.NEWER:
            raise NewerSchema(
                "the database was made by a later version of Parley; start that version, or restore a backup"
            )
        if state is SchemaState.CURRENT:
            return
        if store.engine.dialect.name != "sqlite":
            raise NotMigrated(
                "the database's schema is not this version's: run `parley migrate` once, then start again"
            )
        if state is SchemaState.OLD and path:
            backup = path.with_name(f"{path.name}.{now:%Y%m%dT%H%M%SZ}.backup")
            store.backup(backup)
            _LOG.info("database backed up", file=backup.name)
            for old in sorted(path.parent.glob(f"{path.name}.*.backup"))[:-BACKUPS_KEPT]:
                old.unlink()
    finally:
        store.close()
    if migrate(url):
        _LOG.info("database migrated")


class App:
    """The running bot. `start`, then `stop`; both return soon, the work is done in threads.

    `pace` is how fast it posts to Slack; None: as Slack allows.
    """

    def __init__(self, settings: Settings, values: Values, times: Times, pace: Pace | None = None) -> None:
        self._settings, self._values, self._times = settings, values, times
        self.health, self.metrics = Health(times.machine), Metrics()
        self.store = Store(settings.database_url)
        who = identity(settings, values.policy.wording.operator)
        self.office = Office(self.store, values.policy, values.wording, who, times.business)
        signs = Signs(settings.mail_address, settings.secret, settings.authserv_id)
        self.intake = Intake(self.office, self.store, values.policy, signs, self.metrics)
        self.owner = f"{gethostname()[:40]}-{secrets.token_hex(4)}"
        self.delivery = Delivery(self.office, self._terms(), Watch(self.health, self.metrics), times.machine)
        self.workspace = self._enter(pace or real_pace())
        self.posting = Delivery(self.office, self._posting_terms(), Watch(self.health, self.metrics), times.machine)
        self._scheduler = BackgroundScheduler(timezone=UTC)
        self._reader: Reader | None = None
        self._since = times.business() - LOOK_BACK
        self._failing: dict[str, str] = {}
        self._turns: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    # --- Life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to read, tick and deliver. The database is there and has this version's schema.

        Raises `InUse` if another bot works with this SQLite database.
        """
        self.store.occupy()
        self._since = self._first_mail()
        if self._alone:
            self._take_over()
        self._scheduler.start()
        self._every(BEAT_S, "tick", self._tick)
        self._every(BEAT_S, "intake", self._take_in)
        self._every(BEAT_S, "deliver", self._deliver)
        self._every(OBSERVE_S, "observe", self._observe)
        self._every(LEASE_BEAT_S, "reader", self._mind_reader)
        self._every(BEAT_S, "post", self._post)
        if self.workspace is not None:
            self._every(BEAT_S, "events", self._apply_events)
            self._every(WORKSPACE_BEAT_S, "workspace", self._mind_workspace)
            self._every(CATCH_UP_S, "catch up", self._catch_up)
        else:
            _LOG.warning("no slack", meaning="working by mail alone: staff see cases with `parley cases`")
        _LOG.info("started", mode=str(self._settings.mode), policy=self._values.policy.hash[:12])

    @property
    def _alone(self) -> bool:
        """Whether nobody else can be at the store: there are no replicas on SQLite."""
        return self.store.engine.dialect.name == "sqlite"

    def _take_over(self) -> None:
        """What a killed predecessor had claimed is free at once, and what it had begun is unknown."""
        with self.store.begin() as tx:
            tx.outbox.expire(everything=True)
            tx.inbox.release()

    def stop(self) -> None:
        """Begin nothing new, let what is in flight end, give back what was only claimed."""
        self._scheduler.pause()
        self.delivery.stop()
        self.posting.stop()
        if self.workspace is not None:
            self.workspace.close()
        if self._reader:
            self._reader.stop()
        stopper = threading.Thread(target=self._scheduler.shutdown, daemon=True)
        stopper.start()
        stopper.join(DRAIN_S)
        with suppress(Exception):  # The database may be what made us stop; leases and claims run out by themselves.
            self.delivery.leave()
            self.posting.leave()
            with self.store.begin() as tx:
                tx.beats.release(READER, self.owner)
        self.store.close()
        _LOG.info("stopped")

    def wake(self, beat: str) -> None:
        """Let a beat come now instead of within its second."""
        with suppress(JobLookupError):
            self._scheduler.modify_job(beat, next_run_time=_utc_now())

    def _every(self, seconds: float, name: str, act: Callable[[], None]) -> None:
        self._scheduler.add_job(
            partial(self._in_turn, name, act),
            "interval",
            seconds=seconds,
            id=name,
            next_run_time=_utc_now(),
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )

    def _in_turn(self, name: str, act: Callable[[], None]) -> None:
        """A beat that somebody carries out by hand is left out."""
        turn = self._turns[name]
        if turn.acquire(blocking=False):
            try:
                self._beat(name, act)
            finally:
                turn.release()

    def _beat(self, name: str, act: Callable[[], None]) -> None:
        """The outermost loop of each recurring job: an error is said, and the next beat tries again."""
        try:
            act()
        except Exception as wrong:  # noqa: BLE001
            reason = f"{name}: {type(wrong).__name__}: {wrong}"
            if isinstance(wrong, DatabaseUnreachable):
                self.health.failing("database", reason)
            else:
                self._failing[name] = reason
                self.health.failing("tick", reason)
            _LOG.error("beat failed", beat=name, error=type(wrong).__name__, exc_info=wrong)
            return
        self.health.ok("database")
        self._failing.pop(name, None)
        if not self._failing:  # One beat that works must not hide another that fails.
            self.health.ok("tick")

    # --- Beats --------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        moved = self.office.tick()
        self.health.beat(TICK)
        if moved:
            self._wake_senders()

    def _take_in(self) -> None:
        if self.intake.run_once():
            self._wake_senders()

    def _wake_senders(self) -> None:
        self.wake("deliver")
        self.wake("post")

    def _deliver(self) -> None:
        while self.delivery.step():
            pass

    def _post(self) -> None:
        if self.workspace is not None:
            self.workspace.poster.reconcile()
        while self.posting.step():
            pass

    def _observe(self) -> None:
        self.delivery.observe()
        with self.store.read() as tx:
            self.metrics.quarantined(len(tx.inbox.quarantined()))

    def _mind_reader(self) -> None:
        """Read the mailbox as long as the lease is ours."""
        mine = True
        if not self._alone:
            with self.store.begin() as tx:
                mine = tx.beats.take(READER, self.owner, LEASE) is not None
        if not mine and self._reader:
            self._reader.stop()
            self._reader = None
        elif mine and (self._reader is None or not self._reader.alive):
            pace = replace(PACE, size_bytes_max=self._values.policy.limits.mail_bytes_max)
            self._reader = Reader(self._settings.imap_url, self._since, self._desk(), pace)
            self._reader.start()

    # --- The mailbox --------------------------------------------------------------------------------------------------

    def _desk(self) -> Desk:
        return Desk(
            cursor=self._cursor,
            store=self._store_mails,
            polled=self._polled,
            wanted=self._poll_wanted,
            told=self._mailbox_told,
            now=self._times.business,
            jitter=random.random,
        )

    def _cursor(self) -> tuple[int, int] | None:
        with self.store.read() as tx:
            at = tx.beats.cursor()
        return None if at.uidvalidity is None or at.uid is None else (at.uidvalidity, at.uid)

    def _store_mails(self, mails: Sequence[Fetched]) -> None:
        """Raw first: everything is committed before anything is marked on the server."""
        now = self._times.business()
        with self.store.begin() as tx:
            for mail in mails:
                put = tx.inbox.put(MAIL, mail.key, mail.raw, now)
                if put.new and mail.cut:
                    tx.inbox.quarantine(put.id, mail.cut)
                tx.beats.move(mail.uidvalidity, mail.uid)
        self.wake("intake")

    def _polled(self, at: datetime) -> None:
        with self.store.begin() as tx:
            tx.beats.polled(at)
        self.health.beat(POLL)

    def _poll_wanted(self) -> bool:
        with self.store.read() as tx:
            return tx.beats.cursor().wanted

    def _mailbox_told(self, ok: bool, reason: str) -> None:
        if ok:
            self.health.ok("mailbox")
        else:
            self.health.failing("mailbox", reason)

    def _first_mail(self) -> datetime:
        """From when on mail is ours: the setting, else a day before the first start of all."""
        if self._settings.mail_since:
            return datetime.combine(self._settings.mail_since, time(), UTC)
        with self.store.begin() as tx:
            first = tx.beats.last(FIRST_START)
            if first is None:
                first = self._times.business()
                tx.beats.beat(FIRST_START, first)
        return first - LOOK_BACK

    # --- Slack --------------------------------------------------------------------------------------------------------

    def _enter(self, pace: Pace) -> Workspace | None:
        if self._settings.slack is None:
            return None
        hands = Hands(self.intake.read_again, self.intake.apply, self._something_in_slack)
        return Workspace(self.office, self._settings.slack, hands, self._times.machine, pace)

    def _something_in_slack(self) -> None:
        self.wake("events")
        self._wake_senders()

    def _mind_workspace(self) -> None:
        if self.workspace is None:
            return
        wrong = self.workspace.mind()
        if wrong:
            self.health.failing("slack", wrong)
        else:
            self.health.ok("slack")

    def _apply_events(self) -> None:
        if self.workspace is not None and self.workspace.events.run_once():
            self._wake_senders()

    def _catch_up(self) -> None:
        if self.workspace is not None and self.workspace.catch_up():
            self.wake("events")

    def _posted(self, row: OutboxRow, gate: Callable[[], bool]) -> smtp.Outcome:
        """One Slack row, and what became of it in delivery's words."""
        if self.workspace is None or self._settings.slack is None:
            raise RuntimeError("there is no Slack")
        match self.workspace.poster.post(row, gate):
            case Posted(ts):
                return smtp.Accepted(ts)
            case Later(reason):
                return smtp.Deferred(None, reason)
            case Never(reason):
                return smtp.Refused(None, reason)
            case Fenced():
                return smtp.Fenced()

    # --- Delivery -----------------------------------------------------------------------------------------------------

    def _terms(self) -> Terms:
        return Terms(
            server=Server(self._settings.smtp_url, hello=self._settings.mail_address.rpartition("@")[2]),
            owner=self.owner,
            copy_address=self._settings.copy_address,
            channels=(MAIL,),
        )

    def _posting_terms(self) -> Terms:
        """Slack's rows have a deliverer of their own: a Slack that does not answer keeps no letter waiting."""
        post = None if self.workspace is None else self._posted
        return replace(self._terms(), owner=f"{self.owner}-slack", channels=(SLACK,), post=post)


def http(app: App) -> Starlette:
    """What is to be asked over HTTP: `/healthz`, `/readyz`, `/metrics`; with Slack over HTTP also `/slack/events`."""

    def healthz(_: Request) -> Response:
        status, payload = app.health.healthz()
        return JSONResponse(payload, status)

    def readyz(_: Request) -> Response:
        status, payload = app.health.readyz()
        return JSONResponse(payload, status)

    def metrics(_: Request) -> Response:
        return Response(app.metrics.exposition(app.health), headers={"content-type": METRICS_TYPE})

    async def slack_events(request: Request) -> Response:
        workspace = app.workspace
        if workspace is None or int(request.headers.get("content-length") or 0) > REQUEST_BYTES_MAX:
            return Response(status_code=404 if workspace is None else 413)
        body = (await request.body()).decode("utf-8", "replace")
        reply = await run_in_threadpool(workspace.dispatch, body, dict(request.headers))
        return Response(reply.body, reply.status, dict(reply.headers))

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    if app.workspace is not None and app.workspace.by_http:
        routes.append(Route("/slack/events", slack_events, methods=["POST"]))
    return Starlette(routes=routes)


def serve(address: HostPort, app: App) -> uvicorn.Server:
    """Answer over HTTP in a thread of its own; `should_exit` ends it. Raises `CannotListen`."""
    try:
        family = AF_INET6 if ":" in address.host else AF_INET
        listening = create_server((address.host, address.port), family=family)
    except OSError as wrong:
        where = f"{address.host}:{address.port}"
        raise CannotListen(f"PARLEY_HTTP: {where} cannot be listened on: {wrong.strerror}") from None
    server = uvicorn.Server(uvicorn.Config(http(app), log_config=None, access_log=False, ws="none"))
    threading.Thread(target=server.run, args=([listening],), name="http", daemon=True).start()
    return server


class _Asked(threading.Event):
    """An event whose waiting is cut into slices: Python looks for a signal between two steps only, and one that came
    just before a long wait would be waited out, for ever if need be."""

    def wait(self, timeout: float | None = None) -> bool:
        end = inf if timeout is None else monotonic() + timeout
        while not super().wait(max(0.0, min(SLICE_S, end - monotonic()))):
            if monotonic() >= end:
                return self.is_set()
        return True


def by_signal() -> threading.Event:
    """An event that is set once the process is asked to end. Call it in the main thread.

    A handler runs in the main thread, between any two steps of it: also while that thread, waiting for this very event,
    has its lock. So the handler takes no lock, and another thread sets the event.
    """
    stopping = _Asked()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _thread.start_new_thread(stopping.set, ()))
    return stopping


def run(settings: Settings, values: Values, stopping: threading.Event, times: Times | None = None) -> None:
    """The whole life of `parley run`, until `stopping` is set.

    A database that cannot be reached is tried again with back-off, and said on `/healthz` meanwhile. Raises
    `NotMigrated`, `NewerSchema`, `InUse` or `CannotListen`, which no waiting would mend.
    """
    app = App(settings, values, times or real_times())
    server = serve(settings.http, app) if settings.http else None
    try:
        if _wait_for_database(settings, app, stopping):
            app.start()
            stopping.wait()
            app.stop()
    finally:
        app.store.close()
        if server:
            server.should_exit = True


def _wait_for_database(settings: Settings, app: App, stopping: threading.Event) -> bool:
    pause_s = 1.0
    while not stopping.is_set():
        try:
            app.store.occupy()
            prepare_database(settings.database_url, _utc_now())
        except (NotMigrated, NewerSchema, InUse):
            raise
        except Exception as wrong:  # noqa: BLE001 - whatever the driver says: it is tried again until it works.
            app.health.failing("database", f"{type(wrong).__name__}: {wrong}")
            _LOG.error("database unreachable", error=type(wrong).__name__, retry_in_s=pause_s)
            stopping.wait(pause_s)
            pause_s = min(pause_s * 2, RETRY_MAX_S)
        else:
            return True
    return False


def _utc_now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def by_hand(app: App) -> Iterator[Callable[[], None]]:
    """The beats of a started `app` stand still; each call of what is given carries out one round of them.

    For the sandbox, whose business clock is moved from outside: what is due at a moment is done before the next one.
    """
    beats = (
        ("reader", app._mind_reader),
        ("tick", app._tick),
        ("intake", app._take_in),
        ("events", app._apply_events),
        ("deliver", app._deliver),
        ("post", app._post),
    )

    def one_round() -> None:
        for name, act in beats:
            app._beat(name, act)

    with ExitStack() as turns:
        for name, _ in beats:
            turns.enter_context(app._turns[name])
        yield one_round
