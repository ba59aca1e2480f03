"""How long triage takes a mail, once warm, over the labelled mails: `python -m benchmarks.triage`."""

import statistics
import time

from bot.flows.triage import read
from tests.triage.corpus import corpus, known_cases


def main() -> None:
    """Prints the first reading (it compiles the rules), the median and the 99th percentile, in milliseconds."""
    mails = [labelled.mail for file in ("seen.txt", "held_out.txt") for labelled in corpus(file)]
    cases = known_cases()
    took_ms = []
    for _ in range(5):
        for mail in mails:
            began = time.perf_counter()
            read(mail, cases)
            took_ms.append((time.perf_counter() - began) * 1000)
    warm = sorted(took_ms[len(mails) :])
    print(
        f"first {took_ms[0]:.1f} ms, median {statistics.median(warm):.2f} ms, p99 {warm[int(len(warm) * 0.99)]:.2f} ms"
    )


if __name__ == "__main__":
    main()
