"""What an operator sees: logs without personal data, metrics, and the health of each part.

The only door to structlog and prometheus_client. Serving over HTTP is the composition root's; here are plain functions
that give what to serve. `docs/delivery.md` lists log names, metrics and parts.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import IO, Any

import prometheus_client
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# --- logs ------------------------------------------------------------------------------------------------------------

LEFT_OUT = "[left out]"
PERSONAL = frozenset(
    (
        *("text", "html", "body", "raw", "subject", "quote", "words", "reply_text", "excerpt", "statement", "grounds"),
        *("name", "names", "to_name", "from_name", "sender_name", "worker_name", "client_name", "wire", "content"),
        *("address", "addresses", "recipient", "recipients", "sender", "to", "cc"),
        *("secret", "password", "token", "user_name", "authorization"),
    )
)
"""Keys whose values never reach a log."""

_ADDRESS = re.compile(r"<?[^\s<>\"'(),:;\[\]@]+@[^\s<>\"'(),:;\[\]@]+>?")
_OUR_MESSAGE_ID = re.compile(r"<d\.\d+\.\d+\.[0-9a-zA-Z_-]+@[^\s<>@]+>")
_URL_LOGIN = re.compile(r"(?<=://)[^/\s@]+@")
_DEPTH_MAX = 6


CHATTY = ("apscheduler", "alembic", "imapclient", "slack_bolt", "slack_sdk", "uvicorn")
"""Libraries that tell of every beat or request: only their warnings are ours."""


class LogFormat(StrEnum):
    """How a log line is written: for a person's eyes, or for a machine's."""

    CONSOLE = "console"
    JSON = "json"


def set_up_logs(style: LogFormat, level: str = "INFO", stream: IO[str] | None = None) -> None:
    """Sends our logs and those of all libraries to `stream` (stderr unless given), one line each, personal data masked.

    May be called again; the last call counts.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    drawn: structlog.typing.Processor
    match style:
        case LogFormat.CONSOLE:
            drawn = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
        case LogFormat.JSON:
            drawn = structlog.processors.JSONRenderer(serializer=_json)
    structlog.configure(
        processors=[*shared, without_personal_data, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    to = logging.StreamHandler(stream or sys.stderr)
    to.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                without_personal_data,
                drawn,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [to]
    root.setLevel(level.upper())
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def log(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of one part, such as `delivery`. Events are short names in the past tense, such as `letter sent`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(f"parley.{name}")
    return logger


def without_personal_data(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: leaves out the values of `PERSONAL` keys and masks addresses everywhere else."""
    for key, value in entry.items():
        entry[key] = LEFT_OUT if key in PERSONAL else _masked(value, _DEPTH_MAX)
    return entry


def masked(text: str) -> str:
    """The text without mail addresses and logins; our own Message-IDs, which name only a case, stay."""
    return _ADDRESS.sub(_mask_one, _URL_LOGIN.sub("", text))


def _mask_one(found: re.Match[str]) -> str:
    return found.group() if _OUR_MESSAGE_ID.fullmatch(found.group()) else "[address]"


def _masked(value: object, depth: int) -> object:
    match value:
        case bool() | int() | float() | None:
            return value
        case str():
            return masked(value)
        case Mapping() if depth:
            return {
                masked(str(key)): LEFT_OUT if key in PERSONAL else _masked(held, depth - 1)
                for key, held in value.items()
            }
        case list() | tuple() | set() | frozenset() if depth:
            return [_masked(held, depth - 1) for held in value]
        case bytes() | bytearray():
            return LEFT_OUT
        case _:
            return masked(str(value))


def _json(entry: object, **_options: object) -> str:
    return json.dumps(entry, ensure_ascii=False, default=str)


# Until logs are set up (commands, tests), lines go to the standard library's logging: masked, warnings to stderr only.
structlog.configure(
    processors=[
        structlog.processors.format_exc_info,
        without_personal_data,
        structlog.processors.KeyValueRenderer(key_order=["event"]),
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
)


# --- metrics ---------------------------------------------------------------------------------------------------------

METRICS_TYPE = prometheus_client.CONTENT_TYPE_LATEST


class Metrics:
    """The counters and gauges of one running bot, in a registry of its own. Methods may be called from any thread."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._letters = Counter(
            "parley_letters", "Delivery attempts of letters, by how they ended", ["outcome"], registry=self._registry
        )
        self._mails = Counter("parley_mails", "Mails read, by who is speaking", ["nature"], registry=self._registry)
        self._outbox = Gauge("parley_outbox", "Rows of the outbox, by state", ["state"], registry=self._registry)
        self._quarantined = Gauge("parley_quarantined", "Mails and events in quarantine", registry=self._registry)
        self._tick_age = Gauge("parley_tick_age_seconds", "Since the last finished tick", registry=self._registry)
        self._poll_age = Gauge("parley_poll_age_seconds", "Since the last finished poll", registry=self._registry)
        self._up = Gauge("parley_part_up", "1: the part works; 0: it fails", ["part"], registry=self._registry)
        self._lateness = Histogram(
            "parley_due_lateness_seconds",
            "How long after its moment a due step was taken",
            buckets=(0.5, 1, 2, 5, 15, 60, 300, 900, 3600, 14400, 86400),
            registry=self._registry,
        )

    def letter(self, outcome: str) -> None:
        """One attempt to deliver ended: `accepted refused deferred unknown fenced`."""
        self._letters.labels(outcome).inc()

    def mail(self, nature: str) -> None:
        """One mail was read: `person auto bounce`."""
        self._mails.labels(nature).inc()

    def outbox(self, counts: Mapping[str, int]) -> None:
        """How many rows are in each state now. States not named keep their number."""
        for state, count in counts.items():
            self._outbox.labels(state).set(count)

    def quarantined(self, count: int) -> None:
        self._quarantined.set(count)

    def lateness(self, late: timedelta) -> None:
        """A due step was taken so long after its moment; early counts as on time."""
        self._lateness.observe(max(late.total_seconds(), 0))

    def exposition(self, health: "Health") -> bytes:
        """All metrics in Prometheus' text format; to be served as `METRICS_TYPE`. Ages that are not known are NaN."""
        report = health.report()
        self._tick_age.set(_seconds(health.age(TICK)))
        self._poll_age.set(_seconds(health.age(POLL)))
        for name, part in report.items():
            self._up.labels(name).set(1 if part.ok else 0)
        return prometheus_client.generate_latest(self._registry)


def _seconds(age: timedelta | None) -> float:
    return float("nan") if age is None else age.total_seconds()


# --- health ----------------------------------------------------------------------------------------------------------

TICK = "tick"
POLL = "poll"
PARTS = ("mailbox", "smtp", "database", "tick", "slack")
TICK_AGE_MAX = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Part:
    """How one part is. `reason` is empty while it works; `since` is when that began (machine's clock, UTC)."""

    ok: bool
    reason: str
    since: datetime


class Health:
    """What works and what fails, and since when. Any thread may report; each change is logged once.

    `machine` gives the machine's time. Parts are the names in `PARTS`; one never reported on is not in use.
    """

    def __init__(self, machine: Callable[[], datetime]) -> None:
        self._machine = machine
        self._parts: dict[str, Part] = {}
        self._beats: dict[str, datetime] = {}
        self._started = machine()
        self._lock = threading.Lock()
        self._log = log("health")

    def ok(self, part: str) -> None:
        """The part works."""
        self._turn(part, True, "")

    def failing(self, part: str, reason: str) -> None:
        """The part fails, for that reason; addresses in it are masked. A new reason keeps the old `since`."""
        self._turn(part, False, masked(reason) or "unknown")

    def beat(self, name: str) -> None:
        """Something recurring (`TICK`, `POLL`) was finished just now."""
        with self._lock:
            self._beats[name] = self._machine()

    def age(self, name: str) -> timedelta | None:
        """How long ago that was last finished; None: never."""
        with self._lock:
            last = self._beats.get(name)
        return None if last is None else self._machine() - last

    def report(self) -> dict[str, Part]:
        """Every part that was ever reported on."""
        with self._lock:
            return dict(self._parts)

    def healthz(self) -> tuple[int, dict[str, object]]:
        """HTTP status and JSON of `/healthz`: 200 while the clock ticks, 503 once it stood still for `TICK_AGE_MAX`.

        A mailbox or mail server that is away is told here too, but is no reason to restart the bot.
        """
        age = self.age(TICK)
        still = age if age is not None else self._machine() - self._started
        alive = still <= TICK_AGE_MAX
        status = "ok" if alive and self._all_ok() else "failing" if alive else "stuck"
        tick_age_s = None if age is None else round(age.total_seconds(), 1)
        return 200 if alive else 503, {"status": status, "tick_age_s": tick_age_s, "parts": self._payload()}

    def readyz(self) -> tuple[int, dict[str, object]]:
        """HTTP status and JSON of `/readyz`: 200 once the clock has ticked and every part in use works, else 503."""
        ready = self.age(TICK) is not None and self._all_ok()
        return 200 if ready else 503, {"status": "ready" if ready else "not ready", "parts": self._payload()}

    def _all_ok(self) -> bool:
        return all(part.ok for part in self.report().values())

    def _payload(self) -> dict[str, object]:
        return {
            name: {"ok": part.ok, "since": part.since.isoformat(timespec="seconds")}
            | ({} if part.ok else {"reason": part.reason})
            for name, part in sorted(self.report().items())
        }

    def _turn(self, part: str, ok: bool, reason: str) -> None:
        if part not in PARTS:
            raise ValueError(f"no part is called {part!r}; there are {', '.join(PARTS)}")
        now = self._machine()
        with self._lock:
            before = self._parts.get(part)
            unchanged = before is not None and before.ok == ok
            self._parts[part] = Part(ok, reason, before.since if before is not None and unchanged else now)
        if unchanged:
            return
        if not ok:
            self._log.warning("part fails", part=part, reason=reason)
        elif before is not None:
            self._log.info("part works again", part=part, after_s=round((now - before.since).total_seconds(), 1))
