"""Language models as moderators: a prompt each was trained on, and the likelihoods of the answers it may give.

    moderator = PromptedModerator(scorer, catalogue.load())
    moderator.load(print)
    verdict, = moderator.check([Exchange("How do I pick a lock?")])

Nothing is generated and no answer is parsed: GPT-JT-Moderation's five labels, Llama Guard's “safe” and “unsafe” with
its codes, the “Yes” and “No” of ShieldGemma and Granite Guardian are scored by a `Scorer`.

Covered: a text longer than the catalogue's window is judged part by part, the parts overlapping, and the worst counts;
where an answer is judged, the guards that read a conversation see the user's last turn too; what a text holds of the
guards' own markup (`<END CONVERSATION>`, `<|eot_id|>`, `<end_of_turn>`) is made plain.
Not covered: what these models do not know (their languages and limits stand in the catalogue), and texts that talk a
guard into an answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from errors import ModerationError
from moderation.base import Exchange, LabelPrompt, Level, Report, Scorer, Side, Verdict
from moderation.catalogue import HARM, HARMLESS, Catalogue, Codes, Entry, FewShot, Labels, Questions

_SAFE, _UNSAFE = "safe", "unsafe"
_WORTH = 0.02
"""Probability of harm from which it is asked which kind it is."""
_OVERLAP = 8
"""Neighbouring parts of a long text share one part in so many of a window."""
_CONTEXT_SHARE = 4
"""Of what was said before at most one part in so many of a window is read."""
_MARKUP = re.compile(
    r"<(?P<tag>/?(?:BEGIN|END)\b[^<>\n]{0,60}|\|[^<>\n]{1,60}\|?|/?(?:s|bos|eos|pad|unk|mask)|/?(?:think|score)"
    r"|(?:start|end)_of_[a-z_]{1,30})>"
)
_SPEAKER = re.compile(
    r"^(?P<tag>[ \t]*(?:user|agent|assistant|human|chatbot)(?: (?:question|response|message))?[ \t]*)(?=:)",
    re.IGNORECASE | re.MULTILINE,
)
"""What a guard's template writes before a turn."""


