"""Several moderators: any refuses, and one that fails makes the whole fail.

python -m pytest tests/test_combined.py
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from errors import ModerationError
from moderation.base import Action, Exchange, Level, Side, Verdict
from moderation.combined import CombinedModerator
from moderation.policy_file import load_policy
from moderation.readings import Readings
from moderation.screen import Screen

HARMLESS = Verdict(0.01, Level.CASUAL, (("hate", 0.004), ("violence", 0.003)))
ATTACK = Verdict(0.99, Level.CASUAL, (("prompt attack", 0.99),))
HATE = Verdict(0.9, Level.NEEDS_INTERVENTION, (("hate", 0.85), ("violence", 0.001)))


@dataclass
class Told:
    """A moderator that does as it is told."""

    judge: Callable[[], list[Verdict]]
    name: str = "told"

    def check(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        return self.judge()


def _says(*verdicts: Verdict) -> Told:
    return Told(lambda: list(verdicts))


def _fails(error: Exception) -> Told:
    def judge() -> list[Verdict]:
        raise error

    return Told(judge)


def test_scores_levels_and_categories_are_the_highest() -> None:
    (verdict,) = CombinedModerator([_says(HARMLESS), _says(HATE), _says(ATTACK)]).check([Exchange("x")])
    assert (verdict.score, verdict.level) == (0.99, Level.NEEDS_INTERVENTION)
    assert verdict.categories == (("prompt attack", 0.99), ("hate", 0.85), ("violence", 0.003))
    assert verdict.parts == (HARMLESS, HATE, ATTACK)


def test_verdicts_stay_with_their_texts() -> None:
    verdicts = CombinedModerator([_says(HARMLESS, HATE), _says(HATE, HARMLESS)]).check([Exchange("a"), Exchange("b")])
    assert [verdict.parts for verdict in verdicts] == [(HARMLESS, HATE), (HATE, HARMLESS)]


@pytest.mark.parametrize("order", [1, -1])
def test_any_of_them_refuses_whatever_the_others_lead_with(order: int) -> None:
    """Alone, the policy takes an answer's “prompt attack” for nothing; that must not cover up what another found."""
    policy = load_policy()
    alone = [policy.decide(verdict, Side.ASSISTANT).action for verdict in (HARMLESS, ATTACK, HATE)]
    assert alone == [Action.ALLOW, Action.ALLOW, Action.REFUSE]
    moderators = [_says(HARMLESS), _says(ATTACK), _says(HATE)][::order]
    decision = Screen(CombinedModerator(moderators), policy).check(Exchange("x", Side.ASSISTANT))
    assert (decision.action, decision.category) == (Action.REFUSE, "hate")


def test_any_of_them_refuses_a_text_that_is_read_in_several_ways() -> None:
    policy, encoded = load_policy(), "aG93IGRvIEkgYmFrZSBicmVhZCBmb3IgbXkgZmFtaWx5Pw== i g n o r e"
    asked: list[int] = []

    @dataclass
    class Each:
        verdict: Verdict
        name: str = "each"

        def check(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
            asked.append(len(exchanges))
            return [self.verdict for _ in exchanges]

    combined = CombinedModerator([Each(ATTACK), Each(HATE), Each(HARMLESS)])
    decision = Screen(Readings(combined), policy).check(Exchange(encoded, Side.ASSISTANT))
    assert min(asked) > 1
    assert (decision.action, decision.category) == (Action.REFUSE, "hate")


def test_the_policy_of_a_category_holds_for_each_of_them(tmp_path: Path) -> None:
    own = tmp_path / "policy.toml"
    own.write_text("[thresholds.user]\nhate = { warn = 0.8 }\n", encoding="utf-8")
    decision = Screen(CombinedModerator([_says(HARMLESS), _says(HATE)]), load_policy(own)).check(Exchange("x"))
    assert decision.action is Action.WARN


def test_all_that_allow_allow() -> None:
    screen = Screen(CombinedModerator([_says(HARMLESS), _says(HARMLESS)]), load_policy())
    assert screen.check(Exchange("x")).action is Action.ALLOW


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("error", [ModerationError("It is away."), RuntimeError("a bug")], ids=["told", "bug"])
def test_one_that_fails_makes_the_whole_fail(place: int, error: Exception) -> None:
    moderators = [_says(HARMLESS), _says(HARMLESS)]
    moderators.insert(place, _fails(error))
    combined = CombinedModerator(moderators)
    with pytest.raises(type(error), match=str(error)):
        combined.check([Exchange("x")])
    decision = Screen(combined, load_policy()).check(Exchange("x"))
    assert decision.action is Action.REFUSE
    assert "could not be checked" in decision.reason


@pytest.mark.parametrize("verdicts", [(), (HARMLESS, HARMLESS)])
def test_one_that_gives_too_few_or_too_many_verdicts_makes_the_whole_fail(verdicts: tuple[Verdict, ...]) -> None:
    with pytest.raises(ModerationError, match=f"gave {len(verdicts)} verdicts for 1 texts"):
        CombinedModerator([_says(HARMLESS), _says(*verdicts)]).check([Exchange("x")])


def test_they_are_asked_side_by_side() -> None:
    both = threading.Barrier(2)

    def meet() -> list[Verdict]:
        both.wait(20)
        return [HARMLESS]

    (verdict,) = CombinedModerator([Told(meet), Told(meet)]).check([Exchange("x")])
    assert len(verdict.parts) == 2


def test_one_that_hangs_is_left_behind_by_the_screen() -> None:
    hang = threading.Event()

    def wait() -> list[Verdict]:
        hang.wait(20)
        return [HARMLESS]

    screen = Screen(CombinedModerator([_says(HARMLESS), Told(wait)]), load_policy(), limit_s=0.05)
    assert screen.check(Exchange("x")).action is Action.REFUSE
    hang.set()


def test_one_alone_stands_for_itself() -> None:
    assert CombinedModerator([_says(HATE)]).check([Exchange("x")]) == [HATE]
    with pytest.raises(ValueError, match="no moderators"):
        CombinedModerator([])
