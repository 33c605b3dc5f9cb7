"""The guide's six questions and what each answer says for or against each way, as data."""

from dataclasses import dataclass
from typing import Literal

Way = Literal["prompt", "few_shot", "rag", "fine_tune", "pretrain"]
# What a rule with this weight speaks against is not advised at all.
OUT = -100

# Where a sentence rests on a paper, the paper is named, so that a reader can judge how far it carries.
LIMA = "https://arxiv.org/abs/2305.11206"
KNOWLEDGE = "https://arxiv.org/abs/2312.05934"
MADE_UP = "https://arxiv.org/abs/2405.05904"
ADAPTIVE = "https://arxiv.org/abs/2004.10964"


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice of a question."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the guide; `short` names it where answers are listed."""

    name: str
    label: str
    hint: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """What an answer says about a way: points for it (negative: against it) and the reason in words."""

    question: str
    answer: str
    way: Way
    points: int
    reason: str
    source: str = ""


QUESTIONS: tuple[Question, ...] = (
    Question(
        "learn",
        "What is missing in the model's answers?",
        "Facts that it cannot know, or the way in which it answers?",
        (
            Answer("behaviour", "Behaviour: a task, a style or a format"),
            Answer("knowledge", "Knowledge: facts it does not have"),
            Answer("both", "Both"),
        ),
    ),
    Question(
        "change",
        "How often does what it must know or do change?",
        "A trained model knows nothing that came after its training.",
        (
            Answer("rarely", "Hardly ever"),
            Answer("yearly", "A few times a year"),
            Answer("weekly", "Every week or more often"),
        ),
    ),
    Question(
        "examples",
        "How many good examples of input and answer do you have?",
        "Checked by somebody who knows; a small number of right ones beats a large number of doubtful ones.",
        (
            Answer("none", "None, or fewer than 10"),
            Answer("few", "10 to 100"),
            Answer("some", "100 to 1,000"),
            Answer("many", "More than 1,000"),
            Answer("text", "No pairs, but millions of words of text"),
        ),
    ),
    Question(
        "format",
        "Must the answer have one exact form?",
        "A label out of a list, JSON with certain keys, a fixed template.",
        (Answer("free", "No, a person reads it"), Answer("strict", "Yes, a program reads it")),
    ),
    Question(
        "latency",
        "How fast and how cheap must an answer be?",
        "A long prompt is read and paid for at every question.",
        (Answer("relaxed", "A few seconds are fine"), Answer("fast", "At once, or millions of times")),
    ),
    Question(
        "license",
        "May you train a model on this data?",
        "Contracts, licences and personal data can forbid it even where reading is allowed.",
        (
            Answer("yes", "Yes, it is ours or its licence allows it"),
            Answer("unsure", "I am not sure"),
            Answer("no", "No, or people may ask for their data to be removed"),
        ),
    ),
)

