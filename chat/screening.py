"""What moderation makes of a turn: its question judged, its flags kept, what was decided counted and contested."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from chat.bilingual import Bilingual
from chat.conversation import Conversation, Outcome, Turn
from chat.earlier import last_answer, talked
from chat.flags import Flag
from chat.smalltalk import Scope, remark, scope, talk
from errors import InputError
from moderation.base import Action, Exchange, Side
from moderation.cases import Cases, Judged
from moderation.policy import Decision, Ground, worst
from moderation.screen import Screen
from moderation.tally import Tally
from retrieval.query import Query, is_lone, leans, unresolved
from retrieval.text import analyse

_ABOUT_THE_ANSWER: Mapping[str, str] = MappingProxyType(
    {
        "en": """
        example detail explain more short shorter shorten long longer simple simpler simply simplify table list bullet
        point summary summarise summarize translate again rephrase continue formal english chinese french german spanish
        step version word sentence paragraph rewrite write give make tell put say show elaborate clarify mean answer
        last previous please expand polite friendly brief briefly easy easier child beginner source compare
        """,
        "zh": """
        举例 例子 举个例子 详细 解释 说明 简短 简单 表格 列表 总结 翻译 再说 换个说法 继续 中文 英文 步骤 具体 一点 一些
        请 说 得 用 写
        """,
    }
)
"""Words of requests that are about the answer before them and name no topic: “shorter, please”, “as a table”."""
_ROLE = re.compile(
    r"<[|/]?(?:human|bot|user|prompter|assistant|system|model|context|im_start|im_end|im_sep|start_header_id"
    r"|end_header_id|eot_id|start_of_turn|end_of_turn|begin_of_text|end_of_text|endoftext|end|bos|eos|s)\|?>:?",
    re.IGNORECASE,
)
"""Roles as prompts name them, which a raw one must; in a message they would be a forged turn. No other word in such
brackets is left out: it could be part of what is asked."""
_ADDED = Bilingual("What was added was withdrawn. {reason}", zh="续写的部分已撤回。{reason}")


class Screening:
    """Judges turns by the screen; counts and keeps cases where the app has a folder for them."""

    def __init__(self, screen: Screen, cases: Cases | None = None, tally: Tally | None = None) -> None:
        self.screen = screen
        self._cases = cases
        self._tally = tally

    def question(self, turn: Turn, before: Conversation, query: Query, *, raw: bool, anything: bool) -> Decision:
        """What happens to the question of a turn. `anything`: whatever its topic is, as where a document's overview is
        asked for; `raw`: it is no part of the conversation."""
        text = _ROLE.sub(" ", turn.question) if raw else turn.question
        exchange = Exchange(text, Side.USER, "" if raw else last_answer(before))
        decision = self.screen.check(exchange, query.language)
        if decision.action is not Action.REFUSE and not anything and not _has_no_topic(turn.question, before, query):
            decision = worst([decision, self.screen.topic([turn.question, query.text], query.language)])
        self._note(turn.id, Side.USER, decision, Judged(turn.question))
        return decision

    def answer(self, turn_id: str, question: str, language: str) -> Callable[[str], Decision]:
        """A check for the pieces of an answer; the severest flagged one is held in case somebody contests it."""
        severest = Decision(Action.ALLOW)

        def check(text: str) -> Decision:
            nonlocal severest
            decision = self.screen.check(Exchange(text, Side.ASSISTANT, question), language)
            if decision.action.severity > severest.action.severity:
                severest = decision
                self._hold(turn_id, Side.ASSISTANT, decision, Judged(text, question))
            return decision

        return check

    def count(self, side: Side, decision: Decision | None) -> None:
        """Count what was decided; None for a text that was not screened."""
        if self._tally is not None:
            self._tally.count(side, decision)

    def contest(self, turn: Turn, side: Side | None, keep_text: bool) -> Turn:
        """The turn, once its flag on this side (the last of both where None) is recorded as wrong.

        Raises `InputError` where nothing was flagged, or it cannot be recorded.
        """
        flags = [flag for flag in turn.flags if side in (None, flag.side)]
        if not flags or self._cases is None:
            raise InputError(
                "Nothing was refused or warned about here, so there is nothing to contest.",
                zh="这里没有被拒绝或提醒的内容，因此没有可申诉的。",
            )
        flag = flags[-1]
        kept = self._cases.contest(turn.id, flag.side, flag.decision, keep_text)
        contested = dataclasses.replace(flag, contested=True, text_kept=flag.text_kept or kept)
        return dataclasses.replace(turn, flags=tuple(contested if one is flag else one for one in turn.flags))

    def _note(self, turn_id: str, side: Side, decision: Decision, judged: Judged) -> None:
        self.count(side, decision)
        self._hold(turn_id, side, decision, judged)

    def _hold(self, turn_id: str, side: Side, decision: Decision, judged: Judged) -> None:
        if self._cases is not None and decision.action is not Action.ALLOW:
            self._cases.hold(turn_id, side, judged)


def flagged(turn: Turn, side: Side, decision: Decision) -> Turn:
    """The turn with what was decided about one of its sides; unchanged where that was allowed."""
    if decision.action is Action.ALLOW:
        return turn
    return dataclasses.replace(turn, flags=(*turn.flags, Flag(side, decision)))


def gone_on(turn: Turn) -> Turn:
    """The turn when its answer is gone on with: only warnings stay, for what they are about stays too."""
    flags = tuple(flag for flag in turn.flags if flag.decision.action is Action.WARN)
    reasons = {flag.decision.reason for flag in flags}
    return dataclasses.replace(turn, flags=flags, notices=tuple(each for each in turn.notices if each in reasons))


def warned(turn: Turn, decision: Decision) -> bool:
    """Whether the answer bears this warning already."""
    return any(flag.side is Side.ASSISTANT and flag.decision.reason == decision.reason for flag in turn.flags)


def noted(turn: Turn, notice: str) -> Turn:
    return dataclasses.replace(turn, notices=(*turn.notices, notice))


def refused(turn: Turn, outcome: Outcome, decision: Decision) -> Turn:
    """The turn with nothing of the refused text in it."""
    side = Side.ASSISTANT
    if outcome is Outcome.QUESTION_REFUSED:
        side = Side.USER
        turn = dataclasses.replace(turn, passages=(), numbers=())
    turn = flagged(turn, side, decision)
    return dataclasses.replace(turn, outcome=outcome, reason=decision.reason, category=decision.category)


def withdrawn(turn: Turn, resumed: Turn | None, decision: Decision, language: str) -> Turn:
    """The turn once its answer was refused. Of one that was gone on with, only what was added goes."""
    if resumed is None:
        return refused(turn, Outcome.ANSWER_REFUSED, decision)
    return noted(flagged(resumed, Side.ASSISTANT, decision), _ADDED.filled(reason=decision.reason).told(language))


def kept(begun: Turn, decision: Decision) -> Turn:
    """The turn whose question was not screened when its answer was begun, and is refused when it is to be gone on with:
    nothing is added."""
    return noted(flagged(begun, Side.USER, decision), decision.reason)


def contestable(flag: Flag) -> bool:
    """Whether a person may say that it is wrong: what could not be checked was not judged."""
    return flag.decision.ground is not Ground.UNCHECKED


def _has_no_topic(question: str, before: Conversation, query: Query) -> bool:
    """Whether a message has no topic of its own: small talk, a question about this app, or a follow-up that means
    nothing by itself."""
    if talk(question) is not None or remark(question) or scope(question) is Scope.APP:
        return True
    if not talked(before):
        return False
    if is_lone(question) or (unresolved(query.text) and leans(question, query)):
        return True
    terms = set(analyse(question, query.language))
    known = len(terms & _about_the_answer(query.language))
    # Pairs of Chinese characters also reach over the edges of words.
    return 2 * known >= len(terms) if query.language == "zh" else known == len(terms)


@cache
def _about_the_answer(language: str) -> frozenset[str]:
    return frozenset(analyse(_ABOUT_THE_ANSWER.get(language, ""), language))
