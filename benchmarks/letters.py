"""How long a letter takes, and the check at start: `python -m benchmarks.letters`. Target: under 1 ms a letter."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from bot.flows.case import Party
from bot.flows.letters import Wording, check, render
from bot.flows.samples import samples
from bot.settings import load_policy

FOLDER = Path(__file__).resolve().parent.parent / "bot" / "letters"
TARGET_MS = 1.0


def main() -> int:
    templates = {path.relative_to(FOLDER).as_posix(): path.read_text() for path in FOLDER.rglob("*.md")}
    wording = Wording(templates, load_policy(None).wording)
    print(f"check at start, everything cold: {_ms(partial(check, wording)):.0f} ms")
    parties = [(sample.letter, Party(sample.letter.role, "Dana Reyes", "mail")) for sample in samples()]
    taken = [
        _ms(partial(render, letter, "D-1042", party, "America/New_York", wording))
        for _ in range(10)
        for letter, party in parties
    ]
    print(f"{len(taken)} letters: median {median(taken):.2f} ms, p99 {quantiles(taken, n=100)[98]:.2f} ms")
    return 0 if median(taken) < TARGET_MS else 1


def _ms(act: Callable[[], object]) -> float:
    start = perf_counter()
    act()
    return (perf_counter() - start) * 1000


if __name__ == "__main__":
    sys.exit(main())