RULES: tuple[Rule, ...] = (
    # What is missing.
    Rule("learn", "behaviour", "prompt", 2, "A clear instruction changes behaviour within an hour, for nothing."),
    Rule("learn", "behaviour", "few_shot", 2, "Examples in the prompt show a behaviour better than words describe it."),
    Rule("learn", "behaviour", "fine_tune", 4, "Behaviour is what fine-tuning teaches best.", source=LIMA),
    Rule("learn", "behaviour", "rag", -4, "Looking facts up does not change how the model answers."),
    Rule("learn", "behaviour", "pretrain", -6, "More text to read teaches a model facts and a tongue, not a task."),
    Rule("learn", "knowledge", "prompt", 1, "If the facts fit into one page, put that page into the prompt."),
    Rule("learn", "knowledge", "few_shot", -2, "Examples in a prompt show a behaviour; they carry few facts."),
    Rule(
        "learn",
        "knowledge",
        "rag",
        6,
        "Facts that are looked up can be checked, corrected and cited; studies find that this beats training them in.",
        source=KNOWLEDGE,
    ),
    Rule(
        "learn",
        "knowledge",
        "fine_tune",
        -10,
        "Facts are learned slowly by fine-tuning, and new ones make a model state more that is made up.",
        source=MADE_UP,
    ),
    Rule("learn", "knowledge", "pretrain", 2, "A whole field and its language can be learned by reading much of it."),
    Rule("learn", "both", "prompt", 1, "An instruction and a page of facts are a fair first try."),
    Rule("learn", "both", "rag", 4, "The facts are best looked up; the behaviour can be taught beside that."),
    Rule("learn", "both", "pretrain", -1, "Reading more text teaches the facts, but not the behaviour."),
    Rule("learn", "both", "few_shot", 1, "Examples in the prompt show how to use what was looked up."),
    Rule("learn", "both", "fine_tune", 2, "The behaviour can be trained, also on prompts that hold looked-up facts."),
    # How often it changes.
    Rule("change", "weekly", "rag", 5, "It changes every week: what is looked up is as fresh as its source."),
    Rule("change", "weekly", "prompt", 2, "A prompt is changed in a minute, as often as you like."),
    Rule("change", "weekly", "few_shot", 1, "Examples in a prompt are swapped in a minute."),
    Rule(
        "change", "weekly", "fine_tune", -20, "It changes every week: a fine-tune would be stale before it is checked."
    ),
    Rule("change", "weekly", "pretrain", OUT, "It changes every week: no pre-training is ever done in time."),
    Rule("change", "yearly", "rag", 2, "It changes a few times a year: looked-up facts follow without training anew."),
    Rule("change", "yearly", "fine_tune", -1, "It changes a few times a year: count on training anew each time."),
    Rule("change", "yearly", "pretrain", -4, "It changes a few times a year, and pre-training is too dear to repeat."),
    Rule("change", "rarely", "fine_tune", 1, "It hardly ever changes, so what is trained once stays right."),
    Rule("change", "rarely", "pretrain", 2, "It hardly ever changes, so what is read once stays right."),
    # How many examples.
    Rule("examples", "none", "prompt", 5, "Without examples an instruction is what you can write today."),
    Rule("examples", "none", "rag", 3, "Looking facts up needs no examples."),
    Rule("examples", "none", "few_shot", -6, "There are no examples yet to show; 5 good ones are enough to begin."),
    Rule(
        "examples", "none", "fine_tune", OUT, "There is nothing to learn from yet: 100 good examples are a beginning."
    ),
    Rule("examples", "none", "pretrain", OUT, "There is no text to read: it takes millions of words."),
    Rule(
        "examples", "few", "few_shot", 5, "10 to 100 examples are just right to show a handful of them in the prompt."
    ),
    Rule("examples", "few", "prompt", 1, "An instruction needs few examples: they tell you whether it works."),
    Rule("examples", "few", "fine_tune", -6, "Fewer than 100 examples are learned by heart rather than understood."),
    Rule("examples", "few", "pretrain", OUT, "Pairs are no text to read; it takes millions of words."),
    Rule("examples", "some", "fine_tune", 3, "A few hundred good examples are enough for a narrow task.", source=LIMA),
    Rule("examples", "some", "few_shot", 1, "There are enough examples to pick telling ones for the prompt."),
    Rule("examples", "some", "pretrain", OUT, "Pairs are no text to read; it takes millions of words."),
    Rule("examples", "many", "fine_tune", 5, "More than 1,000 examples hold more than any prompt can.", source=LIMA),
    Rule("examples", "many", "few_shot", -1, "A prompt can show only a handful of your many examples."),
    Rule("examples", "many", "pretrain", OUT, "Pairs are no text to read; it takes millions of words."),
    Rule(
        "examples", "text", "pretrain", 5, "Millions of words are what continued pre-training reads.", source=ADAPTIVE
    ),
    Rule("examples", "text", "rag", 2, "Your texts can be searched as they are."),
    Rule("examples", "text", "fine_tune", OUT, "Plain text shows no answers; make 100 pairs of it first."),
    Rule("examples", "text", "few_shot", -3, "Plain text shows no answers that a prompt could repeat; make 5 pairs."),
    # The form of the answer.
    Rule("format", "strict", "fine_tune", 3, "A trained model keeps an exact form without being told each time."),
    Rule("format", "strict", "few_shot", 2, "Examples in the prompt keep an exact form better than its description."),
    Rule(
        "format",
        "strict",
        "prompt",
        -1,
        "An instruction alone breaks an exact form now and then; let your program check it.",
    ),
    Rule("format", "strict", "pretrain", -3, "Reading text teaches no exact form of an answer."),
    Rule("format", "free", "prompt", 1, "A person reads the answer, so small slips of form do no harm."),
    # Speed.
    Rule("latency", "fast", "fine_tune", 3, "A small trained model with a short prompt is the fastest and cheapest."),
    Rule("latency", "fast", "few_shot", -2, "Examples make every prompt longer, and you pay for them at each answer."),
    Rule("latency", "fast", "rag", -2, "Looking things up takes time before the first word."),
    Rule("latency", "fast", "prompt", 0, "A short instruction costs little time."),
    Rule("latency", "relaxed", "rag", 1, "There is time to look things up first."),
    Rule("latency", "relaxed", "prompt", 1, "There is time to use a larger model with a good instruction."),
    # Whether the data may be used.
    Rule("license", "yes", "fine_tune", 1, "You may train on the data."),
    Rule("license", "yes", "pretrain", 1, "You may train on the data."),
    Rule("license", "unsure", "fine_tune", -2, "Ask first whether the data may be trained on; training is not undone."),
    Rule("license", "unsure", "pretrain", -3, "Ask first whether the texts may be trained on; training is not undone."),
    Rule("license", "unsure", "prompt", 1, "An instruction needs none of the data."),
    Rule("license", "no", "fine_tune", OUT, "The data may not be trained on, and what is learned cannot be removed."),
    Rule("license", "no", "pretrain", OUT, "The texts may not be trained on, and what is learned cannot be removed."),
    Rule("license", "no", "rag", 1, "What is looked up stays in your store, where it can be removed."),
    Rule("license", "no", "few_shot", -1, "Show only examples that may be shown: write a few of your own."),
    Rule("license", "no", "prompt", 1, "An instruction needs none of the data."),
)
