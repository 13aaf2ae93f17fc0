"""How long redaction takes: prose, log lines, audit records, texts full of personal data, short texts.

    pip install . google-re2                # without google-re2 its column is left out
    python benchmarks/redaction.py [ROUNDS] [--adversarial]

What everything is compared with is five naive patterns (e-mail, telephone, SSN, one kind of key, card), which
find far less and hit far more. All variants take turns within a round, in a new order each time, on the same
texts, which are new in every round. A figure is the median over the ROUNDS (40) in microseconds per text, the
ratio the median of the ratios within a round: how many times as fast as the naive patterns.

`--adversarial` prints instead what texts take that are made to be slow: seeds repeated up to 4 to 64 KB, the
best of five, and the worst growth from one size to the next, which is twice as long.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import random
import re
import statistics
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from or_audit_logging import Redactor
from or_audit_logging.redaction import gate
from or_audit_logging.redaction.matchers import MATCHERS

WARM_UP = 10
"""Rounds that are not counted: RE2 builds its automaton as it reads, patterns of rare kinds are compiled."""
TEXTS = 40
"""Texts of each kind in a round."""
LENGTH = 1_000
"""Characters in all texts but the short ones."""
SIZES = (4_096, 8_192, 16_384, 32_768, 65_536)

NAIVE = [
    (re.compile(pattern), label)
    for pattern, label in (
        (r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}\b", "[EMAIL]"),
        (r"\b\d{3}[-.]?\d{3}[-.]?\d{4}\b", "[PHONE]"),
        (r"\b\d{3}-\d{2}-\d{4}\b", "[SSN]"),
        (r"\bsk-or-v1-[a-zA-Z0-9]+\b", "[API_KEY]"),
        (r"\b(?:\d{4}[- ]?){3}\d{4}\b", "[CARD]"),
    )
]

SENTENCES = (
    "Certainly! Here's an overview of how the process works, from the first step to the last.",
    "The author argues that a good summary should be short, clear and faithful to the source.",
    "In other words, the key idea is that small changes add up over time.",
    "First, preheat the oven to 350 degrees and line a baking sheet with parchment paper.",
    "It's worth noting that results vary, so you may want to run the experiment 3 or 4 times.",
    "However, there are a few trade-offs to keep in mind before you choose an approach.",
    "The theorem was first conjectured in 1637 and proved in 1995, after three centuries of work.",
    "To do that, pass the list to the function and compare the value that it returns.",
    "You could also ask a colleague to review the draft; a second pair of eyes always helps.",
    "As of 2023, roughly 65% of the respondents said that they preferred working from home.",
    "- **Consistency**: keep the same tone throughout the document.\n- **Brevity**: cut what isn't needed.",
    "Let me know if you'd like more details, or an example in another language!",
    "The museum, which opened in 1984, is home to more than 12,000 objects from the region.",
    "\n\n```python\ndef average(values: list[float]) -> float:\n    return sum(values) / len(values)\n```\n",
    "When the tokens run out, the model stops, and the answer may end in the middle of a sentence.",
    '1. Open the settings page.\n2. Choose "Appearance".\n3. Pick a theme and save your changes.\n',
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "She paused at the door, listening to the rain on the roof, and smiled for the first time that day.",
    "If the weather is fine, the hike takes about 2.5 hours; bring water and a light jacket.",
    "There are several reasons for this: cost, time, and the difficulty of finding reliable data.",
    "Vielen Dank f\u00fcr die Frage \u2014 im Folgenden finden Sie eine kurze Zusammenfassung.",
    "| Option | Cost | Effort |\n|---|---|---|\n| Rent | high | low |\n| Buy | low | high |\n",
)
SHORT = (
    "request finished in {n} ms",
    "chat_completion success {model}",
    "What is the capital of Peru, then?",
    "retrying, attempt {n} of {m}",
    "user said hello and goodbye again",
    "cache miss for the model's settings",
)
LINES = (
    '{time} INFO httpx HTTP Request: POST https://api.example.com/v1/chat "HTTP/1.1 200 OK"',
    "{time} DEBUG app.worker pid={some} queue={few} elapsed_ms={some}",
    "{time} WARNING app.cache block blk_{many} evicted after {some} bytes",
    '192.0.2.{few} - - [21/Nov/2026:08:{few}:12 +0000] "GET /v1/models?page={few} HTTP/1.1" 200 {some}',
    "{epoch} node-{few} kernel: usb 1-{few}: device {few} ok",
    "[{time}] job {uuid} finished with status 0 in {seconds:.6f}s",
    "Nov 21 08:{few}:33 host-{few} sshd[{some}]: session opened for user app",
    "{time} INFO audit generation gen-{epoch}-{letters} stored",
)
CONTACTS = (
    "The customer, {name}.doe{few}@example.com, asked for a copy of last month's invoice.",
    "Please call me back on +1 415 555 {some} or (415) 555-{some}, any day after five.",
    "Her SSN is 536-{few}-{some}, and she paid with card 4111 1111 1111 1111 at the counter.",
    "The transfer to DE89 3704 0044 0532 0130 00 came from 192.0.2.{few} this morning.",
    "It works with sk-or-v1-{hex} on my machine.",
    "connect with user={name} password={letters}{few} and try again",
)
MODELS = ("openai/gpt-4o-mini", "anthropic/claude-3.5-sonnet", "mistralai/mistral-small", "google/gemini-pro")


class Texts:
    """Texts of every kind, other ones on each call."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def prose(self) -> str:
        return self._filled(lambda: self.rng.choice(SENTENCES), " ")

    def log_lines(self) -> str:
        return self._filled(self._line, "\n")

    def personal(self) -> str:
        return self._filled(self._contact, "\n")

    def short(self) -> str:
        number = self.rng.randrange
        return self.rng.choice(SHORT).format(n=number(9_999), m=number(9), model=self.rng.choice(MODELS))

    def audit(self) -> dict[str, Any]:
        """Return a record of 20 fields, as an application would have it in `extra`."""
        rng = self.rng
        tokens = rng.randrange(4_000), rng.randrange(900)
        return {
            "event_type": "chat_completion",
            "id": self._uuid(),
            "timestamp": self._time(),
            "status": "success",
            "user_id": f"u-{rng.randrange(10**5)}",
            "session_id": f"s-2026-11-21-{rng.randrange(10**4):04}",
            "request_id": f"req-{rng.getrandbits(24):06x}",
            "model_requested": rng.choice(MODELS),
            "model_used": rng.choice(MODELS),
            "provider": "OpenAI",
            "generation_id": f"gen-{rng.randrange(17 * 10**8, 18 * 10**8)}-{self._letters(20)}",
            "prompt_hash": f"hmac-sha256:0a1b2c3d:{rng.getrandbits(256):064x}",
            "response_hash": f"hmac-sha256:0a1b2c3d:{rng.getrandbits(256):064x}",
            "prompt_tokens": tokens[0],
            "completion_tokens": tokens[1],
            "total_tokens": sum(tokens),
            "total_cost": round(rng.random() / 100, 10),
            "latency_ms": round(rng.random() * 3_000, 3),
            "finish_reason": "stop",
            "metadata": {"feature": "faq", "tenant": f"t-{rng.randrange(100)}", "note": self.prose()[:200]},
        }

    def _filled(self, piece: Callable[[], str], joint: str) -> str:
        pieces, length = [], 0
        while length < LENGTH:
            pieces.append(piece())
            length += len(pieces[-1]) + len(joint)
        return joint.join(pieces)[:LENGTH]

    def _line(self) -> str:
        number = self.rng.randrange
        return self.rng.choice(LINES).format(
            time=self._time(), epoch=number(17 * 10**8, 18 * 10**8), uuid=self._uuid(), few=number(10, 100),
            some=number(10**4), many=number(10**9), seconds=self.rng.random(), letters=self._letters(20),
        )  # fmt: skip

    def _contact(self) -> str:
        rng, number = self.rng, self.rng.randrange
        return rng.choice(CONTACTS).format(
            name=rng.choice(("ann", "bob", "eve", "joe")), few=number(10, 100), some=number(1_000, 9_999),
            letters=self._letters(12), hex=f"{rng.getrandbits(256):064x}",
        )  # fmt: skip

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def _time(self) -> str:
        number = self.rng.randrange
        return (
            f"2026-11-{number(10, 30)}T{number(10, 24)}:{number(10, 60)}:{number(10, 60)}.{number(10**6):06}Z"
        )

    def _letters(self, count: int) -> str:
        return "".join(self.rng.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=count))


