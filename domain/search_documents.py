"""Makes the indexed documents of posts, users, rooms, hashtags and words, and the terms of queries."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from domain.post_text import hashtags
from language.analysis import MOST_ALTERNATIVES, Word, document_terms, fold, folded_words, query_terms, words
from language.phonetics import consonants
from language.stems import is_arabic
from language.stop_words import STOP_WORDS
from language.words import read_word
from protocol.live_rooms import RoomState
from storage.search import FIRST_AUTHORS, IndexedPost, IndexedRoom, IndexedUser, Used
from storage.search_engine import Document, word_id
from storage.snowflakes import minted_at

MOST_TERMS = 1_300
LONGEST_BEGINNING = 12  # characters of a word, or of its phonetic key

_ROOM_WEIGHTS: dict[RoomState, int] = {"live": 6, "scheduled": 3, "ended": 0}
_BETWEEN_WORDS = re.compile(r"[_.]+|(?<=[^\W\d_])(?=\d+(?:[_.]|$))")
_HALF_LETTERS = frozenset("cdgkst")  # an h after them makes another sound
_LETTERS, _SOUNDS = "^", "^~"  # begin terms of suggestions
_VOWEL = "'"  # begins the sounds of a word
_BEGIN_WITH_VOWEL = frozenset("aeiou23اعقء")
_FEW_LETTERS = 2  # which may be vowels of any word
_ARTICLE = re.compile("^(?:[eai]l|ال)(?=.)")
_SERVANT = re.compile("3?abd|عبد")  # Abd and Allah, al-Din
_HOLY = re.compile("الدين|الله|(?:[ea]l)?d(?:i|ee)ne?|a?llah")
_LENGTHS = range(3, 21)  # characters of words that are suggested
_MOST_NAMED = 60  # words and hashtags of a post
_WRITTEN = re.compile(r"(?<![#\w])[^\W\d_]+(?!\w)")
_ADDRESS = re.compile(r"\S*(?:://|@|www\.)\S*")
_HASH = re.compile("[#＃]")


def of_post(post: IndexedPost) -> Document:
    terms = _distinct((*map(tag_term, post.hashtags), *document_terms(post.text)))
    return Document(kind="post", id=post.id, terms=terms, title="", created_at=minted_at(post.id))


def of_user(user: IndexedUser) -> Document:
    """People who have more followers weigh more: one step for each doubling."""
    name = f"{user.display_name} {user.username} {_spaced(user.username)}"
    terms = _distinct((user.username.lower(), *document_terms(name), *beginnings(name)))
    weight = _steps(user.follower_count)
    return Document(
        kind="user", id=user.id, terms=terms, title=user.username, created_at=minted_at(user.id), weight=weight
    )


def of_room(room: IndexedRoom) -> Document:
    return Document(
        kind="room",
        id=room.id,
        terms=_distinct(document_terms(room.topic)),
        title="",
        created_at=minted_at(room.id),
        weight=_ROOM_WEIGHTS[room.state],
    )


def of_use(used: Used) -> Document | None:
    """Return the document of a hashtag or a word; None for a word that too few people have written."""
    weight = _steps(used.uses)
    if used.shown.startswith("#"):
        tag = used.shown[1:]
        name = _spaced(tag)
        terms = _distinct((tag_term(tag), *document_terms(name), *beginnings(f"{tag} {name}")))
        return Document(kind="hashtag", id=used.id, terms=terms, title=tag, created_at=minted_at(0), weight=weight)
    if used.people < FIRST_AUTHORS:
        return None
    terms = _distinct(beginnings(used.shown))
    return Document(kind="word", id=used.id, terms=terms, title=used.shown, created_at=minted_at(0), weight=weight)


def named_in(post: IndexedPost) -> dict[int, str]:
    """The hashtags of a post, with #, and if everybody may read it, its words, by the ids of their documents."""
    named = {word_id(tag_term(tag)): f"#{tag}" for tag in post.hashtags}
    if not post.is_open:
        return named
    text = _ADDRESS.sub(" ", post.text)
    meaningful = {*folded_words(text)}
    for written in _WRITTEN.findall(text):
        folded = fold(written)
        if len(folded) in _LENGTHS and folded in meaningful and len(named) < _MOST_NAMED:
            named.setdefault(word_id(folded), written)
    return named


