"""The offline parser: one sentence in, one reply out, without any model.

A sentence is brought to one spelling, screened, cut into tokens and fragments; each
clause must fit a frame that accounts for all its words, else nothing is done.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_spinalsam.actions.models import ACTION_CLASS, ActionClass
from napari_spinalsam.actions.replies import Plan, Refuse, parse_reply
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.language.parser.clauses import correct_oneself, split
from napari_spinalsam.language.parser.fallback import read_by_guess
from napari_spinalsam.language.parser.frames import VERBS, mask
from napari_spinalsam.language.parser.levels import join_levels
from napari_spinalsam.language.parser.negation import TIES, without_kept
from napari_spinalsam.language.parser.normalize import normalise
from napari_spinalsam.language.parser.planner import plan, without_remarks
from napari_spinalsam.language.parser.safety import screen, speaks_of, weighs
from napari_spinalsam.language.parser.slots import places_of
from napari_spinalsam.language.parser.tokenizer import read_sentence
from napari_spinalsam.language.questions import ask_back, language_of, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.actions.replies import Reply
    from napari_spinalsam.core.messages import Language
    from napari_spinalsam.language.parser.clause_reading import Outcome
    from napari_spinalsam.language.parser.frames import Fragment
    from napari_spinalsam.language.parser.intent import GuessIntent
    from napari_spinalsam.language.parser.tokenizer import Token

__all__ = ["language_of", "parse_offline"]

# What stops a request, in the order in which it is given as the reason.
_STOPPERS = (
    ("outside", "outside quoting"),
    ("not", "forget"),
    ("if", "if"),
    ("meaning", "meaning"),
    ("reported", "reported past"),
    ("ask", "ask"),
)
# Read digit by digit, "1e3" would be another number, and "5%" of a count is none.
_EXPONENT = re.compile(r"(?<![a-z\d.])\d+(?:\.\d+)?(?:e[+-]?\d+(?![a-z\d])|\s?%)")
_PLACED = frozenset(("add_points", "add_box", "measure"))
_NAMING = ("structure", "structures", "to", "into")
_FORMAT = "nifti"  # in which labels are saved where nothing else is said
_COUNTED = "slice point undo redo level_word width_word propagate"
_SHORTEST_QUESTION = 2  # words; a shorter one is a request cut short
# Asks for leave rather than whether it can be done, where nothing is lost by it.
_MAY = frozenset(("can i", "could i", "may i", "can we", "could we", "might i"))
_SUBJECTS = (
    "add draw generate segment select clear reset accept reject undo redo propagate"
    " measure save show hide go open point box prompt mask preview point_mask box_mask"
    " image slice labels reference window plane preset structure region metric gpu"
    " parameters sample next previous forward back polarity predict segmentation"
    " box_verb level_word width_word disc_word vertebra format quality updown"
)


def parse_offline(text: str, guess: GuessIntent | None = None) -> Reply:
    """Return the reply to a sentence: a plan, a question back or a refusal.

    The same sentence always gets the same reply; nothing is sent anywhere.

    Parameters
    ----------
    text : str
        What the user typed or dictated, in English, Chinese or both.
    guess : callable
        The model that names an action where no frame fits; training compares some.
    """
    language = language_of(text)
    key = screen(text)
    if key is not None:
        return refuse(key, language)
    tokens = read_words(text)
    powers = _EXPONENT.search(normalise(text)) is not None
    if powers and _present(tokens) & mask(_COUNTED):
        return ask_back("which_number", language)
    fragments = split(tokens)
    if not fragments:
        if any(token.concepts & mask("more_word") for token in tokens):
            return ask_back("what_to_do", language)
        return refuse(_social(tokens) if tokens else "empty", language)
    reply = _reply(tokens, fragments, language, guess or _by_model)
    if powers and isinstance(reply, Plan):
        return ask_back("which_number", language)
    if isinstance(reply, Refuse) and _social(tokens) == "thanks":
        return refuse("thanks", language)
    return reply


def read_words(text: str) -> list[Token]:
    """Return the words of a sentence, levels joined and slips of the tongue corrected.

    Parameters
    ----------
    text : str
        What `screen` found nothing wrong with.
    """
    sentence = read_sentence(normalise(text))
    return _mark_questions(correct_oneself(join_levels(sentence.tokens)))


def _reply(
    tokens: Sequence[Token],
    fragments: Sequence[Fragment],
    language: Language,
    guess: GuessIntent,
) -> Reply:
    wanted = [part for part in fragments if not part.negated]
    if not wanted:
        return refuse("not", language)
    if _quotes_a_request(tokens):
        return refuse("reported", language)
    if _asks_how(tokens):
        return _help_or_refuse(tokens, language)
    outcome = plan(without_kept(wanted, fragments), tokens)
    if not outcome.steps:
        outcome = _second(fragments, tokens, outcome, guess)
    if (doubt := _doubt(tokens, outcome, language)) is not None:
        return doubt
    if _leaves_out(outcome.steps, tokens, wanted):
        return ask_back("what_to_do", language)
    if outcome.steps:
        return _as_plan(outcome.steps, language)
    if (len(wanted) < len(fragments) and not outcome.question) or all(
        part.has("keep") for part in wanted
    ):
        return refuse("not", language)
    return _why_not(tokens, outcome, language)


def _doubt(
    tokens: Sequence[Token], outcome: Outcome, language: Language
) -> Reply | None:
    """Refuse or ask back where a request is only asked or spoken about."""
    if _is_bare_question(tokens, outcome):
        if _destroys(outcome):
            return ask_back("sure", language)
        if not outcome.steps and len(tokens) > _SHORTEST_QUESTION:
            return refuse("ask", language)
    said = " ".join(token.text for token in tokens)
    if _destroys(outcome) and speaks_of(said):
        return refuse("ask", language)
    if _destroys(outcome) and weighs(said):
        return ask_back("sure", language)
    return None


def _destroys(outcome: Outcome) -> bool:
    return any(
        ACTION_CLASS[step["action"]] is ActionClass.DESTRUCTIVE
        for step in outcome.steps
    )


def _by_model(tokens: Sequence[Token]) -> tuple[str, float]:
    """Ask the small model; numpy is loaded by the first sentence that needs it."""
    from napari_spinalsam.language.parser.intent import guess_intent

    return guess_intent(tokens)


def _second(
    fragments: Sequence[Fragment],
    tokens: Sequence[Token],
    first: Outcome,
    guess: GuessIntent,
) -> Outcome:
    """Return the reading without remarks, or the guess, that finds something."""
    found = without_remarks(fragments, tokens)
    if found.steps:
        return found
    if first.question or first.refusal:
        return first
    guessed = read_by_guess(fragments, tokens, guess)
    return guessed if guessed.steps else first


def _leaves_out(
    steps: Sequence[dict[str, Any]],
    tokens: Sequence[Token],
    wanted: Sequence[Fragment],
) -> bool:
    """Whether steps miss an exception, or a name or format said beside them.

    What is excepted from a range is taken out of it before; steps that clear heed what
    is to be kept by themselves.
    """
    clears = (
        all(step["action"].startswith("clear") for step in steps)
        if steps
        else any(token.concepts & mask("clear") for token in tokens)
    )
    if not clears and any(token.concepts & mask("except") for token in tokens):
        return True
    words = [token for part in wanted for token in part.tokens]
    saves = any(s["action"] == "save_labels" and "format" not in s for s in steps)
    if saves and {t.values.get("format", _FORMAT) for t in words} != {_FORMAT}:
        return True
    used = {name for step in steps for key in _NAMING for name in _as_list(step, key)}
    lacks = any(s["action"] in _PLACED and s.get("structure") is None for s in steps)
    tied = [
        token
        for part in wanted
        if part.joiner is not None and part.joiner.text in TIES
        for token in part.tokens
    ]
    said = places_of(words if lacks else tied, "structure")
    return bool(steps) and not used.issuperset(said)


def _as_list(step: dict[str, Any], key: str) -> list[str]:
    value = step.get(key) or []
    return [value] if isinstance(value, str) else list(value)


def _as_plan(steps: list[dict[str, Any]], language: Language) -> Reply:
    try:
        return parse_reply({"kind": "plan", "steps": steps})
    except InputError:
        key = "too_many_steps" if len(steps) > 8 else "what_to_do"
        return ask_back(key, language)


def _why_not(tokens: Sequence[Token], outcome: Outcome, language: Language) -> Reply:
    present = _present(tokens)
    if not all(token.known for token in tokens) or present & mask("outside"):
        return refuse(_social(tokens), language)
    if present & mask("done_word"):
        return refuse("reported", language)
    for key, names in _STOPPERS:
        if any(_only(token, names) for token in tokens):
            return refuse(key, language)
    if outcome.refusal:
        return refuse(outcome.refusal, language)
    if outcome.question:
        return ask_back(outcome.question, language)
    if present & mask("judge") and not present & mask("reset"):
        return refuse("outside", language)
    if present & mask("need_word"):
        return refuse("reported", language)
    if present & mask(f"{_SUBJECTS} more_word"):
        return ask_back("what_to_do", language)
    return refuse(_social(tokens), language)


def _social(tokens: Sequence[Token]) -> str:
    """Return the key of a human answer to a greeting or to thanks, else "outside".

    Thanks may come with praise; a greeting is answered alone, or it is none.
    """
    present = _present(tokens)
    if present & mask("thanks") and not present & mask(_SUBJECTS):
        return "thanks"
    greets = all(token.concepts & mask("greeting filler") for token in tokens)
    return "greeting" if greets and present & mask("greeting") else "outside"


def _only(token: Token, names: str) -> bool:
    """Whether a word has one of these meanings and no other that a frame takes."""
    stopping = mask(
        "outside quoting forget if meaning reported past ask howto not participle"
        " subject passive_request ask_first stop_word thanks"
    )
    return bool(token.concepts & mask(names)) and not token.concepts & ~stopping


def _present(tokens: Sequence[Token]) -> int:
    present = 0
    for token in tokens:
        present |= token.concepts
    return present


def _quotes_a_request(tokens: Sequence[Token]) -> bool:
    """Whether a request stands in quotation marks, and something outside of them."""
    marks = [at for at, token in enumerate(tokens) if token.text == '"']
    if len(marks) < 2:
        return False
    inside, outside = tokens[marks[0] : marks[-1]], tokens[: marks[0]]
    said = mask("say_word reported quoting tell what_word meaning subject")
    return any(token.concepts & mask(VERBS) for token in inside) and any(
        token.concepts & said and not token.concepts & mask("request")
        for token in outside
    )


def _asks_how(tokens: Sequence[Token]) -> bool:
    return any(_only(token, "howto") for token in tokens)


def _help_or_refuse(tokens: Sequence[Token], language: Language) -> Reply:
    known = all(token.known for token in tokens)
    outside = any(_only(token, "outside quoting if reported") for token in tokens)
    if known and not outside and _present(tokens) & mask(_SUBJECTS):
        return parse_reply({"kind": "plan", "steps": [{"action": "show_help"}]})
    return refuse("outside", language)


def _mark_questions(tokens: Sequence[Token]) -> list[Token]:
    """Mark a question's first word, and let a courteous 吗 be courtesy."""
    polite = any(token.concepts & mask("request") for token in tokens)
    result = []
    first = True
    for at, token in enumerate(tokens):
        if token.text in _MAY and any(
            after.concepts & mask("undo redo") for after in tokens[at + 1 : at + 2]
        ):
            token = replace(token, concepts=mask("filler request"))
        asks = token.concepts & mask("ask_first") and not _orders(token, tokens)
        if first and asks:
            token = replace(token, concepts=mask("ask"))
        if polite and token.concepts & mask("please_ask"):
            token = replace(token, concepts=mask("filler"))
        if not token.concepts & mask("filler") or token.concepts & mask(
            "ask request subject"
        ):
            first = False
        result.append(token)
    return result


def _orders(token: Token, tokens: Sequence[Token]) -> bool:
    """Whether "do the" is an order, as in "do the lumbar levels", and no question."""
    if token.text not in ("do the", "do all"):
        return False
    asked = mask("match gpu_state how_big judge")
    return not any(
        other.text == "?"
        or other.concepts & mask("clear")
        or (other.concepts & asked and not other.concepts & mask(VERBS))
        for other in tokens
    )


def _is_bare_question(tokens: Sequence[Token], outcome: Outcome) -> bool:
    """Whether it ends in a question mark without being put as a request."""
    asked = any(token.text in ("?", "吗", "么") for token in tokens)
    return asked and not _is_polite(tokens) and not outcome.answers


def _is_polite(tokens: Sequence[Token]) -> bool:
    """Whether it is put as a request; 能 before 吗 is one only before the verb."""
    polite = [at for at, t in enumerate(tokens) if t.concepts & mask("request")]
    if not any(token.text in ("吗", "么") for token in tokens):
        return bool(polite)
    verbs = mask("save clear accept reject undo redo segment propagate")
    first = next((at for at, t in enumerate(tokens) if t.concepts & verbs), len(tokens))
    return any(at <= first for at in polite)