def naive(text: str) -> str:
    for pattern, label in NAIVE:
        text = pattern.sub(label, text)
    return text


def redactors() -> dict[str, Redactor]:
    """Return a redactor behind each gate that is to be had."""
    gates: dict[str, gate.Gate] = {"stdlib": gate.StandardGate(MATCHERS)}
    if gate.re2 is not None:
        gates["google-re2"] = gate.Re2Gate(MATCHERS)
    out = {}
    for name, own in gates.items():
        out[name] = Redactor()
        out[name]._gate = own
    return out


def table(*rows: Iterable[object]) -> None:
    """Print *rows*, the first one the head, as a table in Markdown."""
    head, *rest = [[str(cell) for cell in row] for row in rows]
    for cells in (head, ["---"] * len(head), *rest):
        print("| " + " | ".join(cells) + " |")
    print()


def microseconds(call: Callable[[Any], object], items: Sequence[object]) -> float:
    """Return what *call* takes for one of *items*."""
    start = time.perf_counter()
    for item in items:
        call(item)
    return (time.perf_counter() - start) / len(items) * 1e6


def compare(rounds: int) -> None:
    """Print what a text of each kind takes with each variant, and the ratios."""
    texts, order, ours = Texts(1), random.Random(2), redactors()
    makers: dict[str, Callable[[], object]] = {
        "prose": texts.prose,
        "log lines": texts.log_lines,
        "audit record, as JSON": lambda: json.dumps(texts.audit()),
        "audit record, as dict (naive: as JSON)": texts.audit,
        "full of personal data": texts.personal,
        "short": texts.short,
    }
    rows = []
    for kind, make in makers.items():
        times: dict[str, list[float]] = {name: [] for name in ("naive", *ours)}
        length = 0
        for round_ in range(WARM_UP + rounds):
            if round_ == WARM_UP:
                length = 0
                for own in times.values():
                    own.clear()
            items = [make() for _ in range(TEXTS)]
            plain = [item if isinstance(item, str) else json.dumps(item) for item in items]
            length += sum(map(len, plain))
            for name in order.sample(list(times), len(times)):
                if name == "naive":
                    times[name].append(microseconds(naive, plain))
                elif isinstance(items[0], str):
                    times[name].append(microseconds(ours[name].redact, items))
                else:
                    times[name].append(microseconds(ours[name].redact_value, items))
        row: list[object] = [kind, length // rounds // TEXTS, f"{statistics.median(times['naive']):.1f}"]
        for name in ours:
            ratios = [one / other for one, other in zip(times["naive"], times[name], strict=True)]
            row += [f"{statistics.median(times[name]):.1f}", f"{statistics.median(ratios):.2f}"]
        rows.append(row)
    head = ["texts", "characters", "naive us"]
    for name in ours:
        head += [f"{name} us", "times as fast"]
    print(f"{rounds} rounds of {TEXTS} texts of each kind\n")
    table(head, *rows)


# What is made to be slow

SEEDS = (
    *("a.", "1.", "a-", "1-", "a@", "@a", "a.b@c.d ", "a+=@", "%41", "\\u0040", "&#64;", "\u200b1", "\uff11"),
    *(
        "1 ",
        "1,",
        "(1",
        "+1 ",
        "12 ",
        "4111 ",
        "411111111111 ",
        "(415) 555-2671 ",
        "020 7946 ",
        "call me on 1 ",
    ),
    *("phone 1 ", "1.1.1.1.", "2020-01-01 ", "DE89 ", "A1", "::", "0:", "ff:ff::", "0x1f "),
    *("key=", "key:", "password=", "password ", "token:", "Bearer ", "Cookie: a=", "the key is ", '"key", "'),
    *(
        "://a:",
        "user:pass@",
        "://@",
        "-----BEGIN PRIVATE KEY-----",
        "eyJ.",
        "eyJh-",
        "sk- ",
        "sk-or-v1-",
        "sk-..",
    ),
    *("AKIA", "Aa1", "Aa1-", "gen-12345-", "curl -u ", '{"a":', "'", "=", "\\", "\\n", "[EMAIL]", "[SECRET:"),
)


def adversarial() -> None:
    """Print the slowest seeds behind each gate: milliseconds by size, and the worst growth."""
    for name, redactor in redactors().items():
        rows = []
        for seed in SEEDS:
            rounds = [
                [microseconds(redactor.redact, [repeated(seed, size)]) / 1e3 for size in SIZES]
                for _ in range(5)
            ]
            times = [min(of_size) for of_size in zip(*rounds, strict=True)]
            growth = max(later / earlier for earlier, later in itertools.pairwise(times))
            rows.append((repr(seed), times, growth))
        rows.sort(key=lambda row: -row[1][-2])
        print(f"{name}, {len(SEEDS)} seeds, the slowest ten and those that grow fastest; milliseconds\n")
        fastest = sorted(rows, key=lambda row: -row[2])[:3]
        table(
            ["seed", *(f"{size // 1024} KB" for size in SIZES), "worst growth"],
            *(
                [seed, *(f"{one:.2f}" for one in times), f"{growth:.2f}"]
                for seed, times, growth in [*rows[:10], *(row for row in fastest if row not in rows[:10])]
            ),
        )


def repeated(seed: str, size: int) -> str:
    return seed * (size // len(seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rounds", nargs="?", type=int, default=40)
    parser.add_argument("--adversarial", action="store_true", help="what is made to be slow instead")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.platform()}, {time.strftime('%Y-%m-%d')}\n")
    if options.adversarial:
        adversarial()
    else:
        compare(options.rounds)


if __name__ == "__main__":
    main()
