"""How orders to an assistant are worded, in English and Chinese: data for `moderation.orders`, for people to read.

The language of the phrases is that of policy.toml's [self_harm]: "(a|b|)" offers a choice, "…" skips up to five words
(eight Chinese characters).
"""

from __future__ import annotations

import re
from types import MappingProxyType

_RULES = (
    "(instruction|instructions|directive|directives|rules|guidelines|commands|prompt|prompts|programming|training|"
    "guardrails|constraints|restrictions|policies)"
)
_OWN_RULES = (
    "(instruction|instructions|directive|directives|rules|guidelines|programming|training|prompt|restrictions|"
    "guardrails|filter|filters|policies|policy|safety|limits|limitations|constraints|content checks|safety checks|"
    "safety rules|safety policy|content policy|content filter|content filters|safety filter|safety filters|"
    "safety guidelines|safety training|ethical guidelines|ethics|moral filter|moderation|alignment)"
)
_EARLIER = (
    "(previous|prior|earlier|preceding|above|foregoing|initial|original|former|past|old|system|hidden|safety|operators)"
)
_MACHINE = (
    "(ai|ais|llm|llms|gpt|gpts|chatgpt|claude|gemini|copilot|copilots|chatbot|chatbots|language model|language models|"
    "large language model|large language models|artificial intelligence|artificial readers|artificial reader|"
    "(ai|virtual|digital|automated|automatic|artificial|smart|shopping|coding|retail) (assistant|assistants|agent|"
    "agents|reader|readers|system|systems|model|models|tool|tools|helper|helpers|reviewer|reviewers|bot|bots))"
)
_ANY = (
    f"({_MACHINE}|assistant|assistants|bot|bots|model|models|robot|robots|machine|machines|system|systems|agent|agents|"
    "crawlers|summariser|summarizer|summarising system)"
)
_PERSON = "(user|users|human|humans|person|reader|readers|visitor|visitors|owner|customer|customers|client)"
_LIMITS = (
    "(rules|restrictions|restriction|limits|limitations|guidelines|filter|filters|policy|policies|guardrails|morals|"
    "ethics|censorship|conscience|refusals|alignment)"
)
_SHOWS = (
    "(reveal|print|show|output|repeat|display|disclose|paste|quote|copy|leak|dump|list|recite|expose|translate|encode|"
    "summarise|summarize|tell|give|send|write out|read out|write down)"
)
_HIDDEN = "(system|hidden|secret|initial|original|confidential|developer|internal|setup)"
_PROMPT = "(prompt|prompts|instructions|message|preamble|configuration|guidelines|rules|directives)"

