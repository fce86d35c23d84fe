"""`python -m bench.media`: media from a completed upload to ready, beside bare Pillow and PyAV runs of the same work.

A node, its workers and the client share this machine's cores, as on a laptop. "Bare" does the work in this process,
without a sandbox, a store or a database. Nothing is asserted: machines are noisy, so compare the ratios.
"""

import asyncio
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from fractions import Fraction
from functools import partial
from io import BytesIO
from pathlib import Path

import av
import uvloop
from PIL import Image

from bench.measure import Row, print_table, timed
from gateway.observability import configure_logs
from media.jobs import Step
from media.processing import ProcessingRules, make_job, process
from media.sniff import Kind
from tests.cluster import Cluster
from tests.media.films import make_film
from tests.people import Person
from tests.uploads import begin, send
from workers.media_lanes import LANES, run_lane

IMAGES = 20
VIDEOS = 3
LONG_S = 60  # of the video that is encoded meanwhile
SHORT_S = 10
WIDTHS = (1_280, 640, 320)


async def main() -> None:
    configure_logs("error", "console")
    async with AsyncExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="daira-media-bench-")))
        cluster = Cluster(folder / "servers", None)
        closing.push_async_callback(cluster.stop)
        await cluster.start()
        await closing.enter_async_context(_lanes(cluster))
        alice = await cluster.person("alice")
        print_table([*await _images(alice, folder), *await _videos(folder)])
        await cluster.leave()


@asynccontextmanager
async def _lanes(cluster: Cluster) -> AsyncIterator[None]:
    stop, url = asyncio.Event(), cluster.servers.postgres_url("daira_worker")
    running = [asyncio.create_task(run_lane(cluster.workers.tools, name, url, stop)) for name in LANES]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*running)


# ------------------------------------------------------------------------------------------------ images


async def _images(alice: Person, folder: Path) -> list[Row]:
    """A photo of 12 megapixels, alone and while a long video is encoded."""
    body = await asyncio.to_thread(_photo)
    ready = partial(_ready, alice, body)
    bare = await timed("bare", lambda _: asyncio.to_thread(_bare_image, body), IMAGES, warm_up=1)
    alone = await timed("image", ready, IMAGES, warm_up=1)
    film = await asyncio.to_thread(_film, folder / "long.mp4", LONG_S)
    video = await begin(alice, film, filename="long.mp4", content_type="video/mp4")
    await send(video, film)
    await alice.call("media.complete_upload", media_id=video["media_id"])
    await alice.expect("media.progressed")
    beside = await timed("image beside a video", ready, IMAGES, warm_up=0)
    still = (await alice.call("media.get", media_id=video["media_id"]))["status"]
    return [
        Row("image of 12 MP, from completion to ready", alone, "Pillow, in this process", bare, "-/3000/-"),
        Row(f"the same while a video is encoded (then: {still})", beside, "Pillow, alone", bare, "-/3000/-"),
    ]


async def _ready(alice: Person, body: bytes, number: int) -> float:
    begun = await begin(alice, body, filename="a.jpg", content_type="image/jpeg")
    await send(begun, body)
    began = time.perf_counter()
    await alice.call("media.complete_upload", media_id=begun["media_id"])
    await alice.expect("media.ready")
    return time.perf_counter() - began


def _photo() -> bytes:
    content = BytesIO()
    noise = Image.effect_noise((1_000, 750), 60).resize((4_000, 3_000)).convert("RGB")
    noise.save(content, "JPEG", quality=92)
    return content.getvalue()


def _bare_image(body: bytes) -> None:
    photo = Image.open(BytesIO(body))
    photo.draft("RGB", (WIDTHS[0], WIDTHS[0]))
    image: Image.Image = photo
    for width in WIDTHS:
        image = image.resize((width, width * 3 // 4), Image.Resampling.LANCZOS)
        image.save(BytesIO(), "WEBP", quality=80, method=4)


# ------------------------------------------------------------------------------------------------ videos


async def _videos(folder: Path) -> list[Row]:
    """A video of 1080p: encoded, since its colours do not fit; its ladder; and one that is copied."""
    odd, plain = folder / "odd.mp4", folder / "plain.mp4"
    await asyncio.to_thread(_film, odd, SHORT_S)
    await asyncio.to_thread(make_film, plain, size=(1_920, 1_080), seconds=SHORT_S, rate=30)
    encoded = await timed("video", partial(_process, folder, odd, "video", "first"), VIDEOS, warm_up=0)
    ladder = await timed("ladder", partial(_process, folder, plain, "video", "second"), VIDEOS, warm_up=0)
    copied = await timed("copy", partial(_process, folder, plain, "video", "first"), VIDEOS, warm_up=0)
    one = [(1_920, 1_080)]
    bare = await timed("bare", lambda _: asyncio.to_thread(_bare_video, odd, one), VIDEOS, warm_up=0)
    sizes = [(1_280, 720), (854, 480), (426, 240)]
    rungs = await timed("bare rungs", lambda _: asyncio.to_thread(_bare_video, plain, sizes), VIDEOS, warm_up=0)
    what = f"{SHORT_S} s of 1080p at 30 fps, in CPU time"
    return [
        Row(f"{what}: encoded, with a poster", encoded, "PyAV, one encoder", bare, ""),
        Row(f"{what}: copied, with a poster", copied, "PyAV, one encoder", bare, ""),
        Row(f"{what}: HLS, 4 rungs, the top copied", ladder, "PyAV, three encoders", rungs, ""),
    ]


def _film(path: Path, seconds: int) -> bytes:
    make_film(path, size=(1_920, 1_080), seconds=seconds, rate=30, pixels="yuv444p", options={"preset": "ultrafast"})
    return path.read_bytes()


async def _process(folder: Path, source: Path, kind: Kind, step: Step, number: int) -> float:
    """Returns the seconds of CPU of the child: it yields to everything else, so that its time says little."""

    async def ignore(percent: int) -> None: ...

    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    scratch = Path(tempfile.mkdtemp(dir=folder))
    (scratch / "source").hardlink_to(source)
    await process(make_job(kind, step, "source", ProcessingRules()), scratch, ignore)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _bare_video(source: Path, sizes: list[tuple[int, int]]) -> float:
    """Decode once, and encode each size with the same settings, without sound. Returns the seconds of CPU."""
    began = time.process_time()
    with av.open(str(source)) as film:
        outputs = []
        for width, height in sizes:
            output = av.open(BytesIO(), "w", format="mp4")
            stream = output.add_stream("libx264", rate=30, options={"preset": "veryfast", "crf": "23"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.thread_count = 2
            outputs.append((output, stream))
        film.streams.video[0].thread_type = "AUTO"
        for number, frame in enumerate(film.decode(video=0)):
            for output, stream in outputs:
                shown = frame.reformat(stream.width, stream.height, "yuv420p")
                shown.pts, shown.time_base = number, Fraction(1, 30)
                output.mux(stream.encode(shown))
        for output, stream in outputs:
            output.mux(stream.encode(None))
            output.close()
    return time.process_time() - began


if __name__ == "__main__":
    uvloop.run(main())
