"""Mentions and hashtags in the text of a post."""

import pytest

from domain import post_text
from tests.protocol.test_text import HOSTILE, grows_faster_than_its_input


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("#One two#three ##four #one #ONE", ["One"]),
        ("#مصر_الجميلة، #قاهرة.", ["مصر_الجميلة", "قاهرة"]),
        ("#أهلاً_وسهلاً #مُبارك! #रिश्ता", ["أهلاً_وسهلاً", "مُبارك", "रिश्ता"]),
        ("#می\u200cخواهم #മലയാളം #日本語 #สวัสดี ＃été", ["می\u200cخواهم", "മലയാളം", "日本語", "สวัสดี", "été"]),
        ("#القاهرة #القاهره #القــاهِرة #٢٥_يناير #25_يناير", ["القاهرة", "٢٥_يناير"]),
        ("#مصر\u200d #مصر\u200f", ["مصر"]),
        ("#2026 #٢٠٢٦ #2026_01 #_ #2026goals", ["2026goals"]),
        ("#\u3164 #\u0301 #\u200d #ـ #️⃣ 1️⃣ #1️⃣", []),
        ("&#39; mail#box وسم#وسم مُ#وسم e\u0301#tag", []),
        ("https://a.example/#top www.a.example#top a.example/b?c=#top (#in) #one/#two", ["in", "one", "two"]),
        ("#" + "x" * 100 + " #" + "y" * 101, ["x" * 100]),
        (" ".join(f"#t{n}x" for n in range(50)), [f"t{n}x" for n in range(post_text.MOST_HASHTAGS)]),
    ],
    ids=ascii,
)
def test_hashtags(text, tags):
    assert post_text.hashtags(text) == tags


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@Mona, hi @mona and @ali.baba.", ["mona", "ali.baba"]),
        ("mail me@example.org or @ab or mona@ali@omar", []),
        ("@" + "x" * 30 + ". @" + "y" * 31 + " @" + "z" * 32, ["x" * 30]),
        ("(@some_one) @mona's، @ali… ،@omar", ["some_one", "mona", "ali", "omar"]),
        ("@mona@example.org @monaé @mona\u0301 @monaمصر مُ@mona", []),
        ("https://a.example/@mona a.example/@mona www.a.example?u=@mona ftp://@mona", []),
    ],
)
def test_mentions(text, names):
    assert post_text.mentioned_usernames(text) == names


@pytest.mark.parametrize(
    "unit", [*HOSTILE, "#", "@", "#a", "@a.", "a.", "a-", "a://", "www.", "#a\u200c", "/", "＃"], ids=ascii
)
def test_naming_takes_linear_time(unit):
    for prefix in ("", "#", "@"):
        for read in (post_text.hashtags, post_text.mentioned_usernames):
            assert not grows_faster_than_its_input(lambda text, read=read, p=prefix: read(p + text), unit, 5_000)
