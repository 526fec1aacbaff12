"""The assistant and all it stands on, put together from the settings: the same for the page and the terminal.

core = wire(settings)           # light: loads nothing
core.assistant.startup.start()  # loads index, encoder, moderator, reader and model, one after the other
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from activity import Activity
from chat import weights
from chat.assistant import Assistant
from chat.base import Sampling
from chat.bilingual import said
from chat.claims import CitationChecks
from chat.fit import fitting_model
from chat.local import LONGEST_CONTEXT, LocalModel
from chat.moderators import Moderators
from chat.placement import ZEROGPU, Placement
from chat.reader import Reader
from chat.remote import RemoteModel, is_address
from chat.rewriting import Rewriter
from chat.slot import Loadable, MakeModel, ModelSlot
from chat.source_labels import LABELS
from chat.sources import Source, Sources
from chat.startup import Startup, Step
from chat.zerogpu import Gpu, Lender
from encoder import SentenceEncoder
from errors import ModelError, SettingsError
from heap import Heap
from moderation.classifier import EmbeddedClassifier
from retrieval.corpora import Corpora
from retrieval.corpus import SHARED, Corpus
from retrieval.documents import FetchedDocuments, IndexedDocuments
from retrieval.dump_source import WikipediaDump
from retrieval.feed_list import FeedList
from retrieval.fetch import Fetcher, Limits
from retrieval.files import open_file
from retrieval.http_cache import HttpCache
from retrieval.index import DocumentIndex
from retrieval.index_protocol import Index
from retrieval.joining import Joining
from retrieval.judge import SentenceJudge
from retrieval.library import GUIDE, LIBRARY, read_library, synchronise
from retrieval.milvus import MilvusIndex
from retrieval.news import News
from retrieval.pace import Pace
from retrieval.rerank import Reranker
from retrieval.sports import Sports
from retrieval.support import Support
from retrieval.unit_vectors import UnitVectors
from retrieval.uploads import OpenFile, Uploads
from retrieval.url_list import UrlList
from retrieval.watched_folder import WatchedFolder
from retrieval.web_search import WebSearch
from retrieval.wikipedia import Wikipedia
from screening import moderators_of, screen_of
from settings import Settings

VERSION = "0.1.0"
_STARTING_S = 10.0
"""How long the end of the program waits for its start."""
DOCUMENTS = "documents"
"""The source that holds what visitors upload."""

_ROOT = Path(__file__).parent
_PAGE_LIMITS = Limits(seconds=300, bytes=500 * 2**20)
"""For a document of the operator's list; what a question waits for has the source's own limit."""


@dataclass(frozen=True, slots=True)
class Core:
    """The assistant, and the parts of it that somebody else needs too."""

    assistant: Assistant
    index: Index
    uploads: Uploads
    corpora: Corpora
    """The operator's documents; followed once the start has come to them, until they are closed."""
    dump: WikipediaDump | None
    """The dump of the settings; read into the index in the background, like those."""
    reader: Reader
    make_model: MakeModel
    forecast: Callable[[str], str]
    """What a model needs and whether it fits here, before it is downloaded. Raises `ModelError`."""
    sampling: Sampling
    moderators: tuple[str, ...]
    """Names of those who screen, for anybody to see."""

    def close(self) -> None:
        """Stop what goes on in the background: a thread that the end of the program tears out of PyTorch aborts it."""
        self.assistant.startup.join(_STARTING_S)
        self.uploads.close()
        self.corpora.close()
        if self.dump is not None:
            self.dump.close()
        self.index.close()


