"""What people think of answers, kept in `ratings.sqlite` of the data folder: for counts, and to learn from.

    ratings = Ratings(folder, Keep.ASK)
    turn = ratings.rate(conversation, turn.id, rating)      # the turn with its rating; None takes one back
    ratings.counts()                                        # how many up and down, by model and reason
    read(folder)                                            # what may be trained on: python -m finetune.export

Every rating counts: time, model, up or down, reasons. Its text (the messages as the model read them, sources included,
the answer, the ideal answer) is kept only where the person agrees, or the operator always keeps it and says so; and
never where moderation has refused or warned about the turn, or one that the model read before it. Without its text a
rating belongs to a turn and a visitor only as long as the conversation is there: then both are taken out of it, and a
count is left. With its text it stays until the person takes it back, or all of theirs. Visitors are known by a hash of
their key alone.

At most `most` ratings are kept, the oldest leave first. What is deleted is overwritten (SQLite's secure_delete).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chat.base import Message, Role
from chat.citations import ALWAYS, renumbered
from chat.conversation import Conversation, Kind, Outcome, Turn
from chat.prompt import whole
from chat.rating import Keep, Rating, Reason, Thumb
from errors import InputError

FILE = "ratings.sqlite"
MOST = 20_000
_LONGEST = 200_000
"""Characters of the messages that are kept of one turn: the oldest leave first."""
_BUSY_S = 10.0
_NOT_RATED = frozenset({Outcome.PENDING, Outcome.QUESTION_REFUSED, Outcome.ANSWER_REFUSED, Outcome.FAILED})
_WHOLE = frozenset({Outcome.ANSWERED, Outcome.UNANSWERED})
_SCHEMA = """
PRAGMA user_version = 1;
CREATE TABLE IF NOT EXISTS ratings (
    id INTEGER PRIMARY KEY,
    turn TEXT UNIQUE,           -- turn, conversation, owner: NULL once they are let go of
    conversation TEXT,
    owner TEXT,
    time REAL NOT NULL,
    model TEXT NOT NULL,
    thumb TEXT NOT NULL,
    reasons TEXT NOT NULL,      -- words with spaces between
    agreed INTEGER NOT NULL,    -- whether the text might be kept
    flagged INTEGER NOT NULL,   -- whether moderation had something against what the model read or wrote
    screened INTEGER NOT NULL,  -- whether all of that was screened
    ended INTEGER NOT NULL,     -- whether the answer is whole
    messages TEXT,              -- JSON: [[role, text], ...]; NULL without text, as are the next two
    answer TEXT,
    ideal TEXT
);
CREATE INDEX IF NOT EXISTS of_conversation ON ratings (conversation);
CREATE INDEX IF NOT EXISTS of_owner ON ratings (owner);
"""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Count:
    """How the answers of one model were rated."""

    model: str
    up: int
    down: int
    reasons: tuple[tuple[str, int], ...]
    """How often each reason was given, in the order of `Reason`."""
    texts: int
    """Ratings whose text is kept."""


@dataclass(frozen=True, slots=True)
class Rated:
    """A rating that somebody agreed to have trained on."""

    conversation: str
    time: float
    model: str
    thumb: Thumb
    screened: bool
    """Whether moderation was on, also for the turns before."""
    flagged: bool
    """Whether it had something against any of them; then there is no text."""
    ended: bool
    """Whether the answer is whole: not cut, stopped or broken off."""
    messages: tuple[Message, ...]
    """As the model read them, the sources in the last; citations are by the places of those."""
    answer: str
    ideal: str


class Ratings:
    """The ratings in a folder. Light to make; the file is made by the first rating. Thread-safe; one process writes."""

    def __init__(self, folder: Path, keeps: Keep, most: int = MOST, clock: Callable[[], float] = time.time) -> None:
        """`keeps` says whose text is kept; `clock` tells Unix time."""
        self.keeps = keeps
        self._path = folder / FILE
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._ready = False

    def rate(self, conversation: Conversation, turn_id: str, rating: Rating | None) -> Turn:
        """The turn with this rating, once it is recorded; None takes back what there was.

        Raises `InputError` for a turn that there is not or that is no answer, and where nothing can be written.
        """
        turn = next((one for one in conversation.turns if one.id == turn_id), None)
        if turn is None or not rateable(turn):
            raise InputError(
                "There is no answer here that could be rated; rate one that is whole.",
                zh="这里没有可以评价的回答；请评价已写完的回答。",
            )
        if rating is not None:
            agreed, barred = rating.keep or self.keeps is Keep.ALWAYS, _flagged(conversation, turn)
            self._put(conversation, turn, dataclasses.replace(rating, keep=agreed))
            kept = agreed and not barred
            rating = dataclasses.replace(rating, keep=kept, barred=barred, ideal=rating.ideal if kept else "")
        else:
            with self._transaction() as base:
                base.execute("DELETE FROM ratings WHERE turn = ?", (turn.id,))
        return dataclasses.replace(turn, rating=rating)

    def let_go(self, conversation: Conversation) -> None:
        """The conversation is no longer there: ratings without text become counts that belong to nobody."""
        if not self._path.exists():
            return
        try:
            with self._transaction() as base:
                base.execute(f"{_LET_GO} AND conversation = ?", (conversation.id,))
        except InputError:
            logger.exception("Ratings could not be let go of")

    def texts_of(self, owner: str) -> int:
        """How many of a visitor's ratings are kept with their text. Raises `InputError` where that cannot be read."""
        if not self._path.exists():
            return 0
        with self._transaction() as base:
            asked = "SELECT count(*) FROM ratings WHERE owner = ? AND messages IS NOT NULL"
            return int(base.execute(asked, (_hashed(owner),)).fetchone()[0])

    def forget(self, owner: str) -> None:
        """Delete every rating of a visitor that is still known to be theirs. Raises `InputError`."""
        if owner and self._path.exists():
            with self._transaction() as base:
                base.execute("DELETE FROM ratings WHERE owner = ?", (_hashed(owner),))

    def counts(self) -> list[Count]:
        """By model, in the order of their names. Raises `InputError` where they cannot be read."""
        if not self._path.exists():
            return []
        thumbs: Counter[tuple[str, str]] = Counter()
        reasons: Counter[tuple[str, str]] = Counter()
        texts: Counter[str] = Counter()
        with self._transaction() as base:
            found = base.execute("SELECT model, thumb, reasons, messages IS NOT NULL FROM ratings").fetchall()
        for model, thumb, words, text in found:
            thumbs[model, thumb] += 1
            texts[model] += text
            reasons.update((model, word) for word in words.split())
        return [
            Count(
                model,
                thumbs[model, Thumb.UP],
                thumbs[model, Thumb.DOWN],
                tuple((reason.value, reasons[model, reason.value]) for reason in Reason),
                texts[model],
            )
            for model in sorted({model for model, _ in thumbs})
        ]

    def _put(self, conversation: Conversation, turn: Turn, rating: Rating) -> None:
        flagged = _flagged(conversation, turn)
        text = _text(conversation, turn, rating) if rating.keep and not flagged else (None, None, None)
        row = (
            turn.id,
            conversation.id,
            _hashed(conversation.owner),
            round(self._clock(), 3),
            turn.model,
            rating.thumb.value,
            " ".join(rating.reasons),
            rating.keep,
            flagged,
            all(one.moderated for one in (turn, *_before(conversation, turn))),
            turn.outcome in _WHOLE,
            *text,
        )
        with self._transaction() as base:
            base.execute(
                "INSERT OR REPLACE INTO ratings (turn, conversation, owner, time, model, thumb, reasons, agreed, "
                f"flagged, screened, ended, messages, answer, ideal) VALUES ({', '.join('?' * len(row))})",
                row,
            )
            base.execute(
                "DELETE FROM ratings WHERE id <= (SELECT id FROM ratings ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (self._most,),
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """The file, within one transaction. Raises `InputError` where it cannot be used."""
        with self._lock:
            try:
                self._make_ready()
                with closing(_opened(self._path)) as base, base:
                    yield base
            except (OSError, sqlite3.Error) as error:
                logger.error("The ratings in %s cannot be used: %s", self._path, error)
                raise InputError(
                    "The ratings cannot be used, because the app cannot write to its data folder; tell the operator.",
                    zh="评价无法使用：应用不能写入数据文件夹；请告知管理员。",
                ) from error

    def _make_ready(self) -> None:
        """Make the file; let go of what belongs to conversations of an earlier run, which are gone."""
        if self._ready:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(_opened(self._path)) as base, base:
            base.executescript(_SCHEMA)
            base.execute(_LET_GO)
        self._ready = True


_LET_GO = "UPDATE ratings SET turn = NULL, conversation = NULL, owner = NULL WHERE messages IS NULL"


def rateable(turn: Turn) -> bool:
    """Whether a turn holds an answer that can be rated."""
    return turn.kind is Kind.MESSAGE and turn.outcome not in _NOT_RATED and bool(turn.answer)


def read(folder: Path, since: float = 0.0) -> list[Rated]:
    """What people agreed to have trained on, from this Unix time on, oldest first; nothing where there is no file.

    Beside a running app too: it only reads. Raises `InputError` where the file is none of ours.
    """
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", timeout=_BUSY_S, uri=True)) as base:
            rows = base.execute(
                "SELECT conversation, time, model, thumb, screened, flagged, ended, messages, answer, ideal "
                "FROM ratings WHERE agreed AND (flagged OR messages IS NOT NULL) AND time >= ? ORDER BY time, id",
                (since,),
            ).fetchall()
        return [_rated(*row) for row in rows]
    except (sqlite3.Error, ValueError, TypeError) as error:
        raise InputError(
            f"The ratings in {path} cannot be read ({error}); name the data folder of an app of this version.",
            zh=f"无法读取 {path} 中的评价（{error}）；请指定本版本应用的数据文件夹。",
        ) from error


def _rated(
    conversation: str | None,
    time: float,
    model: str,
    thumb: str,
    screened: int,
    flagged: int,
    ended: int,
    messages: str | None,
    answer: str | None,
    ideal: str | None,
) -> Rated:
    spoken = tuple(Message(Role(role), text) for role, text in json.loads(messages or "[]"))
    return Rated(
        conversation=conversation or "",
        time=time,
        model=model,
        thumb=Thumb(thumb),
        screened=bool(screened),
        flagged=bool(flagged),
        ended=bool(ended),
        messages=spoken,
        answer=answer or "",
        ideal=ideal or "",
    )


def _before(conversation: Conversation, turn: Turn) -> list[Turn]:
    """The turns before it that the model may have read."""
    return [one for one in conversation.before(turn.id).turns if one.remembered]


def _flagged(conversation: Conversation, turn: Turn) -> bool:
    return any(one.flags for one in (turn, *_before(conversation, turn)))


def _text(conversation: Conversation, turn: Turn, rating: Rating) -> tuple[str, str, str]:
    """What is kept of a turn: the messages as JSON, the answer, the ideal one."""
    messages = list(turn.read or _messages(conversation, turn))
    while len(messages) > 1 and sum(len(message.content) for message in messages) > _LONGEST:
        messages = messages[2:] if len(messages) > 2 else messages[1:]
    said = json.dumps([[message.role.value, message.content] for message in messages], ensure_ascii=False)
    return said, turn.placed(turn.passages), _placed(turn, rating.ideal)


def _messages(conversation: Conversation, turn: Turn) -> Sequence[Message]:
    before = conversation.before(turn.id).messages(turn.passages)
    return whole((*before, Message(Role.USER, turn.question)), turn.passages)


def _placed(turn: Turn, text: str) -> str:
    """A text that cites by the numbers that are shown, with places instead; citations of nothing are left out."""
    numbers = turn.numbers or range(1, len(turn.passages) + 1)
    places = dict.fromkeys(range(1, ALWAYS + 1), 0)
    places |= {number: place for place, number in enumerate(numbers, start=1) if number}
    return renumbered(text, places)


def _opened(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(path, timeout=_BUSY_S)
    base.execute("PRAGMA secure_delete = ON")
    return base


def _hashed(owner: str) -> str:
    return hashlib.blake2b(owner.encode("utf-8", "replace"), digest_size=16).hexdigest()
