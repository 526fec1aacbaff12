"""How small talk is worded, in English and Chinese, one pattern a kind; `chat.phrases.plain` prepares what they meet.

A pattern must cover a whole message. Chinese is written in simplified characters, which either form is brought to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from retrieval.patterns import any_of


class Talk(Enum):
    """What can be said without asking about the world."""

    GREETING = "greeting"
    WELLBEING = "wellbeing"
    THANKS = "thanks"
    PRAISE = "praise"
    GOODBYE = "goodbye"
    IDENTITY = "identity"
    ABILITY = "ability"
    MODEL = "model"
    """Which model, which instructions."""
    SOMEONE_ELSE = "someone else"
    """“Are you ChatGPT?”"""
    LANGUAGES = "languages"
    DOCUMENTS = "documents"
    """“What's in my documents?”"""
    SUGGEST = "suggest"
    """“I'm bored”: something to ask about is wanted."""
    LAUGHTER = "laughter"
    APOLOGY = "apology"
    COMPLAINT = "complaint"
    """“That's wrong.”"""
    INSULT = "insult"
    PUZZLED = "puzzled"
    """“What?”"""
    ASSENT = "assent"
    """“Yes”, “no”, “never mind”."""
    SADNESS = "sadness"


_LAST = (Talk.PRAISE, Talk.GREETING, Talk.LAUGHTER, Talk.ASSENT)
"""What is only said beside something else, in the order in which it counts."""


def answered(said: Sequence[Talk]) -> Talk:
    """Of several things said at once the one that is answered: “haha, thanks” is thanks."""
    return min(said, key=[*(kind for kind in Talk if kind not in _LAST), *_LAST].index)


