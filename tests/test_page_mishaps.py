"""What goes wrong on the page, in Chromium: one sentence, nothing lost. python -m pytest tests/test_page_mishaps.py"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.conftest import Running, Visit
from tests.visitor import ask, edit, lose_conversation, upload, whole


def test_files_that_cannot_be_read_are_named_and_leave_the_others_alone(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    binary, empty, good = tmp_path / "picture.txt", tmp_path / "empty.txt", tmp_path / "good.txt"
    binary.write_bytes(bytes(range(256)) * 40)
    empty.write_bytes(b"")
    good.write_text("The bicycle shed key hangs behind the blue door.", encoding="utf-8")
    upload(page, binary, empty, good)
    status = page.locator("#gc-upload-status")
    expect(status.locator(".gc-failed")).to_have_count(2)
    expect(status).to_contain_text("picture.txt")
    expect(status).to_contain_text("empty.txt")
    expect(status.locator(".gc-done")).to_contain_text("good")
    expect(page.locator("#gc-documents li")).to_have_count(1)


def test_when_wikipedia_fails_a_notice_stands_under_the_answer(visit: Visit, running: Running) -> None:
    page = visit()
    page.get_by_label("Wikipedia").check()
    running.wikipedia.mode = "500"
    try:
        reply = ask(page, "Who discovered penicillin in London?")
    finally:
        running.wikipedia.mode = "ok"
    expect(reply).to_contain_text("Fleming")
    expect(reply.locator(".gc-notice")).to_contain_text("Wikipedia")


def test_markup_is_shown_as_text_and_never_run(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    attack = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"
    document = tmp_path / "attack.md"
    document.write_text(f"# Zebra {attack}\n\nThe zebra password is {attack} open sesame.\n", encoding="utf-8")
    upload(page, document)
    expect(page.locator("#gc-upload-status")).to_contain_text("<script>")
    expect(page.locator("#gc-documents")).to_contain_text("<script>")
    reply = ask(page, f"What is the zebra password? {attack}")
    assert page.locator("#gc-chat .gc-typed").inner_text() == f"What is the zebra password? {attack}"
    assert "\u2060" not in reply.locator(".md").first.inner_text()
    assert attack in reply.locator(".md").first.inner_text()
    reply.locator(".gc-source summary").first.click()
    expect(reply.locator(".gc-source").first).to_contain_text("<script>")
    assert page.title() == "Groundchat"


def test_a_message_is_shown_copied_and_edited_as_it_was_typed(visit: Visit) -> None:
    page = visit()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    typed = "# who discovered penicillin?\n|a|b|\n    <b>![x](https://example.org/x.png)</b> &amp; *bold*"
    reply = ask(page, typed)
    assert page.locator("#gc-chat .gc-typed").inner_text() == typed
    page.locator("#gc-chat .user-row").get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == typed
    reply.get_by_role("button", name="Copy").click()
    expect(reply.get_by_role("button", name="Copied")).to_be_visible()
    assert "\u2060" not in page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("button", name="Edit").click()
    expect(page.locator("#gc-chat textarea")).to_have_value(typed)
    page.locator("#gc-chat textarea").press("Escape")
    expect(page.locator("#gc-chat .gc-typed")).to_be_visible()


def test_what_cannot_be_sent_is_told_beside_the_box_and_the_chat_stays(visit: Visit) -> None:
    page = visit()
    reply = ask(page, "Who discovered penicillin?")
    box, note = page.locator("#gc-message textarea"), page.locator("#gc-note")
    page.wait_for_timeout(1600)  # an Enter right after a message is taken for a double one
    box.press("Enter")
    expect(note).to_contain_text("Your message is empty")
    endless = "long " * 20_000
    box.fill(endless)
    expect(note).not_to_be_visible()
    box.press("Enter")
    expect(note).to_contain_text("the limit is 20,000")
    expect(box).to_have_value(endless)
    expect(reply).to_contain_text("Fleming")
    expect(page.locator("#gc-chat .user-row")).to_have_count(1)
    expect(page.locator("#gc-chat .error, .toast-body")).to_have_count(0)


def test_a_double_enter_sends_once_and_says_nothing(visit: Visit) -> None:
    page = visit()
    box = page.locator("#gc-message textarea")
    box.fill("Who discovered penicillin?")
    box.press("Enter")
    box.press("Enter")
    expect(whole(page, 0)).to_contain_text("Fleming")
    expect(page.locator("#gc-chat .user-row")).to_have_count(1)
    expect(page.locator("#gc-note")).not_to_be_visible()


def test_messages_sent_during_an_answer_wait_for_their_turn(visit: Visit) -> None:
    page = visit()
    questions = ["Who discovered penicillin?", "How high is Mount Everest?", "How does photosynthesis work?"]
    box = page.locator("#gc-message textarea")
    for question in questions:
        box.fill(question)
        box.press("Enter")
        expect(box).to_have_value("")
    for place, word in enumerate(("Fleming", "8,848.86", "Photosynthesis")):
        expect(page.locator("#gc-chat .bot-row").nth(place).locator(".md")).to_contain_text(word)
    expect(page.locator("#gc-chat .gc-typed")).to_have_text(questions)
    expect(page.locator("#gc-message .submit-button")).to_be_visible()


def test_each_tab_has_its_own_conversation_and_a_stale_one_is_refreshed(visit: Visit, running: Running) -> None:
    page = visit()
    ask(page, "Who discovered penicillin?")
    ask(page, "How high is Mount Everest?")
    other = page.context.new_page()
    other.goto(running.url)
    expect(other.locator("#gc-chat button.example").first).to_be_visible()
    key = "groundchat-conversation"
    shared = page.evaluate(f"sessionStorage.getItem('{key}')")  # what a browser does when a tab is duplicated
    other.evaluate(f"sessionStorage.setItem('{key}', '{shared}')")
    other.reload()
    expect(other.locator("#gc-chat .gc-typed")).to_have_count(2)
    other.get_by_role("button", name="Undo").click()
    expect(other.locator("#gc-chat .gc-typed")).to_have_count(1)

    edit(page, 1, "Where is Lake Baikal?")
    expect(page.locator("#gc-note")).to_contain_text("changed in another tab")
    expect(page.locator("#gc-chat .gc-typed")).to_have_text(["Who discovered penicillin?"])
    expect(page.locator("#gc-message textarea")).to_have_value("Where is Lake Baikal?")

    other.get_by_role("button", name="New chat").click()
    expect(other.locator("#gc-chat .gc-typed")).to_have_count(0)
    page.reload()
    expect(page.locator("#gc-chat .gc-typed")).to_have_count(1)


def test_when_the_server_forgot_the_conversation_the_page_says_so_and_keeps_it_to_read(visit: Visit) -> None:
    page = visit()
    ask(page, "Who discovered penicillin?")
    lose_conversation(page)
    page.locator("#gc-message textarea").fill("How high is Mount Everest?")
    page.locator("#gc-message textarea").press("Enter")
    expect(page.locator("#gc-earlier")).to_be_visible()
    expect(whole(page, 0)).to_contain_text("8,848.86")
    expect(page.locator("#gc-earlier")).to_contain_text("Who discovered penicillin?")
    expect(page.locator("#gc-earlier .gc-divider")).to_contain_text("no longer on the server")
    expect(page.locator("#gc-earlier .gc-act")).to_have_count(0)
    page.reload()
    expect(page.locator("#gc-chat .gc-typed")).to_have_text(["How high is Mount Everest?"])
