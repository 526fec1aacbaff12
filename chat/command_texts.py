"""Every word of the slash commands and of the terminal, in English and Chinese. A test asserts that both know the same.

The page may use them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

HELP: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "help": "list the commands",
            "say": "send TEXT, even where it begins with a slash",
            "raw_say": "let the model go on from TEXT as it stands, outside the conversation",
            "raw_prompt": "show the prompt that the model read for the last message",
            "reset": "begin a new conversation",
            "hyperparameters": "show how answers are sampled, or change it",
            "model": "show who answers, or load another chat model",
            "sources": "show which sources are searched, or choose them",
            "moderation": "show whether questions and answers are screened, or switch it",
            "contest": "say that a refusal or a warning is wrong; “text” lets the operator keep the text",
            "good": "rate the last answer good; “text” lets a model be trained on it, “off” takes the rating back",
            "bad": "rate it bad: unhelpful, untrue, harmful, unsupported, other; after a colon, a better answer",
            "continue": "go on with an answer that was cut off",
            "retry": "ask the last question again",
            "undo": "take the last question and its answer back",
            "quit": "leave",
        },
        "zh": {
            "help": "列出所有命令",
            "say": "发送 TEXT，即使它以斜杠开头",
            "raw_say": "让模型直接续写 TEXT，不计入对话",
            "raw_prompt": "显示模型为上一条消息读到的完整提示词",
            "reset": "开始新对话",
            "hyperparameters": "显示或修改采样参数",
            "model": "显示当前回答者，或加载其他聊天模型",
            "sources": "显示或选择要检索的资料来源",
            "moderation": "显示或切换内容审核",
            "contest": "表示某次拒绝或提醒有误；加上 text 则允许管理员保留文字",
            "good": "评价上一个回答好；加上 text 则允许用来训练模型，off 撤回评价",
            "bad": "评价它不好：unhelpful、untrue、harmful、unsupported、other；冒号后可写理想的回答",
            "continue": "接着写被截断的回答",
            "retry": "重新回答上一个问题",
            "undo": "撤回上一个问题及其回答",
            "quit": "退出",
        },
    }
)

ARGUMENTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "say": "TEXT",
            "raw_say": "TEXT",
            "hyperparameters": "[NAME=VALUE …]",
            "model": "[NAME]",
            "sources": "[NAMES… | none | all]",
            "moderation": "[on | off]",
            "contest": "[text]",
            "good": "[text | off]",
            "bad": "[REASONS…] [text] [: ANSWER] | off",
        },
        "zh": {
            "say": "TEXT",
            "raw_say": "TEXT",
            "hyperparameters": "[名称=值 …]",
            "model": "[名称]",
            "sources": "[名称… | none | all]",
            "moderation": "[on | off]",
            "contest": "[text]",
            "good": "[text | off]",
            "bad": "[理由…] [text] [: 回答] | off",
        },
    }
)

TEXTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "help_else": "Anything else is sent as a message.",
            "unknown": (
                "There is no command /{name} (/help lists them); to send the line as a message, type: /say {line}"
            ),
            "mistyped": (
                "There is no command /{name} (did you mean /{command}?); to send the line as a message, "
                "type: /say {line}"
            ),
            "not_a_command": "“{word}” is not a command; to send the line as a message, type: /say {line}",
            "needs": "This command needs a text: {usage}",
            "nothing_asked": "Nothing has been asked in this conversation yet; type a question first.",
            "reset": "A new conversation has begun.",
            "settings_form": "“{rest}” is not a setting; write NAME=VALUE, such as temperature=0.7.",
            "no_setting": "There is no setting “{name}”; did you mean {close}?",
            "model": "Answering now: {name}",
            "models": "\nTo load another, type /model NAME, with any hub id, local folder or run. Suggestions:",
            "model_fixed": "The operator chooses the model here.",
            "model_ready": "{name} answers from now on.",
            "model_kept": "{name} goes on answering.",
            "model_behind": "Loading goes on in the background; {name} answers meanwhile.",
            "no_source": "There is no source “{name}”; choose from {names}, or all or none.",
            "on_or_off": "“{given}” is neither on nor off; type /moderation on or /moderation off.",
            "moderation_on": "Moderation is on: questions and answers are screened.",
            "moderation_off": "Moderation is off: nothing is screened.",
            "moderation_forced": "Moderation stays on; the operator decides that here.",
            "contest_how": "“{given}” does not follow /contest; leave it out, or write “text” to let the text be kept.",
            "nothing_flagged": "Nothing was refused or warned about in this conversation.",
            "contested": "Thank you: the operator will look at it. The text was not kept; /contest text would keep it.",
            "contested_text": "Thank you: the operator will look at it, and at the text.",
            "ratings_off": "Answers cannot be rated here; the operator has switched that off.",
            "rated": "Thank you: it is counted. The text was not kept; add “text” to let a model be trained on it.",
            "rated_text": "Thank you: it is counted, and the text is kept for training.",
            "rated_barred": "Thank you: it is counted. Moderation had something against the text, so it is not kept.",
            "rated_off": "The rating is taken back.",
            "unscreened": "Not screened.",
            "not_cut": "The last answer was not cut off; there is nothing to go on with.",
            "close_tab": "A page is left by closing its tab; “New chat” or /reset begins a new conversation.",
            "reader_cannot": "The built-in reader cannot go on with an answer; load a chat model with /model.",
            "undone": "Taken back: {question}",
            "greeting": "{name} answers. /help lists the commands.",
            "searching": "Searching…",
            "checking": "Checking…",
            "writing": "Writing…",
            "waiting": "Waiting, {detail} in the queue…",
            "note": "Note: {text}",
            "question_refused": "This question was not answered: {reason}",
            "answer_refused": "The answer above is withdrawn: {reason}",
            "failed": "This could not be answered: {reason}",
            "stopped": "Stopped.",
            "length": "The answer reached its longest allowed length; /continue goes on with it.",
            "raw_length": "The text reached its longest allowed length.",
            "timed_out": "The answer took longer than it may; /continue goes on with it.",
            "repetition": "The answer had begun to repeat itself and was ended.",
            "from_memory": "From the model's memory; no source was cited.",
            "unsupported": "  ! not supported by source [{number}]: “{sentence}”",
            "searched_for": "Searched for: {query}",
        },
        "zh": {
            "help_else": "其他内容都作为消息发送。",
            "unknown": "没有 /{name} 这个命令（/help 可列出所有命令）；若要把这一行作为消息发送，请输入：/say {line}",
            "mistyped": (
                "没有 /{name} 这个命令（您是想输入 /{command} 吗？）；若要把这一行作为消息发送，请输入：/say {line}"
            ),
            "not_a_command": "“{word}”不是命令；若要把这一行作为消息发送，请输入：/say {line}",
            "needs": "此命令需要文本：{usage}",
            "nothing_asked": "本次对话还没有提过问题，请先输入一个问题。",
            "reset": "已开始新对话。",
            "settings_form": "“{rest}”不是参数设置；请写成 名称=值，例如 temperature=0.7。",
            "no_setting": "没有参数“{name}”；您是指 {close} 吗？",
            "model": "当前回答者：{name}",
            "models": "\n输入 /model 名称 可加载其他模型，模型名称、本地文件夹或训练结果均可。推荐：",
            "model_fixed": "此处的模型由管理员选择。",
            "model_ready": "现在由 {name} 回答。",
            "model_kept": "仍由 {name} 回答。",
            "model_behind": "加载在后台继续，其间由 {name} 回答。",
            "no_source": "没有资料来源“{name}”；可选 {names}，或 all、none。",
            "on_or_off": "“{given}”既不是 on 也不是 off；请输入 /moderation on 或 /moderation off。",
            "moderation_on": "内容审核已开启：问题与回答均经审核。",
            "moderation_off": "内容审核已关闭：问题与回答均不审核。",
            "moderation_forced": "内容审核由管理员设定为始终开启。",
            "contest_how": "/contest 不接受“{given}”；请输入 /contest，或输入 /contest text 允许保留文字。",
            "nothing_flagged": "本次对话中没有被拒绝或提醒的内容。",
            "contested": "谢谢，管理员会查看。文字没有保留；输入 /contest text 可允许保留。",
            "contested_text": "谢谢，管理员会查看，文字也已保留。",
            "ratings_off": "此处不能评价回答；管理员已关闭评价。",
            "rated": "谢谢，已计入。文字没有保留；加上 text 可允许用来训练模型。",
            "rated_text": "谢谢，已计入，文字也已保留用于训练。",
            "rated_barred": "谢谢，已计入。文字没有保留，因为内容审核曾有异议。",
            "rated_off": "评价已撤回。",
            "unscreened": "未经审核。",
            "not_cut": "上一个回答没有被截断，无需继续。",
            "close_tab": "关闭标签页即可离开；点“新对话”或输入 /reset 可开始新对话。",
            "reader_cannot": "内置阅读器无法接着写；请用 /model 加载聊天模型。",
            "undone": "已撤回：{question}",
            "greeting": "由 {name} 回答。/help 可列出所有命令。",
            "searching": "正在检索…",
            "checking": "正在审核…",
            "writing": "正在撰写…",
            "waiting": "排队中，第 {detail} 位…",
            "note": "注意：{text}",
            "question_refused": "此问题未予回答：{reason}",
            "answer_refused": "上面的回答已撤回：{reason}",
            "failed": "无法回答：{reason}",
            "stopped": "已停止。",
            "length": "回答已达到允许的最大长度；/continue 可接着写。",
            "raw_length": "续写已达到允许的最大长度。",
            "timed_out": "回答超过了允许的时间；/continue 可接着写。",
            "repetition": "回答开始重复，已在此结束。",
            "from_memory": "来自模型记忆，未引用任何来源。",
            "unsupported": "  ！来源 [{number}] 不支持：“{sentence}”",
            "searched_for": "检索内容：{query}",
        },
    }
)


def say(language: str, key: str, **values: object) -> str:
    """The text of `key` with its values filled in; English for a language that is not here."""
    return TEXTS.get(language, TEXTS["en"])[key].format(**values)
