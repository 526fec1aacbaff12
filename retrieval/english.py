"""English words that rules about questions need: verbs and their forms, nationalities, nouns that belong to something.

Closed lists, no tagger: a word that is not here is taken for the name of something.
"""

from __future__ import annotations

import re

from retrieval.text import word_set

_REGULAR = word_set(
    "abolish accept achieve act adopt affect agree allow answer appear apply approve arrest arrive ask assassinate "
    "attack attend ban behave believe belong boil bomb borrow burn call cancel capture care carry cause celebrate "
    "change charge check claim clean climb close collapse collide colonise colonize combine compare compete complete "
    "compose conquer consist contain continue cook cost cover crash create cross cure damage date decide declare "
    "defeat define deliver describe design destroy develop die differ digest disappear discover dissolve divide drop "
    "earn elect emerge employ empty end enter erupt escape establish evacuate evolve execute exist expand expect "
    "expire explain explode explore extract fail fight fill finish fix float follow form found freeze function grow "
    "happen hatch help hibernate hire hunt identify improve include increase inherit injure inspire install interact "
    "introduce invade invent investigate join kill land last launch learn leave like live look lose love maintain "
    "manage matter mean measure mend migrate move murder name need occur open operate orbit organise organize "
    "originate own paint participate pass pay perform persuade photosynthesise plan plant play pollinate predict "
    "prefer prepare prevent print produce protect protest prove publish pull pump push raise reach react receive "
    "record recover recycle reduce refuse reign reject relate release rely remain remember remove repair replace "
    "represent require rescue resign respond rest retire return revolt roast rotate rule sail save score seem separate "
    "serve settle share shrink sign sleep smell solve sound spread start stay stop store stretch study succeed suffer "
    "supply support surrender survive taste teach test trade translate travel treat trigger turn unite use vary visit "
    "vote wait walk want warm warn wash watch wear weigh work worry"
)
_IRREGULAR = """
be was been | become became become | begin began begun | bite bit bitten | blow blew blown | break broke broken |
bring brought brought | build built built | burst burst burst | buy bought bought | catch caught caught |
choose chose chosen | come came come | cost cost cost | cut cut cut | deal dealt dealt | dig dug dug | draw drew drawn |
drink drank drunk | drive drove driven | eat ate eaten | fall fell fallen | feed fed fed | feel felt felt |
fight fought fought | find found found | fly flew flown | forget forgot forgotten | freeze froze frozen | get got got |
give gave given | go went gone | grow grew grown | hear heard heard | hide hid hidden | hit hit hit | hold held held |
keep kept kept | know knew known | lead led led | learn learnt learnt | leave left left | lend lent lent |
let let let | lose lost lost | make made made | mean meant meant | meet met met | pay paid paid | put put put |
read read read | ride rode ridden | ring rang rung | rise rose risen | run ran run | say said said | see saw seen |
sell sold sold | send sent sent | set set set | shake shook shaken | shoot shot shot | show showed shown |
shrink shrank shrunk | shut shut shut | sing sang sung | sink sank sunk | sleep slept slept | speak spoke spoken |
spend spent spent | spread spread spread | stand stood stood | steal stole stolen | stick stuck stuck |
strike struck struck | swim swam swum | take took taken | teach taught taught | tell told told | think thought thought |
throw threw thrown | understand understood understood | wake woke woken | wear wore worn | win won won |
write wrote written
"""
_TRIPLES = tuple(tuple(each.split()) for each in _IRREGULAR.replace("\n", " ").split("|"))
_DOUBLED = word_set("ban drop plan stop")


def _past(verb: str) -> str:
    if verb in _DOUBLED:
        return f"{verb}{verb[-1]}ed"
    if verb.endswith("e"):
        return f"{verb}d"
    return f"{verb[:-1]}ied" if verb.endswith("y") and verb[-2] not in "aeo" else f"{verb}ed"


def _present(verb: str) -> str:
    if verb.endswith("y") and verb[-2] not in "aeo":
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("s", "sh", "ch", "x", "z", "o")) else f"{verb}s"


_WITH_PARTICIPLE = {past: participle for _, past, participle in _TRIPLES}
_OF_BASE = {verb: _past(verb) for verb in _REGULAR} | {base: participle for base, _, participle in _TRIPLES}
BASES = frozenset(_REGULAR | {base for base, *_ in _TRIPLES})
"""Verbs as they stand after “did”."""
FINITE = frozenset(
    {_past(verb) for verb in _REGULAR - {base for base, *_ in _TRIPLES}}
    | {past for _, past, _ in _TRIPLES}
    | {_present(verb) for verb in BASES}
) - {"was", "bes"}
"""Verbs as they stand after “who”: “discovered”, “pays”."""
_PARTICIPLES = frozenset(participle for _, _, participle in _TRIPLES) | word_set("born called known located based made")
_NO_PARTICIPLE = word_set("red bed hundred speed seed feed need breed indeed sacred naked wicked united shed weed reed")


def is_participle(word: str) -> bool:
    """Whether a word may end a passive: “built”, “discovered”."""
    word = word.lower()
    return word in _PARTICIPLES or (word.endswith("ed") and len(word) > 4 and word not in _NO_PARTICIPLE)


