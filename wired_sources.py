"""The sources of passages and the operator's documents, put together from the settings; `wiring.wire` asks for them."""

from __future__ import annotations

from activity import Activity
from chat.source_labels import LABELS
from chat.sources import Source
from errors import SettingsError
from retrieval.corpora import Corpora
from retrieval.corpus import SHARED, Corpus
from retrieval.documents import FetchedDocuments, IndexedDocuments
from retrieval.dump_source import WikipediaDump
from retrieval.feed_list import FeedList
from retrieval.fetch import Fetcher, Limits
from retrieval.http_cache import HttpCache
from retrieval.index import DocumentIndex
from retrieval.index_protocol import Index
from retrieval.library import LIBRARY
from retrieval.news import News
from retrieval.pace import Pace
from retrieval.sports import Sports
from retrieval.url_list import UrlList
from retrieval.watched_folder import WatchedFolder
from retrieval.web_search import WebSearch
from retrieval.wikipedia import Wikipedia
from settings import Settings

VERSION = "0.1.0"
DOCUMENTS = "documents"
"""The source that holds what visitors upload."""
_PAGE_LIMITS = Limits(seconds=300, bytes=500 * 2**20)
"""For a document of the operator's list; what a question waits for has the source's own limit."""


def corpora(settings: Settings, index: Index, pace: Pace) -> Corpora:
    folder = settings.data_dir / "shared"
    found: list[Corpus] = []
    if settings.documents_folder is not None:
        found.append(WatchedFolder(settings.documents_folder, leave_out=settings.data_dir))
    if settings.documents_urls is not None:
        fetcher = Fetcher(_user_agent(settings), allowed_hosts=settings.allow_hosts, limits=_PAGE_LIMITS, pace=pace)
        pages = HttpCache(fetcher, folder / "pages") if settings.network else None
        found.append(UrlList(settings.documents_urls, pages))
    return Corpora(index, found, folder)


def dump(settings: Settings, index: Index, activity: Activity) -> WikipediaDump | None:
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


def sources(
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
