"""Everyday questions with the text that answers them, as a data set: {"messages": [question and text, answer]} lines.

People wrote these answers in their own words. The sentence of the text that says most of an answer stands for it; a
question whose answer no sentence comes near (F1 of their words below 0.4), or whose sentence asks something itself, is
left out.
"""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

from errors import InputError
from evaluation.dataset import Dataset, Item, Question
from evaluation.squad import f1, normalise, tokens
from retrieval.split import sentences

_LEAST_F1 = 0.4
_SUBJECT = re.compile(r"(?:the )?(.{2,60}?)(?: \(|,? (?:is|was|are|were|has|had)\b)", re.IGNORECASE)
_TITLE_WORDS = 4


def load_closed(path: Path) -> Dataset:
    """The questions of a JSON-lines file, plain or `.gz`. Raises `InputError` naming a line that is malformed."""
    corpus, questions, relevant = [], [], {}
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                asked, answer = (message["content"].strip() for message in json.loads(line)["messages"])
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{path}, line {number}, is not a question with a text and its answer; mend the line.",
                    zh=f"{path} 第 {number} 行不是带文本的问题及其回答；请改正该行。",
                ) from error
            question, _, text = asked.partition("\n")
            sentence = _said(text, answer)
            key = str(number)
            corpus.append(Item(key, _title(text), text.strip()))
            if sentence:
                questions.append(Question(key, question.strip(), (sentence,)))
                relevant[key] = {key: 1}
    return Dataset(path.name.partition(".")[0], tuple(corpus), tuple(questions), relevant)


def _title(text: str) -> str:
    """What the text is about: the subject of its first sentence, or its first words."""
    opening = text.strip().partition("\n")[0]
    subject = _SUBJECT.match(opening)
    return subject[1] if subject else " ".join(opening.split()[:_TITLE_WORDS])


def _said(text: str, answer: str) -> str:
    """The sentence that says most of the answer; empty where none says enough of it."""
    gold = [normalise(answer)]
    found = [text[span.start : span.end] for span in sentences(text)]
    scores = [_share(normalise(sentence), gold) for sentence in found]
    best = max(range(len(found)), key=lambda i: scores[i], default=-1)
    return found[best] if best >= 0 and scores[best] >= _LEAST_F1 and not found[best].endswith("?") else ""


def _share(sentence: str, gold: list[str]) -> float:
    """F1, or 1 where a short answer stands in the sentence whole."""
    return 1.0 if len(tokens(gold[0])) > 1 and gold[0] in sentence else f1(sentence, gold)
