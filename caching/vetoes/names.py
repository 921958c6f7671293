"""Named things: whether two questions are about the same ones."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from caching.vetoes.numbers import ROMAN, UNITS
from caching.vetoes.tables import listed
from caching.vetoes.words import FILLER, KEPT, Text, Word, content, stem

# Names that are written small as well. Words that mean something else too ("go", "word", "may") are not among them.
_KNOWN = frozenset(
    listed(
        """
        january february april june july august september october november december monday tuesday wednesday thursday
        friday saturday sunday christmas easter diwali ramadan halloween thanksgiving english french german spanish
        italian portuguese russian chinese mandarin cantonese japanese korean arabic hindi urdu bengali tamil telugu
        marathi punjabi gujarati kannada malayalam turkish dutch swedish danish norwegian finnish hebrew persian
        vietnamese indonesian ukrainian hungarian czech python java javascript typescript kotlin golang php scala
        haskell matlab fortran cobol lua erlang clojure pascal django angular vue nodejs laravel symfony hadoop kafka
        docker podman kubernetes openshift jenkins terraform ansible git github gitlab bitbucket mysql mariadb
        postgresql postgres mongodb redis sqlite cassandra elasticsearch html css sql json xml yaml csv pdf docx xlsx
        pptx excel powerpoint photoshop mp3 mp4 jpeg png gif linux ubuntu debian fedora centos macos android ios
        iphone ipad macbook samsung nokia xiaomi oneplus huawei google facebook instagram whatsapp twitter snapchat
        youtube quora reddit linkedin amazon flipkart netflix spotify microsoft intel nvidia tesla toyota honda
        hyundai bmw audi paypal venmo skype gmail yahoo bing ebay airbnb firefox chrome dropbox salesforce jira
        confluence trello outlook sharepoint azure aws gcp oauth saml ldap ssh vpn africa america asia europe
        australia antarctica india china japan russia germany france spain italy portugal england britain scotland
        ireland canada mexico brazil argentina peru colombia venezuela cuba egypt nigeria kenya ethiopia ghana morocco
        israel palestine iran iraq syria lebanon jordan yemen kuwait qatar oman pakistan bangladesh nepal bhutan
        afghanistan indonesia malaysia singapore thailand vietnam cambodia philippines korea taiwan mongolia ukraine
        poland romania bulgaria serbia croatia greece austria switzerland sweden norway denmark finland iceland
        netherlands belgium luxembourg estonia latvia lithuania london manchester edinburgh glasgow dublin paris lyon
        marseille berlin munich hamburg frankfurt cologne vienna zurich geneva brussels amsterdam rotterdam madrid
        barcelona seville lisbon porto rome milan naples venice athens istanbul ankara warsaw prague budapest moscow
        kyiv oslo stockholm copenhagen helsinki beijing shanghai shenzhen tokyo osaka kyoto seoul bangkok hanoi
        jakarta manila dubai riyadh doha cairo nairobi lagos johannesburg delhi mumbai bangalore bengaluru chennai
        hyderabad kolkata pune sydney melbourne brisbane auckland toronto vancouver montreal ottawa boston chicago
        seattle houston dallas austin denver miami atlanta philadelphia detroit portland texas california florida ohio
        arizona nevada colorado michigan illinois pennsylvania alice bob john james michael david robert william
        thomas daniel matthew peter paul george richard susan mary linda barbara elizabeth jennifer jessica sarah
        karen lisa nancy emily anna maria laura julia sophie ahmed mohammed rahul
        """
    )
)
# Two names of one thing.
_SAME = {name: names.split()[0] for names in (
    "us usa america american americans", "uk britain british", "india indian indians", "js javascript",
    "golang go", "postgres postgresql", "k8s kubernetes", "bangalore bengaluru", "mumbai bombay", "chennai madras",
    "kolkata calcutta", "china chinese", "germany german germans", "france french", "japan japanese", "spain spanish",
    "england english", "russia russian russians", "mac macos macbook", "fb facebook", "insta instagram",
    "ms microsoft", "nyc newyork", "uae dubai", "ai artificial", "ml machine", "pc computer computers laptop",
    "tv television", "app apps application", "web website", "trump donald", "clinton hillary", "modi narendra",
    "obama barack", "potter harry", "putin vladimir", "gandhi mahatma mohandas", "einstein albert",
    "hitler adolf", "quran koran", "muslim muslims islam islamic", "jew jews jewish", "christian christians",
) for name in names.split()}  # fmt: skip
_MANY = 32  # so many names that are not met are no other spellings; each would be looked for in every word
_VAGUE = frozenset(listed("internet web website online app tv pc phone mobile company university college school god"))


@lru_cache(maxsize=KEPT)
def names(text: Text) -> frozenset[str]:
    """The named things of a text, folded: known ones in any case, others by their capitals."""
    titled = text.is_titled
    return frozenset(_canonical(word.form) for word in text.words if _is_name(word, titled))


def _is_name(word: Word, titled: bool) -> bool:
    form, written = word.form, word.written
    if form in _KNOWN:
        return True
    if (
        len(form) < 2
        or not written[0].isalpha()
        or form in FILLER
        or form in _VAGUE
        or form in UNITS
        or written in ROMAN
    ):
        return False
    inside = written[1:]
    if inside != inside.lower() or written[-1] in "+#":  # NASA, iPhone, JavaScript, C++
        return not (titled and written.isupper()) or written[-1] in "+#"
    return written[0].isupper() and not word.opens and not titled


def _canonical(form: str) -> str:
    return _SAME.get(form, form)


def unmatched_names(text: Text, other: Text) -> frozenset[str]:
    """The names of `text` that `other` does not have, in any case, inflection, abbreviation or near spelling."""
    candidates = names(text)
    if not candidates:
        return candidates
    forms = {_canonical(form) for form in other.known} | other.stems
    missing = {name for name in candidates if name not in forms and stem(name) not in forms}
    if len(missing) > _MANY:
        return frozenset(missing)
    return frozenset(name for name in missing if not _is_written_otherwise(name, other))


def _is_written_otherwise(name: str, other: Text) -> bool:
    if 2 <= len(name) <= 6 and name in _initials(other):
        return True
    if name in map("".join, pairwise(other.forms)):  # WiFi, Wi-Fi
        return True
    if any((len(form) > 2 and name in form) or (len(form) > 2 and form in name) for form in other.known):
        return len(name) > 2
    return any(_near(name, form) for form in other.known if abs(len(form) - len(name)) <= 2 and len(form) > 3)


def _initials(text: Text) -> set[str]:
    """The initials of every run of words of a short text: "machine learning" is ml."""
    forms = text.forms[:64]
    heavy = [form for form in forms if form not in ("of", "the", "and", "for", "in", "to", "a")]
    return {
        "".join(form[0] for form in run[at : at + length])
        for run in (forms, heavy)
        for length in range(2, 7)
        for at in range(len(run) - length + 1)
    }


def _near(a: str, b: str) -> bool:
    """One spelling mistake apart: a letter too many, missing, changed, or two swapped, after the first."""
    if min(len(a), len(b)) < 5 or a[0] != b[0]:
        return False
    start = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest, other = a[start:], b[start:]
    return rest[1:] in (other, other[1:]) or rest == other[1:] or (rest[2:] == other[2:] and rest[:2] == other[1::-1])


def differ_in_names(a: Text, b: Text) -> bool:
    """Each side names a thing that the other does not know; or one word stands for another, and one is a name."""
    ours, theirs = unmatched_names(a, b), unmatched_names(b, a)
    if ours and theirs:
        return True
    return bool(ours or theirs) and _differ_in_one_word(a, b)


def _differ_in_one_word(a: Text, b: Text) -> bool:
    ours, theirs = content(a), content(b)
    return len(ours) == len(theirs) > 1 and sum(x != y for x, y in zip(ours, theirs, strict=True)) == 1
