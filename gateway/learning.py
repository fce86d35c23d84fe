"""`daira learn`: learns at once what a worker learns once a day."""

from typing import TYPE_CHECKING

from gateway.terminal import Step, command_group, fail, load_settings, percent_bar, run, screen

if TYPE_CHECKING:
    from gateway.settings import Settings
    from workers.embeddings import VectorsLearnt

app = command_group("Run at once the learning that a worker runs once a day.")


@app.command("embeddings")
def learn_embeddings() -> None:
    """Learn vectors of users and posts from the engagement of the last 30 days, for ranked feeds."""
    from importlib.util import find_spec

    if find_spec("implicit") is None:
        fail("this needs the extra `learning`: pip install 'daira[learning]'")
    with percent_bar() as progress:
        learnt = run(_learn(load_settings(), progress))
    screen.print(
        f"learnt vectors of {learnt.users} users and {learnt.posts} posts from {learnt.engagements} engagements"
    )


async def _learn(settings: "Settings", progress: Step) -> "VectorsLearnt":
    from gateway.stores import open_database
    from workers.embeddings import learn

    async with open_database(settings.worker_database, 1, serves=False) as database:
        return await learn(database, progress)