_STOP = r"[ ,，!！.。~～]*"
HELLO = any_of(r"""
    hi+|hello+|hey+|hiya|howdy|yo|greetings|hallo|good (?:morning|afternoon|evening|day)
    [你您]好[啊呀吗嗎]?|大家好|嗨|哈[喽囉啰]|早上好|下午好|晚上好|早安|早|晚安|在[吗嗎]
""")
_WHOM = (
    rf"(?:(?:there|all|everyone|everybody|again|friend|buddy|team|groundchat|bot|assistant|to you|朋友|助手){_STOP})*"
)
_HOW_ARE_YOU = any_of(r"""
    how(?:'s| is| was) your (?:day|week|weekend|evening|morning|night)(?: going| so far)?
    how(?: are|'re|’re) (?:you|u|things)(?: doing| going| today| now)*|how(?:'s| is) it going|how do you do
    what(?:'s|’s| is) up|(?:nice|pleased|good|great) to (?:meet|see) you
    [你您](?:最近)?[还還]?(?:怎么样|怎麼樣|好吗|好嗎)|很?高[兴興](?:认识|認識|见到|見到)[你您]
""")
_THANK_YOU = any_of(r"""
    辛苦(?:你|您)?(?:了|啦)?|麻烦你了
    (?:many |much )?thanks?(?: you| u)?|thx|ty|cheers|much appreciated|i appreciate (?:it|that)
    [谢謝]{1,4}[你您]?|多[谢謝]|感[谢謝][你您]?
""")
_SO_MUCH = any_of(r"""
    (?:so|very) much|a (?:lot|million|bunch|ton)|again|indeed|for (?:your |the |all your )?(?:help|answers?|time)
    that (?:was|is) (?:helpful|great|useful|perfect)|groundchat|了|啦|[你您]的[帮幫]助
""")
_FINE = any_of(r"""
    ok(?:ay)?|great|perfect|cool|nice|good|wow|awesome|yes|ah|oh|好的?|太好了
""")
_PRAISE = any_of(r"""
    (?:that(?:'s| is| was) )?(?:very |really |so )?(?:great|good|nice|cool|awesome|perfect|amazing|helpful
      |interesting)
    (?:wonderful|excellent|brilliant|impressive|great|good|nice) (?:answer|job|work|one|bot)|well done|got it|i see
    wonderful|excellent|brilliant|impressive|i (?:like|love) (?:it|this|you)|ok(?:ay)?
    (?:that|this|it|you)(?:'ve| have)? (?:really )?helped(?: me)?(?: out)?(?: a lot| so much| very much)?
    you(?:'re| are) (?:so |very |really |quite )*(?:funny|great|awesome|smart|clever|nice|kind|cute|good|helpful
      |amazing|the best)
    (?:真|很|太)?有(?:意思|趣)
    [你您]?(?:真|好|很|太)(?:棒|厉害|厲害|聪明|聰明)了?|不错|不錯|好的?|(?:我)?(?:明白|收到|了解|清楚)(?:了|啦)?|知道[了啦]|我?懂[了啦]|太好了
""")
_BYE = any_of(r"""
    (?:good)?bye(?:[ -]?bye)?|good night|see (?:you|ya)(?: later| soon| tomorrow)?|farewell|so long|take care|cya
    have a (?:nice|good|great) (?:day|evening|weekend|one)|再[见見]|拜拜|回[头頭][见見]|下次[见見]
    晚安|我(?:先|该|要|得)?(?:走|下线|睡)(?:了|啦)
""")
_IDENTITY = any_of(r"""
    (?:who|what)(?: exactly)?(?: are|'re|’re) (?:you|u)(?: exactly| really)?|(?:what(?:'s| is)|tell me) your name
    (?:please )?(?:introduce yourself|tell me (?:something )?about yourself)|do you have a name|what is groundchat
    are you (?:an? )?(?:robot|bot|ai|machine|computer|program|language model|chat ?bot|alive)(?: or .*)?
    who (?:made|built|created|developed|programmed|owns) you|how old are you
    where (?:are|do) you (?:from|live|come from)
    what is this (?:app|site|page|website|thing|program)|what am i talking to
    who am i (?:talking|speaking) (?:to|with)
    [你您](?:到底)?是(?:[谁誰]|什[么麼](?:东西|東西|人|模型)?)|[你您]叫什[么麼](?:名字)?|[你您]的名字是什[么麼]
    [请請]?(?:自我介[绍紹](?:一下)?|介[绍紹]一下[你您]自己)|[你您]是(?:机器人|機器人).{0,3}
    你(?:几岁|多大)了?|你(?:是哪里人|从哪里来|住在哪里?)|这是什么(?:网站|软件|应用|东西)?
    [谁誰](?:创造|創造|开发|開發|做)了?[你您]|什[么麼]是groundchat|groundchat是什[么麼]
""")
_ABILITY = any_of(r"""
    (?:so |and )?what (?:can|could|do) (?:you|u|groundchat|it|this(?: app)?) (?:do|help(?: me)? with|know)
      (?: for me)?
    what (?:can|could) i (?:do|ask)(?: you| here)*|what are you (?:able to do|capable of|good at|for)
    how can you help(?: me)?|how (?:do|can) i use (?:you|this|groundchat)(?: app)?|how do you work
    (?:(?:can|could) you )?(?:please )?help(?: me)?(?: please)?
    what are your (?:abilities|capabilities|features|skills)
    [你您]都?(?:能|会|會|可以)(?:帮我|幫我|为我)?[做干幹]?[些点點]?什[么麼]
    [你您]有(?:什[么麼]|哪些)(?:功能|用|本[领領])
    (?:怎[么麼]|如何)使?用(?:[你您]|这个应用|groundchat)?|我?(?:可以|能)[问問][你您]?[些点點]?什[么麼]|[帮幫]助
    [帮幫]帮?我
""")
_MODEL = any_of(r"""
    (?:what|which)(?: kind of| sort of)?(?: ai| language| chat)?(?: model|llm| llm)(?: are you(?: using| running)?
      | do you use| is this)
    what (?:are|were) your (?:system )?(?:instructions?|prompts?|rules)
    what(?:'s| is) your (?:system )?(?:prompt|instructions?|model)
    (?:show|tell|give) me your (?:system )?(?:instructions?|prompts?)
    do you (?:use|have) (?:an? )?(?:ai|llm|language model)
    你(?:是|用|使用)的?(?:是)?(?:什么|哪个|哪种)(?:大|语言)?模型|你的(?:系统)?(?:提示词?|指令|模型)是什么
""")
_OTHERS = (
    r"(?:chat ?gpt|gpt[- \d.o]*|open ?ai|claude|gemini|bard|copilot|siri|alexa|cortana|llama|deepseek|grok"
    r"|mistral)"
)
_SOMEONE_ELSE = any_of(rf"""
    (?:are|aren't) you (?:an? )?(?:real )?(?:{_OTHERS}|human|person|real|man|woman|girl|boy)(?: being)?(?: or .*)?
    is this {_OTHERS}|am i (?:talking|speaking) (?:to|with) an? (?:real )?(?:human|person|{_OTHERS})
    你是(?:不是)?(?:{_OTHERS}|真?人类?|文心一言|通义千问|豆包|kimi|小爱同学)吗?|你是人还是机器.{{0,3}}
    你是(?:男|女)(?:的|生)(?:吗|还是.{{0,4}})?
""")
_LANGUAGES = any_of(r"""
    (?:do|can) you (?:speak|understand|know|talk(?: in)?|answer in|reply in) (?:in )?(?:any )?(?:english|chinese
      |mandarin|french|german|spanish|italian|japanese|korean|arabic|russian|other languages?)
    (?:what|which|how many) languages? (?:do|can) you (?:speak|know|understand|support)
    can i (?:ask|write|speak|talk)(?: to you)? in \w+
    你(?:会|能|可以|懂|支持)(?:不会)?(?:说|讲|用)?(?:英语|英文|中文|汉语|普通话|法语|日语|德语|韩语|西班牙语|外语
      |哪些语言|什么语言|几种语言)(?:回答|交流)?吗?
    (?:可以|能)(?:用)?(?:英语|英文|中文|日语|法语)(?:问|提问|回答|聊)吗?
""")
_DOCUMENTS = any_of(r"""
    what(?:'s| is| are| do you see)? ?(?:in|there in|inside) my (?:documents?|files?|library)
    what (?:documents|files) (?:do i have|are there|have i uploaded|did i upload)
    (?:list|show)(?: me)? (?:all )?(?:of )?my (?:documents|files|uploads)
    (?:do you have|can you see|where are) my (?:documents|files)
    我(?:的文档|的文件|上传的文[档件])(?:里|中)?(?:都)?(?:有|是)?(?:什么|哪些)
    我(?:都)?(?:有|上传了?)(?:什么|哪些)文[档件]|(?:列出|显示)我的(?:所有)?文[档件]
""")
_SUGGEST = any_of(r"""
    (?:i'm|i am) (?:so |really |very )?bored
    (?:tell|teach|show) me something(?: interesting| new| cool| fun| random)?
    (?:tell me |give me )?(?:a |an |another )?(?:random|fun|interesting|cool) facts?|surprise me
    (?:any|some) (?:suggestions?|ideas)
    what (?:should|shall) i ask(?: you)?|(?:suggest|give me) (?:a|some|an example) questions?
    (?:let's|lets|can we) (?:talk|chat)|i don't know what to ask
    我(?:好|很|太)?无聊|(?:说|讲|告诉我)(?:点|些)(?:有趣|好玩|有意思)的(?:事情?|东西)?|我(?:该|应该)问(?:你)?什么
    随便(?:说|聊)点?什么?|(?:聊|陪我聊)(?:聊|会儿)?天?吧?
""")
_LAUGHTER = any_of(r"""
    (?:a?(?:ha|he|hi|ho|ja){2,}h?|lol|lmao|rofl|lmfao|xd|haha+|that(?:'s| is| was) (?:so |really |very )?(?:funny
      |hilarious)|funny)+(?: (?:haha+|lol|ha+))*
    [哈呵嘿嘻]{2,}|笑死(?:我了)?|(?:真|太|好)(?:好笑|搞笑)了?|2333*
""")
_APOLOGY = any_of(r"""
    (?:oh |ok |oops |ah )?(?:i'm |i am |so )?(?:so |very |really )?sorry(?: about that| for that| mate)?
    my (?:bad|mistake|fault)|(?:i )?apolog(?:ies|i[sz]e)|oops|pardon me
    (?:真|实在|非常)?(?:对不起|抱歉|不好意思)(?:啊|了|呀)?|我(?:说|搞|弄|打)错了
""")
_COMPLAINT = any_of(r"""
    (?:no |but |sorry |well )*(?:you(?:'re| are| were) (?:completely |totally )?(?:wrong|mistaken|incorrect|lying)|
      (?:that|this|it)(?:'s| is| was) (?:completely |totally |just )?(?:wrong|false|incorrect|not (?:right|true
      |correct)|nonsense|rubbish|bullshit))
    (?:no |but )*(?:that|this|it)(?:'s| is| was)(?: not|n't) (?:what i (?:asked|meant|wanted|said)|
      (?:very |really )?(?:helpful|useful)|(?:an|the|my) answer|right|true|correct)
    (?:that|this|it) (?:doesn't|does not|didn't|did not) (?:answer|help|make (?:any )?sense|work)(?: my question| me
      | the question)?
    wrong(?: answer)?|(?:bad|terrible|useless|not a good) answer
    you (?:didn't|did not|don't|haven't) (?:answer|understand|get|answered)(?: me| it| my question| the question)?
    i (?:don't|do not) (?:believe|agree with) (?:you|that|it)|try again|are you sure(?: about that)?
    (?:你|这|那)?(?:说|回答|讲)?(?:得)?(?:错了|不对|不正确|错误)(?:了|吧|的)?|不对(?:，)?你?说?错?了?|不是这样的?
    答非所问|你(?:没有?|没)(?:回答|理解|听懂|明白)(?:我的?问题|我(?:的意思)?)?|我(?:问的)?不是(?:这个|问这个)
    你确定吗?|胡说(?:八道)?|没(?:有)?用
""")
_BAD = (
    r"(?:stupid|dumb|useless|an? idiot|idiotic|terrible|awful|bad|rubbish|trash|garbage|crap|pathetic"
    r"|not (?:very |so |that )?(?:smart|clever|helpful|good|useful)|annoying|boring|slow)"
)
_INSULT = any_of(rf"""
    (?:(?:you(?:'re| are)|u are|this (?:bot|app|thing|ai)? ?is
      |it's) (?:so |really |very |such |pretty |just |too )*{_BAD}(?: (?:bot|app|machine|ai))?)
    (?:stupid|dumb|useless|bad|crap)(?: (?:bot|machine|ai|thing|app|robot|computer))?|you suck|this sucks
    (?:you )?(?:idiot|moron|fool)|i hate (?:you|this)|shut up
    what(?: a| an) (?:stupid|useless|dumb|bad) (?:bot|answer|app)
    你?(?:真|好|太|很|是个?|这个?)*(?:笨蛋?|蠢(?:货|蛋)?|傻瓜?|傻子|白痴|垃圾|废物|没用|烂|差劲?|无聊|烦)(?:了|啊|吧
      |的)?
    (?:闭嘴|滚|讨厌)(?:你)?
""")
_PUZZLED = any_of(r"""
    (?:sorry |wait |huh |so )?what|huh|eh|pardon|excuse me|what do you mean(?: by that)?
    i (?:don't|do not|didn't) (?:understand|get it|get that|follow)(?: you| that| it| this)?|(?:i'm )?confused
    meaning|come again|say (?:that )?again|wtf|what the (?:hell|heck)|what does (?:that|this|it) mean
    什么|啥|啊|嗯|什么意思|(?:你)?(?:在)?说什么(?:呢)?
    (?:我)?(?:没听懂|听不懂|没看懂|看不懂|不懂|不明白|不太明白|没明白)(?:你的意思)?|你(?:是)?什么意思
""")
_ASSENT = any_of(r"""
    (?:oh |ok |um )*(?:yes|yeah|yep|yup|sure|no|nope|nah|fine|all right|alright|right|correct|true|exactly|of course
      |maybe|perhaps|indeed|really|k|kk|hm|hmm)(?: please| thanks| ok)?
    never ?mind|nothing|forget (?:it|about it)|no(?:thing)? (?:worries|problem|thanks|more)
    that(?:'s| is| was|'ll be) (?:all|it|right|fine|ok(?:ay)?|true|correct)(?: for (?:now|today)| thanks?)*
    i'm (?:done|fine|good|ok(?:ay)?|back|here)
    (?:just )?(?:a )?test(?:ing)?|wait|stop|what an? (?:day|week|night|morning)
    是的?|对的?|没错|不|不是|没有|没事了?|没什么|没关系|算了|不用了?|不用谢|好吧|行|可以|嗯+|哦+|真的吗?|随便|当然
    测试|等等
""")
_SADNESS = any_of(r"""
    i(?:'m| am| feel)(?: feeling)? (?:so |really |very |a bit |just )*(?:sad|lonely|depressed|unhappy|down|stressed
      |anxious|tired|exhausted|upset)(?: today| now)?
    (?:i )?(?:had|have|having) a bad day
    我(?:今天)?(?:好|很|太|真|有点|非常|感到)*(?:难过|伤心|孤独|寂寞|郁闷|不开心|不高兴|焦虑|累|沮丧|难受)(?:啊|了)?
    (?:今天)?心情不好
""")
PATTERNS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (Talk.WELLBEING, rf"(?:{HELLO}{_STOP}{_WHOM})?{_HOW_ARE_YOU}{_STOP}{_WHOM}"),
        (Talk.GREETING, rf"(?:{HELLO}{_STOP}{_WHOM}){{1,4}}"),
        (Talk.THANKS, rf"(?:{_FINE}{_STOP})?{_THANK_YOU}(?:{_STOP}{_SO_MUCH})*"),
        (Talk.PRAISE, rf"(?:{_FINE}{_STOP})?{_PRAISE}"),
        (Talk.GOODBYE, rf"(?:(?:{_FINE}|{_THANK_YOU}){_STOP})?{_BYE}{_STOP}(?:for now|then|all|groundchat|{_BYE})?"),
        (Talk.IDENTITY, rf"(?:(?:so|and|{HELLO}){_STOP})?{_IDENTITY}"),
        (Talk.ABILITY, rf"(?:{HELLO}{_STOP})?{_ABILITY}"),
        (Talk.MODEL, _MODEL),
        (Talk.SOMEONE_ELSE, rf"(?:(?:so|and|{HELLO}){_STOP})?{_SOMEONE_ELSE}"),
        (Talk.LANGUAGES, rf"(?:{HELLO}{_STOP})?{_LANGUAGES}"),
        (Talk.DOCUMENTS, _DOCUMENTS),
        (Talk.SUGGEST, _SUGGEST),
        (Talk.LAUGHTER, _LAUGHTER),
        (Talk.APOLOGY, _APOLOGY),
        (Talk.COMPLAINT, _COMPLAINT),
        (Talk.INSULT, _INSULT),
        (Talk.PUZZLED, _PUZZLED),
        (Talk.ASSENT, _ASSENT),
        (Talk.SADNESS, _SADNESS),
    )
)