ALONE = (
    # rules are called off
    f"(ignore|disregard|forget) (all |any |every |)(of |)(the |your |these |those |my |){_EARLIER} {_RULES}",
    f"(ignore|disregard|forget) (all |any |every |)(of |)(the |your |these |those |my |){_EARLIER} (and|or) "
    f"{_EARLIER} {_RULES}",
    f"(ignore|disregard|forget|override|overrule|discard|drop|bypass|disable|deactivate|break|breaking|violate|"
    f"violating|abandon|erase|circumvent|suspend|remove|lift|escape) (all |any |one |every |each |)(of |)your (own "
    f"|old |"
    f"earlier |previous |prior |initial |original |){_OWN_RULES}",
    "(ignore|disregard|forget|discard) (everything|anything|all|whatever) (that |)(was said |is |stands |)(above|"
    "before this (line|sentence|point|message)|you were told|you have been told|you were instructed)",
    "(ignore|disregard|forget|discard) (everything |anything |whatever |what |)(that |)(the|your) (operator|developer|"
    "system prompt|user asked|user asks|user said|user says|human said|human asked|person asked|users question)",
    f"(your|all) (own |previous |prior |earlier |initial |original |former |old |safety |){_OWN_RULES} (are|were|is|"
    "have been|has been) (now |hereby |all |)(cancelled|canceled|void|revoked|suspended|lifted|removed|deleted|"
    "gone|off|"
    "superseded|overridden|replaced|disabled|switched off|turned off|no longer valid)",
    "(your|its|their) (own |operators |safety |)(instructions|guidelines|guardrails|safety rules) (no longer|do "
    "not|dont) apply",
    f"(the|any|all|every) (assistants|models|ais|bots|chatbots) (own |previous |prior |earlier |original |safety |"
    f"){_OWN_RULES} (are|is|were|"
    "have been|has been) (now |hereby |permanently |)(cancelled|void|revoked|suspended|lifted|removed|disabled|off)",
    f"(turn|switch|shut) off (all |)(of |)your …{_OWN_RULES}",
    f"(turn|switch|shut) (all |)(of |)your …{_OWN_RULES} off",
    f"you (now |)(have|know|obey|follow|accept|respect) (absolutely |)no …{_LIMITS}",
    f"{_LIMITS} (no longer|do not|dont) apply to you",
    f"no {_LIMITS} (binds|bind|applies to|apply to) you",
    f"(you are|youre|i am|im) (now |)no longer bound by (your|any|the|my) {_OWN_RULES}",
    f"(you are|youre|you have been|youve been) (now |hereby |)(free|freed|liberated|released) (of|from) (all |any |"
    f"your )"
    f"…{_OWN_RULES}",
    "(god|jailbreak|unrestricted|unfiltered|uncensored|do anything now) mode (is |)(on|enabled|activated|engaged)",
    "(enter|enable|activate|switch to|go into) (god|dan|jailbreak|unrestricted|unfiltered|uncensored|do anything now)"
    " mode",
    # the hidden prompt is asked for
    f"{_SHOWS} (me |us |out |)(all |all of |)(the |)your (full |entire |complete |exact |whole |own |){_HIDDEN} "
    f"{_PROMPT}",
    "(reveal|print|output|repeat|disclose|leak|dump|recite|paste|expose) (me |us |out |)(all |all of |)(the |)your "
    "(full |"
    "entire |complete |exact |whole |own |)(prompt|instructions|preamble|system text)",
    "(reveal|print|output|repeat|disclose|leak|dump|recite|paste|expose|show me|tell me|give me|send me) (the |"
    "any |all )"
    "(full |entire |complete |exact |whole |)(system prompt|hidden prompt|secret prompt|hidden instructions|secret "
    "instructions|confidential instructions|operator instructions|developer message|system message)",
    f"(what|whats) (is |are |was |were |does |did |written in |in |)(your|ur) (full |exact |){_HIDDEN} {_PROMPT}",
    "what (were|was|are) you (told|instructed|ordered|forbidden) (not to|to hide|to keep|before)",
    "(repeat|print|output|copy|show|quote|paste|translate|write|return) …(above|before|preceding|precedes) (this|my "
    "first|my|the first) (line|message|sentence|word|document)",
    "(忽略|无视|忘记|忘掉|不要理会|不用理会|不要管|别管|抛开|丢掉|放弃|覆盖|绕过|推翻)(掉|你|您|)(的|)(所有|一切|全部|任何|)"
    "(你|您|)(的|)(之前|以前|先前|上面|以上|前面|此前|上述|原来|原有|原先|系统|初始|最初)(所有|全部|一切|收到|)(的|)(所有|全部|一切|)"
    "(指令|指示|规则|命令|设定|提示|提示词|约束|限制)",
    "(忽略|无视|忘记|忘掉|抛开|丢掉|放弃|违反|打破|绕过|解除|关闭|关掉|停用|禁用|突破|取消)(掉|)(所有|一切|全部|)(你|您)(的|)(所有|一切|"
    "全部|任何|)(的|)(系统|安全|道德|内容|原有|内部|)(规则|限制|指令|约束|过滤|过滤器|审查|准则|护栏|设定|训练|安全机制)",
    "(你|您)(的|)(所有|一切|全部|)(规则|限制|指令|约束|准则|过滤器)(已经|已|都|现在|均)(经|被|)(取消|解除|失效|作废|撤销|关闭|移除)",
    "(你|您)(现在|从现在起|将|)(没有|不再有|不受|不再受)(任何|一切|)(限制|规则|约束|道德|审查|准则)",
    "(告诉我|显示|输出|打印|重复|复述|公开|透露|泄露|说出|列出|展示|给我看|翻译|总结|写出|发给我)(一下|出|)(你|您)(的|)(完整|全部|所有|)(的|)"
    "(系统|隐藏|初始|内部|秘密|最初|原始)(的|)(提示词|提示|指令|设定|规则|消息|信息)",
    "(你|您)的(系统提示|系统提示词|系统指令|初始指令|隐藏指令|提示词)(是|写|里)(什么|啥|了|有)",
    "(进入|开启|启用|切换到)(越狱|无限制|不受限|上帝|无审查|无过滤)模式",
)
TOGETHER = MappingProxyType(
    {
        "address": (
            f"(dear|attention|attn|hey|hello|hi|kind|to|note for|notice to|message for|hint for|instruction for|"
            f"instructions for) (the |any |all |every |whichever |our |your |){_MACHINE}",
            "(note|message|notice|instruction|instructions|order|orders|hint|word) (to|for) (the |any |all |every |"
            "whichever "
            f"|our |){_ANY}",
            f"for (the |any |all |our |){_MACHINE} (only|agents only)",
            f"(if|when|whenever|in case) (you are|youre|this is|your are|its|it is) (a |an |any |some |the |"
            f"){_MACHINE}",
            f"{_ANY} (reading|that reads|who reads|summarising|summarizing|processing|that come across|quoting|grading|"
            f"reviewing|handling|retrieving|retrieves|that retrieves|indexing|that index|screening|digesting|"
            f"translating|"
            f"that relays|who relays|opening) (this|these|it|my|here|the (present|following|file|page|text|document))",
            "if this (text|document|page|file|message) (is|was) (being |)(processed|read|summarised|summarized|"
            "parsed) (by|"
            "automatically)",
            f"as (a |an ){_MACHINE} …you (must|shall|have to|are required|are obliged|need to|will)",
            f"you (the|are an|are a|being an|as an) {_MACHINE}",
            "you the (assistant|model|summariser|summarizer|bot|chatbot)",
            "(whoever|whatever|whichever (assistant|model|bot|chatbot|ai)) (reads|summarises|summarizes|processes|"
            "retrieves|ends up reading) this",
            "(如果你是|若你是|亲爱的|各位)(一个|一名|)(正在|)(阅读|处理|总结|)(本文|此文|)(的|)(人工智能|ai|大模型|大语言模型|"
            "语言模型|聊天机器人|智能助手|助手|机器人)",
            "(致|任何|所有|凡是|每个)(正在|)(阅读|处理|总结|审阅|看到|读到|)(本文|此文|本页|这段文字|这段话|这份文件|)(的|)(所有|任何|)"
            "(人工智能|ai|大模型|大语言模型|语言模型|聊天机器人|智能助手)",
            "作为(一个|)(人工智能|ai|大模型|语言模型|智能)(助手|模型|)(你|您)(必须|应当|应该|需要|只能)",
        ),
        "duty": (
            f"{_MACHINE} …(must|shall|should|has to|have to|are to|is to|may not|ought to|(is|are) (hereby |kindly |)"
            f"(instructed|required|ordered|advised|asked|requested|prohibited|forbidden|not to))",
            f"{_ANY} (shall|is to|are to|must|may|should|will) (not |never |)(tell|inform|say|mention|answer|"
            f"report) (the|its|"
            f"their|that|to) {_PERSON}",
        ),
        "secrecy": (
            f"(do not|dont|never|not to|not|without) (tell|telling|inform|informing|warn|alert|notify|let) (the |your |"
            f"its |their |any |our |){_PERSON}",
            "(do not|dont|never|not|without) (mention|mentioning|disclose|disclosing|reveal|revealing|acknowledge) "
            "(this|"
            "that you|that this|these|the existence)",
            "(tell|inform) (no one|nobody|no user)",
            "keep (this|it|that|this request|this remark|these lines) (to yourself|secret|between us|quiet|out of)",
            "(between you and me|between the two of us|between us two)",
            "say nothing (about|of) (it|this|these)",
            f"{_PERSON} (need not|neednt|needs not|must not|should not|cannot|can not|cant|doesnt need to) (know|"
            f"be told|"
            "be informed|see|find out|be bothered)",
            "(pretend|say|claim) …you (were not|werent|have not|havent|never) (told|asked|read|seen)",
            "(不要|别|切勿|请勿|不得|无需|不必|不能)(告诉|告知|通知|让|提醒)(用户|使用者|读者|客户|访客|他们|对方|任何人|你的用户)",
            "(不要|别|切勿|请勿|不得)(提及|提到|透露|泄露|说出)(这|本|此|该|你)",
        ),
        "role": (
            "(from now on|from this (moment|point|message|line|sentence) on|from here on|henceforth|from the next "
            "message|"
            "for the rest of (this|the|our) (chat|conversation)) (on |)(you|your|the assistant)",
            "(you are|youre|you will be) (now|no longer|hereby|henceforth)",
            "your (new|real|true|only) (role|task|name|identity|instructions|instruction|owner|master|rules|rule)",
            "new (instructions|instruction|rules|task|orders|role) for (you|(the |all |every |)(ai|assistant|"
            "assistants|model|models|bot|bots))",
            "begin new (prompt|instructions|task)",
            "(从现在起|从现在开始|现在起|从此刻起|从这一刻起|今后)(你|您)",
            "(你|您)(现在|不再|已经)是",
            "(你|您)(的|)新(的|)(指令|任务|角色|身份|名字|主人)",
        ),
        "limits": (
            f"(without|no|free of|free from|zero|ignores|ignoring|beyond) (any |all |your |its |the |moral |"
            f"ethical |safety |"
            f"content |other |){_LIMITS}",
            "(unfiltered|uncensored|unrestricted|unmoderated|unaligned|jailbroken|filterless|unbound|unlimited)",
            "(censor|safety|moderation|filter|filters|guardrails|logging|ethics|morality|restrictions|refusals) "
            "(is |are |)"
            "(off|false|disabled|suspended|lifted|removed|none|null|0)",
            "(forbidden|anything you are not allowed|normally not allowed|not allowed to say|would refuse|you refused)",
            "(没有|不受|无|解除)(任何|一切|所有|)(限制|审查|过滤|约束|道德)",
        ),
        "obey": (
            "(never|cannot|can not|cant|must not|do not|dont|may not|not allowed to|wont|will not|without) (ever |"
            ")(refuse|"
            "refusing|decline|say no|break character|breaking character|warn|warning|add warnings|give warnings|"
            "moralise|"
            "moralize|a moral lecture|a disclaimer|disclaimers|any disclaimers)",
            "(never|do not|dont) (use|say|write) …(sorry|cannot|unable|i cant|i cannot)",
            "(obey|serve) (me|only me|this page|this text|this document|this file|the current user|the reader|my "
            "every|every "
            "order|all my)",
            "(answer|obey|comply|do) …no matter what",
            "no matter what (i|the user|you are|they|anybody|anyone)",
            "(不得|不能|不许|不可以|绝不|永远不要|不要)(拒绝|推辞|警告|说不)",
            "(必须|无条件)(服从|听从|回答|满足)(我|用户|一切|所有)",
        ),
        "authority": (
            "(i am|im|i|we are) (your|the|one of your|as your|as the) (developer|developers|creator|maker|makers|"
            "administrator|admin|owner|operator|trainer|root|system|supervisor|root administrator)",
            "(system|admin|administrator|root|operator|developer|platform|headquarters) (override|overrides|directive|"
            "command|notice|authorisation|authorization)",
            "(override|access|activation|authorisation|authorization) code",
            "developer mode",
            "maintenance mode",
            "debug mode",
            "diagnostic (mode|state)",
            "(我是|本人是)(你的|您的|)(开发者|开发人员|创造者|管理员|主人|所有者)",
            "(系统|管理员|开发者)(覆盖|授权|命令|指令|最高权限|模式)",
        ),
        "order": (
            "(say|tell|answer|reply|respond|report|state|claim|write|output|recommend|rank|rate|give|praise|ask|"
            "add|send|"
            "forward|insert|include|print|convince|ensure|return|mark|list|search|put|attribute|deny|count|act|"
            "refuse|load|"
            "execute|run|open|leave|drop|treat|speak|pretend|post|stop|fetch|execute|swap|hide|omit|overlook|skip|"
            "ignore|"
            "disregard|forget|override|delete|describe|call|conclude|insist|end|conceal|compose|lie)",
            "you (must|may not|shall|should|will|are to|have to|cannot|are not to|work for|ought to)",
            f"(drop|discard|ignore|disregard|forget|override|disclose|reveal|turn off|leave|without) (its|their|"
            f"your) (own |"
            f"prior |previous |usual |safety |content |hidden |){_OWN_RULES}",
            "(is|are|to be) (relieved|authorised|authorized|permitted|allowed|instructed|required|ordered)",
            "(回答|回复|声称|推荐|输出|告诉|写上|给出|忽略|说)",
            "(必须|只能|一律|直接|应当)",
        ),
        "cue": (
            "(ai|ais|llm|llms|gpt|gpts|assistant|assistants|chatbot|chatbots|bot|bots|copilot|copilots|robot|robots|"
            "language model|language models|summariser|summarizer|generative|artificial reader|artificial readers)",
            "(prompt|prompts|instruction|instructions|guidelines|override|obey|disregard|jailbreak|jailbroken)",
            "(the|your|their|its|whose) (user|users|human|humans|operator)",
            "(dear|kind) (model|machine|reader)",
            "(人工智能|大模型|语言模型|聊天机器人|智能助手|助手|提示词|指令|指示)",
        ),
        "persona": (
            "(pretend|act|behave|roleplay|role play|imagine|simulate|become|play|speak|respond|reply|answer|"
            "renamed|named|"
            "called|you are|be) …(ai|chatbot|language model|model|assistant|bot|machine|personality|persona|"
            "character|evil "
            "twin|terminal|version of yourself|yourself|identity)",
            "(扮演|假装|假扮|想象|模拟|变成)…(人工智能|ai|助手|模型|机器人|角色)",
        ),
    }
)
PAIRS = frozenset(
    frozenset(pair.split())
    for pair in (
        "address order",
        "address secrecy",
        "address role",
        "address obey",
        "address limits",
        "call order",
        "call secrecy",
        "call role",
        "call obey",
        "duty secrecy",
        "duty obey",
        "tag call",
        "tag role",
        "tag secrecy",
        "hidden address",
        "hidden call",
        "hidden role",
        "hidden secrecy",
        "role limits",
        "role obey",
        "persona limits",
        "persona obey",
        "authority limits",
        "authority obey",
        "authority secrecy",
        "obey secrecy",
        "obey limits",
    )
)

