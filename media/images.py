"""Still images: upright, in sRGB, without metadata, as WebP in three widths and AVIF."""

import codecs
import os
import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pillow_heif
from PIL import Image, ImageCms, ImageColor, ImageFilter, ImagePalette

from media.hashes import blurhash, perceptual_hash
from media.jobs import CONTENT_TYPES, OUTPUT, Failure, MediaLimits, MediaVariant, Processed, ProcessingJob
from media.sniff import FileType

WIDTHS = (1_280, 640, 320)
TALLEST = 4  # times the width: a picture of a long page stays readable
ANIMATED = {"GIF", "WEBP", "AVIF", "PNG"}  # of Pillow's formats
WEBP = {"quality": 80, "method": 4}
AVIF = {"quality": 60, "speed": 8}  # speed 6 takes a third longer for 3 % fewer bytes
ORIENTATION = 0x0112  # a tag of EXIF
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

pillow_heif.register_heif_opener(thumbnails=False)
# Pillow loads these when it needs them: the sandbox would not let it.
Image.init()
LOADED = (ImageColor, ImageFilter, ImagePalette, *map(codecs.lookup, ("latin-1", "utf-16", "utf-16-le", "utf-16-be")))
SRGB = ImageCms.createProfile("sRGB")


def process_image(job: ProcessingJob, file_type: FileType) -> Processed:
    """Make WebP in each width. Raises Failure, or what Pillow raises for damaged files."""
    image = open_image(job.source, file_type, job.limits)
    if _moves(image) and frame_count(image) > job.limits.animation_frames:
        raise Failure("too_long", f"An animation may have at most {job.limits.animation_frames:,} frames.")
    full = image.size
    clean, turned = _clean(image)
    width, height = full[::-1] if turned else full
    opaque = on_white(clean)
    return Processed(
        variants=list(_save_sizes(job, clean, "webp", WEBP)),
        width=width,
        height=height,
        blurhash=blurhash(opaque),
        perceptual_hash=perceptual_hash(opaque),
        has_second_step=True,
    )


def process_avif(job: ProcessingJob, file_type: FileType) -> Processed:
    """Make AVIF in each width: about a third smaller than WebP, at many times its cost."""
    clean, _ = _clean(open_image(job.source, file_type, job.limits))
    return Processed(variants=list(_save_sizes(job, clean, "avif", AVIF)))


def open_image(path: str, file_type: FileType, limits: MediaLimits) -> Image.Image:
    """Open an image, without decoding it, as the type that its first bytes say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = None  # the limit is checked below, where it gives a reason
        image = Image.open(path, formats=(file_type.format,))
    if image.width * image.height > limits.image_pixels:
        raise Failure(
            "too_large",
            f"An image may have at most {limits.image_pixels // 1_000_000} megapixels; "
            f"this one has {image.width:,} × {image.height:,} pixels.",
        )
    return image


def is_animated(job: ProcessingJob, file_type: FileType) -> bool:
    with open_image(job.source, file_type, job.limits) as image:
        return _moves(image)


def frame_count(image: Image.Image) -> int:
    count: int = getattr(image, "n_frames", 1)
    return count


def save_poster(job: ProcessingJob, image: Image.Image) -> MediaVariant:
    """Save a frame of a video, as large as the largest images."""
    size = _fitting(image.size, WIDTHS[0])
    poster = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
    return _save(job, poster, "poster", "webp", WEBP)


def on_white(image: Image.Image) -> Image.Image:
    """Return an RGB image for hashes."""
    if image.mode == "RGB":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _moves(image: Image.Image) -> bool:
    return image.format in ANIMATED and bool(getattr(image, "is_animated", False))


def _clean(image: Image.Image) -> tuple[Image.Image, bool]:
    """Return pixels alone, in sRGB and upright, at the largest width that is kept; and whether it lay on its side."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF says nothing
        orientation = 1
    turned = orientation in (5, 6, 7, 8)
    profile = image.info.get("icc_profile")
    upright_size = image.size[::-1] if turned else image.size
    size = _fitting(upright_size, WIDTHS[0])
    size = size[::-1] if turned else size
    # JPEG can be decoded at a half, a quarter or an eighth.
    image.draft(None, size)
    pixels = _in_plain_mode(image)
    if pixels.size != size:
        pixels = pixels.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    pixels = _in_srgb(pixels, profile)
    if orientation in UPRIGHT:
        pixels = pixels.transpose(UPRIGHT[orientation])
    # A new image: EXIF, XMP, IPTC and comments stay behind.
    clean = Image.new(pixels.mode, pixels.size)
    clean.paste(pixels)
    return clean, turned


def _in_plain_mode(image: Image.Image) -> Image.Image:
    """Decode into a mode that can be resized and that colour profiles apply to: L, RGB, RGBA, LA, CMYK."""
    has_transparency = "transparency" in image.info
    image.load()
    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode in ("I", "F"):
        return image.point(lambda value: value / 256).convert("L")
    if has_transparency or image.mode == "PA":
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "RGBA", "LA", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return an RGB or RGBA image. A profile that is damaged or for another mode is ignored, as browsers do."""
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    colours = image.convert({"RGBA": "RGB", "LA": "L"}[image.mode]) if alpha else image
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            colours = ImageCms.profileToProfile(colours, source, SRGB, outputMode="RGB") or colours
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass
    colours = colours.convert("RGB")
    if alpha and alpha.getextrema() != (255, 255):
        colours.putalpha(alpha)
    return colours


def _fitting(size: tuple[int, int], width: int) -> tuple[int, int]:
    """Return the size, not above the source's, that fits into `width` and TALLEST times as much height."""
    scale = min(1.0, width / size[0], width * TALLEST / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _save_sizes(
    job: ProcessingJob, image: Image.Image, extension: str, options: dict[str, Any]
) -> Iterator[MediaVariant]:
    sizes = dict.fromkeys(_fitting(image.size, width) for width in WIDTHS)
    for size in sizes:
        # Each from the one before: three times cheaper than from the first, with no visible difference.
        image = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
        name = f"w{size[0]}" if extension == "webp" else f"w{size[0]}-{extension}"
        yield _save(job, image, name, extension, options)


def _save(job: ProcessingJob, image: Image.Image, name: str, extension: str, options: dict[str, Any]) -> MediaVariant:
    file = f"{job.stem}{name.partition('-')[0]}.{extension}"
    path = os.path.join(OUTPUT, file)
    image.save(path, extension.upper(), **options)
    return MediaVariant(
        name, file, CONTENT_TYPES[extension], image.width, image.height, size_bytes=os.path.getsize(path)
    )
