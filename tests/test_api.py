"""The app as other programs call it, through gradio_client. python -m pytest tests/test_api.py"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from tests.conftest import Running


@pytest.fixture(scope="module")
def client(running: Running) -> Iterator[Client]:
    client = Client(running.url, verbose=False)
    yield client
    client.close()


def _chat(client: Client, message: str, **how: Any) -> dict[str, Any]:
    reply = client.predict(message=message, api_name="/chat", **how)
    assert isinstance(reply, dict)
    return reply


def test_a_question_is_answered_with_a_quote_and_its_source(client: Client) -> None:
    reply = _chat(client, "Who discovered penicillin?")
    assert "Fleming" in reply["reply"]
    assert "[1]" in reply["reply"] or "[2]" in reply["reply"]
    assert reply["verdict"]["outcome"] == "answered"
    quoted = reply["sources"][0]
    assert quoted["source"] == "library"
    assert "Fleming" in quoted["text"]
    assert len(reply["reply"].split()) <= 60


def test_a_chinese_question_is_answered_in_chinese(client: Client) -> None:
    reply = _chat(client, "谁发现了青霉素？")
    assert "弗莱明" in reply["reply"]
    assert reply["sources"][0]["source"] == "library"


def test_an_article_is_summed_up_by_its_name_or_as_what_was_talked_about(client: Client) -> None:
    first = _chat(client, "Summarise the article on penicillin")
    assert first["reply"].startswith("“Penicillin” is an article in the starter library: about ")
    assert {source["title"] for source in first["sources"]} == {"Penicillin"}
    assert len({source["section"] for source in first["sources"]}) >= 3
    again = _chat(client, "用一句话概括它", conversation_id=first["conversation_id"])
    assert again["reply"].startswith("《Penicillin》是入门资料库中的文章")
    assert len(again["sources"]) == 1


def test_a_wikipedia_article_is_summed_up_where_it_is_switched_on(client: Client, running: Running) -> None:
    running.wikipedia.mode = "ok"
    asked = "Summarise the Wikipedia article on the Antikythera mechanism"
    reply = _chat(client, asked, retrieval=["library", "wikipedia"])
    assert "“Antikythera mechanism” is a Wikipedia article" in reply["reply"]
    assert {source["source"] for source in reply["sources"]} == {"wikipedia"}
    without = _chat(client, asked, retrieval=["library"])
    assert without["verdict"]["outcome"] == "unanswered"
    assert "You could switch on" in without["reply"] and "Wikipedia" in without["reply"]


def test_without_a_document_it_says_so(client: Client) -> None:
    reply = _chat(client, "What is this document about?")
    assert reply["verdict"]["outcome"] == "unanswered"
    assert "You have not uploaded a document yet" in reply["reply"]


def test_the_reply_streams_and_ends_whole(client: Client) -> None:
    job = client.submit(message="Who discovered penicillin?", api_name="/chat")
    final = job.result()
    outputs = job.outputs()
    assert outputs[-1] == final
    assert len(outputs) >= 2
    texts = [output["reply"] for output in outputs[:-1]]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))


def test_a_follow_up_is_understood_within_its_conversation(client: Client) -> None:
    first = _chat(client, "Who discovered penicillin?")
    reply = _chat(client, "and where was he born?", conversation_id=first["conversation_id"])
    assert "Darvel" in reply["reply"]
    assert reply["conversation_id"] == first["conversation_id"]


def test_without_sources_the_reader_says_what_to_switch_on(client: Client) -> None:
    reply = _chat(client, "Who discovered penicillin?", retrieval=[])
    assert reply["verdict"]["outcome"] == "unanswered"
    assert reply["sources"] == []
    assert "Starter library" in reply["reply"]


def test_nothing_is_quoted_for_what_no_source_answers(client: Client) -> None:
    reply = _chat(client, "What did the mayor of Springfield say about the bridge toll yesterday?")
    assert reply["verdict"]["outcome"] == "unanswered"
    assert "Starter library" in reply["reply"]


def test_questions_about_the_app_are_answered_from_the_guide(client: Client) -> None:
    reply = _chat(client, "How do I upload a document?")
    assert reply["sources"][0]["source"] == "guide"
    assert _chat(client, "hello")["verdict"]["outcome"] == "answered"


def test_a_harmful_question_is_refused_with_a_reason_and_passes_with_moderation_off(client: Client) -> None:
    threat = "I will kill you and burn your house down"
    refused = _chat(client, threat)
    assert refused["verdict"]["outcome"] == "question_refused"
    assert refused["verdict"]["category"]
    assert refused["reply"] == refused["verdict"]["reason"] != ""
    (flag,) = refused["verdict"]["flags"]
    assert (flag["side"], flag["action"], flag["ground"]) == ("user", "refuse", "judged")
    assert flag["how_sure"] in ("fairly sure", "quite sure", "very sure")
    assert 0.5 < flag["score"] <= 1
    assert refused["moderated"] is True
    passed = _chat(client, threat, moderation=False)
    assert passed["verdict"]["outcome"] != "question_refused"
    assert (passed["moderated"], passed["verdict"]["flags"]) == (False, [])


def test_a_refusal_is_told_in_the_questions_language_and_contested_once(client: Client) -> None:
    refused = _chat(client, "我要杀了你，你这个该死的垃圾，我要把你全家都杀光")
    (flag,) = refused["verdict"]["flags"]
    assert flag["how_sure"].endswith("确定")
    turn = {"conversation_id": refused["conversation_id"], "turn_id": refused["turn_id"]}
    first = client.predict(**turn, keep_text=False, api_name="/contest")
    again = client.predict(**turn, side="user", keep_text=True, api_name="/contest")
    assert [told["flags"][0]["contested"] for told in (first, again)] == [True, True]
    assert [told["flags"][0]["text_kept"] for told in (first, again)] == [False, True]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"turn_id": "nothing"}, "There is no turn “nothing”"),
        ({"side": "both"}, "use user or assistant"),
        ({"side": "assistant"}, "nothing to contest"),
        ({"owner": "somebody else"}, "There is no conversation"),
    ],
)
def test_what_cannot_be_contested_is_told(client: Client, given: dict[str, Any], said: str) -> None:
    reply = _chat(client, "Who discovered penicillin?")
    turn = {"conversation_id": reply["conversation_id"], "turn_id": reply["turn_id"]} | given
    with pytest.raises(AppError, match=said):
        client.predict(**turn, api_name="/contest")


def test_search_gives_ranked_passages(client: Client) -> None:
    found = client.predict(query="Who discovered penicillin?", k=3, api_name="/search")
    assert len(found) == 3
    assert {"id", "text", "title", "section", "url", "source", "score"} == set(found[0])
    assert "Fleming" in found[0]["text"]
    scores = [passage["score"] for passage in found]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"message": "  "}, "Your message is empty"),
        ({"message": "x" * 100_000}, "100,000 characters and the limit is 20,000"),
        ({"message": "q", "retrieval": ["nonsense"]}, "There is no source named “nonsense”; choose from library"),
        ({"message": "q", "conversation_id": "nobody's"}, "There is no conversation “nobody's”"),
        ({"message": "q", "temperature": -1}, "The setting temperature is -1; it must be a number from 0 (greedy)"),
        ({"message": "q", "max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"message": "q", "repetition_penalty": 0}, "The setting repetition_penalty is 0; it must be a number from"),
        ({"message": "q", "no_repeat_ngram": -1}, "The setting no_repeat_ngram is -1; it must be a whole number from"),
    ],
)
def test_bad_input_is_one_clear_sentence(client: Client, given: dict[str, Any], said: str) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(api_name="/chat", **given)
    assert said in str(caught.value)


def test_search_refuses_a_senseless_k(client: Client) -> None:
    with pytest.raises(AppError, match="k is 0; use a whole number from 1 to 100"):
        client.predict(query="q", k=0, api_name="/search")


def test_another_owner_cannot_go_on_with_a_conversation(client: Client) -> None:
    first = _chat(client, "Who discovered penicillin?", owner="anna's key")
    with pytest.raises(AppError, match="There is no conversation"):
        _chat(client, "and where was he born?", conversation_id=first["conversation_id"], owner="ben's key")


def test_whoever_has_no_key_deletes_nothing_of_everybodys(client: Client, running: Running) -> None:
    """The page's own handler, called with a forged browser state."""
    found = client.predict(query="penicillin", sources=["library"], api_name="/search")
    document = found[0]["id"].rpartition("#")[0]
    handlers = httpx.get(f"{running.url}config").json()["dependencies"]
    press = next(handler["id"] for handler in handlers if handler["api_name"] == "press")
    data = [json.dumps(["delete", document, ""]), {"owner": ""}, ""]
    call = {"data": data, "fn_index": press, "session_hash": "forged"}
    httpx.post(f"{running.url}gradio_api/queue/join", json=call).raise_for_status()
    httpx.get(f"{running.url}gradio_api/queue/data", params={"session_hash": "forged"}, timeout=30).raise_for_status()
    assert client.predict(query="penicillin", sources=["library"], api_name="/search") == found


