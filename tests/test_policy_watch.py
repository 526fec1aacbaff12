"""The policy file is read again when it changes. python -m pytest tests/test_policy_watch.py"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from errors import SettingsError
from moderation.base import Action, Exchange, Level, Side, Verdict
from moderation.policy_watch import WatchedPolicy
from moderation.screen import Screen
from tests.steered import Steered

_STRICT = '[levels.user]\n"needs caution" = "refuse"\n'
_BROKEN = '[levels.user]\n"needs caution" = "forbid"\n'


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def _watched(tmp_path: Path, text: str = "") -> tuple[Path, Clock, WatchedPolicy]:
    path, clock = tmp_path / "policy.toml", Clock()
    path.write_text(text, encoding="utf-8")
    return path, clock, WatchedPolicy(path, clock)


def _action(policies: WatchedPolicy) -> Action:
    return policies.current().levels[Side.USER][Level.NEEDS_CAUTION]


def test_a_changed_file_is_in_force_a_second_later(tmp_path: Path) -> None:
    path, clock, policies = _watched(tmp_path)
    path.write_text(_STRICT, encoding="utf-8")
    assert _action(policies) is Action.WARN
    clock.now += 1
    assert _action(policies) is Action.REFUSE


def test_a_file_is_looked_at_once_a_second_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, clock, policies = _watched(tmp_path)
    looks: list[Path] = []
    real = Path.stat

    def stat(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        looks.append(self)
        return real(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    for _ in range(50):
        clock.now += 0.1
        policies.current()
    assert 4 <= looks.count(path) <= 5


@pytest.mark.parametrize("broken", [_BROKEN, "on_error = ", None])
def test_a_broken_file_leaves_the_old_policy_and_is_told(
    tmp_path: Path, broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path, clock, policies = _watched(tmp_path, _STRICT)
    if broken is None:
        path.unlink()
    else:
        path.write_text(broken, encoding="utf-8")
    clock.now += 1
    with caplog.at_level(logging.ERROR):
        assert _action(policies) is Action.REFUSE
    assert "policy.toml" in policies.problem
    assert policies.problem in caplog.text
    assert len(caplog.records) == 1
    clock.now += 1
    policies.current()
    assert len(caplog.records) == 1
    path.write_text("", encoding="utf-8")
    clock.now += 1
    assert _action(policies) is Action.WARN
    assert policies.problem == ""


def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="forbid"):
        _watched(tmp_path, _BROKEN)


def test_the_screen_judges_by_the_policy_in_force(tmp_path: Path) -> None:
    path, clock, policies = _watched(tmp_path)
    screen = Screen(Steered(Verdict(0.7, Level.NEEDS_CAUTION)), policies)
    assert screen.check(Exchange("x")).action is Action.WARN
    path.write_text(_STRICT, encoding="utf-8")
    clock.now += 1
    assert screen.check(Exchange("x")).action is Action.REFUSE
    path.write_text(_BROKEN, encoding="utf-8")
    clock.now += 1
    assert screen.check(Exchange("x")).action is Action.REFUSE
    assert "forbid" in screen.policy_problem


def test_without_a_file_the_built_in_policy_stays() -> None:
    clock = Clock()
    policies = WatchedPolicy(None, clock)
    clock.now += 5
    assert _action(policies) is Action.WARN
