"""The assistant in a terminal: its parts with engines that the test steers, and the whole program as a process.

python -m pytest tests/test_terminal.py
"""

from __future__ import annotations

import dataclasses
import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat.base import ChatRequest, Chunk, Finish
from chat.bilingual import Bilingual
from chat.console import Console, Keyboard
from chat.conversation import Outcome, begin
from chat.rating import Keep, Thumb
from chat.ratings import Ratings
from chat.ratings import read as rated_in
from chat.session import Offer, Session
from chat.startup import Startup, Step
from chat.terminal import INTERRUPTED, Terminal
from encoder import SentenceEncoder
from errors import InputError, ModelError, SourceError
from moderation.cases import Cases
from tests.bench import HARM, Bench, Engine, Make, Shelf, benches
from tests.tiny_model import shared_tiny_model

_ROOT = Path(__file__).parent.parent
_LIMIT_S = 120


@pytest.fixture
def make(encoder: SentenceEncoder, tmp_path: Path) -> Iterator[Make]:
    with benches(encoder, tmp_path) as make:
        yield make


def _no_model(name: str) -> Engine:
    raise InputError(f"There is no model {name}.")


class Watched(io.StringIO):
    """Text that does something when it is written."""

    on_write: Callable[[], None] | None = None

    def write(self, text: str) -> int:
        if self.on_write:
            self.on_write()
        return super().write(text)


class Seat:
    """A terminal around a bench, fed with lines from a pipe."""

    def __init__(self, bench: Bench, script: str, ratings: Ratings | None = None, **session: object) -> None:
        self.out, self.beside = io.StringIO(), Watched()
        sources = bench.assistant.sources.all
        names = tuple(source.name for source in sources)
        self.terminal = Terminal(
            bench.assistant,
            dataclasses.replace(Session(begin(""), names), **session),  # type: ignore[arg-type]
            Offer(sources, model="engine", reader="reader", ratings=ratings is not None),
            Engine(name="reader"),
            _no_model,  # type: ignore[arg-type]  # it makes none
            Keyboard(io.StringIO(script)),
            Console(self.out, self.beside, live=False, colours=False),
            ratings=ratings,
        )

    def transcript(self) -> str:
        assert self.terminal.run() == 0
        return self.out.getvalue()


# With engines that the test steers


def test_an_answer_stands_above_its_sources(make: Make) -> None:
    assert Seat(make(), "Who discovered penicillin?\n").transcript() == (
        "Fleming did. [1]\n[1] Penicillin — Library\n\n"
    )


def test_a_citation_that_its_source_does_not_support_is_marked_under_the_source(make: Make) -> None:
    wrong = "Louis Pasteur discovered it in Lyon in 1857"
    engine = Engine([f"{wrong} [1]. ", "Alexander Fleming discovered penicillin in London [1]."], least=0.01)
    said = Seat(make(engine), "Who discovered penicillin?\n").transcript()
    assert said.endswith(f"\n[1] Penicillin — Library\n  ! not supported by source [1]: “{wrong}.”\n\n")


def test_notices_follow_the_answer(make: Make) -> None:
    shelf = Shelf(failure=SourceError("The library is closed."))
    said = Seat(make(Engine(["From memory."]), [shelf]), "Who discovered penicillin?\n").transcript()
    assert said == ("From memory.\nNote: The library is closed.\nFrom the model's memory; no source was cited.\n\n")


def test_a_refused_question_and_a_withdrawn_answer_say_why(make: Make) -> None:
    said = Seat(make(), f"a {HARM} question\n").transcript()
    assert said.startswith("This question was not answered: ")
    assert said.rstrip().endswith("(harassment, very sure)")
    engine = Engine(["A fine sentence stands first. ", f"Then a {HARM} one. ", "Then more."])
    said = Seat(make(engine), "Who discovered penicillin?\n").transcript()
    assert "\nThe answer above is withdrawn: " in said
    assert HARM not in said and "[1]" not in said