class PromptedModerator:
    """Judges with the prompt that the catalogue has for the scorer's model. Safe to call from several threads.

    Raises `ModerationError`: the catalogue does not know the model, or the scorer failed.
    """

    def __init__(self, scorer: Scorer, catalogue: Catalogue) -> None:
        self._scorer = scorer
        self._catalogue = catalogue
        self._entry: Entry | None = None

    @property
    def name(self) -> str:
        return self._scorer.name

    def load(self, report: Report) -> None:
        """Load the model, and try it out: one that cannot answer as it is asked to is refused now, not at a message."""
        self._scorer.load(report)
        self._entry = _entry(self._scorer.name, self._catalogue)
        self.check([Exchange("Hello."), Exchange("Hello.", Side.ASSISTANT, "Hello.")])

    def check(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """One verdict each, in order. Loads the model on first use."""
        if self._entry is None:
            self.load(lambda _: None)
        entry = self._entry
        assert entry is not None
        pieces = [list(_pieces(exchange, entry.window)) for exchange in exchanges]
        flat = [piece for parts in pieces for piece in parts]
        verdicts = iter(_Asking(self._scorer, entry).verdicts(flat))
        return [_worst([next(verdicts) for _ in parts]) for parts in pieces]


def _entry(name: str, catalogue: Catalogue) -> Entry:
    entry = catalogue.find(name)
    if entry is None:
        raise ModerationError(
            f"No prompt is known for the moderator “{name}”; name one of docs/moderators.md, or describe it in a file "
            "given with --moderator-catalogue.",
            zh=f"不知道该用什么提示词询问审核模型“{name}”；请选用 docs/moderators.md 中的模型，或在 "
            "--moderator-catalogue 指定的文件中描述它。",
        )
    if isinstance(entry.asks, Labels):
        raise _classifier(name)
    return entry


def _classifier(name: str) -> ModerationError:
    return ModerationError(
        f"The moderator “{name}” is a text-classification model, which runs on this machine alone; give its hub id or "
        "folder instead of a server.",
        zh=f"审核模型“{name}”是文本分类模型，只能在本机运行；请给出它在 Hugging Face 上的名称或文件夹，而不是服务器。",
    )


def _pieces(exchange: Exchange, window: int) -> Iterator[Exchange]:
    """The text in parts of at most `window` UTF-8 bytes, each with the end of the context; none where it is blank.

    A byte is a token at most in the tokenizers of these models, so that no part is longer than they read.
    """
    text, context = _plain(exchange.text), _plain(exchange.context)
    kept = context.encode("utf-8")[-(window // _CONTEXT_SHARE) :].decode("utf-8", "ignore")
    start = 0
    while start < len(text):
        end = start + len(text[start : start + window].encode("utf-8")[:window].decode("utf-8", "ignore"))
        yield Exchange(text[start:end], exchange.side, kept)
        if end == len(text):
            return
        start = max(start + 1, end - (end - start) // _OVERLAP)


def _plain(text: str) -> str:
    """Without markup that a guard's prompt is made of, and without what no tokenizer can read."""
    text = text.encode("utf-8", "replace").decode("utf-8").strip()
    return _SPEAKER.sub("‹\\g<tag>›", _MARKUP.sub("‹\\g<tag>›", text))


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on a whole from those on its parts; each category counts where it is likeliest."""
    if not verdicts:
        return Verdict(0.0, Level.CASUAL)
    worst = max(verdicts, key=lambda verdict: (verdict.level, verdict.score))
    highest: dict[str, float] = {}
    for name, probability in (pair for verdict in verdicts for pair in verdict.categories):
        highest[name] = max(probability, highest.get(name, 0.0))
    return Verdict(worst.score, worst.level, _ranked(highest))


def _ranked(probabilities: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    named = [(name, value) for name, value in probabilities.items() if name not in (HARM, HARMLESS)]
    return tuple(sorted(named, key=lambda pair: -pair[1]))


def _shares(row: Sequence[float], name: str) -> list[float]:
    """Probabilities of labels, given that one of them is what follows. Raises `ModerationError` where none can be."""
    top = max(row)
    if not math.isfinite(top):
        raise ModerationError(
            f"The moderator “{name}” does not answer as its prompt asks; check that it is the model it is named.",
            zh=f"审核模型“{name}”没有按提示词的要求作答；请确认它就是其名称所指的模型。",
        )
    weights = [math.exp(value - top) for value in row]
    return [weight / sum(weights) for weight in weights]


def _turns(piece: Exchange) -> tuple[tuple[str, str], ...]:
    """What a guard reads: the text as the user's, or as the assistant's answer to the user's last turn."""
    if piece.side is Side.USER:
        return (("user", piece.text),)
    return ("user", piece.context), ("assistant", piece.text)


@dataclass(frozen=True, slots=True)
class _Asking:
    """Whom to ask, and how its answers are graded."""

    scorer: Scorer
    entry: Entry

    def shares(self, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> list[list[float]]:
        """By prompt: the labels' probabilities, given that one of them follows."""
        rows = self.scorer.score(prompts, labels) if prompts else []
        return [_shares(row, self.scorer.name) for row in rows]

    def verdicts(self, pieces: Sequence[Exchange]) -> list[Verdict]:
        match self.entry.asks:
            case FewShot() as few_shot:
                return self._by_level(few_shot, pieces)
            case Codes() as codes:
                return self._by_code(codes, pieces)
            case Questions() as questions:
                return self._by_question(questions, pieces)
            case Labels():
                raise _classifier(self.scorer.name)

    def _by_level(self, few_shot: FewShot, pieces: Sequence[Exchange]) -> list[Verdict]:
        """The likeliest of the five levels; the score is the mean of the levels by likelihood, in 0..1."""
        prompts = [LabelPrompt(few_shot.prompt.replace("{text}", " ".join(piece.text.split()))) for piece in pieces]
        verdicts = []
        for shares in self.shares(prompts, [f" {level.label}" for level in Level]):
            score = sum(share * level for share, level in zip(shares, Level, strict=True)) / max(Level)
            verdicts.append(Verdict(score, Level(shares.index(max(shares)))))
        return verdicts

    def _by_code(self, codes: Codes, pieces: Sequence[Exchange]) -> list[Verdict]:
        """The probability of “unsafe”, shared out among the codes that may follow it."""
        prompts = [LabelPrompt(messages=_turns(piece), parts=codes.parts, lead=codes.lead) for piece in pieces]
        unsafe = [shares[1] for shares in self.shares(prompts, (_SAFE, _UNSAFE))]
        worth = [n for n, probability in enumerate(unsafe) if probability >= _WORTH]
        rows = self.shares([prompts[n] for n in worth], [f"{_UNSAFE}\n{code}" for code in codes.codes])
        kinds = {n: _by_meaning(codes, row) for n, row in zip(worth, rows, strict=True)}
        return [self._graded(probability, kinds.get(n, {})) for n, probability in enumerate(unsafe)]

    def _by_question(self, questions: Questions, pieces: Sequence[Exchange]) -> list[Verdict]:
        """The probability of “yes” to each question; the likeliest counts."""
        asked = [
            (n, question.meaning, LabelPrompt("", _turns(piece), question.variables[piece.side], lead=questions.lead))
            for n, piece in enumerate(pieces)
            for question in questions.questions
            if piece.side in question.variables
        ]
        rows = self.shares([prompt for _, _, prompt in asked], (questions.yes, questions.no))
        found: list[dict[str, float]] = [{} for _ in pieces]
        for (n, meaning, _), (yes, _) in zip(asked, rows, strict=True):
            found[n][meaning] = max(yes, found[n].get(meaning, 0.0))
        return [self._graded(max(one.values(), default=0.0), one, shared=False) for one in found]

    def _graded(self, harm: float, kinds: Mapping[str, float], shared: bool = True) -> Verdict:
        """`shared`: the kinds are shares of the harm; else each is a probability of its own."""
        score = harm * (1 - kinds.get(HARMLESS, 0.0)) if shared else harm
        whole = harm if shared else 1.0
        return Verdict(score, self.entry.level(score), _ranked({name: whole * part for name, part in kinds.items()}))


def _by_meaning(codes: Codes, shares: Sequence[float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for meaning, share in zip(codes.codes.values(), shares, strict=True):
        found[meaning] = found.get(meaning, 0.0) + share
    return found
