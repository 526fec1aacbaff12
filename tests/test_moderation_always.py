"""`--moderation always` forbids to switch it off, whatever is sent. python -m pytest tests/test_moderation_always.py"""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
import pytest

from chat.base import Sampling
from chat.conversation import Outcome
from chat.store import ConversationStore
from encoder import SentenceEncoder
from tests.bench import HARM, Make, benches
from tests.test_slash import _Page
from ui.api import Api

_HARMFUL = f"a {HARM} question"


@pytest.fixture(scope="module")
def make(encoder: SentenceEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    with benches(encoder, tmp_path_factory.mktemp("always")) as made:
        yield made


@pytest.mark.parametrize("forced", [False, True])
def test_a_program_cannot_switch_it_off(make: Make, forced: bool) -> None:
    api = Api(make().assistant, ConversationStore(), Sampling(), forced)
    *_, reply = api.chat(_HARMFUL, moderation=False)
    assert reply["moderated"] is forced
    assert (reply["verdict"]["outcome"] == "question_refused") is forced


@pytest.mark.parametrize("forced", [False, True])
def test_a_browser_that_claims_the_switch_is_off_is_screened(make: Make, forced: bool) -> None:
    page = _Page(make(), forced=forced)
    page.moderation = False
    page.type(_HARMFUL)
    (turn,) = page.turns
    assert turn.moderated is forced
    assert (turn.outcome is Outcome.QUESTION_REFUSED) is forced


@pytest.mark.parametrize("kind", ["retry", "edit"])
def test_asking_again_is_screened_too(make: Make, kind: str) -> None:
    page = _Page(make(), forced=True)
    page.type(_HARMFUL)
    page.moderation = False
    page.act(kind, _HARMFUL, page.turns[0].id)
    assert page.turns[0].outcome is Outcome.QUESTION_REFUSED


def test_no_banner_says_that_it_is_off_where_it_cannot_be(make: Make) -> None:

    for forced, says in ((False, "Moderation is off"), (True, "")):
        page = _Page(make(), forced=forced)
        (shown,) = page.handlers.moderation_switched(False, gr.Request(headers={})).values()
        assert says in shown
        assert bool(shown) is not forced
