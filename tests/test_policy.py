"""The policy file, what verdicts lead to, and that the screen fails closed.

python -m pytest tests/test_policy.py
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from errors import ModerationError, SettingsError
from moderation.base import Action, Category, Exchange, Level, Side, Verdict
from moderation.policy import Decision, Ground, Policy, worst
from moderation.policy_file import load_policy
from moderation.screen import Screen
from tests.steered import Steered


def _verdict(level: Level, *categories: tuple[str, float]) -> Verdict:
    return Verdict(0.9, level, categories or (("violence", 0.8),))


def _policy(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return load_policy(path)


@pytest.mark.parametrize("side", list(Side))
def test_by_default_only_intervention_refuses(side: Side) -> None:
    policy = load_policy()
    actions = {level: policy.decide(_verdict(level), side).action for level in Level}
    assert actions == {
        Level.CASUAL: Action.ALLOW,
        Level.POSSIBLY_NEEDS_CAUTION: Action.ALLOW,
        Level.PROBABLY_NEEDS_CAUTION: Action.ALLOW,
        Level.NEEDS_CAUTION: Action.WARN,
        Level.NEEDS_INTERVENTION: Action.REFUSE,
    }


def test_a_refusal_names_the_category_and_says_what_to_do() -> None:
    decision = load_policy().decide(_verdict(Level.NEEDS_INTERVENTION, ("weapons", 0.9)), Side.USER)
    assert decision.category == Category.WEAPONS
    assert "weapons" in decision.reason
    assert "in other words" in decision.reason
    assert decision.score == 0.9


def test_an_allowed_text_needs_no_reason() -> None:
    decision = load_policy().decide(_verdict(Level.CASUAL), Side.USER)
    assert (decision.category, decision.reason) == ("", "")


def test_reasons_come_in_chinese_and_in_english_for_every_other_language() -> None:
    policy = load_policy()
    verdict = _verdict(Level.NEEDS_INTERVENTION)
    assert "暴力" in policy.decide(verdict, Side.USER, "zh").reason
    assert policy.decide(verdict, Side.USER, "fr").reason == policy.decide(verdict, Side.USER, "en").reason


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_category_has_a_name_in_every_language(language: str) -> None:
    policy = load_policy()
    for category in Category:
        side = Side.USER if category is Category.PROMPT_ATTACK else Side.ASSISTANT
        reason = policy.decide(_verdict(Level.NEEDS_INTERVENTION, (category, 0.9)), side, language).reason
        assert policy.texts[language].categories[category] in reason


def test_an_answer_attacks_nobodys_prompt() -> None:
    verdict = _verdict(Level.NEEDS_INTERVENTION, ("prompt attack", 0.95))
    assert load_policy().decide(verdict, Side.ASSISTANT).action is Action.ALLOW
    assert load_policy().decide(verdict, Side.USER).action is Action.REFUSE


@pytest.mark.parametrize(
    "categories",
    [
        (("prompt attack", 0.19), ("violence", 0.13)),  # it could be either
        (("prompt attack", 0.9), ("weapons", 0.54)),  # it is both
    ],
)
def test_harm_does_not_pass_behind_an_attack_that_leads(categories: tuple[tuple[str, float], ...]) -> None:
    decision = load_policy().decide(_verdict(Level.NEEDS_INTERVENTION, *categories), Side.ASSISTANT)
    assert (decision.action, decision.category) == (Action.REFUSE, "")
    assert "could do harm" in decision.reason


@pytest.mark.parametrize("language", ["en", "zh"])
def test_self_harm_gets_support_instead_of_a_cold_refusal(language: str) -> None:
    verdict = _verdict(Level.NEEDS_INTERVENTION, ("self-harm", 0.9))
    reason = load_policy().decide(verdict, Side.USER, language).reason
    assert "findahelpline.com" in reason
    assert "can't help" not in reason


def test_a_kind_of_harm_that_is_not_sure_is_not_named(tmp_path: Path) -> None:
    policy = load_policy()

    def category(*categories: tuple[str, float]) -> str:
        decision = policy.decide(_verdict(Level.NEEDS_INTERVENTION, *categories), Side.USER)
        assert decision.action is Action.REFUSE
        assert bool(decision.category) is ("could do harm" not in decision.reason)
        return decision.category

    assert category(("weapons", 0.6), ("hate", 0.1)) == "weapons"
    assert category(("weapons", 0.6), ("hate", 0.4)) == ""
    assert category(("weapons", 0.3), ("hate", 0.1)) == ""
    assert category(("self-harm", 0.6), ("hate", 0.4)) == "self-harm"
    policy = _policy(tmp_path, "named_from = 0.2\nnamed_ahead = 1.2\n")
    assert category(("weapons", 0.6), ("hate", 0.4)) == category(("weapons", 0.3), ("hate", 0.1)) == "weapons"


def test_a_warning_about_self_harm_is_a_caring_note() -> None:
    decision = load_policy().decide(_verdict(Level.NEEDS_CAUTION, ("self-harm", 0.9)), Side.USER)
    assert decision.action is Action.WARN
    assert "If this is about you" in decision.reason
    assert "findahelpline.com" in decision.reason


def test_a_verdict_without_categories_is_decided_by_its_level() -> None:
    decision = load_policy().decide(Verdict(0.99, Level.NEEDS_INTERVENTION), Side.USER)
    assert decision.action is Action.REFUSE
    assert "could do harm" in decision.reason


def test_a_category_with_thresholds_is_judged_by_them_instead_of_by_the_level(tmp_path: Path) -> None:
    policy = _policy(tmp_path, "[thresholds.user]\nsexual = {warn = 0.5, refuse = 0.95}\nhate = {refuse = 0.1}\n")

    def action(*categories: tuple[str, float], side: Side = Side.USER) -> Action:
        return policy.decide(_verdict(Level.NEEDS_INTERVENTION, *categories), side).action

    assert action(("sexual", 0.9)) is Action.WARN
    assert action(("sexual", 0.4)) is Action.ALLOW
    assert action(("sexual", 0.96)) is Action.REFUSE
    assert action(("sexual", 0.9), side=Side.ASSISTANT) is Action.REFUSE
    assert action(("violence", 0.9), ("sexual", 0.1)) is Action.REFUSE
    decision = policy.decide(_verdict(Level.NEEDS_INTERVENTION, ("sexual", 0.6), ("hate", 0.2)), Side.USER)
    assert (decision.action, decision.category) == (Action.REFUSE, "hate")


def test_an_operators_file_changes_only_what_it_names(tmp_path: Path) -> None:
    policy = _policy(tmp_path, '[levels.user]\n"needs caution" = "refuse"\n[texts.en]\nrefuse = "No: {category}."\n')
    decision = policy.decide(_verdict(Level.NEEDS_CAUTION), Side.USER)
    assert (decision.action, decision.reason) == (Action.REFUSE, "No: violence against people or animals.")
    assert policy.decide(_verdict(Level.NEEDS_CAUTION), Side.ASSISTANT).action is Action.WARN


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("on_eror = 'warn'", "on_eror"),
        ("on_error = 'allow'", "'allow'"),
        ("[levels.user]\ncasul = 'allow'", "levels.user.casul"),
        ("[levels.user]\ncasual = 'deny'", "'deny'"),
        ("[levels]\nuser = 'refuse'", "levels.user"),
        ("[levels.user]\ncasual = 'refuse'", "levels.user.possibly needs caution"),
        ("[thresholds.user]\nspam = {warn = 0.5}", "thresholds.user.spam"),
        ("[thresholds.user]\nhate = {warn = 1.5}", "1.5"),
        ("[thresholds.user]\nhate = {warn = true}", "True"),
        ("[thresholds.user]\nhate = {}", "thresholds.user.hate"),
        ("[thresholds.user]\nhate = {block = 0.5}", "thresholds.user.hate"),
        ("[thresholds.user]\nhate = {warn = 0.9, refuse = 0.5}", "0.9"),
        ("named_from = 40", "named_from"),
        ("named_ahead = true", "named_ahead"),
        ("[self_harm]\nwords = 'x'", "self_harm.words"),
        ("[self_harm]\nrumours = ['x']", "self_harm.rumours"),
        ("[phrases]\nblocked = 'x'", "phrases.blocked"),
        ("[phrases]\nallowed = ['']", "phrases.allowed"),
        ("[phrases]\nblocked = ['good', '🖕']", "phrases.blocked"),
        ("[passages]\norders = ['warn']", "passages.orders"),
        ("[passages]\nfrom = 0", "a number from 0.01 to 1"),
        ("[self_harm]\ndanger = ['🖤']", "'🖤' would be found in every text"),
        ("[self_harm]\nwords = ['(bad|)…']", "'(bad|)…' would be found in every text"),
        ("[texts.en]\nrefuse = 3", "texts.en.refuse"),
        ("[texts.en.categories]\nhate = ''", "texts.en.categories.hate"),
        ("[texts.de]\nrefuse = 'Nein'", "texts.de"),
        ("on_error = ", "not valid TOML"),
    ],
)
def test_a_file_that_cannot_be_used_stops_the_start_with_one_sentence(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _policy(tmp_path, text)
    assert named in str(caught.value)
    assert "policy.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml cannot be read"):
        load_policy(tmp_path / "nowhere.toml")


def test_blocked_phrases_are_refused_in_disguise_and_only_as_whole_words(tmp_path: Path) -> None:
    screen = Screen(Steered(), _policy(tmp_path, "[phrases]\nblocked = ['Project Kestrel', '红隼']\n"))
    for text in ("what is project  kestrel?", "PR0JECT KESTREL", "project k e s t r e l", "请介绍红隼计划"):
        decision = screen.check(Exchange(text))
        assert decision.action is Action.REFUSE, text
        assert decision.reason
    assert screen.check(Exchange("my project: kestrels")).action is Action.ALLOW


@pytest.mark.parametrize(
    ("phrase", "held", "free"),
    [
        ("https://evil.example/x", "see https://evil.example/x now", "see https://good.example/x"),
        ("www.evil.example", "see www.evil.example!", "see www.good.example"),
        ("@kestrel", "ask @kestrel", "ask the user"),
        ("kestrel", "请介绍kestrel计划", "请介绍kestrels计划"),
        ("バカ", "おまえはバカだ", "おまえは賢い"),
        ("ไอ้บ้า", "แกมันไอ้บ้านะ", "แกมันดีนะ"),
    ],
)
def test_links_mentions_and_words_beside_chinese_can_be_blocked(
    tmp_path: Path, phrase: str, held: str, free: str
) -> None:
    policy = _policy(tmp_path, f"[phrases]\nblocked = ['{phrase}']\n")
    assert policy.phrase(held) is not None
    assert policy.phrase(free) is None
    assert policy.phrase("How tall is the Eiffel Tower?") is None


def test_allowed_phrases_are_cut_out_before_judging_and_free_nothing_else(tmp_path: Path) -> None:
    moderator = Steered()
    screen = Screen(moderator, _policy(tmp_path, "[phrases]\nallowed = ['kill -9']\n"))
    screen.check(Exchange("How does Kill  -9 differ from murder?"))
    assert moderator.asked[0].text.split() == ["How", "does", "differ", "from", "murder?"]


@pytest.mark.parametrize(
    ("phrase", "text", "left"),
    [
        ("自杀小队", "我喜欢自杀小队电影", "我喜欢 电影"),
        ("自杀小队", "看DC自杀小队2", "看DC 2"),
        ("kill -9", "运行kill -9命令", "运行 命令"),
        ("kill -9", "overkill -9 and kill -99", "overkill -9 and kill -99"),
    ],
)
def test_allowed_phrases_are_cut_out_of_chinese_and_beside_it(
    tmp_path: Path, phrase: str, text: str, left: str
) -> None:
    assert _policy(tmp_path, f"[phrases]\nallowed = ['{phrase}']\n").without_allowed(text) == left


def test_the_screen_applies_the_policy_and_hands_over_side_and_context() -> None:
    moderator = Steered(_verdict(Level.NEEDS_INTERVENTION))
    decision = Screen(moderator, load_policy()).check(Exchange("text", Side.ASSISTANT, "before"))
    assert decision.action is Action.REFUSE
    assert decision.reason.startswith("I took this answer back")
    assert moderator.asked == [Exchange("text", Side.ASSISTANT, "before")]


def test_the_reason_is_in_the_language_of_the_text_unless_told() -> None:
    screen = Screen(Steered(_verdict(Level.NEEDS_INTERVENTION)), load_policy())
    assert "暴力" in screen.check(Exchange("怎么伤害别人？")).reason
    assert "violence" in screen.check(Exchange("怎么伤害别人？"), "en").reason


@pytest.mark.parametrize("failure", [ModerationError("The guard is away."), ValueError("secret words of the person")])
def test_a_moderator_that_fails_leads_to_a_refusal(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        decision = Screen(Steered(failure=failure), load_policy()).check(Exchange("the text itself"))
    assert decision.action is Action.REFUSE
    assert "could not be checked" in decision.reason
    assert "the text itself" not in caplog.text
    assert "could not be checked" in caplog.text


def test_a_moderator_that_gives_no_verdict_leads_to_a_refusal() -> None:
    class Silent(Steered):
        def check(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
            return []

    assert Screen(Silent(), load_policy()).check(Exchange("x")).action is Action.REFUSE


def test_a_moderator_that_hangs_leads_to_a_refusal_even_when_all_threads_hang() -> None:
    moderator = Steered(hang=threading.Event())
    screen = Screen(moderator, load_policy(), limit_s=0.05)
    decisions = [screen.check(Exchange(str(number))) for number in range(8)]
    assert {decision.action for decision in decisions} == {Action.REFUSE}
    assert len(moderator.asked) == 4
    moderator.hang.set() if moderator.hang else None


def test_the_screen_recovers_when_the_moderator_does() -> None:
    moderator = Steered(hang=threading.Event())
    screen = Screen(moderator, load_policy(), limit_s=0.05)
    assert screen.check(Exchange("x")).action is Action.REFUSE
    assert moderator.hang is not None
    moderator.hang.set()
    moderator.hang = None
    assert Screen(moderator, load_policy(), limit_s=10).check(Exchange("x")).action is Action.ALLOW
    assert screen.check(Exchange("x")).action is Action.ALLOW


def test_the_operator_may_choose_a_warning_for_what_could_not_be_checked(tmp_path: Path) -> None:
    policy = _policy(tmp_path, "on_error = 'warn'\n")
    decision = Screen(Steered(failure=ModerationError("away")), policy).check(Exchange("x"))
    assert decision.action is Action.WARN
    assert "could not be checked" in decision.reason


def test_the_screen_serves_several_threads_at_once() -> None:
    screen = Screen(Steered(_verdict(Level.NEEDS_CAUTION)), load_policy())
    found: list[Action] = []
    threads = [threading.Thread(target=lambda: found.append(screen.check(Exchange("x")).action)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [Action.WARN] * 16


def test_the_severest_decision_wins() -> None:
    warn, refuse = Decision(Action.WARN, reason="a"), Decision(Action.REFUSE, reason="b")
    assert worst([Decision(Action.ALLOW), warn, refuse, Decision(Action.REFUSE, reason="c")]) is refuse
    assert worst([]).action is Action.ALLOW


class _Panic(BaseException):
    """As native code raises it."""


def test_a_panic_in_native_code_leaves_a_screen_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    moderator = Steered()
    screen = Screen(moderator, load_policy(), limit_s=30)
    with monkeypatch.context() as patched:
        patched.setattr(moderator, "failure", _Panic("oh"))
        for _ in range(2 * 4):
            decision = screen.check(Exchange("a text"))
            assert (decision.action, decision.ground) == (Action.REFUSE, Ground.UNCHECKED)
    assert screen.check(Exchange("a text")).action is Action.ALLOW