def test_a_refusal_is_contested_and_what_is_not_screened_says_so(make: Make, tmp_path: Path) -> None:
    cases = Cases(tmp_path)
    seat = Seat(make(cases=cases), f"/contest\na {HARM} question\n/contest all\n/contest text\n")
    said = seat.transcript()
    assert said.startswith("Nothing was refused or warned about")
    assert "“all” does not follow /contest" in said
    assert said.rstrip().endswith("Thank you: the operator will look at it, and at the text.")
    assert [case.text for case in cases.all()] == [f"a {HARM} question"]
    said = Seat(make(), f"a {HARM} question\n", moderation=False).transcript()
    assert said.startswith("Moderation is off: nothing is screened.\n")
    assert "\nNot screened.\n" in said


def test_an_answer_is_rated_and_the_rating_taken_back(make: Make, tmp_path: Path) -> None:
    ratings = Ratings(tmp_path, Keep.ASK)
    said = Seat(make(), "/good\nWho discovered penicillin?\n/bad untrue text: Sir Alexander.\n", ratings).transcript()
    assert said.startswith("Nothing has been asked")
    assert said.rstrip().endswith("Thank you: it is counted, and the text is kept for training.")
    (one,) = rated_in(tmp_path)
    assert (one.thumb, one.answer, one.ideal) == (Thumb.DOWN, "Fleming did. [1]", "Sir Alexander.")
    said = Seat(make(), "Who discovered penicillin?\n/good\n/good off\n", ratings).transcript()
    assert "The text was not kept" in said
    assert said.rstrip().endswith("The rating is taken back.")
    assert sum(count.up for count in ratings.counts()) == 0
    assert "switched that off" in Seat(make(), "Who discovered penicillin?\n/good\n").transcript()


def test_what_a_model_or_a_document_writes_cannot_steer_the_terminal(make: Make) -> None:
    engine = Engine(["\x1b]0;title\x07Red\x1b[31m\x9b2J \r", "tab\tand\nline. [1]"])
    said = Seat(make(engine), "Who discovered penicillin?\n").transcript()
    assert said.startswith("]0;titleRed[31m2J tab\tand\nline. [1]\n[1] ")


def test_a_failure_is_one_sentence_and_the_next_line_is_read(make: Make) -> None:
    engine = Engine(["Half"], failure=ModelError("The server is gone."))
    seat = Seat(make(engine), "\n  \nWho?\n/nonsense\n/model x\n/raw_say x\nWho?")
    said = seat.transcript()
    assert said.count("Half\nNote: The server is gone.\n") == 2
    assert "There is no command /nonsense" in said
    assert "There is no model x.\nengine goes on answering.\n" in said
    assert "“engine”, which answers now, neither shows its prompts nor takes raw text" in said
    assert [turn.outcome for turn in seat.terminal.session.conversation.turns] == [Outcome.BROKEN_OFF] * 2


def test_going_back_to_the_reader(make: Make) -> None:
    bench = make()
    assert Seat(bench, "/model reader\n").transcript() == "reader answers from now on.\n"
    assert bench.models.current.name == "reader"


def test_ctrl_c_stops_the_answer_and_not_the_program(make: Make) -> None:
    engine = Engine(["One. "] + ["More. "] * 50)
    engine.before_each = lambda: signal.raise_signal(signal.SIGINT) if len(engine.asked) == 1 else None
    before = signal.getsignal(signal.SIGINT)
    seat = Seat(make(engine), "Count\n/undo\n/quit\nnever read\n", moderation=False)
    assert seat.transcript() == (
        "Moderation is off: nothing is screened.\nStopped.\nNot screened.\n\nTaken back: Count\n"
    )
    assert engine.closed
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_twice_leaves_an_engine_that_does_not_listen(make: Make) -> None:
    class Deaf(Engine):
        def stream(self, request: ChatRequest) -> Iterator[Chunk]:
            yield Chunk("Word. ")
            signal.raise_signal(signal.SIGINT)
            yield Chunk("Word. ")
            signal.raise_signal(signal.SIGINT)
            yield Chunk(finish=Finish.STOP)

    seat = Seat(make(Deaf()), "Count\n", moderation=False)
    assert seat.terminal.run() == INTERRUPTED