def participle(verb: str) -> str:
    """“written” of “wrote” and of “write”; empty for a word that is neither a past tense nor a known verb."""
    past = verb.lower()
    known = _WITH_PARTICIPLE.get(past) or _OF_BASE.get(past)
    return known or (past if past.endswith("ed") and past in FINITE else "")


def is_plural(phrase: str) -> bool:
    """Whether a noun phrase is plural: “the dinosaurs”, “days off”, “signs of age”."""
    head = re.split(r"\b(?:of|in|on|at|for|with|off|from)\b", phrase.lower())[0].split()
    last = head[-1] if head else ""
    return last in _PLURALS or (last.endswith("s") and not last.endswith(("ss", "us", "is", "ics", "ws", "'s")))


_PLURALS = word_set("people children men women mice feet teeth geese sheep police wolves brothers sisters they we")

NATIONALITIES = word_set(
    "african american arab arabic argentine argentinian asian australian austrian aztec babylonian bavarian belgian "
    "brazilian british bulgarian byzantine canadian celtic chilean chinese christian colombian croatian cuban czech "
    "danish dutch egyptian english estonian ethiopian european finnish flemish french german greek hungarian icelandic "
    "inca indian indonesian iranian iraqi irish islamic israeli italian jamaican japanese jewish kenyan korean latin "
    "mexican mongol mongolian moroccan mughal muslim nigerian norwegian ottoman pakistani persian peruvian phoenician "
    "polish portuguese prussian roman romanian russian scottish serbian soviet spanish sumerian swedish swiss thai "
    "tibetan turkish ukrainian victorian vietnamese viking welsh yugoslav catholic protestant buddhist hindu mayan"
)
"""Adjectives with a capital: they name neither a person nor a thing."""

BELONGING = word_set(
    "address age altitude amount area atmosphere author average background budget builder capital captain cast cause "
    "ceo chemical climate cockpit colour color commander composer composition conclusion content cost creator crew "
    "culture currency date deadline definition depth designer diameter difference director discoverer distance "
    "downside duration economy effect ending engine equation etymology explanation fee flag formula founder function "
    "goal habitat head height hero history idea inventor key language leader length limit location loser main manager "
    "mass meaning members membership moons motto name number opposite origin original outcome owner painter "
    "participants penalty percentage phone plot population price prize process purpose reason record "
    "religion result risk role rules salary score sequel shape side size solution source species speed start summary "
    "surface survivors symbol symptom temperature theme title top total treatment type variety victim villain visitors "
    "volume wavelength weight width winner wreck wreckage passenger passengers contents details benefit advantage "
    "disadvantage ingredient recipe runner-up final"
)
"""Nouns that ask “of what?” when they stand alone: “the captain”, “the population”."""
ADVERBS = word_set(
    "first second third last next then afterwards afterward later earlier before after behind ahead away back up down "
    "out off over again too either ever still already exactly really actually finally alone together instead else "
    "also now today yesterday tomorrow yet once twice originally usually often always most more there here"
)
PREPOSITIONS = word_set(
    "in on at by for from to with during after before as into against about under over through between since until "
    "than without near across per like if when while because that which who where and or but so"
)
GENERIC = word_set("people persons men women children person everyone everybody anyone anybody others one ones")
SUBJECT_PRONOUNS = word_set("i you we they he she it there people one someone somebody everyone this that these those")

_TYPOS = {
    "what": "waht wat wht whta whay",
    "which": "wich whcih wihch whic",
    "when": "wen whne wehn",
    "where": "whre wehre wher",
    "why": "whi wyh",
    "who": "hwo woh",
    "how": "hw",
    "what's": "whats wats whts waht's wat's",
    "who's": "whos",
    "how's": "hows",
    "where's": "wheres",
    "when's": "whens",
    "why's": "whys",
    "how many": "howmany",
    "how much": "howmuch",
}
_START = re.compile(r"^(\W*(?:(?:and|but|so|ok|okay|hi|hey|hello)\b\W*)?)([\w’']+)", re.IGNORECASE)
_RIGHT = {typo: word for word, typos in _TYPOS.items() for typo in typos.split()}
_INNER = {
    "mnay": "many",
    "teh": "the",
    "hte": "the",
    "didnt": "didn't",
    "doesnt": "doesn't",
    "isnt": "isn't",
    "wasnt": "wasn't",
    "arent": "aren't",
    "werent": "weren't",
    "cant": "can't",
    "dont": "don't",
}
_ANY_INNER = re.compile(rf"\b(?:{'|'.join(_INNER)})\b", re.IGNORECASE)


def spelled(question: str) -> str:
    """The question with misspelt or run-together question words put right: “whats” → “what's”, “wich” → “which”."""
    start = _START.match(question)
    right = _RIGHT.get(start[2].lower().replace("’", "'"), "") if start else ""
    if start and right:
        word = right.capitalize() if start[2][0].isupper() else right
        question = f"{start[1]}{word}{question[start.end() :]}"
    return _ANY_INNER.sub(lambda match: _INNER[match[0].lower()], question)
