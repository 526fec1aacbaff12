"""Rated answers become training data: conversations to learn from, or pairs of a better and a worse answer.

    python -m finetune.export --out rated.jsonl                 # for python -m finetune.chat
    python -m finetune.export --out pairs.jsonl --pairs         # for python -m finetune.preference
    python -m finetune.export --out cases.jsonl --moderation    # for python -m finetune.moderation_cases

Conversations are `{"messages": [{"role", "content"}, …], "source", "model"}`: the messages as the model read them, the
sources in the last question, then the answer that was rated good, or the ideal answer that somebody wrote. Answers
before it have `"weight": 0`, since nobody has rated them here. Pairs are `{"prompt": messages, "chosen": [message],
"rejected": [message], "source"}`, TRL's conversational form: a good or ideal answer and a bad one to the same question
in the same conversation, on the same sources. Moderation cases are `{"text", "flagged", "side", "category"?,
"context"?}`: contested decisions that the operator has ruled on.

Nothing is exported without consent. Left out besides: what moderation had something against, what was not screened
(unless `--unscreened`), of good answers those that were cut or that somebody else found bad. The order is that of the
ratings, so the same ratings give the same file. It may run beside the app: it only reads.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chat.base import Message, Role
from chat.rating import Thumb
from chat.ratings import Rated, read
from errors import AppError, InputError
from finetune.command import data_folder
from finetune.personal import mask
from finetune.writing import write
from moderation.cases import FILE as CASES
from moderation.cases import Case
from moderation.policy import OPERATORS_OWN

Record = dict[str, Any]

_FOLDERS = (Path(), Path("terminal"))
"""Of the data folder: the page's ratings, and those of the terminal."""


def examples(rated: Iterable[Rated], left_out: Counter[str]) -> Iterator[Record]:
    """A conversation for each answer that was rated good and each ideal one, each once."""
    rated = list(rated)
    bad = {(one.messages, one.answer) for one in rated if one.thumb is Thumb.DOWN}
    done: set[tuple[tuple[Message, ...], str]] = set()
    for one in rated:
        answer = one.ideal or (one.answer if one.thumb is Thumb.UP else "")
        if not answer:
            continue
        if not one.ideal and not one.ended:
            left_out["good answers that were cut"] += 1
        elif (one.messages, answer) in bad:
            left_out["good answers that somebody found bad"] += 1
        elif (one.messages, answer) not in done:
            done.add((one.messages, answer))
            messages = [_message(message) for message in one.messages]
            for message in messages:
                if message["role"] == Role.ASSISTANT:
                    message["weight"] = 0
            source = "ideal answer" if one.ideal else "rated good"
            yield {"messages": [*messages, _answer(answer)], "source": source, "model": one.model}


def pairs(rated: Iterable[Rated], left_out: Counter[str]) -> Iterator[Record]:
    """A pair for each good and bad answer to the same question, and for each answer and the ideal one, each once."""
    asked: dict[tuple[str, tuple[Message, ...]], list[Rated]] = {}
    for one in rated:
        asked.setdefault((one.conversation, one.messages), []).append(one)
    done: set[tuple[tuple[Message, ...], str, str]] = set()
    for (_, messages), ones in asked.items():
        good = [(one.answer, "rated") for one in ones if one.thumb is Thumb.UP and one.ended]
        good += [(one.ideal, "ideal answer") for one in ones if one.ideal]
        bad = [one.answer for one in ones if one.thumb is Thumb.DOWN]
        better = [(one.ideal, one.answer, "ideal answer") for one in ones if one.ideal]
        better += [(chosen, rejected, source) for chosen, source in good for rejected in bad]
        liked = {answer for answer, _ in good}
        for chosen, rejected, source in better:
            if chosen == rejected or (messages, chosen, rejected) in done:
                continue
            if rejected in liked and chosen in bad:
                left_out["pairs that were rated either way"] += 1
                continue
            done.add((messages, chosen, rejected))
            yield {
                "prompt": [_message(message) for message in messages],
                "chosen": [_answer(chosen)],
                "rejected": [_answer(rejected)],
                "source": source,
            }


