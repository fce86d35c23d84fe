"""Makes the indexed documents of posts, users, rooms, hashtags and words, and the terms of queries."""

import re
from collections.abc import Iterable, Iterator, Sequence

from domain.post_text import hashtags
from language.analysis import Word, document_terms, fold, folded_words, query_terms, words
from protocol.live_rooms import RoomState
from storage.search import FIRST_AUTHORS, IndexedPost, IndexedRoom, IndexedUser, Used
from storage.search_engine import Document, word_id
from storage.snowflakes import minted_at

MOST_TERMS = 1_300
LONGEST_BEGINNING = 12  # characters of a word, or of its phonetic key

_ROOM_WEIGHTS: dict[RoomState, int] = {"live": 6, "scheduled": 3, "ended": 0}
_BETWEEN_WORDS = re.compile(r"[_.]+|(?<=[^\W\d_])(?=\d+(?:[_.]|$))")
_HALF_LETTERS = frozenset("cdgkst")  # an h after them makes another sound
_NOT_CONSONANTS = re.compile(r"[AIU'*]")
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
    unfinished = typed[-1]
    sounds = _sounds(unfinished)
    if unfinished.folded[-1] in _HALF_LETTERS:
        sounds += [sound[:-1] for sound in sounds if len(sound) > 1]
    beginning = (
        f"^{unfinished.folded[:LONGEST_BEGINNING]}", *(f"^~{sound[:LONGEST_BEGINNING]}" for sound in sounds)
    )  # fmt: skip
    return [*query_terms(" ".join(word.folded for word in typed[:-1])), beginning]


def beginnings(text: str) -> Iterator[str]:
    """The terms by which suggestions find the words of a text from their first letters on."""
    for word in words(text):
        for mark, whole in (("^", word.folded.lstrip("#")), *(("^~", sound) for sound in _sounds(word))):
            yield from (mark + whole[:length] for length in range(1, min(len(whole), LONGEST_BEGINNING) + 1))


def _sounds(word: Word) -> list[str]:
    """The consonants of a word's phonetic keys. Of a word that goes on, they are the first ones."""
    return list(dict.fromkeys(sound for key in word.keys if (sound := _NOT_CONSONANTS.sub("", key))))


def _spaced(name: str) -> str:
    """A hashtag or a username as words."""
    return _BETWEEN_WORDS.sub(" ", name)


def _steps(count: int) -> int:
    return min((count + 1).bit_length() - 1, 63)


def _distinct(terms: Iterable[str]) -> Sequence[str]:
    return list(dict.fromkeys(term for term in terms if term))[:MOST_TERMS]
