"""The assistant and all it stands on, put together from the settings: the same for the page and the terminal.

core = wire(settings)           # light: loads nothing
core.assistant.startup.start()  # loads index, encoder, moderator, reader and model, one after the other
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import wired_sources
from activity import Activity
from chat.assistant import Assistant
from chat.base import Sampling
from chat.bilingual import said
from chat.claims import CitationChecks
from chat.fit import fitting_model
from chat.local import LocalModel
from chat.making import Chosen, ModelMaker
from chat.moderators import Moderators
from chat.placement import ZEROGPU, Placement
from chat.rating import Keep
from chat.ratings import Ratings
from chat.reader import Reader
from chat.remote import is_address
from chat.rewriting import Rewriter
from chat.runs import Runs
from chat.slot import MakeModel, ModelSlot
from chat.source_labels import LABELS
from chat.sources import Source, Sources
from chat.startup import Startup, Step
from chat.zerogpu import Gpu, Lender
from encoder import SentenceEncoder
from errors import ModelError
from heap import Heap
from moderation.cases import Cases
from moderation.classifier import WEIGHTS, EmbeddedClassifier
from moderation.screen import Screen
from moderation.tally import Tally
from retrieval.corpora import Corpora
from retrieval.dump_source import WikipediaDump
from retrieval.files import open_file
from retrieval.index import DocumentIndex
from retrieval.index_protocol import Index
from retrieval.joining import Joining
from retrieval.judge import SentenceJudge
from retrieval.library import GUIDE, read_library, synchronise
from retrieval.milvus import MilvusIndex
from retrieval.pace import Pace
from retrieval.rerank import Reranker
from retrieval.support import Support
from retrieval.unit_vectors import UnitVectors
from retrieval.uploads import OpenFile, Uploads
from screening import moderators_of, screen_of
from settings import Settings
from wired_sources import DOCUMENTS

_STARTING_S = 10.0
"""How long the end of the program waits for its start."""

_ROOT = Path(__file__).parent


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
    """What a model needs and whether it fits here, before a download; empty without one. Raises `ModelError`."""
    runs: Runs
    """The fine-tuned models of this machine."""
    sampling: Sampling
    screen: Screen
    cases: Cases
    tally: Tally
    ratings: Ratings | None
    """None where answers cannot be rated."""
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
        self.tally.close()


def wire(
    settings: Settings,
    *,
    uploads: bool = True,
    wait_for_model: bool = False,
    ready: Callable[[], None] | None = None,
    gpu: Gpu | None = None,
    runs: Path | None = None,
) -> Core:
    """Put the parts together. Raises `SettingsError` for a policy, moderator, folder, list or dump that cannot be used.

    `uploads`: whether visitors' documents are a source. `wait_for_model`: whether the start ends when the model of the
    settings is loaded, instead of the reader answering meanwhile. `ready` is called when the start has ended well.
    `gpu` is what lends GPUs on a Space with ZeroGPU; without it chat models run on the CPU there. `runs` is the folder
    of fine-tuned models, otherwise `runs` of the data folder.
    """
    encoder = SentenceEncoder(settings.encoder, settings.encoder_languages)
    activity = Activity(Heap().tidy)
    index = _index(settings, encoder, activity)
    uploaded = Uploads(settings.data_dir / "uploads", index, _opener(settings))
    vectors = UnitVectors(encoder, index)
    judge = SentenceJudge(vectors)
    reader = Reader(judge)
    models = ModelSlot(reader)
    cases, tally = Cases(settings.data_dir / "moderation"), Tally(settings.data_dir / "moderation")
    pace = Pace()
    corpora = wired_sources.corpora(settings, index, pace)
    dump = wired_sources.dump(settings, index, activity)
    sources = wired_sources.sources(settings, index, corpora, dump, pace, uploads)

    lender = Lender(gpu) if gpu is not None else None
    placement = _placement(settings, lender)
    users = 1 if lender is not None else settings.users  # of one GPU
    # A model that people chat with and that screens too is loaded once.
    both = settings.model in settings.moderators and not is_address(settings.model) and lender is None
    shared = LocalModel(settings.model, placement, users=users) if both else None
    embedded = EmbeddedClassifier(settings.moderation_weights or WEIGHTS)
    moderators = moderators_of(settings, embedded, placement, shared)
    screen = screen_of(settings, moderators, encoder)

    trained = Runs(runs or settings.data_dir / "runs")
    chosen = Chosen(settings.model, settings.remote_model, settings.remote_key, shared)
    make_model = ModelMaker(models, trained, placement, users, chosen, lender)

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
        screen=screen,
        startup=startup,
        answer_limit_s=settings.answer_limit_s,
        activity=activity,
        joining=Joining(index, settings.neighbours, settings.neighbour_cosine),
        checks=CitationChecks(Support(judge)),
        # A GPU that is lent for one answer at a time is not lent for a question.
        rewriter=Rewriter(settings.rewrite_limit_s) if lender is None else None,
        cases=cases,
        tally=tally,
    )
    return Core(
        assistant=assistant,
        index=index,
        uploads=uploaded,
        corpora=corpora,
        dump=dump,
        reader=reader,
        make_model=make_model,
        forecast=make_model.forecast,
        runs=trained,
        sampling=Sampling(max_new_tokens=settings.max_new_tokens, temperature=settings.temperature),
        screen=screen,
        cases=cases,
        tally=tally,
        ratings=Ratings(settings.data_dir, Keep(settings.ratings)) if settings.ratings != "off" else None,
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
            if not name or name == "reader":
                return
            model = make_model(name)
        except ModelError as error:
            models.say(said(error))
            return
        if not wait_for_model:
            models.load_in_background(model)
            return
        with suppress(ModelError):  # the slot tells why, and the reader answers
            for says in models.load(model):
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
