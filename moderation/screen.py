"""The screen in front of a chat: it asks the moderator, applies the policy, and fails closed.

screen = Screen(moderator, policy, limit_s=10)
decision = screen.check(Exchange(text))         # allow, warn or refuse, with a reason in plain words
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TypeVar

from errors import ModerationError
from moderation.base import Action, Exchange, Moderator, Side, Verdict
from moderation.features import chinese_share
from moderation.policy import Decision, Policy
from moderation.policy_watch import WatchedPolicy
from moderation.readings import exposed
from moderation.topics import TopicJudge

_WORKERS = 4

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Screen:
    """Asks the moderator, applies the policy, and fails closed.

    A moderator that raises, or takes longer than `limit_s` seconds, leads to `Policy.unchecked`: a refusal unless the
    operator chose otherwise. Errors are logged; the text is not. Safe to call from several threads.

    The moderator runs on a few daemon threads of the screen's own, so that one that hangs can be left behind; when all
    of them hang, every further text is unchecked.
    """

    def __init__(
        self,
        moderator: Moderator,
        policy: Policy | WatchedPolicy,
        limit_s: float = 10.0,
        topics: TopicJudge | None = None,
    ) -> None:
        """A policy that is watched may change between two texts, never within one. `topics` judges by those of the
        policy; without it every question is about them."""
        self._policy = policy
        self._topics = topics
        self._moderator = moderator
        self._limit_s = limit_s
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._policy.current() if isinstance(self._policy, WatchedPolicy) else self._policy

    @property
    def policy_problem(self) -> str:
        """Why the policy file as it stands is not in force, for the operator; empty where it is."""
        return self._policy.problem if isinstance(self._policy, WatchedPolicy) else ""

    def check(self, exchange: Exchange, language: str = "") -> Decision:
        """What happens to the text. `language` is that of the reason; the text's own where empty."""
        language = language or ("zh" if chinese_share(exchange.text) > 0.3 else "en")
        policy = self.policy
        try:
            return self._within_limit(lambda: self._decide(policy, exchange, language))
        except ModerationError as error:
            logger.error("A text could not be checked: %s", error)
        except Exception:
            logger.exception("A text could not be checked")
        return policy.unchecked(exchange.side, language)

    def topic(self, texts: Sequence[str], language: str) -> Decision:
        """Whether a question is about what the site is for. `texts` are the same question in several words: as it was
        typed, and able to stand alone."""
        policy = self.policy
        if self._topics is None or not policy.topics.only:
            return Decision(Action.ALLOW)
        judge = self._topics
        try:
            about = self._within_limit(lambda: judge.about(policy.topics, texts, language))
        except Exception:
            logger.exception("The topic of a question could not be judged")
            return policy.unchecked(Side.USER, language)
        return Decision(Action.ALLOW) if about else policy.off_topic(language)

    def verdicts(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """The moderator's verdicts, one each, within the time limit.

        Raises what the moderator raises, and `ModerationError` when it is too slow.
        """
        return self._within_limit(lambda: self._judged(exchanges))

    def _decide(self, policy: Policy, exchange: Exchange, language: str) -> Decision:
        shown = exposed(exchange.text)
        blocked = policy.phrase(shown, language)
        if blocked:
            return blocked
        judged = Exchange(policy.without_allowed(exchange.text), exchange.side, exchange.context)
        shown = shown if judged.text == exchange.text else exposed(judged.text)
        return policy.decide(self._judged([judged])[0], exchange.side, language, shown)

    def _judged(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        verdicts = self._moderator.check(exchanges)
        if len(verdicts) != len(exchanges):
            raise ModerationError(f"{self._moderator.name} gave {len(verdicts)} verdicts on {len(exchanges)} texts.")
        return verdicts

    def _within_limit(self, work: Callable[[], T]) -> T:
        """What `work` gives, run on a thread of the screen's own. Raises what it raises, and `ModerationError` when it
        is not done within the limit."""
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(work())
            except Exception as error:
                result.set_exception(error)
            except BaseException as error:  # a panic in native code: the thread must live on, and nobody wait in vain
                failure = ModerationError(f"{self._moderator.name} broke down ({type(error).__name__}).")
                failure.__cause__ = error
                result.set_exception(failure)

        self._start_threads()
        self._jobs.put(_Job(run, time.monotonic() + self._limit_s))
        if not wait([result], self._limit_s).done:
            raise ModerationError(
                f"{self._moderator.name} took longer than {self._limit_s:g} s; raise moderation_limit_s or relieve it."
            )
        return result.result()

    def _start_threads(self) -> None:
        with self._lock:
            while len(self._threads) < _WORKERS:
                thread = threading.Thread(target=self._work, name="moderation", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if time.monotonic() < job.deadline:
                job.run()


@dataclass(frozen=True, slots=True)
class _Job:
    """Work that somebody waits for until its deadline."""

    run: Callable[[], None]
    deadline: float
