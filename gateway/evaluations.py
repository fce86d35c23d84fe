"""`daira eval`: how good search results and feeds are, as tables."""

from importlib.util import find_spec

import typer

from gateway import feed_evaluation, search_evaluation
from gateway.terminal import fail

app = typer.Typer(help="Measure how good search results and feeds are.", no_args_is_help=True)
app.command("search")(search_evaluation.evaluate_search)
app.command("feed")(feed_evaluation.evaluate_feed)
app.command("record")(feed_evaluation.record_feed)


@app.callback()
def _require_numpy() -> None:
    """Measure how good search results and feeds are."""
    if find_spec("numpy") is None:
        fail("this command needs numpy: `make .venv/installed-dev`, or install DAIRA's extra `evaluation`")
