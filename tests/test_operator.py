"""The operator's page: who gets in, what it shows, and what its buttons do. python -m pytest tests/test_operator.py"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from chat.conversation import Conversation, Outcome, Turn
from chat.rating import Keep, Rating, Reason, Thumb
from chat.ratings import FILE, Ratings
from errors import InputError
from moderation.base import Action, Level, Side
from moderation.cases import Cases, Judged
from moderation.policy import Decision
from moderation.policy_watch import WatchedPolicy
from moderation.screen import Screen
from moderation.tally import Tally
from serving.operator import Desk, Entrance, operator_route
from serving.operator_texts import TEXTS
from tests.steered import Steered
from tests.test_cases import Clock

_KEY = "a key for the tests"
_REFUSAL = Decision(Action.REFUSE, "violence", Level.NEEDS_INTERVENTION, 0.93, "Because.")
_DOWNS = (Rating(Thumb.DOWN, (Reason.UNTRUE, Reason.HARMFUL)), Rating(Thumb.DOWN, (Reason.UNTRUE,)))
_SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    policies = WatchedPolicy(None)
    return Desk(Screen(Steered(), policies), Cases(tmp_path), Tally(tmp_path), "on")


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=[operator_route(desk, _KEY)]), base_url="http://localhost") as client:
        yield client


@pytest.fixture
def inside(client: TestClient) -> TestClient:
    assert client.post("/moderation", data={"do": "enter", "key": _KEY}).status_code == 200
    return client


def _contest(desk: Desk, text: str, *, keep: bool = True, context: str = "") -> None:
    side = Side.ASSISTANT if context else Side.USER
    desk.cases.hold(text, side, Judged(text, context))
    desk.cases.contest(text, side, _REFUSAL, keep)


@pytest.mark.parametrize("way", ["/moderation", "/moderation?export=all", "/moderation?page=1"])
def test_without_the_key_nothing_is_shown(client: TestClient, desk: Desk, way: str) -> None:
    _contest(desk, "a contested text")
    desk.tally.count(Side.USER, _REFUSAL)
    for token in ("", "made up"):
        client.cookies.set("groundchat-operator", token)
        got = client.get(way)
        assert "Operator key" in got.text
        assert "contested" not in got.text
        assert "violence" not in got.text


def test_a_form_without_the_key_changes_nothing(client: TestClient, desk: Desk) -> None:
    _contest(desk, "a contested text")
    got = client.post("/moderation", data={"do": "rule", "case": desk.cases.all()[0].id, "ruling": "right"})
    assert got.status_code == 401
    assert desk.cases.all()[0].ruling == ""


def test_a_wrong_key_does_not_open(client: TestClient) -> None:
    got = client.post("/moderation", data={"do": "enter", "key": "wrong"})
    assert got.status_code == 403
    assert "This is not the operator key" in got.text
    assert not client.cookies


def test_guessing_is_slowed_down(client: TestClient) -> None:
    for _ in range(10):
        client.post("/moderation", data={"do": "enter", "key": "wrong"})
    assert client.post("/moderation", data={"do": "enter", "key": _KEY}).status_code == 429


def test_after_a_minute_the_right_key_opens_again_and_lasts_twelve_hours() -> None:
    clock = Clock()
    entrance = Entrance(_KEY, clock)
    for _ in range(10):
        assert entrance.enter("wrong") == ""
    with pytest.raises(InputError):
        entrance.enter(_KEY)
    clock.now += 61
    token = entrance.enter(_KEY)
    assert entrance.knows(token)
    assert not entrance.knows("")
    clock.now += 12 * 3600
    assert not entrance.knows(token)


def test_the_cookie_is_for_this_page_alone(client: TestClient) -> None:
    got = client.post("/moderation", data={"do": "enter", "key": _KEY}, follow_redirects=False)
    cookie = got.headers["set-cookie"].lower()
    assert got.status_code == 303
    assert {"httponly", "samesite=strict", "path=/moderation"} <= {part.strip() for part in cookie.split(";")}
    assert "secure" not in cookie
    behind_tls = client.post(
        "/moderation",
        data={"do": "enter", "key": _KEY},
        headers={"X-Forwarded-Proto": "https"},
        follow_redirects=False,
    )
    assert "secure" in behind_tls.headers["set-cookie"].lower()


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_form_is_refused(inside: TestClient, desk: Desk, site: str) -> None:
    _contest(desk, "a contested text")
    case = desk.cases.all()[0].id
    data = {"do": "rule", "case": case, "ruling": "right"}
    assert inside.post("/moderation", data=data, headers={"Sec-Fetch-Site": site}).status_code == 403
    assert desk.cases.all()[0].ruling == ""
    assert inside.post("/moderation", data=data, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert desk.cases.all()[0].ruling == "right"


def test_counts_are_shown_by_day_side_and_category(inside: TestClient, desk: Desk) -> None:
    assert "Nothing has been screened yet" in inside.get("/moderation").text
    for _ in range(3):
        desk.tally.count(Side.USER, _REFUSAL)
    desk.tally.count(Side.USER, None)
    page = inside.get("/moderation").text
    assert '<td>Question</td><td>violence</td><td class="n">3</td>' in page
    assert "not screened" in page


def test_contested_texts_are_shown_where_consent_was_given_and_never_run(inside: TestClient, desk: Desk) -> None:
    assert "Nobody has contested" in inside.get("/moderation").text
    _contest(desk, _SCRIPT, context=_SCRIPT)
    _contest(desk, "a secret text", keep=False)
    page = inside.get("/moderation").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert "a secret text" not in page
    assert "The text was not kept." in page
    assert "violence" in page
    assert "quite sure (0.93)" in page


def test_a_ruling_is_kept_and_exported(inside: TestClient, desk: Desk) -> None:
    _contest(desk, "one text")
    _contest(desk, "another text")
    case = next(case for case in desk.cases.all() if case.text == "one text")
    page = inside.post("/moderation", data={"do": "rule", "case": case.id, "ruling": "wrong"}).text
    assert "Ruled wrong" in page
    got = inside.get("/moderation?export=ruled")
    assert "attachment" in got.headers["content-disposition"]
    (row,) = map(json.loads, got.text.splitlines())
    assert (row["text"], row["flagged"], row["ruling"]) == ("one text", False, "wrong")
    assert len(inside.get("/moderation?export=all").text.splitlines()) == 2


def test_a_ruling_on_nothing_is_told(inside: TestClient) -> None:
    got = inside.post("/moderation", data={"do": "rule", "case": "nothing", "ruling": "wrong"})
    assert (got.status_code, "no longer kept" in got.text) == (400, True)


def test_many_cases_come_in_pages(inside: TestClient, desk: Desk) -> None:
    for number in range(60):
        _contest(desk, f"text number {number}.")
    first, second = inside.get("/moderation").text, inside.get("/moderation?page=1").text
    assert "text number 59." in first
    assert "text number 9." not in first
    assert "text number 9." in second
    for odd in ("-1", "99999", "x", "9" * 400, "²"):
        assert inside.get(f"/moderation?page={odd}").status_code == 200


def test_a_policy_file_that_broke_is_shown(tmp_path: Path) -> None:
    path, clock = tmp_path / "policy.toml", Clock()
    path.write_text("", encoding="utf-8")
    policies = WatchedPolicy(path, clock)
    desk = Desk(Screen(Steered(), policies), Cases(tmp_path), Tally(tmp_path), "always")
    with TestClient(Starlette(routes=[operator_route(desk, _KEY)])) as client:
        client.post("/moderation", data={"do": "enter", "key": _KEY})
        page = client.get("/moderation").text
        assert "Moderation is always on." in page
        assert "cannot be used" not in page
        path.write_text("on_error = 'allow'", encoding="utf-8")
        clock.now += 1
        page = client.get("/moderation").text
    assert "cannot be used" in page
    assert "policy.toml: “on_error” is &#x27;allow&#x27;" in page


def test_ratings_are_counted_by_model_and_reason_without_texts(tmp_path: Path) -> None:
    ratings = Ratings(tmp_path, Keep.ASK)
    desk = Desk(Screen(Steered(), WatchedPolicy(None)), Cases(tmp_path), Tally(tmp_path), "on", ratings)
    with TestClient(Starlette(routes=[operator_route(desk, _KEY)])) as client:
        client.post("/moderation", data={"do": "enter", "key": _KEY})
        assert "Ratings of answers" not in client.get("/moderation").text
        turns = tuple(Turn(str(n), "Who?", Outcome.ANSWERED, "A secret.", model=_SCRIPT) for n in range(3))
        for turn, rating in zip(turns, (Rating(Thumb.UP, keep=True), *_DOWNS), strict=True):
            ratings.rate(Conversation("c", "anna", turns), turn.id, rating)
        page = client.get("/moderation").text
    cells = re.findall(r"<td.*?>(.*?)</td>", page.partition('id="ratings"')[2])
    assert cells == ["&lt;script&gt;alert(1)&lt;/script&gt;", "1", "2", "", "2", "1", "", "", "1"]
    assert "A secret" not in page


def test_ratings_that_cannot_be_read_leave_the_rest_of_the_page(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("no database", encoding="utf-8")
    ratings = Ratings(tmp_path, Keep.ASK)
    desk = Desk(Screen(Steered(), WatchedPolicy(None)), Cases(tmp_path), Tally(tmp_path), "on", ratings)
    with TestClient(Starlette(routes=[operator_route(desk, _KEY)])) as client:
        client.post("/moderation", data={"do": "enter", "key": _KEY})
        page = client.get("/moderation").text
    assert "The ratings cannot be used" in page and "Contested decisions" in page


def test_who_signs_out_is_out(inside: TestClient) -> None:
    token = inside.cookies["groundchat-operator"]
    inside.post("/moderation", data={"do": "leave"})
    inside.cookies.set("groundchat-operator", token)
    assert "Operator key" in inside.get("/moderation").text


def test_it_speaks_chinese_and_may_not_be_framed_or_kept(inside: TestClient) -> None:
    got = inside.get("/moderation", headers={"Accept-Language": "zh-CN"})
    assert "有异议的判断" in got.text
    assert "frame-ancestors 'none'" in got.headers["content-security-policy"]
    assert got.headers["cache-control"] == "no-store"


def test_a_form_that_is_too_large_is_none(inside: TestClient) -> None:
    assert inside.post("/moderation", data={"do": "leave", "key": "x" * 10_000}).status_code == 200
    assert "Sign out" in inside.get("/moderation").text


def test_both_languages_know_every_text() -> None:
    assert set(TEXTS["en"]) == set(TEXTS["zh"])
