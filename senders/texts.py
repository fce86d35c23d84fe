"""Texts of notifications, in the languages that have a catalogue.

Sentences are noun phrases («تعليق جديد من منى»): Arabic verbs agree with the gender of the actor, which is not known.
Names and topics stand between U+2068 and U+2069, so that a Latin name does not turn an Arabic sentence around. What
could close these isolates early is removed from them.
"""

import gettext
import io
import re
from collections.abc import Sequence
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, get_args

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from protocol.account_mails import MailKind
from protocol.media import MediaKind

TextKind = Literal[
    "follow", "follow_request", "acceptance", "reaction", "comment", "reply", "mention", "share", "chat_request",
    "chat_message", "room_live", "room_invitation", "room_digest", "several", "security_new_device",
    "security_password_changed", "system", "decision", "decision_ended", "appeal_upheld", "appeal_overturned",
    "report_upheld", "report_rejected",
]  # fmt: skip
KINDS: tuple[TextKind, ...] = get_args(TextKind)
LOCALES = {"ar": Locale("ar", "EG"), "en": Locale("en")}  # of each catalogue, where an account names no known region
FALLBACK = "en"  # for languages without a catalogue
LONGEST_NAME = 50
LONGEST_BODY = 300

# The marks and controls that change the direction of text, and all other controls with line breaks.
_CONTROLS = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_ARABIC_DIGITS = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
_UNCOUNTED = {
    "room_digest", "security_new_device", "security_password_changed", "system", "decision", "decision_ended",
    "appeal_upheld", "appeal_overturned", "report_upheld", "report_rejected",
}  # fmt: skip
_WITH_BODY = {"security_new_device", "security_password_changed"}
_FOLDER = Path(__file__).with_name("catalogues")


def notification_text(
    locale: str, kind: TextKind, actors: Sequence[str], actor_count: int, detail: str = ""
) -> tuple[str, str]:
    """Return title and body; the body may be empty.

    `actors` are display names, the newest first: the first is shown, the second beside it if there are only two.
    `actor_count` counts all of them; for `several`, it counts the notifications. `detail` is what it is about: the
    beginning of a post or a message, a room's topic, a device's name, the text of a system message.
    """
    found = _locale(locale)
    texts = _catalogue(found.language)
    shown = shorten(_plain(detail), LONGEST_BODY)
    if kind in _UNCOUNTED:
        title = texts.gettext(f"{kind}.title")
    else:
        count = actor_count if kind == "several" else max(actor_count, 1)
        title = texts.ngettext(f"{kind}.title", f"{kind}.title", count)
        title = title.format(names=_names(found, actors, count), count=_number(found, count))
    if kind in _WITH_BODY:
        device = texts.gettext("device").format(device=_isolated(shown)) if shown else ""
        return title, texts.gettext(f"{kind}.body").format(device=device).strip()
    return title, shown


def message_line(locale: str, message: str) -> str:
    """Return the text of a system message in one line with its title, for lists."""
    shown = _isolated(shorten(_plain(message), LONGEST_BODY))
    return _catalogue(_locale(locale).language).gettext("system.line").format(message=shown)


def media_text(locale: str, kinds: Sequence[MediaKind]) -> str:
    """Return what these files are, such as "2 pictures"; "" without files."""
    if not kinds:
        return ""
    found = _locale(locale)
    key = f"media.{kinds[0]}" if len({*kinds}) == 1 else "media.several"
    text = _catalogue(found.language).ngettext(key, key, len(kinds))
    return text.format(count=_number(found, len(kinds)))


def account_mail_text(locale: str, kind: MailKind, detail: str = "") -> tuple[str, str]:
    """Return title and body of a mail about the account.

    `detail`: its code, the name of a device or user, or for `account_leaving` a date as YYYY-MM-DD.
    """
    found = _locale(locale)
    texts = _catalogue(found.language)
    if kind == "account_leaving":
        detail = _digits(found, format_date(date.fromisoformat(detail), "long", found))
    return texts.gettext(f"mail.{kind}.title"), texts.gettext(f"mail.{kind}.body").format(
        detail=_isolated(shorten(_plain(detail), LONGEST_NAME)) if detail else ""
    )


def feed_reason_text(locale: str, reason: str) -> str:
    """Return why a feed shows a post, as `domain.ranking.Reason` names it."""
    return _catalogue(_locale(locale).language).gettext(f"feed.{reason}")


def shorten(text: str, longest: int) -> str:
    """Return the text, cut to that many characters and marked with … if it is longer."""
    if len(text) <= longest:
        return text
    return text[: max(longest - 1, 0)].rstrip() + "…" if longest > 0 else ""


def language_of(locale: str) -> tuple[str, str]:
    """Return the language of the locale's texts, and their direction: rtl or ltr."""
    found = _locale(locale)
    return found.language, found.text_direction


def _names(locale: Locale, actors: Sequence[str], count: int) -> str:
    texts = _catalogue(locale.language)
    names = [_isolated(shorten(name, LONGEST_NAME)) for actor in actors[:2] if (name := _plain(actor))]
    first = names[0] if names else texts.gettext("somebody")
    if count == 2 and len(names) == 2:
        return texts.gettext("two").format(name=first, other=names[1])
    others = count - 1
    if not others:
        return first
    return texts.ngettext("names", "names", others).format(name=first, count=_number(locale, others))


def _isolated(text: str) -> str:
    return f"\u2068{text}\u2069"


def _plain(text: str) -> str:
    """Return the text in one line, without characters that change the direction of what follows."""
    return " ".join(_CONTROLS.sub(" ", text).split())


def _number(locale: Locale, number: int) -> str:
    return _digits(locale, format_decimal(number, locale=locale, numbering_system="default"))


def _digits(locale: Locale, written: str) -> str:
    """Babel writes Latin digits for every locale."""
    return written.translate(_ARABIC_DIGITS) if locale.default_numbering_system == "arab" else written


@cache
def _catalogue(language: str) -> gettext.GNUTranslations:
    with (_FOLDER / f"{language}.po").open("rb") as file:
        source = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, source)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@lru_cache(1_000)
def _locale(name: str) -> Locale:
    """Return the locale of that BCP 47 name if its language has a catalogue, otherwise the nearest."""
    language = name.partition("-")[0].lower()
    if language not in LOCALES:
        return LOCALES[FALLBACK]
    try:
        return Locale.parse(name, sep="-") if "-" in name else LOCALES[language]
    except (ValueError, UnknownLocaleError):
        return LOCALES[language]
