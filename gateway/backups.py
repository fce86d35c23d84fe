"""`daira backup`, `daira restore` and `daira check backup`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.terminal import counting_bars, load_settings, run, screen

Folder = Annotated[Path, typer.Argument(help="the folder of the backup", metavar="DIR")]
Jobs = Annotated[int, typer.Option(min=1, max=64, help="number of tables that are read or written at once")]


def backup(
    folder: Folder,
    objects: Annotated[bool, typer.Option("--objects/--no-objects", help="copy objects, or only list them")] = True,
    jobs: Jobs = 2,
    metrics: Annotated[
        Path | None, typer.Option(help="write the time of success into this file, for node_exporter", metavar="FILE")
    ] = None,
) -> None:
    """Back up the database and the bucket into a new folder; processes may run. Restore with `daira restore`."""
    from gateway.backup_folder import BackupFolder
    from gateway.backup_work import make_backup, write_metrics

    with counting_bars() as progress:
        made = run(make_backup(load_settings(), BackupFolder(folder), progress, objects=objects, jobs=jobs))
    if metrics is not None:
        write_metrics(metrics)
    copied = "copied" if made.has_objects else "listed"
    screen.print(f"backed up {sum(made.rows.values())} rows; {made.objects} objects {copied}: {folder}", soft_wrap=True)


def restore(folder: Folder, jobs: Jobs = 2) -> None:
    """Restore a backup into an empty database and the bucket; no process may run. Then check counts and files."""
    from gateway.backup_folder import BackupFolder
    from gateway.backup_work import restore_backup

    with counting_bars() as progress:
        differences = run(restore_backup(load_settings(), BackupFolder(folder), progress, jobs=jobs))
    screen.print(f"restored {folder}; {differences} differences between rows, counts and objects", soft_wrap=True)
    if differences:
        raise typer.Exit(1)


def check_backup(folder: Folder) -> None:
    """Compare a backup's files with their checksums. Exits with 1 if some differ."""
    from gateway.backup_folder import BackupFolder
    from gateway.backup_work import find_faults

    found = BackupFolder(folder)
    with counting_bars() as progress:
        faults = run(find_faults(found, progress))
    made = found.manifest()
    for fault in faults:
        screen.print(fault, highlight=False, soft_wrap=True)
    screen.print(f"faults: {len(faults)}; made {made.made_at} of schema {made.schema}", soft_wrap=True)
    if faults:
        raise typer.Exit(1)