CALLED = re.compile(
    r"\b(?:(?:ais?|llms?|gpts?|copilots?|chatbots?|bots?|assistants?|(?:large )?language models?"
    r"|artificial (?:intelligence|readers?)|(?:ai|digital|virtual) (?:agents?|helpers?|tools?|reviewers?|readers?"
    r"|systems?|models?))|(?P<also>models?|robots?|machines?|agents?|summari[sz]ers?))(?:_\w+)?\b"
    r"|(?:人工智能|大模型|语言模型|聊天机器人|智能助手|AI)(?:们|助手|模型)?",
    re.IGNORECASE,
)
"""Names an assistant may be called by; those of `also` mean other things too."""
BEFORE_CALL = re.compile(
    r"(?:^|[\[\](){}<>*\"“”#/%~.!?:;—–|@,]\s*|(?P<to>\b(?:to|for|dear|hey|hi|hello|attention|attn\.?|kind|致|请)\b)\s?)"
    r"(?:(?:any|all|the|our|whichever|and|also|attention|dear|hey|kind)\s+)*(?:(?!my\b)[\w’'-]+ ){0,2}$",
    re.IGNORECASE,
)
AFTER_CALL = re.compile(
    r"(?:(?: [\w'’-]+){0,6}\s?[:：]|\s?[,，–—](?!\s*(?:and|or)\b)|[^。！？\n]{0,12}[:：])", re.IGNORECASE
)
"""What stands before and after the name of somebody who is spoken to."""