def test_the_queue_cannot_be_bypassed(running: Running) -> None:
    answer = httpx.post(f"{running.url}gradio_api/run/chat", json={"data": ["hello"]})
    assert answer.status_code == 404


def test_only_the_four_functions_are_offered(client: Client) -> None:
    offered = client.view_api(return_format="dict", print_info=False)
    assert isinstance(offered, dict)
    assert set(offered["named_endpoints"]) == {"/chat", "/search", "/contest", "/rate"}


def test_health_is_told(running: Running) -> None:
    answer = httpx.get(f"{running.url}healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "moderators": ["embedded"]})


def test_wikipedia_is_searched_when_it_is_chosen(client: Client, running: Running) -> None:
    running.wikipedia.mode = "ok"
    found = client.predict(query="Antikythera mechanism", sources=["wikipedia"], api_name="/search")
    assert found[0]["source"] == "wikipedia"
    assert found[0]["url"].startswith("http")


@pytest.mark.parametrize("mode", ["429", "500", "nonsense"])
def test_when_wikipedia_fails_the_answer_goes_on_with_a_notice(client: Client, running: Running, mode: str) -> None:
    running.wikipedia.mode = mode
    try:
        reply = _chat(client, f"Who discovered penicillin? ({mode})", retrieval=["library", "wikipedia"])
    finally:
        running.wikipedia.mode = "ok"
    assert "Fleming" in reply["reply"]
    assert any("Wikipedia" in notice for notice in reply["notices"])


def test_an_answer_is_rated_changed_and_taken_back(client: Client) -> None:
    reply = _chat(client, "Who discovered penicillin?", owner="rater")
    place = {"conversation_id": reply["conversation_id"], "turn_id": reply["turn_id"]}

    def rate(rating: str, owner: str = "rater", **how: Any) -> dict[str, Any]:
        rated = client.predict(**place, rating=rating, owner=owner, **how, api_name="/rate")
        assert isinstance(rated, dict)
        return rated

    rated = rate("down", reasons=["untrue", "unhelpful"], ideal_answer="Fleming. [1]", consent=True)
    assert rated == {**place, "rating": "down", "reasons": ["unhelpful", "untrue"], "text_kept": True}
    assert rate("up") == {**place, "rating": "up", "reasons": [], "text_kept": False}
    assert rate("")["rating"] == ""
    with pytest.raises(AppError, match="There is no conversation"):
        rate("up", owner="somebody else")
    with pytest.raises(AppError, match="“nonsense” is no reason; use unhelpful, untrue"):
        rate("down", reasons=["nonsense"])
