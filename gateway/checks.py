"""`daira check`: finds differences between data that are stored twice, and repairs them."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.terminal import command_group, counting_bars, fail, load_settings, run, screen

if TYPE_CHECKING:
    from rich.progress import Progress

    from gateway.settings import Settings
    from storage.audit_chain import ChainHead, Verified
    from storage.database import Database

BATCH = 500  # targets
RETRY_S = 0.05

app = command_group("Check counts, files, backups and the audit trail for differences.")


@app.command("counts")
def check_counts(
    repair: Annotated[bool, typer.Option("--repair", help="set each count to the number of its rows")] = False,
) -> None:
    """Compare the counts of posts and comments with their rows; processes may run. Exits with 1 if some differ."""
    with counting_bars() as progress:
        differences = run(compare_counts(load_settings(), progress, repair=repair))
    screen.print(f"{differences} counts differ{'ed and are repaired' if repair and differences else ''}")
    if differences and not repair:
        raise typer.Exit(1)


@app.command("media")
def check_media(
    repair: Annotated[
        bool, typer.Option("--repair", help="delete objects without files, and mark files without objects as failed")
    ] = False,
) -> None:
    """Compare users' files with the objects in the store; processes may run. Exits with 1 if they differ."""
    from gateway.media_check import compare_media

    with counting_bars() as progress:
        differences = run(compare_media(load_settings(), progress, print_difference, repair=repair))
    screen.print(f"{differences} differences{', repaired' if repair and differences else ''}")
    if differences and not repair:
        raise typer.Exit(1)


@app.command("audit")
def check_audit(
    earlier: Annotated[
        str | None, typer.Option("--earlier", metavar="PLACE:HASH", help="the head that an earlier run printed")
    ] = None,
) -> None:
    """Compare the audit trail with its chain of hashes. Exits with 1 at the first row that has changed since.

    Keep the head that it prints on another system: with `--earlier`, it also detects a chain that was truncated or
    rewritten.
    """
    from storage.audit_chain import ChainHead

    try:
        known = ChainHead.parse(earlier) if earlier else None
    except ValueError:
        fail("--earlier takes what the command printed as head: a number, a colon and a hash")
    found = run(verify_audit(load_settings(), known))
    if found.broken is not None:
        screen.print(f"broken: {found.broken}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    screen.print(f"{found.head.place} audit rows are as they were sealed", highlight=False)
    screen.print(f"head: {found.head}", highlight=False, soft_wrap=True)


async def verify_audit(settings: "Settings", earlier: "ChainHead | None") -> "Verified":
    from gateway.owner import owner_connection
    from storage import audit_chain

    async with owner_connection(settings.owner_database) as connection:
        return await audit_chain.verify(connection, earlier)


def print_difference(difference: str) -> None:
    screen.print(difference, highlight=False, soft_wrap=True)


async def compare_counts(settings: "Settings", progress: "Progress", *, repair: bool) -> int:
    """Print each difference. Returns how many there are."""
    from gateway.stores import open_database
    from storage import counts

    differences = 0
    async with open_database(settings.worker_database, 1, serves=False) as database:
        for kind in counts.KINDS:
            async with database.transaction() as tx:
                bar = progress.add_task(f"{kind}s", total=await counts.targets(tx, kind))
            after, ids = 0, [0] * BATCH
            while len(ids) == BATCH:
                async with database.transaction() as tx:
                    ids = await counts.targets_after(tx, kind, after, BATCH)
                    found = await (counts.repair if repair else counts.drift)(tx, kind, ids)
                for each in found:
                    what = f"{kind} {each.target_id}: {each.field} {each.stored}, but its rows make {each.expected}"
                    screen.print(what, highlight=False, soft_wrap=True)
                differences += len(found)
                progress.advance(bar, len(ids))
                after = ids[-1] if ids else after
        if repair and differences:
            await _fold(database)
    return differences


async def _fold(database: "Database") -> None:
    """Fold the changes that the repair has inserted, because there may be no worker that does it."""
    from storage import counts

    folded = BATCH
    while folded == BATCH:
        async with database.transaction() as tx:
            has_turn = await counts.take_turn(tx)
            if has_turn:
                folded = await counts.fold(tx, BATCH)
        if not has_turn:
            await asyncio.sleep(RETRY_S)