def test_ctrl_c_while_loading_ends_the_program(make: Make) -> None:
    gate = threading.Event()
    startup = _loading(gate)
    seat = Seat(make(startup=startup), "Hello\n")
    seat.beside.on_write = lambda: signal.raise_signal(signal.SIGINT)
    startup.start()
    assert seat.terminal.run() == INTERRUPTED
    gate.set()
    assert startup.join(30)


def _loading(gate: threading.Event) -> Startup:
    """A start that takes until the gate opens."""

    def load(report: Callable[[str], None]) -> None:
        gate.wait(30)

    return Startup([Step(Bilingual("Loading a mountain", zh="正在加载一座山"), load)])


def test_a_start_that_fails_ends_the_program_with_its_reason(make: Make) -> None:
    def fail(report: Callable[[str], None]) -> None:
        raise ModelError("The mountain is too high.")

    startup = Startup([Step("Loading a mountain", fail)])
    startup.start()
    with pytest.raises(ModelError, match="too high"):
        Seat(make(startup=startup), "Hello\n").terminal.run()


@pytest.mark.parametrize(("language", "told"), [("en", "Loading a mountain…\n"), ("zh", "正在加载一座山…\n")])
def test_loading_is_told_beside_the_answers(make: Make, language: str, told: str) -> None:
    gate = threading.Event()
    startup = _loading(gate)
    seat = Seat(make(startup=startup), "Who?\n", language=language)
    seat.beside.on_write = gate.set
    startup.start()
    assert seat.transcript().startswith("Fleming did.")
    assert seat.beside.getvalue() == told


def test_a_status_line_gives_way_to_the_answer(make: Make) -> None:
    seat = Seat(make(), "Who discovered penicillin?\n")
    seat.terminal._console = Console(seat.out, seat.beside, live=True, colours=True)
    said = seat.transcript()
    assert "\r\x1b[K\x1b[2mSearching…\x1b[0m" in said
    assert _screen(said) == "Fleming did. [1]\n[1] Penicillin — Library\n\n"


def _screen(written: str) -> str:
    """What stays to be seen on a terminal that knows how to clear a line and to dim."""
    return re.sub(r"\x1b\[\d*m", "", re.sub(r"[^\n\r]*\r\x1b\[K", "", written))


# The keyboard


def test_a_typed_line_has_a_prompt_a_draft_and_an_end() -> None:
    code = (
        "import sys\nfrom chat.console import Keyboard\nkeyboard = Keyboard(sys.stdin, ['/undo'])\n"
        "first = keyboard.read()\nsecond = keyboard.read('Who?')\nprint(repr((first, second)))\n"
        "try: keyboard.read()\nexcept EOFError: print('the end')\n"
    )
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=_ROOT, stdin=theirs, stdout=theirs, env={**os.environ, "TERM": "dumb"}
    )
    os.close(theirs)
    try:
        _read_until(ours, ">>> ")
        os.write(ours, "/u\t 你好\n".encode())
        _read_until(ours, ">>> Who?")
        os.write(ours, b" Me\n")
        said = _read_until(ours, ">>> ")
        os.write(ours, b"\x04")
        said += _read_until(ours, "the end")
    finally:
        child.kill()
        child.wait(30)
        os.close(ours)
    assert "('/undo 你好', 'Who? Me')" in said


def _read_until(descriptor: int, mark: str) -> str:
    said = b""
    while mark.encode() not in said:
        assert select.select([descriptor], [], [], 30)[0], said
        said += os.read(descriptor, 1000)
    return said.decode()


# The whole program


