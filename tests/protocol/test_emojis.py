"""Reactions: which strings are emoji, and which emoji show letters or digits."""

import emoji
import pytest

from protocol import emojis
from protocol.errors import CallError

RGI = [sequence for sequence, data in emoji.EMOJI_DATA.items() if data["status"] == emoji.STATUS["fully_qualified"]]


def test_every_recommended_emoji_is_accepted_unchanged():
    assert len(RGI) > 3_500
    assert [sequence for sequence in RGI if emojis.clean("emoji", sequence) != sequence] == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("❤", "❤️"), ("1⃣", "1️⃣"), ("👁‍🗨", "👁️‍🗨️"), ("ℹ", "ℹ️"), ("👍🏽", "👍🏽"), ("🏽", "🏽"), ("#️⃣", "#️⃣")],
)
def test_a_missing_variation_selector_is_added(sent, kept):
    assert emojis.clean("emoji", sent) == kept


@pytest.mark.parametrize(
    "sent",
    [
        "\u200b", "،", "\u0301", "\ufe0f", "\ue000", "\u20e3", "a", "1", "#", "", " ", "🔥 ", "🔥🔥", "🔥\ufe0f",
        "👍🏽🏽", "🇪", "🇪🇿", "\U000e0041", "🏴\U000e0061\U000e007f", "👨\u200d", "\u202e🔥", "ﷺ", "☪\ufe0e", "𝕏",
    ],
)  # fmt: skip
def test_everything_else_is_refused(sent):
    with pytest.raises(CallError) as refused:
        emojis.clean("emoji", sent)
    assert (refused.value.code, refused.value.details[0].field) == ("INVALID_ARGUMENT", "emoji")


def test_emoji_with_letters_or_digits_are_recognised():
    readable = "🅰️ 🆎 🅱️ 🅾️ 🆑 🆗 Ⓜ️ ℹ️ ™️ ©️ ®️ 1️⃣ #️⃣ *️⃣ 🔟 💯 🔠 🔤 🔞 🔙 🔜 🏧 🚾 🈁 ㊗️ 🇪🇬 🏴󠁧󠁢󠁥󠁮󠁧󠁿"
    pictures = "👏 ❤️ 😂 🔥 🌙 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🏴‍☠️ ❓ ❗ ♥️ 🟥 🕋"
    assert [each for each in readable.split() if not emojis.can_spell(emojis.clean("emoji", each))] == []
    assert [each for each in pictures.split() if emojis.can_spell(emojis.clean("emoji", each))] == []
