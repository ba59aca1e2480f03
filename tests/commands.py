"""`parley` as an operator meets it: a folder, settings, a database with a few cases in it.

A test module asks for these fixtures with `pytest_plugins = ["tests.commands"]`.
"""

import logging
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from bot import cli
from bot.app import App, Times, load_values
from bot.directory import Directory
from bot.storage import schema
from bot.storage.inbox import MAIL
from tests.terminal import DIRECTORY, MONDAY, NOBODY, PAYMENT, RATING, SETTINGS, Said, complete

LATER = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{head}"


def upgrade() -> None:
    op.create_table("later", sa.Column("id", sa.Integer(), primary_key=True))
"""

Parley = Callable[..., Said]


@pytest.fixture
def parley(tmp_path, monkeypatch, capsys) -> Parley:
    """Runs a command in this process, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object) -> Said:
        capsys.readouterr()
        try:
            status = cli.main([str(each) for each in arguments])
        except SystemExit as left:  # argparse leaves so.
            status = int(left.code or 0)
        return Said(status, *capsys.readouterr())

    return command


@pytest.fixture
def set_up(monkeypatch) -> None:
    """The settings are complete; the database is parley.db in the test's folder."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def unchanged() -> Iterator[None]:
    """`parley run` takes over signals and logs of its process; this gives them back."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    taken = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    yield
    root.handlers[:], root.level = handlers, level
    structlog.configure(**configured)
    for each, before in taken.items():
        signal.signal(each, before)


@pytest.fixture
def later(tmp_path_factory, monkeypatch) -> Callable[[], object]:
    """A context in which Parley is a later version, with one more migration."""
    folder = tmp_path_factory.mktemp("later") / "migrations"
    shutil.copytree(schema._FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    head = max(path.name.partition("_")[0] for path in (folder / "versions").glob("*.py"))
    text = LATER.format(revision=f"{int(head) + 1:04}", head=head)
    (folder / "versions" / f"{int(head) + 1:04}_later.py").write_text(text)

    @contextmanager
    def version() -> Iterator[None]:
        with monkeypatch.context() as patched:
            patched.setattr(schema, "_FOLDER", folder)
            yield

    return version


@pytest.fixture(scope="session")
def played(tmp_path_factory) -> Path:
    """A database after a payment dispute, a vague rating mail, and a mail that nobody can read; no letter has left."""
    folder = tmp_path_factory.mktemp("played")
    settings = complete(folder)
    schema.migrate(settings.database_url)
    bot = App(settings, load_values(settings), Times(lambda: MONDAY, lambda: MONDAY))
    assert Directory(bot.store).take_in(DIRECTORY) == 1
    with bot.store.begin() as tx:
        for number, raw in enumerate((PAYMENT, RATING, NOBODY)):
            tx.inbox.put(MAIL, str(number), raw.encode(), MONDAY)
    assert bot.intake.run_once() == 3
    bot.store.close()
    return folder


@pytest.fixture
def database(played, tmp_path) -> Path:
    """A copy of the played database, where `parley` looks by default."""
    for file in played.glob("parley.db*"):
        shutil.copy(file, tmp_path / file.name)
    return tmp_path / "parley.db"