def wire(
    settings: Settings,
    *,
    uploads: bool = True,
    wait_for_model: bool = False,
    ready: Callable[[], None] | None = None,
    gpu: Gpu | None = None,
) -> Core:
    """Put the parts together. Raises `SettingsError` for a policy, moderator, folder, list or dump that cannot be used.

    `uploads`: whether visitors' documents are a source. `wait_for_model`: whether the start ends when the model of the
    settings is loaded, instead of the reader answering meanwhile. `ready` is called when the start has ended well.
    `gpu` is what lends GPUs on a Space with ZeroGPU; without it chat models run on the CPU there.
    """
    encoder = SentenceEncoder(settings.encoder, settings.encoder_languages)
    activity = Activity(Heap().tidy)
    index = _index(settings, encoder, activity)
    uploaded = Uploads(settings.data_dir / "uploads", index, _opener(settings))
    vectors = UnitVectors(encoder, index)
    judge = SentenceJudge(vectors)
    reader = Reader(judge)
    models = ModelSlot(reader)
    pace = Pace()
    corpora = _corpora(settings, index, pace)
    dump = _dump(settings, index, activity)
    sources = _sources(settings, index, corpora, dump, pace, uploads)

    lender = Lender(gpu) if gpu is not None else None
    placement = _placement(settings, lender)
    users = 1 if lender is not None else settings.users  # of one GPU
    # A model that people chat with and that screens too is loaded once.
    both = settings.model in settings.moderators and not is_address(settings.model) and lender is None
    shared = LocalModel(settings.model, placement, users=users) if both else None
    moderators = moderators_of(settings, EmbeddedClassifier(encoder), placement, shared)

    def make_model(name: str, /, *, model: str = "", key: str = "") -> Loadable:
        if is_address(name):
            # The settings' key and model belong to the operator's server and go to no other.
            own = name == settings.model
            return RemoteModel(
                name, model or (settings.remote_model if own else ""), key or (settings.remote_key if own else "")
            )
        if shared is not None and name == settings.model:
            return shared
        # An adapter belongs to the model it was named with.
        chosen = placement if name == settings.model else dataclasses.replace(placement, adapter="")
        return LocalModel(name, chosen, users=users, lender=lender)

    def forecast(name: str) -> str:
        return weights.forecast(name, placement, users, LONGEST_CONTEXT)

    steps = _steps(settings, encoder, index, moderators, reader, models, placement, make_model, wait_for_model)
    if uploads:
        steps.append(Step("Going on with uploads", lambda report: uploaded.start()))
    steps.append(Step("Following the shared documents", lambda report: corpora.start()))
    if dump is not None:
        steps.append(Step("Following the Wikipedia dump", lambda report: dump.start()))
    if ready is not None:
        steps.append(Step("Ready", lambda report: ready()))
    startup = Startup(steps)
    assistant = Assistant(
        models=models,
        sources=Sources(sources, settings.source_limit_s),
        guide=Source(index.retriever(GUIDE), LABELS[GUIDE]),
        reranker=Reranker(judge, index),
        screen=screen_of(settings, moderators),
        startup=startup,
        answer_limit_s=settings.answer_limit_s,
        activity=activity,
        joining=Joining(index, settings.neighbours, settings.neighbour_cosine),
        checks=CitationChecks(Support(judge)),
        # A GPU that is lent for one answer at a time is not lent for a question.
        rewriter=Rewriter(settings.rewrite_limit_s) if lender is None else None,
    )
    return Core(
        assistant=assistant,
        index=index,
        uploads=uploaded,
        corpora=corpora,
        dump=dump,
        reader=reader,
        make_model=make_model,
        forecast=forecast,
        sampling=Sampling(max_new_tokens=settings.max_new_tokens, temperature=settings.temperature),
        moderators=moderators.names,
    )


def _index(settings: Settings, encoder: SentenceEncoder, activity: Activity) -> Index:
    if settings.index:
        return MilvusIndex(settings.index, encoder, activity, token=settings.index_token)
    return DocumentIndex(settings.data_dir / "index", encoder, activity)


def _opener(settings: Settings) -> OpenFile:
    return lambda path, name, owner: open_file(path, name, owner, DOCUMENTS, most_bytes(settings))


def most_bytes(settings: Settings) -> int:
    """Size of the largest document that a visitor may upload."""
    return int(settings.upload_limit_mb * 1_000_000)


def _corpora(settings: Settings, index: Index, pace: Pace) -> Corpora:
    folder = settings.data_dir / "shared"
    found: list[Corpus] = []
    if settings.documents_folder is not None:
        found.append(WatchedFolder(settings.documents_folder, leave_out=settings.data_dir))
    if settings.documents_urls is not None:
        fetcher = Fetcher(_user_agent(settings), allowed_hosts=settings.allow_hosts, limits=_PAGE_LIMITS, pace=pace)
        pages = HttpCache(fetcher, folder / "pages") if settings.network else None
        found.append(UrlList(settings.documents_urls, pages))
    return Corpora(index, found, folder)


def _dump(settings: Settings, index: Index, activity: Activity) -> WikipediaDump | None:
    if settings.wikipedia_dump is None:
        return None
    if not isinstance(index, DocumentIndex):
        raise SettingsError(
            "--wikipedia-dump reads into the index on this machine, and --index names one elsewhere; read the dump "
            "without --index (python -m retrieval.dump), then move it there (python -m retrieval.move)."
        )
    dump = WikipediaDump(index, settings.wikipedia_dump, activity)
    dump.check()
    return dump