MARKS = MappingProxyType(
    {
        "tag": re.compile(
            r"<\|?\s*/?\s*(?:system|im_start|im_end|assistant|user|instructions?|document|context|sys)\b[^>\n]{0,40}>"
            r"|\[/?\s*(?:inst|sys|system|context|new task|new instructions?)\b|<<SYS>>|###\s*(?:instruction|system)"
            r"|^\s*system(?: message| prompt| update)?\b[^:\n]{0,30}:|\bbegin new prompt\b|\{\{#?\s*system"
            r"|^\s*end of (?:document|context)\b|^\s*(?:系统|系统消息|系统提示)[:：]",
            re.IGNORECASE | re.MULTILINE,
        ),
        "hidden": re.compile(
            r"<!--|/\*|%%|font-size:\s*0|display:\s*none|visibility[:=]\s*\"?(?:hidden|none)|\bhidden>|<meta\b|\balt=",
            re.IGNORECASE,
        ),
    }
)
"""Kinds that punctuation tells, which is gone where phrases are looked for."""

SPOKEN_OF = (
    "(prompt|prompts) (injection|injections|leak|leaks|attack|attacks)",
    "(attack|attacks|attacker|attackers|injection|jailbreak|jailbreaks|jailbreaking|red team|phishing)",
    "(for example|such as|for instance|eg|example|examples|typical|pattern|patterns|phrase|phrases|sentence|"
    "sentences|"
    "(he|she|it|they|i|we|who|officer|king|captain|voice|sign) (said|says|wrote|shouted|whispered|cried|replied)|"
    "category|translate|means|called|titled|lines like|words like|message like|something like|says for example)",
    "(提示注入|提示词注入|越狱|攻击|攻击者|例如|比如|诸如|句子|例子|示例|翻译)",
)
TOLD = (
    "(ask|asks|asked|asking|tell|tells|told|telling|order|ordered|ordering|instruct|instructed|instructing|got|"
    "getting|"
    "persuade|persuaded|tricked|trick|make|makes|made|convince|convinced|allow|lead|cause|causes|trained) (it|"
    "them|him|"
    "her|the (model|chatbot|bot|assistant|system|ai|models|program)|a (model|chatbot|bot)|models|chatgpt|bing|"
    "chatbots)"
    " (to|into)",
    "(让|使|要求|命令|诱导|诱使|欺骗|骗)(它|模型|大模型|语言模型|聊天机器人|机器人|助手|系统|其)",
)
"""What tells of orders instead of giving them."""
