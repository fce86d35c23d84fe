"""The hook for outside classifiers, against a real HTTP server that answers well, late, wrongly or too much."""

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from moderation.classifier import Classifier, Question
from storage.breaker import OPEN_S
from tests.moderation import classifier_server
from tests.moderation.classifier_server import SECRET, Answer, ClassifierServer

DEADLINE_S = 1.0


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ClassifierServer]:
    server = ClassifierServer()
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def classifier(server: ClassifierServer) -> AsyncIterator[Classifier]:
    classifier = Classifier(server.url, SECRET, DEADLINE_S)
    yield classifier
    await classifier.close()


def question(id: str = "1") -> Question:
    return Question(id=id, target_type="post", target_id="7", text="صباح الخير", age_h=2.5, is_verified=False)


async def test_a_signed_question_gets_a_signed_answer(server: ClassifierServer, classifier: Classifier):
    server.scores = {"spam": 0.25, "hate": 1.0}
    assert await classifier.ask(question()) == {"spam": 0.25, "hate": 1.0}
    assert server.questions == [
        {
            "id": "1",
            "target_type": "post",
            "target_id": "7",
            "text": "صباح الخير",
            "author": {"age_h": 2.5, "is_verified": False},
        }
    ]


async def test_a_classifier_with_another_secret_learns_nothing(server: ClassifierServer):
    stranger = Classifier(server.url, "another secret of 32 characters!!", DEADLINE_S)
    assert await stranger.ask(question()) is None
    await stranger.close()
    assert server.questions == []


MISBEHAVIOURS = [
    getattr(classifier_server, name)
    for name in (
        "fails", "redirects", "forges", "signs_nothing", "replays", "is_old", "exaggerates", "invents", "babbles",
        "floods", "sleeps", "hangs_up",
    )
]  # fmt: skip


@pytest.mark.parametrize("answer", MISBEHAVIOURS, ids=lambda answer: answer.__name__)
async def test_a_wrong_answer_is_no_answer_and_takes_bounded_time(
    server: ClassifierServer, classifier: Classifier, answer: Answer
):
    server.answers = [answer, answer]
    began = time.monotonic()
    assert await classifier.ask(question()) is None
    assert time.monotonic() - began < 2 * DEADLINE_S
    assert len(server.questions) <= 2


async def test_a_failure_is_tried_once_more(server: ClassifierServer, classifier: Classifier):
    server.scores = {"spam": 0.5}
    server.answers = [classifier_server.fails]
    assert await classifier.ask(question()) == {"spam": 0.5}
    assert len(server.questions) == 2


async def test_a_classifier_that_is_down_is_asked_seldom(server: ClassifierServer, classifier: Classifier):
    server.answers = [classifier_server.fails] * 100
    for number in range(50):
        assert await classifier.ask(question(str(number))) is None
    assert len(server.questions) <= 2 * (1 + 1 / OPEN_S)
    server.answers = []
    deadline = time.monotonic() + 10 * OPEN_S
    while await classifier.ask(question()) is None:
        assert time.monotonic() < deadline
