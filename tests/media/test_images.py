"""What becomes of images: upright, in the right colours, small, and hashed."""

from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageOps

from media.hashes import blurhash
from media.jobs import MediaLimits, Processed
from tests.media.cleanliness import metadata_in
from tests.media.corpus import CASES
from tests.media.films import frame
from tests.media.runs import run

RED = (220, 20, 20)


def near(found: tuple[int, ...], wanted: tuple[int, ...], by: int = 30) -> bool:
    return all(abs(a - b) <= by for a, b in zip(found[:3], wanted, strict=True))


async def processed(folder: Path, name: str, step: str = "first") -> tuple[Processed, Path]:
    result, output, _ = await run(folder, CASES[name].write(folder), "image", step)  # type: ignore[arg-type]
    assert isinstance(result, Processed), result.text
    return result, output


@pytest.mark.parametrize("orientation", range(2, 9))
async def test_turned_photo_is_upright(tmp_path: Path, orientation: int) -> None:
    result, output = await processed(tmp_path, f"turned-{orientation}.jpg")
    wanted = ImageOps.exif_transpose(Image.open(tmp_path / f"turned-{orientation}.jpg"))
    shown = Image.open(output / "w300.webp" if orientation >= 5 else output / "w400.webp")
    assert (result.width, result.height) == shown.size == wanted.size
    difference = ImageChops.difference(shown.convert("L"), wanted.convert("L")).resize((1, 1), Image.Resampling.BOX)
    assert difference.getpixel((0, 0)) < 4


async def test_photo_of_a_phone_is_upright(tmp_path: Path) -> None:
    result, output = await processed(tmp_path, "turned.heic")
    shown = Image.open(output / "w400.webp").convert("RGB")
    assert (result.width, result.height) == shown.size == (400, 300)
    assert near(shown.getpixel((50, 50)), RED)
    assert not near(shown.getpixel((350, 50)), RED)


@pytest.mark.parametrize("name", ["cmyk.jpg", "bad-icc.jpg", "icc-of-gray.png", "rgb-key.png", "gps.avif"])
async def test_colours_stay(tmp_path: Path, name: str) -> None:
    _, output = await processed(tmp_path, name)
    shown = Image.open(output / "w400.webp").convert("RGB")
    assert near(shown.getpixel((350, 50)), (30, 60, 120))
    assert name == "rgb-key.png" or near(shown.getpixel((50, 50)), RED)


async def test_16_bit_gray_keeps_its_range(tmp_path: Path) -> None:
    _, output = await processed(tmp_path, "16-bit.png")
    shown = Image.open(output / "w100.webp").convert("L")
    assert [shown.getpixel((x, 25)) for x in (2, 50, 98)] == pytest.approx(
        [2 * 600 >> 8, 50 * 600 >> 8, 98 * 600 >> 8], abs=8
    )


async def test_transparency_stays(tmp_path: Path) -> None:
    _, output = await processed(tmp_path, "rgb-key.png")
    shown = Image.open(output / "w400.webp")
    assert shown.getpixel((50, 50))[3] < 30
    assert shown.getpixel((350, 50))[3] == 255


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((3_000, 2_000), [(1_280, 853), (640, 426), (320, 213)]),
        ((700, 500), [(700, 500), (640, 457), (320, 229)]),
        ((300, 200), [(300, 200)]),
        ((1_000, 9_000), [(569, 5_120), (284, 2_560), (142, 1_280)]),
    ],
)
async def test_widths_are_never_above_the_source(tmp_path: Path, size: tuple[int, int], wanted: list[object]) -> None:
    Image.new("RGB", size, RED).save(tmp_path / "a.png")
    result, _, _ = await run(tmp_path, tmp_path / "a.png", "image")
    assert isinstance(result, Processed)
    assert [(variant.width, variant.height) for variant in result.variants] == wanted
    assert (result.width, result.height) == size


async def test_second_step_of_an_image_makes_avif(tmp_path: Path) -> None:
    result, output = await processed(tmp_path, "turned-6.jpg", "second")
    assert [variant.file for variant in result.variants] == result.files == ["w300.avif"]
    assert metadata_in(output / "w300.avif") == []
    shown = Image.open(output / "w300.avif")
    assert (shown.format, shown.size) == ("AVIF", (300, 400))


@pytest.mark.parametrize("name", ["moving.gif", "moving.webp", "moving.png", "moving.avif"])
async def test_second_step_of_an_animation_makes_a_mute_video(tmp_path: Path, name: str) -> None:
    result, output = await processed(tmp_path, name, "second")
    assert [variant.name for variant in result.variants] == ["animation"]
    assert metadata_in(output / "animation.mp4") == []
    frames = 4 if name == "moving.avif" else 12
    assert result.duration_ms == pytest.approx(frames * 60, abs=1)


async def test_perceptual_hash_survives_another_size_and_format(tmp_path: Path) -> None:
    first = frame((900, 600), 40)
    first.save(tmp_path / "a.png")
    first.resize((400, 267)).save(tmp_path / "b.jpg", quality=60)
    frame((900, 600), 0).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "c.png")
    hashes = []
    for name in ("a.png", "b.jpg", "c.png"):
        result, _, _ = await run(tmp_path, tmp_path / name, "image")
        assert isinstance(result, Processed)
        assert result.perceptual_hash is not None
        assert -(2**63) <= result.perceptual_hash < 2**63
        hashes.append(result.perceptual_hash)
    distances = [bin((hashes[0] ^ other) % 2**64).count("1") for other in hashes[1:]]
    assert distances[0] <= 8 < distances[1]


async def test_a_picture_of_one_colour_looks_like_no_other(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "green").save(tmp_path / "a.png")
    result, _, _ = await run(tmp_path, tmp_path / "a.png", "image")
    assert isinstance(result, Processed)
    assert result.perceptual_hash is None


async def test_pixels_are_bounded(tmp_path: Path) -> None:
    frame((400, 300), 0).save(tmp_path / "a.png")
    result, _, _ = await run(tmp_path, tmp_path / "a.png", "image", limits=MediaLimits(image_pixels=119_999))
    assert getattr(result, "code", None) == "too_large"


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (frame((32, 32), 5), "LpFpm:}Rt3OY:,#9RnNxt3t3ocj@"),
        (Image.new("RGB", (32, 32), (255, 0, 0)), "L9TI:j|cfQ|c|co1fQo1fQfQfQfQ"),
    ],
)
def test_blurhash_is_that_of_another_encoder(image: Image.Image, wanted: str) -> None:
    """The values are those of the package `blurhash` 1.1.5."""
    assert blurhash(image) == wanted
