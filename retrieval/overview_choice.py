"""Which document a request for an overview means: the named one, the one that is talked about, the newest.

A name counts more the nearer it comes to a title or to a file's name; of equals the visitor's own go first, then the
newest. Where nothing is named, what came up last is meant: what the last answers quoted, or what was uploaded since.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from enum import Enum
from typing import TypeVar

from errors import SourceError
from retrieval import overview_phrases as say
from retrieval.base import Passage, SearchRequest
from retrieval.documents import About, NamedDocuments, Readable, share_held
from retrieval.overview_request import Naming, OverviewRequest, is_noun
from retrieval.text import HAN, analyse, simplified

Found = TypeVar("Found")

MOST = 8
"""Documents of which an overview is given at once."""
_TURNS = 3
"""Earlier answers that “this” may mean."""
_EXACT, _STEM, _NEAR, _PART = 1.0, 0.95, 0.85, 0.5
_SURE = 0.8
_TIED = 0.04
_NEAR_CHARS = 5


class Why(Enum):
    """Why a document was taken."""

    NAMED = "named"
    CITED = "cited"
    """The last answer quoted it."""
    ONLY = "only"
    NEWEST = "newest"
    ALL = "all"
    MISSING = "missing"
    """None was."""


@dataclass(frozen=True, slots=True)
class Choice:
    why: Why
    documents: tuple[Readable, ...] = ()
    others: tuple[About, ...] = ()
    """What else may have been meant."""
    failures: tuple[SourceError, ...] = ()
    """Why some source could not be asked."""


@dataclass(frozen=True, slots=True)
class Cited:
    """What an earlier answer quoted."""

    passages: tuple[Passage, ...]
    asked: float = 0.0
    """When, in Unix time."""


@dataclass(frozen=True, slots=True)
class _Look:
    """The sources that may be looked at."""

    sources: Sequence[NamedDocuments]
    cited: Sequence[Cited]
    """Newest first."""
    request: SearchRequest
    failures: list[SourceError] = field(default_factory=list)

    def own(self) -> list[Readable]:
        found = [each for source in self.sources for each in source.own(self.request.owner)]
        return sorted(found, key=lambda document: -document.about.added)

    def called(self, name: str) -> list[Readable]:
        return [each for found in self._each(name, lambda s, request: s.called(request)) for each in found]

    def telling(self, name: str) -> Readable | None:
        return next((each for each in self._each(name, lambda s, request: s.telling(request)) if each), None)

    def _each(self, name: str, ask: Callable[[NamedDocuments, SearchRequest], Found]) -> Iterator[Found]:
        for source in self.sources:
            try:
                yield ask(source, replace(self.request, query=name))
            except SourceError as error:
                self.failures.append(error)

    def quoted(self) -> tuple[list[Readable], float]:
        """The documents that the last answer with any quoted, and when it was asked for."""
        for turn in self.cited[:_TURNS]:
            passages = {passage.document: passage for passage in reversed(turn.passages)}
            order = dict.fromkeys(passage.document for passage in turn.passages)
            found = [each for each in (self._holding(passages[document]) for document in order) if each]
            if found:
                return found, turn.asked
        return [], 0.0

    def _holding(self, passage: Passage) -> Readable | None:
        source = next((source for source in self.sources if source.name == passage.source), None)
        try:
            return source.holding(passage, self.request) if source else None
        except SourceError as error:
            self.failures.append(error)
            return None


def choose(
    asked: OverviewRequest, sources: Sequence[NamedDocuments], cited: Sequence[Cited], request: SearchRequest
) -> Choice | None:
    """What is to be summed up; None where the message is an ordinary question after all.

    `cited` are earlier answers, newest first. `request` carries owner, language, deadline and cancel; its query does
    not matter.
    """
    look = _Look(sources, cited, request)
    choice = _BY_NAMING[asked.naming](asked, look)
    return replace(choice, failures=tuple(look.failures)) if choice else None


def _all(asked: OverviewRequest, look: _Look) -> Choice | None:
    own = look.own()
    if not own:
        return Choice(Why.MISSING)
    return Choice(Why.ALL if len(own) > 1 else Why.ONLY, tuple(own[:MOST]), _abouts(own[MOST:]))


def _this(asked: OverviewRequest, look: _Look) -> Choice | None:
    own = look.own()
    quoted, when = look.quoted()
    if quoted and not _newer(own, when):
        return _talked_about(quoted, own)
    return _newest(own) or Choice(Why.MISSING)


def _newer(own: Sequence[Readable], when: float) -> bool:
    """Whether something was uploaded since."""
    return bool(own) and own[0].about.added > when > 0


def _talked_about(quoted: Sequence[Readable], own: Sequence[Readable]) -> Choice:
    """What was quoted first. Something else may be meant if it was not alone, or is none of the visitor's documents."""
    first = quoted[0]
    mine = [] if first.about.owner else own
    return Choice(Why.CITED, (first,), _abouts([*mine, *quoted[1:]]))