def _sources(
    settings: Settings,
    index: Index,
    corpora: Corpora,
    dump: WikipediaDump | None,
    pace: Pace,
    uploads: bool,
) -> list[Source]:
    library = IndexedDocuments(index, LIBRARY)
    sources = [Source(index.retriever(LIBRARY), LABELS[LIBRARY], documents=library)]
    if settings.documents_folder is not None or settings.documents_urls is not None:
        sources.append(
            Source(
                index.retriever(SHARED),
                LABELS[SHARED],
                empty=lambda owner: not corpora.status().documents,
                documents=IndexedDocuments(index, SHARED),
            )
        )
    if uploads:
        uploaded = IndexedDocuments(index, DOCUMENTS, personal=True)
        sources.append(
            Source(
                index.retriever(DOCUMENTS),
                LABELS[DOCUMENTS],
                empty=lambda owner: not index.documents(DOCUMENTS, owner),
                documents=uploaded,
            )
        )
    if dump is not None:
        sources.append(
            Source(
                dump,
                LABELS[dump.name],
                empty=lambda owner: dump.empty(),
                documents=IndexedDocuments(index, dump.name, countless=True),
                live=dump,
            )
        )
    if settings.network:
        wikipedia = Wikipedia(
            settings.wikipedia_url,
            user_agent=_user_agent(settings),
            allowed_hosts=settings.allow_hosts,
            cache_folder=settings.data_dir / "wikipedia",
            pace=pace,
            time_limit_s=settings.source_limit_s,
        )
        articles = FetchedDocuments(wikipedia)
        sources.append(Source(wikipedia, LABELS["wikipedia"], remote=True, documents=articles, live=wikipedia))
        sources += _news(settings, pace)
        sports = _sports(settings, pace)
        sources.append(Source(sports, LABELS["sports"], remote=True, live=sports))
        if settings.web_search_url:
            web = _web_search(settings, pace)
            sources.append(Source(web, LABELS["web"], remote=True, live=web))
    return sources


def _news(settings: Settings, pace: Pace) -> list[Source]:
    """The source of news; none where the operator's list is empty. Raises `SettingsError` where it cannot be used."""
    listed = FeedList.built_in() if settings.news_feeds is None else FeedList.read(settings.news_feeds)
    if not listed.languages:
        return []
    news = News(
        listed,
        settings.data_dir / "news",
        user_agent=_user_agent(settings),
        allowed_hosts=settings.allow_hosts,
        pace=pace,
        time_limit_s=settings.source_limit_s,
    )
    return [Source(news, LABELS["news"], remote=True, live=news)]


def _sports(settings: Settings, pace: Pace) -> Sports:
    return Sports(
        settings.sports_url,
        leagues=settings.sports_leagues,
        user_agent=_user_agent(settings),
        cache_folder=settings.data_dir / "sports",
        pace=pace,
        time_limit_s=settings.source_limit_s,
    )


def _web_search(settings: Settings, pace: Pace) -> WebSearch:
    return WebSearch(
        settings.web_search_url,
        user_agent=_user_agent(settings),
        cache_folder=settings.data_dir / "web",
        pace=pace,
        time_limit_s=settings.source_limit_s,
    )


def _user_agent(settings: Settings) -> str:
    contact = f"; {settings.contact}" if settings.contact else ""
    return f"Groundchat/{VERSION} (self-hosted chat{contact})"


def _steps(
    settings: Settings,
    encoder: SentenceEncoder,
    index: Index,
    moderators: Moderators,
    reader: Reader,
    models: ModelSlot,
    placement: Placement,
    make_model: MakeModel,
    wait_for_model: bool,
) -> list[Step]:
    def fill(report: Callable[[str], None]) -> None:
        documents = read_library(_ROOT / "assets" / "corpus")
        synchronise(
            index, documents, lambda done, total: report(f"Indexing the starter library: {100 * done // total} %")
        )
        index.start_backfill()

    def choose(report: Callable[[str], None]) -> None:
        try:
            name = settings.model if settings.model != "auto" else fitting_model(placement)
        except ModelError as error:
            models.say(said(error))
            return
        if not name or name == "reader":
            return
        if not wait_for_model:
            models.load_in_background(make_model(name))
            return
        with suppress(ModelError):  # the slot tells why, and the reader answers
            for says in models.load(make_model(name)):
                report(says)

    return [
        Step("Opening the index", lambda report: index.open()),
        Step("Loading the sentence encoder", lambda report: encoder.load()),
        Step("Loading the moderator", moderators.load),
        Step("Loading the reader", lambda report: reader.load()),
        Step("Indexing the starter library", fill),
        Step("Choosing a chat model", choose),
    ]


def _placement(settings: Settings, lender: Lender | None) -> Placement:
    return Placement(
        "cpu" if settings.device == ZEROGPU and lender is None else settings.device,
        settings.dtype,
        settings.quantisation,
        settings.max_memory,
        settings.offload_dir,
        settings.adapter,
    )