def tag_term(tag: str) -> str:
    """The term of a hashtag. No word has it."""
    return f"#{fold(tag)}"


def query_groups(q: str) -> list[tuple[str, ...]]:
    """For each word of a query the terms that stand for it, best first. A hashtag is also asked for as its words."""
    tags = [(tag_term(tag), *group) for tag in hashtags(q) for group in query_terms(_spaced(tag)) or [()]]
    rest = _HASH.sub(" ", q) if not tags else " ".join(part for part in q.split() if not _HASH.match(part))
    return [*tags, *query_terms(rest)] if rest.strip() else tags


def are_two_words(groups: Sequence[Sequence[str]]) -> bool:
    """Whether a query has two words, and no hashtag."""
    return len(groups) == 2 and not any(group[0].startswith("#") for group in groups)


def suggestion_groups(q: str) -> list[tuple[str, ...]]:
    """Return the groups of terms of a query whose last word may be unfinished."""
    typed = words(_HASH.sub(" ", q))
    if not typed:
        return []
    *finished, unfinished = (word.folded for word in typed)
    forms = dict.fromkeys((unfinished, _ARTICLE.sub("", unfinished)))
    sounds = dict.fromkeys(sound for form in forms for sound in _sounds_so_far(form))
    beginning = (*(_LETTERS + form[:LONGEST_BEGINNING] for form in forms), *(_SOUNDS + sound for sound in sounds))
    meaningful = " ".join(word for word in finished if word not in STOP_WORDS)
    return [*query_terms(meaningful), beginning[:MOST_ALTERNATIVES]]


def beginnings(text: str) -> Iterator[str]:
    """The terms by which suggestions find the words of a text from their first letters on."""
    said = words(text)
    for word in said:
        yield from _prefixes(_LETTERS, word.folded.lstrip("#"))
        yield from _prefixes(_LETTERS, word.bare[0])
        yield from (term for sound in _with_article(word) for term in _prefixes(_SOUNDS, sound))
        if word.folded[0] in _BEGIN_WITH_VOWEL or word.bare[0][0] in _BEGIN_WITH_VOWEL:
            yield _SOUNDS + _VOWEL
    for name, other in pairwise(said):
        if _SERVANT.fullmatch(name.folded) or _HOLY.fullmatch(other.folded):  # also written as one word
            joined = (one + article + two for one in _sounds(name) for two in _sounds(other) for article in ("l", ""))
            yield from (term for sound in joined for term in _prefixes(_SOUNDS, sound))


def _prefixes(mark: str, whole: str) -> Iterator[str]:
    return (mark + whole[:length] for length in range(1, min(len(whole), LONGEST_BEGINNING) + 1))


def _sounds(word: Word) -> list[str]:
    """The consonants of a word's phonetic keys, or its vowels if it has no consonants."""
    return list(dict.fromkeys(consonants(key) or _VOWEL + key.strip("'*") for key in word.keys))


def _with_article(word: Word) -> list[str]:
    sounds = _sounds(word)
    return [*sounds, *(f"l{sound}" for sound in sounds)] if word.folded.startswith("ال") else sounds


def _sounds_so_far(unfinished: str) -> Iterator[str]:
    """The first sounds of all words that begin with these letters."""
    whole = _sounds(read_word(unfinished))
    # Letters are read otherwise at the end of a word: one more, which is never read together with others, keeps them
    # from it. The vowels of a longer word may be heard otherwise, too, and be followed by any consonant.
    going_on = [sound[:-1] for sound in _sounds(read_word(unfinished + ("ف" if is_arabic(unfinished) else "f")))]
    half = [sound[:-1] for sound in whole if unfinished[-1] in _HALF_LETTERS and len(sound) > 1]
    for sound in (*whole, *going_on, *half):
        if sound:
            yield sound[:LONGEST_BEGINNING]
        elif len(unfinished) <= _FEW_LETTERS:
            yield _VOWEL


def _spaced(name: str) -> str:
    """A hashtag or a username as words."""
    return _BETWEEN_WORDS.sub(" ", name)


def _steps(count: int) -> int:
    return min((count + 1).bit_length() - 1, 63)


def _distinct(terms: Iterable[str]) -> Sequence[str]:
    return list(dict.fromkeys(term for term in terms if term))[:MOST_TERMS]
