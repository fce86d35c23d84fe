"""`daira keys`: encrypts stored secrets with the new key after a rotation."""

from collections import Counter
from typing import TYPE_CHECKING

import typer

from gateway.terminal import command_group, fail, load_settings, run, screen

if TYPE_CHECKING:
    from gateway.settings import Settings

BATCH = 500  # secrets in one transaction

app = command_group("Encrypt stored secrets with a new key.")


@app.command()
def reseal() -> None:
    """Encrypt the secrets of all second factors with the first of DAIRA_SEALING_KEYS; processes may run.

    Afterwards the other keys are no longer needed. Exits with 1 if the keys of some secrets are missing.
    """
    settings = load_settings()
    if not settings.sealing:
        fail("DAIRA_SEALING_KEYS is not set")
    moved, stuck = run(reseal_all(settings))
    screen.print(f"sealed anew: {moved}")
    for key_id, amount in sorted(stuck.items()):
        screen.print(f"cannot be unsealed by the key {key_id}: {amount}", highlight=False)
    if stuck:
        raise typer.Exit(1)


async def reseal_all(settings: "Settings") -> tuple[int, Counter[str]]:
    """Returns how many secrets were sealed, and by missing key id how many cannot be sealed."""
    from domain.sealing import CannotUnseal, Sealing, key_id_of
    from domain.second_factors import resealed
    from gateway.owner import owner_connection
    from storage import second_factors

    sealing = Sealing(settings.sealing)
    moved, stuck, above = 0, Counter[str](), 0
    async with owner_connection(settings.owner_database) as connection:
        while rows := await second_factors.sealed_page(connection, above, BATCH):
            changes: list[tuple[int, bytes, bytes]] = []
            for user_id, sealed in rows:
                try:
                    if (anew := resealed(sealing, user_id, sealed)) is not None:
                        changes.append((user_id, sealed, anew))
                except CannotUnseal:
                    stuck[key_id_of(sealed)] += 1
            moved += await second_factors.reseal(connection, changes)
            above = rows[-1][0]
    return moved, stuck
