"""Hard edits: a real question changed so that it asks something else, nearly in the same words.

The lists here are the generator's own and only overlap with those of the vetoes, so that the check can fail.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from caching.vetoes.tables import listed

KINDS = (
    "number", "date", "unit", "negation", "antonym", "before/after", "name", "place", "role swap", "quantifier",
    "modal", "time word", "condition", "direction", "date order", "step order",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class HardEdit:
    kind: str
    original: str
    edited: str


_PLACES = listed(
    """
    India China Japan Germany France Italy Spain Brazil Canada Australia Russia Mexico Nigeria Kenya Egypt Turkey
    Sweden Norway Poland Portugal Greece Vietnam Indonesia Malaysia Singapore Pakistan Bangladesh Nepal Argentina
    Chile Colombia Israel Iran Ireland Scotland Finland Hungary Tanzania Ghana Ecuador Uruguay Kazakhstan Laos Albania
    London Paris Berlin Tokyo Delhi Mumbai Bangalore Chennai Hyderabad Pune Kolkata Dubai Toronto Sydney Chicago
    Boston Seattle Dallas Moscow Rome Madrid Vienna Lahore Karachi Jaipur Goa Leeds Bristol Osaka Cusco Bergen Ghent
    Tulsa Reno Boise Fresno California Texas Florida Georgia Oregon Utah Kerala Punjab Gujarat Bihar Tuscany Bavaria
    """
)
_NAMES = listed(
    """
    Google Facebook Quora Microsoft Apple Amazon Instagram WhatsApp Twitter Snapchat YouTube Netflix Uber
    Flipkart Samsung Nokia Sony Tesla Toyota Honda Yamaha Suzuki Trump Clinton Obama Modi Putin Hitler
    Einstein Newton Gandhi Shakespeare Python Java Ruby Scala Rust Swift Android Windows Linux Photoshop Excel
    Spotify Reddit LinkedIn Infosys Accenture Wipro Deloitte Siemens Bosch Asimov Kafka Tolstoy Mozart
    Beethoven Messi Ronaldo Dhoni Kohli Federer Nadal Batman Superman Naruto Gandalf Christianity Islam
    Buddhism Hinduism Harvard Stanford Oxford MIT NASA SpaceX PayPal Pinterest Tumblr
    """
)
_NUMBER_WORDS = listed("two three four five six seven eight nine ten twelve fifteen twenty thirty fifty hundred")
_MONTHS = listed(
    """
    January February March April June July August September October November December
    """
)
_DAYS = listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
_UNITS = (
    "seconds minutes hours days weeks months years",
    "second minute hour day week month year decade",
    "dollars euros rupees pounds yen pesos francs",
    "kilometers miles meters",
    "km miles meters",
    "inches feet centimeters cm",
    "kg pounds lbs grams stone",
    "litres gallons pints",
    "GB MB TB",
    "Celsius Fahrenheit",
)
_ANTONYMS = listed(
    """
    increase/decrease buy/sell good/bad best/worst open/close start/stop enable/disable add/remove hot/cold high/low
    more/less easy/difficult love/hate win/lose first/last gain/lose male/female men/women boys/girls boy/girl
    man/woman husband/wife girlfriend/boyfriend mother/father son/daughter brother/sister big/small large/small
    short/long fast/slow old/new rich/poor cheap/expensive strong/weak positive/negative public/private legal/illegal
    true/false internal/external import/export upload/download install/uninstall send/receive lend/borrow
    maximum/minimum advantages/disadvantages advantage/disadvantage pros/cons strengths/weaknesses with/without
    left/right top/bottom inside/outside indoor/outdoor online/offline morning/evening day/night north/south east/west
    single/married dead/alive deposit/withdraw follow/unfollow block/unblock hide/show accept/reject allow/ban
    create/destroy introvert/extrovert optimist/pessimist beautiful/ugly happy/sad healthy/unhealthy safe/dangerous
    clean/dirty smart/stupid intelligent/stupid employers/employees teachers/students parents/children
    doctors/patients cause/prevent causes/prevents improve/worsen strengthen/weaken lose/keep sweet/bitter loud/quiet
    deep/shallow thick/thin early/late raise/lower asleep/awake victory/defeat guilty/innocent domestic/foreign
    ancient/modern natural/artificial permanent/temporary major/minor senior/junior manual/automatic freeze/thaw
    arrive/depart remember/forget harmful/harmless useful/useless common/rare popular/unpopular possible/impossible
    brave/cowardly generous/stingy
    voluntary/mandatory rough/smooth sharp/blunt wild/tame host/guest polite/rude honest/dishonest brighter/darker
    """
)
_AUXILIARIES = listed("is are was were does do did can could should would will has have")
# "Convert X to Y", "from X to Y": a word like these stands just before X, or X and Y are no two things.
_LEADS = {
    "to": "from|convert|converting|change|changing|compare|migrate|migrating|switch from|prefer|transfer from",
    "into": "convert|converting|turn|turning|change|changing|transform|transforming|translate|translating|integrate",
    "over": "choose|choosing|prefer|pick",
    "instead of": "use|using|choose|choosing|eat|eating|buy|learn|learning|take|drink|drinking|study|prefer|have",
}
_STOPPED = frozenset(
    listed(
        """
        the a an my your his her its our their this that these those what which who how why when where is are was were
        be it i you we they he she do does did can to of in on at for from with by and or not more less better much
        many going want need able have has had used way best good there here if go get like due if so as up out
        me us them him someone somebody anyone anybody everyone nobody other others one each all new any
        """
    )
)


_QUANTIFIERS = listed("all some most no")
_MODALS = (listed("must"), listed("can may could"))
_TIMES = (
    "today tomorrow yesterday", "always sometimes never", "often rarely", "frequently seldom", "usually rarely",
)  # fmt: skip
_TURNS = listed("this next last")
_PERIODS = "week|month|year|weekend|semester|summer|winter|season|quarter|decade|Monday|Friday|Sunday"
_ERRANDS = ("ask a friend", "wait a week", "call the support", "read the manual", "pay a deposit", "save a copy")


def make_hard_edits(questions: Iterable[str], *, per_kind: int, seed: int) -> list[HardEdit]:
    """Up to `per_kind` edits of each kind, of different questions each; the same for the same seed."""
    chance = random.Random(seed)
    shuffled = sorted({q for q in questions if 4 <= len(q.split()) <= 25})
    chance.shuffle(shuffled)
    found: list[HardEdit] = []
    for kind in KINDS:
        edits = _edits(kind, shuffled, chance)
        found.extend(edit for edit, _ in zip(edits, range(per_kind), strict=False))
    return found


def _edits(kind: str, questions: Sequence[str], chance: random.Random) -> Iterator[HardEdit]:
    for question in questions:
        original = _PREPARED[kind](question, chance) if kind in _PREPARED else question
        edited = _EDITORS[kind](original, chance) if original else None
        if original and edited and edited != original:
            yield HardEdit(kind=kind, original=original, edited=edited)


def _replaced(text: str, word: re.Match[str], new: str) -> str:
    if word.group()[0].isupper():
        new = new[0].upper() + new[1:]
    return text[: word.start()] + new + text[word.end() :]


def _swap_in(text: str, words: Sequence[str], chance: random.Random, *, exact: bool = False) -> str | None:
    """Another word of the list in the place of the only one that the text holds."""
    flags = 0 if exact else re.IGNORECASE
    found = list(re.finditer(rf"(?<![\w'-])(?:{'|'.join(map(re.escape, words))})(?![\w'-])", text, flags))
    if len(found) != 1:
        return None
    others = [word for word in words if word.lower() != found[0].group().lower()]
    return _replaced(text, found[0], chance.choice(others))


def _number(text: str, chance: random.Random) -> str | None:
    found = list(re.finditer(r"(?<![\w.,:/-])\d{1,4}(?![\w.,:/-])", text))
    if len(found) == 1:
        value = int(found[0].group())
        # Two kinds of change: a little (a digit) and a lot.
        new = value + chance.choice([1, 2, 3, 10]) if chance.random() < 0.5 else value * chance.choice([2, 3, 5]) + 1
        return text[: found[0].start()] + str(new) + text[found[0].end() :]
    return None if found else _swap_in(text, _NUMBER_WORDS, chance)


def _date(text: str, chance: random.Random) -> str | None:
    year = list(re.finditer(r"\b(?:19|20)\d\d\b", text))
    if len(year) == 1:
        new = int(year[0].group()) + chance.choice([-3, -2, -1, 1, 2, 5])
        return text[: year[0].start()] + str(new) + text[year[0].end() :]
    return _swap_in(text, _MONTHS, chance, exact=True) or _swap_in(text, _DAYS, chance)


def _unit(text: str, chance: random.Random) -> str | None:
    for line in _UNITS:
        units = "|".join(line.split())
        # A unit counts where something is counted in it: after a number, "how many", "per".
        if re.search(rf"(?:\d|\bhow many|\bper|\ba|\bin|\bto|\bone|\btwo|\bthree) (?:{units})\b", text, re.IGNORECASE):
            edited = _swap_in(text, line.split(), chance)
            if edited:
                return edited
    return None


def _negation(text: str, chance: random.Random) -> str | None:
    if re.search(r"\b(?:not|never|no|without)\b|n['’]t\b", text, re.IGNORECASE) or re.search(r"[?.!;,:].*\w", text):
        return None
    inner = re.search(rf"\b(?:why|how|what|who|which)\b.*?\b({'|'.join(_AUXILIARIES)})\b (\w+)", text, re.IGNORECASE)
    if inner and re.match(r"(?i)why\b", text) and inner.group(1).lower() != "have":
        if inner.group(1).lower() in ("is", "are", "was", "were"):
            subject = re.match(r"(?i)(?:it|there|he|she|they|you|we|i|this|that)\b", inner.group(2))
            at = inner.end() if subject else None
        else:
            at = inner.start(1) + len(inner.group(1))
            return text[:at] + ("n't" if inner.group(1).lower() != "can" else "'t") + text[at:]
        return text[:at] + " not" + text[at:] if at else None
    polar = re.match(rf"(?i)({'|'.join(_AUXILIARIES)}) (i|you|we|they|he|she|it|people|there)\b", text)
    if polar:
        return text[: polar.end()] + " not" + text[polar.end() :]
    infinitive = re.search(r"\b(?:ways?|best|possible|good|bad|okay|ok|safe|legal|important|necessary) to (?=\w)", text)
    if infinitive:
        return text[: infinitive.end() - 3] + "not to " + text[infinitive.end() :]
    modal = re.search(
        r"\b(?:who|which|that|people|we|i|you|they) (?:should|can|will|would|could|are|is|do)\b (?=\w)", text
    )
    return text[: modal.end()] + "not " + text[modal.end() :] if modal else None


def _antonym(text: str, chance: random.Random) -> str | None:
    pairs = [pair.split("/") for pair in _ANTONYMS]
    chance.shuffle(pairs)
    for pair in pairs:
        edited = _swap_in(text, pair, chance)
        if edited:
            return edited
    return None


def _before_after(text: str, chance: random.Random) -> str | None:
    if len(re.findall(r"(?i)\bbefore|\bafter", text)) > 1:
        return None
    return _swap_in(text, ("before", "after"), chance)


def _place(text: str, chance: random.Random) -> str | None:
    return _swap_in(text, _PLACES, chance, exact=True)


def _name(text: str, chance: random.Random) -> str | None:
    return _swap_in(text, _NAMES, chance, exact=True)


def _role_swap(text: str, chance: random.Random) -> str | None:
    """X and Y about a word that points from the one to the other."""
    if re.search(r"\b(?:between|and|or|vs|versus|same|different|difference|similar|related|compare\w*)\b", text):
        return None
    for pivot, leads in _LEADS.items():
        pattern = rf"(?i)\b(?:{leads}) (?:an? |the |my )?([a-z+#]{{2,}}) {pivot} ([a-z+#]{{2,}})(?=\W*$|\W+\w)"
        found = re.search(pattern, text)
        if found and _can_stand(found.group(1)) and _can_stand(found.group(2)):
            swapped = f"{found.group(2)} {pivot} {found.group(1)}"
            return text[: found.start(1)] + swapped + text[found.end() :]
    than = re.search(r"(?i)^(is|are|was) (?:an? |the )?([\w+#]+) (.*\w) than (?:an? |the )?([\w+#]+)(\W*)$", text)
    if than and _can_stand(than.group(2)) and _can_stand(than.group(4)):
        return f"{than.group(1)} {than.group(4)} {than.group(3)} than {than.group(2)}{than.group(5)}"
    verb = re.search(
        r"(?i)\b(does|do|did|can|could|will|would) ([\w+#]+) "
        r"(\w*(?:affect|cause|beat|defeat|attack|love|hate|help|kill|hurt|replace|influence|support|follow|marry|trust|eat|"
        r"leave|invade|need|control|use|sue|fight|become|produce)) ([\w+#]+)\b",
        text,
    )
    if verb and _can_stand(verb.group(2)) and _can_stand(verb.group(4)):
        swapped = f"{verb.group(1)} {verb.group(4)} {verb.group(3)} {verb.group(2)}"
        return text[: verb.start()] + swapped + text[verb.end() :]
    return None


def _quantifier(text: str, chance: random.Random) -> str | None:
    """Of a subject: "Do all cats …?". "What are some …?" asks for examples, of which all would be as good."""
    found = re.match(
        rf"(?i)(?:why )?(?:do|did|are|were|have|can|could|should|will) ({'|'.join(_QUANTIFIERS)}) \w+s\b", text
    )
    if not found:
        return None
    new = chance.choice([word for word in _QUANTIFIERS if word != found.group(1).lower()])
    return text[: found.start(1)] + new + text[found.end(1) :]


def _modal(text: str, chance: random.Random) -> str | None:
    """What one may do becomes what one must, and the other way round."""
    duties, leaves = _MODALS
    polar = re.match(rf"(?i)({'|'.join((*duties, *leaves))}) (i|we|you|an?|the|my|people|one)\b", text)
    if not polar:
        return None
    new = chance.choice(leaves) if polar.group(1).lower() in duties else chance.choice(duties)
    return _swapped_at(text, polar, new)


def _swapped_at(text: str, found: re.Match[str], new: str) -> str:
    new = new.capitalize() if found.group(1)[0].isupper() else new
    return text[: found.start(1)] + new + text[found.end(1) :]


def _time_word(text: str, chance: random.Random) -> str | None:
    turn = re.search(rf"(?i)\b({'|'.join(_TURNS)}) (?:{_PERIODS})\b", text)
    if turn:
        return _swapped_at(text, turn, chance.choice([word for word in _TURNS if word != turn.group(1).lower()]))
    return next((edited for line in _TIMES if (edited := _swap_in(text, line.split(), chance))), None)


def _condition(text: str, chance: random.Random) -> str | None:
    """ "If" for "unless" where it is a condition, not a "whether"."""
    if re.search(
        r"(?i)\b(?:not|never|what if|as if|even if|know if|tell if|see if|check if|ask if|if so)\b|n['’]t\b", text
    ):
        return None
    return _swap_in(text, ("if", "unless"), chance)


def _direction(text: str, chance: random.Random) -> str | None:
    """The way back: "from A to B" becomes "to A from B"."""
    way = re.search(r"\bfrom ((?:an? |the |my )?[\w+#]+) to ((?:an? |the |my )?[\w+#]+)(?=\W*$|\W+\w)", text)
    if not way or not all(_can_stand(way.group(n).split()[-1]) for n in (1, 2)) or way.group(1) == way.group(2):
        return None
    return f"{text[: way.start()]}to {way.group(1)} from {way.group(2)}{text[way.end() :]}"


def _dated(text: str, chance: random.Random) -> str | None:
    """A question of a year, asked of a day of it."""
    year = re.findall(r"\b[iI]n ((?:19|20)\d\d)\b", text)
    if len(year) != 1 or len(re.findall(r"\d+", text)) != 1:
        return None
    one, two = chance.sample(range(1, 13), 2)
    day = chance.choice((f"{year[0]}-{one:02}-{two:02}", f"{one:02}/{two:02}/{year[0]}", f"{one}/{two}/{year[0]}"))
    return re.sub(rf"\b[iI]n {year[0]}", f"on {day}", text)


def _date_order(text: str, chance: random.Random) -> str | None:
    for pattern in (r"(\d{4}-)(\d\d)(-)(\d\d)()", r"()(\d\d?)(/)(\d\d?)(/\d{4})"):
        text = re.sub(pattern, r"\1\4\3\2\5", text)
    return text


def _stepped(text: str, chance: random.Random) -> str | None:
    """Something that is asked how to do, and another step after it."""
    found = re.fullmatch(r"(?i)how (?:do|can|should|could) (?:i|we|you) ([a-z][\w' ]+)\?", text)
    if not found or re.search(r"\b(?:and|or|then|if|when|before|after|while|without)\b", found.group(1)):
        return None
    joint = chance.choice((", then", " and then"))
    return f"Should I {found.group(1)}{joint} {chance.choice(_ERRANDS)}?"


def _step_order(text: str, chance: random.Random) -> str | None:
    return re.sub(r"^Should I (.*?)(, then| and then) (.*)\?$", r"Should I \3\2 \1?", text)


def _can_stand(word: str) -> bool:
    return word.lower() not in _STOPPED and not word.lower().endswith(("ing", "ly"))


_EDITORS: dict[str, Callable[[str, random.Random], str | None]] = {
    "number": _number,
    "date": _date,
    "unit": _unit,
    "negation": _negation,
    "antonym": _antonym,
    "before/after": _before_after,
    "name": _name,
    "place": _place,
    "role swap": _role_swap,
    "quantifier": _quantifier,
    "modal": _modal,
    "time word": _time_word,
    "condition": _condition,
    "direction": _direction,
    "date order": _date_order,
    "step order": _step_order,
}
# What a real question is made into first, where questions of the kind are hardly asked.
_PREPARED: dict[str, Callable[[str, random.Random], str | None]] = {"date order": _dated, "step order": _stepped}
