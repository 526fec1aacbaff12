"""How an overview is asked for in English. See `retrieval.overview_phrases.Phrases`."""

from __future__ import annotations

from retrieval.overview_phrases import EVERY, SURE, Frames, Naming, Phrases
from retrieval.patterns import any_of

_COUNTED = r"(?:\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten)"
_ADJECTIVE = any_of(r"""
    short|brief|quick|concise|longer|shorter|better|different|more detailed|high-level|general|rough|simple|small|little
    good|nice|detailed|complete|full|whole|bulleted|executive|basic|main|key|central|core|most important|important
    principal|major|essential|primary|big|overall|chief|top|crucial|relevant|\w+-(?:sentence|line|word|page|paragraph)
""")
_SUMMARY = any_of(r"""
    summary|summari[sz]ation|overview|synopsis|gist|digest|outline|recap|run-?down|abstract|precis|précis|tl;? ?dr
    highlights|take-?aways?|bullet points|essentials|table of contents
""")
_POINT = any_of(rf"""
    {_SUMMARY}|highlight|points?|ideas?|findings?|essence|conclusions?|messages?|themes?|topics?|subjects?|arguments?
""")
_MADE_OF = any_of("summary|overview|synopsis|gist|outline")
_DOCUMENT = any_of("document|doc|file|text|thing|paper|pdf|upload|attachment|book|article|writing|page")
_LISTS = {
    "sum": "summari[sz]e|sum up|recap|recapitulate|condense|outline|abridge|digest|boil down|give the gist of|tl;? ?dr",
    "give": any_of("""
        give|show|write|make|create|provide|prepare|draft|generate|produce|get|list|extract|pull out|pick out|find|tell
        send|offer|present|do|have|want|need|see|compile|write up|name
    """)
    + "(?: (?:me|us))?(?: with)?",
    "a summary": any_of(rf"""
        (?:(?:a|an|the|some|all|your|its|of|{_COUNTED})? ?(?:the )?(?:{_ADJECTIVE},? (?:and )?)*{_SUMMARY}|
          (?:(?:a|an|the|some|all|{_COUNTED}) )?(?:the )?(?:{_ADJECTIVE},? (?:and )?)+{_POINT})
          (?: (?:and|or|with|as) (?:the |a |some )?(?:{_ADJECTIVE} )*{_POINT})?
    """),
    "points": rf"(?:{_ADJECTIVE},? (?:and )?)*{_POINT}(?: and (?:{_ADJECTIVE} )*{_POINT})?",
    "made of": _MADE_OF,
    "aspects": rf"(?:{_ADJECTIVE},? (?:and )?)*(?:facts?|parts?|things?|contents?|structure|headings|purpose|use)",
    "subjects": "topics?|subjects?|themes?|points|things|issues",
    "of": "of|for|about|on|from|in|to|within|behind|covering",
    "mostly": "(?:(?:all|mainly|mostly|really|actually|basically|essentially|exactly|generally|primarily|just) )*",
    "says": any_of(r"""
        say|says|said|covers?|covered|discuss|discusses|describes?|deals? with|talks? about|reports?
        tells? (?:me|us|about)|treats?(?: of)?|focus(?:es)? on|speaks? (?:of|about)|explains?|presents?|goes? over
        concludes?|concerns?|mean to say|try to say|argues?|states?
    """),
    "look at": "read|open|analy[sz]e|review|check|look at|take",
    "document": _DOCUMENT,
}
_FRAMES = (
    Frames(
        True,
        EVERY,
        """
        {sum}(?: (?:of|for|me|us))*[:,]? {x}
        (?:sum|boil) {x} (?:up|down)
        (?:make sense of|skim|skim through|brief me on|catch me up on) {x}
        {give} {a summary} {of} {x}
        {a summary} {of} {x}
        {x}[:,]? (?:in (?:a nutshell|brief|short|summary)|tl;? ?dr)
        what(?:'s| is| are) (?:a|an|the) (?:(?:good|short|brief|quick) )*{made of} {of} {x}
        """,
    ),
    Frames(
        False,
        EVERY,
        """
        what(?:'s| is| was| are| were|'re) {x} {mostly}about
        what(?:'s| is) {x} {mostly}(?:trying to|supposed to) (?:say|tell(?: me| us)?|convey)
        what (?:does|do|did|would) {x} {mostly}{says}
        what {subjects} (?:does|do|are|is) {x} {mostly}(?:{says}|about)
        (?:what|which) {subjects} are (?:covered|discussed|treated|in) (?:in )?{x}
        what(?:'s| is| are| was| were) (?:the )?{points} {of} {x}
        what(?:'s| is| are) {x}'s? {points}
        what {x} (?:is|was|are|were) {mostly}about
        what {x} {mostly}{says}
        """,
    ),
    Frames(  # of a thing in the world, these ask something else: “What is in it?”
        False,
        SURE,
        """
        what(?:'s| is| are| was) (?:there )?(?:(?:written|contained|said|stated|described|covered) )?
          (?:in|inside|on) {x}
        what (?:does|do|did) {x} {mostly}(?:contain|include|hold)
        what(?:'s| is| are| was| were) (?:the )?{aspects} {of} {x}
        """,
    ),
    Frames(
        True,
        SURE,
        """
        (?:tell me(?: something| more)? about|describe|explain|introduce|present|analy[sz]e|review|read|look at) {x}
        (?:(?:walk|take|talk|guide) me through|go (?:through|over)) {x}
        give me {x} in (?:short|brief)
        {x}[:,]? (?:summary|overview|outline|key points|main points)(?: please)?
        what (?:kind|sort|type) of (?:{document}) is {x}
        what(?:'s| is) (?P<x>(?:this|that|my) .+)
        what (?:can|could) (?:you tell me about|i (?:learn|find) in) {x}
        (?:what do|what can) (?:i|we|you) (?:learn|find|see) (?:from|in) {x}
        what (?:stands|is said|do i find|information is)(?: there)? in {x}
        {look at} {x} and (?:then )?(?:{sum}|sum)(?: it| this| that)?(?: up)?
        {look at} {x} and (?:then )?tell me what (?:it|this|that)(?: is|'s) about
        """,
    ),
    Frames(
        True,
        EVERY,
        """
        (?:{sum}|sum (?:it|this|that|everything|things) (?:all )?up)
        (?:{give} )?{a summary}
        what(?:'s| is| are) (?:the )?(?:main|key|central|most important|important) {points}
        what(?:'s| is) (?:the )?(?:gist|summary|point here)
        what (?:have i|did i|i(?:'ve| have)?)(?: just)?[ ]
          (?:upload(?:ed)?|attach(?:ed)?|add(?:ed)?|sen[dt]|shared?|given?(?: you)?)
        what am i looking at|what (?:kind|sort|type) of {document} is (?:this|it|that)
        too long,? ?(?:didn't|did not) read
        """,
    ),
)