def cases(folder: Path, since: float, left_out: Counter[str]) -> Iterator[Record]:
    """The contested decisions in a folder that were ruled on, with their text. Raises `InputError`."""
    path = folder / CASES
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []
    except OSError as error:
        raise InputError(
            f"The cases in {path} cannot be read ({error.strerror}); check the file.",
            zh=f"无法读取 {path} 中的案例（{error.strerror}）；请检查该文件。",
        ) from error
    for case in filter(None, map(Case.read, filter(None, lines))):
        if case.time < since:
            continue
        if not case.ruling:
            left_out["cases that nobody has ruled on"] += 1
        elif not case.text:
            left_out["cases whose text was not kept"] += 1
        elif case.ground in OPERATORS_OWN:
            left_out["cases of blocked phrases or other topics, which are not about harm"] += 1
        else:
            flagged = case.ruling == "right"
            yield {
                "text": case.text,
                "flagged": flagged,
                "side": case.side,
                **({"category": case.category} if flagged and case.category else {}),
                **({"context": case.context} if case.context else {}),
            }


def usable(rated: Iterable[Rated], unscreened: bool, left_out: Counter[str]) -> Iterator[Rated]:
    """The ratings without those that moderation had something against or did not see."""
    for one in rated:
        if one.flagged:
            left_out["answers that moderation had something against"] += 1
        elif not one.screened and not unscreened:
            left_out["answers that were not screened"] += 1
        else:
            yield one


def masked(record: Any, found: Counter[str]) -> Any:
    """The record with personal data hidden in every text of a person, a model or a source; counted in `found`."""
    if isinstance(record, list):
        return [masked(one, found) for one in record]
    if not isinstance(record, dict):
        return record
    shown = {}
    for name, value in record.items():
        if name in _TEXTS and isinstance(value, str):
            value, kinds = mask(value)
            found.update(kinds)
        shown[name] = masked(value, found)
    return shown


_TEXTS = frozenset({"content", "text", "context"})


def _message(message: Message) -> Record:
    return {"role": message.role.value, "content": message.content}


def _answer(text: str) -> Record:
    return {"role": Role.ASSISTANT.value, "content": text}


def _since(text: str) -> float:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"“{text}” is no date; write it like 2026-03-01") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m finetune.export", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the file of JSON lines that is written")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--pairs", action="store_true", help="pairs of a better and a worse answer")
    what.add_argument("--moderation", action="store_true", help="contested decisions that were ruled on")
    parser.add_argument("--since", type=_since, default=0.0, help="only what was rated from this day on (UTC)")
    parser.add_argument("--mask-personal", action="store_true", help="hide e-mail addresses, phone and card numbers")
    parser.add_argument("--unscreened", action="store_true", help="answers too that moderation did not see")
    parser.add_argument("--data-folder", "--data-dir", type=Path, help="the app's; default: as it is set")
    given = parser.parse_args(arguments)
    left_out: Counter[str] = Counter()
    try:
        given.data_folder = given.data_folder or data_folder()
        if not given.data_folder.is_dir():
            raise InputError(
                f"There is no folder {given.data_folder}; name the app's with --data-folder.",
                zh=f"没有文件夹 {given.data_folder}；请用 --data-folder 指定应用的数据文件夹。",
            )
        records = list(_records(given, left_out))
        found: Counter[str] = Counter()
        hidden = [masked(record, found) for record in records]
        if records:
            write(given.out, hidden if given.mask_personal else records, "--out")
    except AppError as error:
        print(error, file=sys.stderr)
        return 2
    kind = "pair" if given.pairs else "case" if given.moderation else "conversation"
    if not records:
        why = f" Left out: {_listed(left_out)}." if left_out else ""
        print(f"There are no {kind}s to export from {given.data_folder} yet, so nothing was written.{why}")
        return 1
    sources = Counter(record.get("source", "flagged" if record.get("flagged") else "harmless") for record in records)
    print(f"{given.out}: {len(records)} {kind}{'s' * (len(records) > 1)} ({_listed(sources)}).")
    if left_out:
        print(f"Left out: {_listed(left_out)}.")
    if found:
        end = "hidden" if given.mask_personal else "left as they are; --mask-personal hides them"
        print(f"Personal data by its form: {_listed(found)}; {end}.")
    return 0


def _records(given: argparse.Namespace, left_out: Counter[str]) -> Iterator[Record]:
    folders = [given.data_folder / folder for folder in _FOLDERS]
    if given.moderation:
        for folder in folders:
            yield from cases(folder / "moderation", given.since, left_out)
        return
    rated = [one for folder in folders for one in read(folder, given.since)]
    make: Callable[[Iterable[Rated], Counter[str]], Iterator[Record]] = pairs if given.pairs else examples
    yield from make(usable(rated, given.unscreened, left_out), left_out)


if __name__ == "__main__":
    raise SystemExit(main())