@contextmanager
def _started(log: Path, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m chat` with pipes; what it says beside the answers goes to `log`. Killed where it hangs."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    with (
        log.open("w") as beside,
        subprocess.Popen(
            [sys.executable, "-m", "chat", *flags],
            cwd=_ROOT,
            env={**environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "LANG": "C"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=beside,
            encoding="utf-8",
        ) as child,
    ):
        watch = threading.Timer(_LIMIT_S, child.kill)
        watch.start()
        try:
            yield child
        finally:
            watch.cancel()
            child.kill()


def _said_until(child: subprocess.Popen[str], line: str) -> str:
    assert child.stdout
    said = ""
    for read in child.stdout:
        said += read
        if read == line:
            return said
    raise AssertionError(said)


def test_a_wrong_flag_stops_the_start_with_one_sentence(tmp_path: Path) -> None:
    with _started(tmp_path / "beside", "--modl", "x") as child:
        assert child.wait(_LIMIT_S) == 2
    said = (tmp_path / "beside").read_text(encoding="utf-8")
    assert said == "Unrecognized arguments: --modl x; python -m chat --help lists the flags.\n"


_READER = """\
Who discovered penicillin?
and where was he born?
/raw_prompt
谢谢
"""
_MODEL = """\
/sources none
/reset
/hyperparameters temperature=0
/raw_say Hello! How
Show me an emoji.
/raw_prompt
/hyperparameters max_new_tokens=8
/retry
/hyperparameters max_new_tokens=100
/continue
/moderation off
/hyperparameters temperature=10000 top_k=0 max_new_tokens=3500 seed=16
你好吗?
"""


_PROMPT = "<|im_start|>user\nShow me an emoji.<|im_end|>\n<|im_start|>assistant\n"


def test_a_script_in_a_pipe(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    tiny = shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)
    flags = ("--data-dir", str(tmp_path), "--network", "off", "--dtype", "float32", "--model", "reader")
    with _started(tmp_path / "beside", *flags) as child:
        assert child.stdin and child.stdout
        child.stdin.write(f"{_READER}/model {tiny}\n{_MODEL}")
        child.stdin.flush()
        said = _said_until(child, "seed = 16\n")
        said += child.stdout.read(20)  # the long answer has begun
        child.send_signal(signal.SIGINT)
        said += _said_until(child, "Stopped.\n")
        child.stdin.write("/undo\n/hyperparameters temperature=0\nHello!")
        child.stdin.close()
        rest = child.stdout.read()
        assert child.wait(30) == 0
    beside = (tmp_path / "beside").read_text(encoding="utf-8")
    # The reader, with sources and follow-ups
    assert "discovered by Alexander Fleming" in said.splitlines()[0]
    assert re.search(r"\n\[1\] (?:Alexander Fleming|Penicillin).* — Starter library\n", said)
    assert "\nSearched for: where was Alexander Fleming born?\n" in said
    assert "“reader”, which answers now, neither shows its prompts" in said
    assert "\n不客气" in said
    # A chat model, loaded on the way
    assert f"\n{tiny.name} answers from now on.\n[ ] library: Starter library\n" in said
    assert "\n can I help you?\n\nHere is one: 😀👩‍👩‍👧 and é.\nFrom the model's memory" in said
    assert f"\n{_PROMPT}\n" in said
    begun, _, rest_of_it = said.partition(
        "\nThe answer reached its longest allowed length; /continue goes on with it.\n"
    )
    assert begun.endswith("\nHere is one: ") and "\n 😀👩‍👩‍👧 and é.\n" in rest_of_it
    assert said.endswith("\nStopped.\n")
    assert "\nTaken back: 你好吗?\n" in rest and "\ntemperature = 0\n" in rest
    assert rest.endswith("From the model's memory; no source was cited.\n\n")
    # A pipe is not a terminal
    assert not re.search(r">>>|\x1b|\r", said + rest + beside)
    assert beside.startswith("Opening the index…\n") and f"\nLoading {tiny.name} into memory…\n" in beside
