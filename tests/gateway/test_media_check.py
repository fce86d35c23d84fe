"""`daira check media` finds objects without files and files without objects, and repairs both."""

from datetime import timedelta

import pytest
from rich.progress import Progress

from gateway import media_check
from storage.objects import NoSuchObject
from tests.cluster import Cluster
from tests.uploads import begin, png, send


async def compare(cluster: Cluster, *, repair: bool) -> set[str]:
    told: list[str] = []
    with Progress(disable=True) as progress:
        differences = await media_check.compare_media(cluster.settings(), progress, told.append, repair=repair)
    assert differences == len(told)
    return {*told}


async def test_differences_are_found_and_repaired(cluster: Cluster, person, monkeypatch):
    alice = await person("alice")
    begun = [await begin(alice, png(100)) for _ in range(3)]
    for upload in begun[:2]:
        await send(upload, png(100))
        await alice.call("media.complete_upload", media_id=upload["media_id"])
    owner = await cluster.owner()
    lost, kept, unfinished = [int(upload["media_id"]) for upload in begun]
    keys = dict(await owner.fetch("SELECT id, object_key FROM media WHERE id = ANY ($1)", [lost, kept]))
    objects, source = cluster.stores.objects, keys[kept] + "original"
    stray = f"private/{unfinished}/{cluster.unique('x')}/hls/1.m4s"
    leftover = f"{keys[kept]}0badcafe_w320.webp"  # of an attempt that crashed
    for copy in (stray, leftover, "public/nobodys/w320.webp", *(f"{key}1_w320.webp" for key in keys.values())):
        await objects.copy(source, copy)
    # As if they were processed: `kept` has the object that it names, the other one lacks one. What was uploaded goes.
    ready = "UPDATE media SET status = 'ready', variants = $2, lane = NULL WHERE id = $1"
    await owner.execute(ready, kept, '[{"file": "1_w320.webp"}]')
    await owner.execute(ready, lost, '[{"file": "1_w320.webp"}, {"file": "1_1.m4s"}]')
    await cluster.settle()

    ours = {
        f"object {stray} belongs to no file",
        f"object {leftover} belongs to no file",
        "object public/nobodys/w320.webp belongs to no file",
    }
    lacking = f"file {lost} lacks "
    young = await compare(cluster, repair=False)
    assert ours & young == set()
    assert [line == f"file {lost} lacks {keys[lost]}1_1.m4s" for line in young if line.startswith(lacking)] == [True]
    monkeypatch.setattr(media_check, "YOUNG", timedelta(seconds=-60))
    assert ours <= await compare(cluster, repair=True)
    await cluster.settle()  # objects of the file that failed are deleted
    assert await compare(cluster, repair=False) == set()
    rows = await owner.fetch("SELECT status FROM media WHERE id = ANY ($1) ORDER BY id", [lost, kept, unfinished])
    assert [row["status"] for row in rows] == ["failed", "ready", "uploading"]
    await owner.close()


async def test_unfinished_uploads_of_no_file_are_ended(cluster: Cluster, person, monkeypatch):
    alice = await person("alice")
    kept = int((await begin(alice, png(100)))["media_id"])
    objects, key = cluster.stores.objects, f"private/5/{cluster.unique('x')}/original"
    upload_id = await objects.begin_upload(key, "image/png")
    ours = {f"unfinished upload of {key} belongs to no file"}
    assert ours & await compare(cluster, repair=True) == set()  # it is young
    monkeypatch.setattr(media_check, "OLD_UPLOAD", timedelta(seconds=-60))
    assert ours <= await compare(cluster, repair=True)
    assert ours & await compare(cluster, repair=False) == set()
    with pytest.raises(NoSuchObject):
        await objects.parts(key, upload_id)
    assert (await alice.call("media.parts", media_id=str(kept)))["items"] == []