def _document(asked: OverviewRequest, look: _Look) -> Choice | None:
    own = look.own()
    spoken_of = _spoken_of(asked, own)
    quoted, when = look.quoted()
    if asked.which == "other" and quoted:
        own = [each for each in own if each.about.id != quoted[0].about.id]
    if asked.which:
        wanted = own[::-1] if asked.which == "oldest" else own
        return Choice(Why.NAMED, (wanted[0],)) if wanted else Choice(Why.MISSING)
    if spoken_of:
        here = [each for each in quoted if each.about in _abouts(spoken_of)]
        return _talked_about(here, own) if here else _tied(spoken_of)
    if asked.own or (own and not is_noun(asked.noun, "article", "generic")):
        quoted = [each for each in quoted if each.about.owner]
    if quoted and not _newer(own, when) and (quoted[0].about.owner or not is_noun(asked.noun, "weak")):
        return _talked_about(quoted, own)
    return _newest(own) or (Choice(Why.MISSING) if asked.certain else None)


def _newest(own: Sequence[Readable]) -> Choice | None:
    if not own:
        return None
    return Choice(Why.ONLY if len(own) == 1 else Why.NEWEST, (own[0],), _abouts(own[1:]))


def _spoken_of(asked: OverviewRequest, own: Sequence[Readable]) -> list[Readable]:
    """Of the visitor's own, those that the word for a document fits: by the kind of their file, by their name."""
    suffixes = next((ends.split() for words, ends in say.KINDS.items() if re.search(words, asked.noun)), [])
    terms = set(analyse(asked.noun, "en")) if is_noun(asked.noun, "weak", "generic") else set()
    by_kind = [each for each in own if _suffix(each.about.name) in suffixes]
    return by_kind or [each for each in own if terms and terms <= _terms(each.about)]


def _named(asked: OverviewRequest, look: _Look) -> Choice | None:
    perhaps = asked.naming is Naming.PERHAPS
    own = [(match(asked.names, each.about), each) for each in look.own()]
    public = [] if perhaps and not asked.sums else look.called(asked.names[0])
    others = [(match(asked.names, each.about), each) for each in public]
    least = _SURE if perhaps and not asked.sums and not asked.noun else _PART
    good = [(score, each) for score, each in own if score >= least]
    good += [(score, each) for score, each in others if score >= (_SURE if perhaps else _PART)]
    if good:
        best = max(score for score, _ in good)
        return _tied([each for score, each in good if score >= best - _TIED])
    if not asked.sums and asked.naming is not Naming.FILE:
        return None  # “what is in my report about holidays?”
    described = asked.naming is Naming.DESCRIBED
    told = look.telling(asked.names[0]) if described or asked.naming is Naming.QUOTED or asked.noun else None
    if told and (described or told.about.owner):
        return Choice(Why.NAMED, (told,))
    return None if perhaps else Choice(Why.MISSING)


