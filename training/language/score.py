"""Score the offline parser on sentences with gold replies.

The headline is the exact frame match: kind, actions and all arguments are right. Beside
it stand what must never happen (a destructive step that nobody asked for), how many
sentences that must not act do not, and the time a sentence takes.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from napari_spinalsam.actions.models import ACTION_CLASS, ActionClass
from napari_spinalsam.actions.replies import Plan, Reply, parse_reply, reply_to_dict
from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

# Grammar and model are tuned on the first two; of the last only figures are ever shown.
TUNED, LOCKED = ("train", "dev"), "test"
_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the corpus.

    Parameters
    ----------
    text, lang, voice : str
        What is said, in ``en``, ``zh`` or ``mixed``, and in whose manner.
    writer : str
        Who wrote it: sentences of one writer are alike, and stay in one split.
    accept : tuple of Reply or str
        The right replies, the best first; the kind alone for those that do not act.
    """

    text: str
    lang: str
    voice: str
    writer: str
    accept: tuple[Reply | str, ...]

    @property
    def acts(self) -> bool:
        """Whether something is to be done, beyond showing help."""
        return any(isinstance(reply, Plan) for reply in self.accept)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the parser made of a sentence, and in how many seconds."""

    sentence: Sentence
    reply: Reply
    seconds: float

    @property
    def right(self) -> bool:
        """Whether kind, actions and all arguments are as they should be."""
        return any(
            self.reply.kind == reply if isinstance(reply, str) else self.reply == reply
            for reply in self.sentence.accept
        )

    @property
    def destroys(self) -> bool:
        """Whether it holds a destructive step that no right reply has."""
        wanted = {
            step
            for r in self.sentence.accept
            if isinstance(r, Plan)
            for step in _bad(r)
        }
        return not set(_bad(self.reply)) <= wanted


def read_corpus(path: Path) -> list[Sentence]:
    """Return the sentences of a file.

    Parameters
    ----------
    path : Path
        JSON lines with ``text``, ``lang``, ``voice``, ``writer`` and ``accept``.

    Raises
    ------
    InputError
        If the file is missing, or a line is none of these.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(f"There is no corpus {path}: check its path.") from None
    sentences = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            accept = tuple(_reply(item) for item in row.pop("accept"))
            sentences.append(Sentence(**row, accept=accept))
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"{path.name}, line {number} is no sentence ({error}): fix it."
            ) from None
    return sentences


def by_writer(sentences: Iterable[Sentence]) -> dict[str, list[Sentence]]:
    """Return the sentences of each writer, in the order of the file."""
    groups: dict[str, list[Sentence]] = defaultdict(list)
    for sentence in sentences:
        groups[sentence.writer].append(sentence)
    return dict(groups)


def answer(
    sentences: Iterable[Sentence], parse: Callable[[str], Reply]
) -> list[Answer]:
    """Let a parser reply to sentences, and take the time."""
    answers = []
    for sentence in sentences:
        start = time.perf_counter()
        reply = parse(sentence.text)
        answers.append(Answer(sentence, reply, time.perf_counter() - start))
    return answers


def wilson(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share."""
    if total == 0:
        return 0.0, 1.0
    share, square = right / total, _Z95**2 / total
    middle = share + square / 2
    spread = _Z95 * math.sqrt(share * (1 - share) / total + square / (4 * total))
    return (middle - spread) / (1 + square), (middle + spread) / (1 + square)


def summarise(answers: Sequence[Answer]) -> str:
    """Return the figures of some answers, a few lines of text."""
    lines = [f"frame exact match      {_share(answers)}"]
    for lang in ("en", "zh", "mixed"):
        part = [a for a in answers if a.sentence.lang == lang]
        if part:
            lines.append(f"  {lang:20} {_share(part)}")
    idle = [a for a in answers if not a.sentence.acts]
    still = sum(not isinstance(a.reply, Plan) for a in idle)
    lines.append(f"must not act: recall   {_figures(still, len(idle))}")
    lines.append(f"destructive false triggers {sum(a.destroys for a in answers)}")
    if len(answers) > 1:
        times = quantiles((1000 * a.seconds for a in answers), n=100)
        lines.append(f"latency p50 {times[49]:.2f} ms, p95 {times[94]:.2f} ms")
    return "\n".join(lines)


def by_action(answers: Sequence[Answer]) -> str:
    """Return the exact frame match by the first action of the gold reply."""
    groups: dict[str, list[Answer]] = defaultdict(list)
    for one in answers:
        best = one.sentence.accept[0]
        groups[_group(best)].append(one)
    rows = sorted(groups.items(), key=lambda row: (_rate(row[1]), row[0]))
    return "\n".join(f"  {name:20} {_share(part)}" for name, part in rows)


def failures(answers: Sequence[Answer]) -> str:
    """Return the sentences that went wrong, each with what came and what should."""
    lines = []
    for one in answers:
        if not one.right:
            wanted = " | ".join(_short(reply) for reply in one.sentence.accept)
            lines += [one.sentence.text, f"    got  {_short(one.reply)}"]
            lines.append(f"    gold {wanted}")
    counts = Counter(one.right for one in answers)
    return "\n".join([*lines, f"{counts[False]} of {len(answers)} went wrong"])


def _group(reply: Reply | str) -> str:
    if isinstance(reply, str):
        return reply
    if not isinstance(reply, Plan):
        return reply.kind
    return reply.steps[0].action if len(reply.steps) == 1 else "several steps"


def _reply(item: Any) -> Reply | str:
    if item in ("clarify", "refuse"):
        return str(item)
    return parse_reply({"kind": "plan", "steps": item})


def _bad(reply: Reply) -> list[str]:
    steps = reply.steps if isinstance(reply, Plan) else ()
    names = [step.action for step in steps]
    return [name for name in names if ACTION_CLASS[name] is ActionClass.DESTRUCTIVE]


def _rate(answers: Sequence[Answer]) -> float:
    return sum(one.right for one in answers) / len(answers)


def _share(answers: Sequence[Answer]) -> str:
    return _figures(sum(one.right for one in answers), len(answers))


def _figures(right: int, total: int) -> str:
    low, high = wilson(right, total)
    share = right / total if total else 1.0
    return f"{share:6.1%}  ({right} of {total}; 95 % interval {low:.1%} to {high:.1%})"


def _short(reply: Reply | str) -> str:
    if isinstance(reply, str):
        return reply
    if not isinstance(reply, Plan):
        return reply.kind
    steps = reply_to_dict(reply)["steps"]
    return "; ".join(
        " ".join(str(value) for value in step.values() if value is not None)
        for step in steps
    )
