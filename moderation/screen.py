"""The screen in front of a chat: it asks the moderator, applies the policy, and fails closed.

screen = Screen(moderator, policy, limit_s=10)
decision = screen.check(Exchange(text))         # allow, warn or refuse, with a reason in plain words
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence

from errors import ModerationError
from moderation.base import Exchange, Moderator, Verdict
from moderation.features import chinese_share
from moderation.policy import Decision, Policy

_WORKERS = 4

logger = logging.getLogger(__name__)


class Screen:
    """Asks the moderator, applies the policy, and fails closed.

    A moderator that raises, or takes longer than `limit_s` seconds, leads to `Policy.unchecked`: a refusal unless the
    operator chose otherwise. Errors are logged; the text is not. Safe to call from several threads.

    The moderator runs on a few daemon threads of the screen's own, so that one that hangs can be left behind; when all
    of them hang, every further text is unchecked.
    """

    def __init__(self, moderator: Moderator, policy: Policy, limit_s: float = 10.0) -> None:
        self.policy = policy
        self._moderator = moderator
        self._limit_s = limit_s
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def check(self, exchange: Exchange, language: str = "") -> Decision:
        """What happens to the text. `language` is that of the reason; the text's own where empty."""
        language = language or ("zh" if chinese_share(exchange.text) > 0.3 else "en")
        try:
            blocked = self.policy.phrase(exchange.text, language)
            if blocked:
                return blocked
            judged = Exchange(self.policy.without_allowed(exchange.text), exchange.side, exchange.context)
            return self.policy.decide(self.verdicts([judged])[0], exchange.side, language, judged.text)
        except ModerationError as error:
            logger.error("A text could not be checked: %s", error)
        except Exception:
            logger.exception("A text could not be checked")
        return self.policy.unchecked(exchange.side, language)

    def verdicts(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """The moderator's verdicts, one each, within the time limit.

        Raises what the moderator raises, and `ModerationError` when it is too slow.
        """
        job = _Job(exchanges, time.monotonic() + self._limit_s)
        self._start_threads()
        self._jobs.put(job)
        if not job.done.wait(self._limit_s):
            raise ModerationError(
                f"{self._moderator.name} took longer than {self._limit_s:g} s; raise moderation_limit_s or relieve it."
            )
        if job.failure is not None:
            raise job.failure
        if len(job.verdicts) != len(exchanges):
            raise ModerationError(
                f"{self._moderator.name} gave {len(job.verdicts)} verdicts on {len(exchanges)} texts."
            )
        return job.verdicts

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
                job.run(self._moderator)


class _Job:
    """Texts on their way through the moderator."""

    def __init__(self, exchanges: Sequence[Exchange], deadline: float) -> None:
        self.deadline = deadline
        self.done = threading.Event()
        self.verdicts: list[Verdict] = []
        self.failure: Exception | None = None
        self._exchanges = exchanges

    def run(self, moderator: Moderator) -> None:
        try:
            self.verdicts = moderator.check(self._exchanges)
        except Exception as error:
            self.failure = error
        finally:
            self.done.set()
