"""The house keeps its own rules: imports, dependencies, lock, addresses, names, and the recipes that build it."""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def ran(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def own_files() -> list[Path]:
    """All files that are, or are about to be, in the repository."""
    listed = ran("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    if listed.returncode != 0:
        pytest.skip("needs a git checkout: only git knows which files are the repository's")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def sources(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text(), filename=str(path))


# --- Imports ---------------------------------------------------------------------------------------------------------

# One line that breaks each contract: in which module it is planted, what it says.
PLANTED = {
    "layers": ("bot/flows/__init__.py", "import bot.storage"),
    "flows-are-pure": ("bot/flows/__init__.py", "import os"),
    "door-of-slack": ("bot/storage/__init__.py", "import slack_sdk"),
    "door-of-mail-protocols": ("bot/storage/__init__.py", "import imapclient"),
    "door-of-html": ("bot/handlers/__init__.py", "import nh3"),
    "door-of-the-beat": ("bot/storage/__init__.py", "from apscheduler.schedulers import background"),
    "door-of-the-database": ("bot/casework.py", "import sqlalchemy"),
    "door-of-the-stand-ins": ("bot/mail/__init__.py", "from pymap import backend"),
    "door-of-charts": ("bot/reports/__init__.py", "import matplotlib"),
    "door-of-http": ("bot/handlers/__init__.py", "from starlette.requests import Request"),
    "door-of-templates": ("bot/handlers/__init__.py", "import jinja2"),
    "door-of-words": ("bot/handlers/__init__.py", "import babel.dates"),
    "door-of-the-calendar": ("bot/handlers/__init__.py", "import whenever"),
    "door-of-settings": ("bot/handlers/__init__.py", "import holidays"),
    "door-of-typed-values": ("bot/handlers/__init__.py", "import pydantic"),
    "door-of-telemetry": ("bot/mail/__init__.py", "import structlog"),
    "no-training-at-run-time": ("bot/mail/__init__.py", "import sklearn"),
}
# The layers contract forbids more than one thing; each is seen to fail.
BREAKS_LAYERS = {
    "a sibling imports a sibling": ("bot/mail/__init__.py", "import bot.handlers"),
    "telemetry imports settings": ("bot/telemetry.py", "import bot.settings"),
    "storage imports casework": ("bot/storage/__init__.py", "import bot.casework"),
    "a module that no layer names": ("bot/extras.py", ""),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the contracts and the package to spoil, with the modules that a planted line needs."""
    copy = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / ".importlinter", copy)
    shutil.copytree(ROOT / "bot", copy / "bot", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("casework", "settings", "telemetry"):
        (copy / "bot" / f"{name}.py").touch()
    return copy


def broken_by(tree: Path, contract: str, module: str, line: str) -> subprocess.CompletedProcess[str]:
    """What lint-imports says of `contract` with `line` planted in `module`; the tree is put back afterwards."""
    path = tree / module
    before = path.read_bytes() if path.exists() else None
    with path.open("a") as source:
        source.write(f"\n{line}\n")
    try:
        return ran(BIN / "lint-imports", "--no-cache", "--no-logo", "--contract", contract, cwd=tree)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)


def test_every_contract_has_a_line_planted_against_it() -> None:
    contracts = re.findall(r"^\[importlinter:contract:(.+)\]$", (ROOT / ".importlinter").read_text(), re.MULTILINE)
    assert contracts == list(PLANTED)


def test_the_copy_keeps_all_contracts_as_long_as_nothing_is_planted(tree: Path) -> None:
    said = ran(BIN / "lint-imports", "--no-cache", "--no-logo", cwd=tree)
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"Contracts: {len(PLANTED)} kept, 0 broken." in said.stdout


@pytest.mark.parametrize("contract", PLANTED)
def test_a_planted_import_breaks_its_contract(tree: Path, contract: str) -> None:
    said = broken_by(tree, contract, *PLANTED[contract])
    assert said.returncode == 1, said.stdout + said.stderr
    assert "Contracts: 0 kept, 1 broken." in said.stdout


@pytest.mark.parametrize("what", BREAKS_LAYERS)
def test_the_layers_forbid(tree: Path, what: str) -> None:
    said = broken_by(tree, "layers", *BREAKS_LAYERS[what])
    assert said.returncode == 1, said.stdout + said.stderr
    assert "Contracts: 0 kept, 1 broken." in said.stdout


# --- flows: what no import shows -------------------------------------------------------------------------------------

IMPURE_BUILTINS = {"open", "input", "print", "eval", "exec", "compile", "__import__", "globals", "breakpoint"}


def test_flows_calls_no_impure_builtin() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.id}"
        for path, module in sources(ROOT / "bot" / "flows")
        for node in ast.walk(module)
        if isinstance(node, ast.Name) and node.id in IMPURE_BUILTINS and isinstance(node.ctx, ast.Load)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "from datetime import datetime\n\nx = datetime.now()",
        "import datetime as dt\n\nx = dt.datetime.now(dt.UTC)",
        "import datetime as dt\n\nx = dt.datetime.utcnow()",
        "from datetime import date\n\nx = date.today()",
        "from jinja2 import FileSystemLoader",
        "import jinja2\n\nx = jinja2.PackageLoader('bot')",
        "from whenever import Instant\n\nx = Instant.now()",
        "import uuid\n\nx = uuid.uuid4()",
    ],
)
def test_ruff_bans_the_clock_the_dice_and_the_loaders_in_flows(line: str) -> None:
    said = subprocess.run(
        [BIN / "ruff", "check", "--no-cache", "--stdin-filename", "bot/flows/planted.py", "-"],
        cwd=ROOT,
        input=f'"""Planted."""\n\n{line}\n',
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "TID251" in said.stdout, said.stdout + said.stderr


# --- Dependencies ----------------------------------------------------------------------------------------------------

EXTRAS = PROJECT["project"]["optional-dependencies"]
# Training stays out of the lock: no running bot imports it.
LOCKED = [
    *PROJECT["build-system"]["requires"],
    *PROJECT["project"]["dependencies"],
    *(line for extra, lines in EXTRAS.items() if extra != "train" for line in lines),
]
DECLARED = [*PROJECT["project"]["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]
# A library that comes with a declared one, is part of its interface, and goes with it.
COMES_WITH = {"lxml": "inscriptis", "slack-sdk": "slack-bolt"}


def lock() -> dict[str, tuple[Requirement, list[str]]]:
    """Each requirement of the lock, by canonical name, with its hashes."""
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    entries: dict[str, tuple[Requirement, list[str]]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        requirement, *hashes = re.split(r"\s+--hash=", line)
        parsed = Requirement(requirement.strip())
        entries[canonicalize_name(parsed.name)] = (parsed, [value.strip() for value in hashes])
    return entries


def test_the_lock_pins_every_requirement_by_version_and_hash() -> None:
    for name, (requirement, hashes) in lock().items():
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), name
        assert hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), name


def test_the_lock_holds_no_address_option_or_comment() -> None:
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        assert "://" not in line
        assert "@" not in line
        assert re.match(r"[a-z0-9]|    --hash=sha256:", line), line


@pytest.mark.parametrize("line", LOCKED)
def test_the_lock_satisfies_what_the_project_asks_for(line: str) -> None:
    wanted = Requirement(line)
    pinned, _ = lock()[canonicalize_name(wanted.name)]
    assert wanted.specifier.contains(str(pinned.specifier).removeprefix("=="))


def test_each_dependency_has_exactly_one_line_that_says_why() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted({Requirement(line).name for line in DECLARED})


def test_bot_imports_only_what_the_project_declares() -> None:
    declared = {canonicalize_name(Requirement(line).name) for line in DECLARED}
    owners = importlib.metadata.packages_distributions()
    undeclared = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, module in sources(ROOT / "bot")
        for name in top_level_imports(module)
        if name not in sys.stdlib_module_names and name != "bot"
        if not declared & {COMES_WITH.get(owner, owner) for owner in map(canonicalize_name, owners.get(name, [name]))}
    ]
    assert undeclared == []


def top_level_imports(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


# --- The repository --------------------------------------------------------------------------------------------------

# Written in pieces, so that this file does not hold what it looks for.
REGISTRIES = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("deb", "debian", "org"),
        ("proxy", "golang", "org"),
    ]
]
MACHINE_PATHS = ["/" + "work/", "/" + "root/", "/" + "opt/pypi", "/" + "home/runner"]


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {needle}"
        for path in own_files()
        for needle in [*REGISTRIES, *MACHINE_PATHS]
        if needle.encode() in path.read_bytes()
    ]
    assert found == []


# The top of the house, as a newcomer sees it; everything else needs a reason to be added here.
ROOMS = {
    *(".ci", ".gitattributes", ".gitignore", ".importlinter", "CHANGELOG.md", "Makefile", "Procfile", "README.md"),
    *("benchmarks", "bot", "docs", "manifest.yml", "pyproject.toml", "requirements.lock", "tests"),
}
MODULES = {
    *("__init__", "app", "casework", "cli", "delivery", "directory", "doctor", "flows", "handlers", "intake", "mail"),
    *("reports", "sandbox", "settings", "storage", "telemetry"),
}
STANDING = {
    ".ci/run",
    "CHANGELOG.md",
    "README.md",
    "benchmarks",
    "Makefile",
    "Procfile",
    "docs",
    "pyproject.toml",
    "requirements.lock",
    "tests",
}


def test_the_top_of_the_house_is_as_designed() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in own_files()} <= ROOMS
    assert {name for name in STANDING if not (ROOT / name).exists()} == set()


def test_every_module_of_bot_is_one_of_the_design() -> None:
    found = {path.stem for path in (ROOT / "bot").glob("*.py")}
    found |= {path.parent.name for path in (ROOT / "bot").glob("*/*.py")}
    assert found <= MODULES


def test_no_module_has_a_name_that_says_nothing() -> None:
    nothing = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "core", "base", "lib"}
    assert [path for path in (ROOT / "bot").rglob("*.py") if path.stem in nothing] == []


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    assert re.search(r"^## \[Unreleased\]$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


# --- The recipes -----------------------------------------------------------------------------------------------------


def test_make_lists_every_target_it_has() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert phony
    listed = re.findall(r"^  make (\S+)", ran("make", "help", cwd=ROOT).stdout, re.MULTILINE)
    assert sorted(listed) == sorted(phony[1].split())


def test_make_refuses_an_old_python_and_names_the_one_it_needs(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && { echo "Python 3.9.2"; exit 0; }\nexit 1\n')
    old.chmod(0o755)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    said = ran("make", "venv", f"PYTHON={old}", cwd=tmp_path)
    assert said.returncode != 0
    assert "needs Python 3.11 or newer" in said.stderr
    assert "Python 3.9.2" in said.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_proof_is_a_sound_script() -> None:
    proof = ROOT / ".ci" / "run"
    assert proof.stat().st_mode & 0o111
    assert ran("bash", "-n", proof, cwd=ROOT).returncode == 0


def test_a_wheel_carries_all_that_the_package_reads(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "manifest.yml"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "bot", tmp_path / "bot", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    built = ran(BIN / "hatchling", "build", "-t", "wheel", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("parley-*.whl")
    shutil.unpack_archive(wheel, tmp_path / "wheel", format="zip")
    carried = {path.relative_to(tmp_path / "wheel") for path in (tmp_path / "wheel" / "bot").rglob("*")}
    owned = {path.relative_to(tmp_path) for path in (tmp_path / "bot").rglob("*") if path.is_file()}
    assert owned - carried == {Path("bot/flows/ruff.toml")}
    assert Path("bot/sandbox/manifest.yml") in carried
