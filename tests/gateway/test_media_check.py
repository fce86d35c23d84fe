"""`daira check media` finds objects without files and files without objects, and repairs both."""

from datetime import timedelta

from rich.progress import Progress

from gateway import media_check
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
    # As if they were processed: `kept` has the object that it names, the other one does not.
    ready = "UPDATE media SET status = 'ready', variants = $2, lane = NULL WHERE id = $1"
    await owner.execute(ready, kept, '[{"file": "original"}]')
    await owner.execute(ready, lost, '[{"file": "original"}, {"file": "hls/1.m4s"}]')
    key = await owner.fetchval("SELECT object_key FROM media WHERE id = $1", kept)
    objects = cluster.stores.objects
    stray = f"private/{unfinished}/{cluster.unique('x')}/hls/1.m4s"
    for copy in (stray, "public/nobodys/w320.webp"):
        await objects.copy(key + "original", copy)

    ours = {
        f"object {stray} belongs to no file",
        "object public/nobodys/w320.webp belongs to no file",
    }
    lacking = f"file {lost} lacks "
    young = await compare(cluster, repair=False)
    assert ours & young == set()
    assert [line.endswith("hls/1.m4s") for line in young if line.startswith(lacking)] == [True]
    monkeypatch.setattr(media_check, "YOUNG", timedelta(seconds=-60))
    assert ours <= await compare(cluster, repair=True)
    assert await compare(cluster, repair=False) == set()
    rows = await owner.fetch("SELECT status FROM media WHERE id = ANY ($1) ORDER BY id", [lost, kept, unfinished])
    assert [row["status"] for row in rows] == ["failed", "ready", "uploading"]
    await owner.close()
