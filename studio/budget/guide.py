"""Should you fine-tune at all? Six answers are turned into a ranking of ways, each with its reasons. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile

from studio.budget.guide_rules import OUT, QUESTIONS, RULES, Answer, Question, Rule, Way
from studio.errors import InvalidInput

__all__ = ["QUESTIONS", "WAYS", "Answer", "Guidance", "Question", "Ranked", "Reason", "Way", "advise", "known_answers"]

# From the cheapest to the dearest to try; of two that come out equal the cheaper one is first.
WAYS: Mapping[Way, str] = {
    "prompt": "Write a better prompt",
    "few_shot": "Show examples in the prompt (few-shot)",
    "rag": "Look the facts up (RAG)",
    "fine_tune": "Fine-tune",
    "pretrain": "Continue pre-training",
}
_NEXT: Mapping[Way, str] = {
    "prompt": "Write down the task, the form of the answer and what to do in doubt. Try it on 20 real cases, mend it, "
    "and keep the cases: whatever you build later has to beat this prompt on them.",
    "few_shot": "Put 3 to 8 telling examples into the prompt, hard ones among them, and measure on cases that are not "
    "in it. Collect more while it is used: from 100 on a fine-tune is worth a try.",
    "rag": "Tunewright does not search documents. Build a search over your texts, put what it finds into the prompt, "
    "and ask the model to answer from that alone. A fine-tune can follow if the way it answers is still wrong.",
    "fine_tune": "Measure the prompted model on your test rows first. Then train the smallest model that may do, with "
    "the cheapest method, and compare the two on rows that neither has seen.",
    "pretrain": "Upload the text as a dataset of plain text and train on everything for one pass, mixed with general "
    "text so that less is forgotten. A fine-tune on examples usually follows, for the behaviour.",
}
ALWAYS = (
    "Whatever you choose: put 50 to 200 real cases aside and measure a plain prompt on them first. "
    "Without that number nobody can tell whether anything helped."
)
# With a lead of fewer points than this over the next way, the rules cannot tell the two apart.
_CLOSE = 2


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an answer speaks for or against a way; `source` is the address of a paper, where one is behind it."""

    question: str
    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A way with what speaks for and against it, strongest first; `is_out` when an answer forbids it."""

    way: Way
    label: str
    points: int
    pros: tuple[Reason, ...]
    cons: tuple[Reason, ...]
    next_step: str
    is_out: bool


@dataclass(frozen=True, slots=True)
class Guidance:
    """The advice: the way to try first, the others behind it, and how sure one can be."""

    ranking: tuple[Ranked, ...]
    sentence: str
    doubt: str
    together: str
    turning: tuple[str, ...]
    always: str = ALWAYS

    @property
    def first(self) -> Ranked:
        """What to try first."""
        return self.ranking[0]


def known_answers(given: Mapping[str, str]) -> dict[str, str]:
    """Those of the given values that answer a question, in the order of the questions."""
    return {
        question.name: given[question.name]
        for question in QUESTIONS
        if any(answer.value == given.get(question.name) for answer in question.answers)
    }


def advise(given: Mapping[str, str]) -> Guidance:
    """Rank the ways by all six answers; raises InvalidInput naming each question without one."""
    answers = known_answers(given)
    if missing := [question for question in QUESTIONS if question.name not in answers]:
        fields = {question.name: f"Choose one: {_choices(question)}." for question in missing}
        raise InvalidInput("The advice follows from all six answers.", fields=fields)
    ranking = _rank(answers)
    return Guidance(
        ranking=ranking,
        sentence=_sentence(ranking[0]),
        doubt=_doubt(ranking),
        together=_together(ranking[0].way, answers),
        turning=_turning(ranking[0].way, answers),
    )


def _rank(answers: Mapping[str, str]) -> tuple[Ranked, ...]:
    held = [rule for rule in RULES if answers[rule.question] == rule.answer]
    ranked = [_ranked(way, [rule for rule in held if rule.way == way]) for way in WAYS]
    # Sorting is stable: of two with the same points the one named first, which is the cheaper one, stays first.
    return tuple(sorted(ranked, key=lambda one: (one.is_out, -one.points)))


def _ranked(way: Way, rules: list[Rule]) -> Ranked:
    strongest = sorted(rules, key=lambda rule: -abs(rule.points))
    return Ranked(
        way=way,
        label=WAYS[way],
        points=sum(rule.points for rule in rules),
        pros=tuple(_reason(rule) for rule in strongest if rule.points >= 0),
        cons=tuple(_reason(rule) for rule in strongest if rule.points < 0),
        next_step=_NEXT[way],
        is_out=any(rule.points == OUT for rule in rules),
    )


def _reason(rule: Rule) -> Reason:
    return Reason(rule.question, rule.reason, rule.source)


def _sentence(first: Ranked) -> str:
    return f"{first.label}. {first.pros[0].text}" if first.pros else f"{first.label}."


def _doubt(ranking: tuple[Ranked, ...]) -> str:
    """What to say when the next way is as good as the first one; empty when the answers are clear."""
    first, *others = ranking
    near = list(takewhile(lambda one: not one.is_out and first.points - one.points < _CLOSE, others))
    if not near:
        return ""
    names = " or ".join(f"“{one.label}”" for one in near)
    return f"It is close: {names} may do as well. These are rules of thumb; a day with each tells more than they can."


def _together(first: Way, answers: Mapping[str, str]) -> str:
    """Ways that work beside each other, where the answers ask for both."""
    if answers["learn"] != "both" or answers["license"] == "no":
        return ""
    enough = answers["examples"] in {"some", "many"}
    if first == "rag" and enough:
        return "Both work together: once the facts are looked up, fine-tune on prompts that hold them."
    if first == "fine_tune":
        return "Both work together: train on prompts that hold looked-up facts, and keep looking them up."
    return ""


def _turning(first: Way, answers: Mapping[str, str]) -> tuple[str, ...]:
    """Which single answer would make fine-tuning the first choice."""
    if first == "fine_tune":
        return ()
    changes = {
        "examples": ("some", "With 100 or more good examples, fine-tuning would come first."),
        "license": ("yes", "If you were sure that you may train on the data, fine-tuning would come first."),
    }
    return tuple(
        sentence
        for name, (value, sentence) in changes.items()
        if answers[name] != value and _rank({**answers, name: value})[0].way == "fine_tune"
    )


def _choices(question: Question) -> str:
    return ", ".join(answer.value for answer in question.answers)
