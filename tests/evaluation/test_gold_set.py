"""The gold set is whole: every judgement names a document, and every form is there."""

from collections import Counter

from domain.post_text import hashtags
from evaluation.gold_set import load_gold_set
from evaluation.search_scores import K
from protocol.text import fold

GOLD = load_gold_set()


def test_it_has_the_promised_size():
    assert len(GOLD.documents) >= 1_000
    assert len(GOLD.queries) >= 300
    held_out = sum(query.topic.is_held_out for query in GOLD.queries)
    assert 0.2 <= held_out / len(GOLD.queries) <= 0.3


def test_documents_and_queries_are_distinct():
    assert max(Counter(document.id for document in GOLD.documents).values()) == 1
    assert max(Counter((document.kind, document.text) for document in GOLD.documents).values()) == 1
    assert max(Counter((query.kind, query.text) for query in GOLD.queries).values()) == 1


def test_each_query_has_one_to_ten_relevant_documents_of_its_kind():
    kinds = {document.id: document.kind for document in GOLD.documents}
    for query in GOLD.queries:
        assert 1 <= len(query.grades) <= K, query.text
        assert all(kinds[document] == query.kind for document in query.grades), query.text
        assert set(query.grades.values()) <= {1.0, 2.0}, query.text


def test_each_hashtag_is_in_a_post():
    posts = {fold(tag) for document in GOLD.documents if document.kind == "post" for tag in hashtags(document.text)}
    assert {fold(document.text) for document in GOLD.documents if document.kind == "hashtag"} == posts


def test_all_forms_and_digits_are_there():
    forms = Counter(f"{query.form}:{query.variant}" for query in GOLD.queries)
    for variant in ("clitic", "hamza", "taa", "yaa", "tashkeel", "tatweel", "digits", "spacing", "elongation"):
        assert forms[f"script:{variant}"] >= 3
    for digit in "2356789":
        assert forms[f"arabizi:{digit}"] >= 3
    assert min(forms["mixed:"], forms["typo:"], forms["english:"], forms["plain:"]) >= 20


def test_each_clitic_stands_before_a_query():
    texts = [query.text for query in GOLD.queries if query.variant == "clitic"]
    for clitic in (
        "ال",
        "وال",
        "فال",
        "بال",
        "كال",
        "لل",
        "وبال",
        "فبال",
        "ولل",
        "فلل",
        "وكال",
        "وب",
        "ول",
        "فب",
        "عال",
    ):
        assert any(text.startswith(clitic) for text in texts), clitic
