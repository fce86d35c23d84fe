"""`daira learn`: learns at once what a worker learns once a day."""

from typing import TYPE_CHECKING

from gateway.terminal import command_group, fail, load_settings, notes, run, screen

if TYPE_CHECKING:
    from rich.progress import Progress

    from gateway.settings import Settings
    from workers.embeddings import VectorsLearnt

app = command_group("Run at once the learning that a worker runs once a day.")


@app.command("embeddings")
def learn_embeddings() -> None:
    """Learn vectors of users and posts from the engagement of the last 30 days, for ranked feeds."""
    from importlib.util import find_spec

    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    if find_spec("implicit") is None:
        fail("this needs the extra `learning`: pip install 'daira[learning]'")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=notes, transient=True) as progress:
        learnt = run(_learn(load_settings(), progress))
    screen.print(
        f"learnt vectors of {learnt.users} users and {learnt.posts} posts from {learnt.engagements} engagements"
    )


async def _learn(settings: "Settings", progress: "Progress") -> "VectorsLearnt":
    from gateway.stores import open_database
    from workers.embeddings import learn

    task = progress.add_task("reading", total=1.0)

    def step(name: str, done: float) -> None:
        progress.update(task, description=name, completed=done)

    async with open_database(settings.worker_database, 1, serves=False) as database:
        return await learn(database, step)