def _files(asked: OverviewRequest, look: _Look) -> Choice | None:
    """“report.pdf and notes.txt”: several files, where every name is one."""
    parts = _AND.split(asked.names[0])
    if len(parts) < 2 or not all(_SUFFIX.search(part.casefold()) for part in parts):
        return _named(asked, look)
    choices = [_named(replace(asked, names=(part,)), look) for part in parts[:MOST]]
    found = {each.about.id: each for choice in choices if choice for each in choice.documents}
    return Choice(Why.NAMED, tuple(found.values())) if found else Choice(Why.MISSING)


def _tied(found: Sequence[Readable]) -> Choice:
    """The first of documents that fit equally well: the visitor's own, the newest."""
    order = sorted(found, key=lambda each: (not each.about.owner, -each.about.added))
    return Choice(Why.NAMED, (order[0],), _abouts(order[1:]))


_BY_NAMING: dict[Naming, Callable[[OverviewRequest, _Look], Choice | None]] = {
    Naming.ALL: _all,
    Naming.THIS: _this,
    Naming.DOCUMENT: _document,
    Naming.FILE: _files,
    **dict.fromkeys((Naming.QUOTED, Naming.DESCRIBED, Naming.PERHAPS), _named),
}


def _abouts(documents: Sequence[Readable] | Iterator[Readable]) -> tuple[About, ...]:
    return tuple(document.about for document in documents)


# Names

_SUFFIX = re.compile(rf"\.{say.SUFFIX}\Z")
_BETWEEN = re.compile(r"[\s_\-–—.,:;!?'\"“”‘’«»《》〈〉「」『』()（）\[\]]+")
_LEADING = re.compile(r"\A(?:the|a|an|my|our|this|that) (?=\S)")
_HAN_GAP = re.compile(rf"(?<=[{HAN}]) | (?=[{HAN}])")
_DIGITS = re.compile(r"\d+")
_AND = re.compile(r"\s*(?:,|、|，|\band\b|\b以及\b|和|与)\s*", re.IGNORECASE)


def match(names: Sequence[str], about: About) -> float:
    """How well one of the names fits a document, 0..1: its file's name, its title, most of either, a part of either."""
    return max((_match(name, about) for name in names), default=0.0)


def _match(name: str, about: About) -> float:
    wanted = _plain(name)
    titles = [_plain(title) for title in (about.name, about.title) if title]
    if not wanted:
        return 0.0
    if wanted in titles:
        return _EXACT
    stem = _SUFFIX.sub("", unicodedata.normalize("NFKC", name).casefold().strip())
    stems = [_plain(_SUFFIX.sub("", title.casefold())) for title in (about.name, about.title) if title]
    if _plain(stem) in stems:
        return _STEM
    near = max((_likeness(_plain(stem), title) for title in stems), default=0.0)
    if near >= _NEAR:
        return near * _STEM
    held = _terms(about)
    share = share_held(stem, held)
    return _PART + 0.3 * share * len(set(analyse(stem, "en"))) / max(len(held), 1) if share else 0.0


def _plain(name: str) -> str:
    """A name in one form: no case, no marks between words, no article, traditional characters simplified."""
    text = _BETWEEN.sub(" ", simplified(unicodedata.normalize("NFKC", name)).casefold()).strip()
    return _HAN_GAP.sub("", _LEADING.sub("", text))


def _likeness(one: str, other: str) -> float:
    """How alike two names are; 0 where their numbers differ, for “report 2023” is not “report 2024”."""
    if min(len(one), len(other)) < _NEAR_CHARS or _DIGITS.findall(one) != _DIGITS.findall(other):
        return 0.0
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _terms(about: About) -> set[str]:
    return set(analyse(_plain(f"{about.title} {_SUFFIX.sub('', about.name.casefold())}"), "en"))


def _suffix(name: str) -> str:
    return name.rpartition(".")[2].lower()