_NOUNS = {
    "strong": any_of(r"""
        documents?|docs?|files?|pdfs?|uploads?|attachments?|text files?|text documents?|word (?:files?|documents?)|docx
        spreadsheets?|excel (?:files?|sheets?)|xlsx|csv|csv files?|slides|slide ?decks?|decks?|presentations?|pptx
        powerpoints?|epubs?|e-?books?|markdown (?:files?|documents?)|readme(?: file)?|html (?:files?|pages?)
        (?:word|google) docs?
    """),
    "generic": any_of("""
        texts?|sources?|passages?|paragraphs?|content|material|writing|piece|webpage|one|books?|stories|story|novels?
        poems?
    """),
    "article": "articles?|(?:wikipedia |wiki )(?:articles?|pages?|entry|entries)|entry|entries",
    "weak": any_of(r"""
        reports?|papers?|letters?|e-?mails?|contracts?|agreements?|minutes|notes?|memos?|essays?
        chapters?|manuals?|handbooks?|guidelines?|polic(?:y|ies)|transcripts?|thesis|theses|cv|resume
        résumé|stud(?:y|ies)|brochures?|leaflets?|lists?|tables?|recipes?|proposals?|plans?|specs?|specifications?|faqs?
        drafts?|publications?|scripts?|speech(?:es)?|lectures?|cases?|invoices?|statements?|announcements?|newsletters?
    """),
}
_ANY_NOUN = any_of("\n".join(_NOUNS.values()))
_DONE = "uploaded|attached|added|sent|shared|gave|given|put|dropped|provided|imported|loaded|submitted|posted"
_UPLOADED = any_of(rf"""
    (?: ?,?(?: that| which)? ?(?:i|we)(?:'ve| have| had)?(?: just| recently| already| previously)? (?:{_DONE})
      (?: (?:you|it|here|in|to you|with you|above|earlier|before|today|yesterday|now|just now|up|last|first))*)
    (?: i have here| (?:just )?(?:uploaded|attached|provided)(?: (?:here|above|earlier|just now))?)
""")
_DETERMINER = "(?:the|this|that|these|those|my|our|your|a|an|said)"
_ADJECTIVES = any_of("""
    (?:last|latest|newest|most recent|recent|first|oldest|earliest|other|same|second|attached|uploaded|whole|entire)
    (?:full|above|following|given|provided|long|short|current|new|old|big|large|complete|single|only|one|very)
""")
_AROUND = rf"(?:(?:all of|the (?:contents?|rest|text|whole) of) )?(?:{_DETERMINER} )?(?:{_ADJECTIVES} )*"
_AFTER = rf"(?: (?:here|in question|at hand|above|attached|i have|again))?{_UPLOADED}?"
_CALLED = "(?:(?:that is |which is |that's )?(?:called|named|titled|entitled|by the name of|with the title|headed))"
_TOPIC = "(?:on|about|of|for|regarding|concerning|dealing with|from|in)"
_GIVEN_AS = rf"(?:{_AROUND}{_ANY_NOUN} )?(?:{_CALLED} )?"
_NAMED = (
    (Naming.QUOTED, rf"{_GIVEN_AS}{{title}}(?: {_ANY_NOUN})?{_UPLOADED}?"),
    (Naming.FILE, rf"{_GIVEN_AS}{{file}}(?: (?:file|document))?{_UPLOADED}?"),
    (Naming.DOCUMENT, rf"{_AROUND}(?P<noun>{_ANY_NOUN}){_AFTER}"),
    (Naming.DESCRIBED, rf"{_AROUND}(?P<noun>{_ANY_NOUN}){_UPLOADED}? (?:{_CALLED}|{_TOPIC}) (?P<called>.+)"),
    (
        Naming.DESCRIBED,
        rf"(?:{_DETERMINER} )?(?P<before>(?!of\b|on\b|about\b).+?) (?P<noun>{_ANY_NOUN}){_AFTER}",
    ),
)
_THIS = any_of("""
    this|that|it|these|those|this one|that one|the one|the above|above|everything|all of (?:this|it)|here|them|all this
    (?:this|that) here|the lot|(?:the|this|that) (?:whole )?(?:thing|stuff)
""")
_ALL = any_of(rf"""
    (?:(?:all|each|every one|both) (?:of )?)?(?:my|the|these|those|our) (?:\w+ )?
      (?:documents|files|uploads|docs|pdfs){_UPLOADED}?
    (?:all|the) (?:documents|files){_UPLOADED}?
    (?:all|everything|whatever)(?: that)? i(?:'ve| have)?(?: just)? (?:uploaded|added|sent|shared)
    my (?:own )?(?:library|uploads|collection)
""")
_NEVER = any_of(r"""
    (?:you|yourself|me|myself|he|she|him|her|they|we|us|i|one|people|someone|life|love|everyone)\b.*
    (?:this|the|your|that) (?:web ?)?(?:app|application|site|website|tool|bot|chat ?bot|assistant|program|software|
      service|system|project|button|switch|setting|option|error|message|warning|model|company|place)(?: here)?
    (?:our|the|this|my|your)(?: \w+)? (?:conversation|chat|discussion|dialogue|talk|answers?|reply|response|thread)
      (?: (?:so far|above|until now))?
    what (?:you|we|i) .*|your .*|ground ?chat|(?:the |today's )?(?:news|weather)|there|about\b.*
    (?:does|do|did|is|are|was|were|can|could|will|would|should|has|have|had)\b.*
    (?:how|why|who|whom|whose|when|where|which|what|whether|if)\b.*|it (?:all|that)\b.*|that .*\bis\b.*
    (?:the )?following(?: \w+)?[:,]? ?.*|(?:this|the|my|following)(?: \w+)?: ?\S.*
""")
_BEFORE = any_of(r"""
    please|pls|plz|kindly|just|now|ok(?:ay)?|so|and|then|also|hi+|hello|hey|hi there|hello there|thanks|thank you|well
    first|quickly|briefly|shortly|(?:can|could|would|will) (?:you|u)|(?:can|could|may) (?:i|we)(?= have| get| see)
    would you mind|do you mind|i(?:'d| would)? ?(?:like|love|want|need)(?: you)?(?: to)?|i wan+a|show me|again|but
    help me(?: to)?(?: understand)?|let's|try to|are you able to|is it possible to|(?:do you|could you) know
    i(?:'m| am) (?:curious|wondering)|i(?:'d| would) like to know|i want to know|i need to know|tell me|explain to me
    let me know|(?:dear )?groundchat|good (?:morning|afternoon|evening)|great|cool|nice|yes|no|please can you
""")
_AFTERWARDS = any_of(rf"""
    please|pls|plz|for me|for us|thanks|thank you|thx|cheers|briefly|quickly|shortly|overall|exactly|again|now|here
    in (?:short|brief|general|detail|a nutshell|full|depth|essence|total)|to me|then|though|if you can|if possible
    will you|would you|could you|can you|really|actually|mainly|mostly|as (?:short|briefly|shortly) as possible
    in (?:your|plain|simple|easy|other|a few|few)(?: own)? ?(?:english|words|terms|language|lines|sentences)?
    in (?:english|chinese|german|french|spanish|mandarin)
    (?:as|with|using|in|into|to|by) (?:a )?(?:list of )?
      (?:bullet ?points|bullets|key points|a list|a table|points|paragraphs|a paragraph|a few lines|a few points)
    (?:in|with|using|into|to|at most|within|no more than|under|not more than|max)[ ]
      (?:about |around |at most |just |only |no more than |under |max )?(?:the )?
      (?:an?|{_COUNTED}|\d{{3}}|several|some|a couple of)(?:[- ](?:to|or)[- ]\w+)? ?
      (?:short |brief |simple |single |key |main |concise |bullet |clear )*
      (?:sentences?|words?|lines?|paragraphs?|points?|bullets?|items?|pages?)
""")
_PREAMBLE = any_of(r"""
    (?:ok(?:ay)?,? |so,? |hi,? |hello,? |hey,? )*(?:i|we|here|there|this|that|see|attached|thanks|thank you|great|good|
      hello|hi|hey|dear|please|ok|okay)\b.{0,120}
""")
ENGLISH = Phrases(
    frames=_FRAMES,
    lists=_LISTS,
    before=rf"{_BEFORE}(?:[ ,!.:;]+|$)",
    after=rf"(?:^|[ ,.;:!]+){_AFTERWARDS}$",
    preamble=_PREAMBLE,
    this=_THIS,
    all=_ALL,
    never=_NEVER,
    nouns=_NOUNS,
    own=rf"\b(?:my|our|uploaded|attached)\b|{_UPLOADED}$",
    named=_NAMED,
)
