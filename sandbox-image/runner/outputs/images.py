"""Image outputs: encoded images of the type they claim, with their size in pixels."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runner.outputs.sender import Outputs

# The first bytes of a file of each type.
_STARTS = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16")
_JPEG_MODES = ("L", "RGB", "CMYK")
# Modes with transparency that PNG lacks, and the nearest that it has.
_TRANSPARENT = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}
_ANIMATED = {"GIF": "image/gif", "WEBP": "image/webp"}


def show_image(mime: str, form: Any, outputs: Outputs, role: str, other_forms: Callable[[], dict[str, str]]) -> bool:
    """Shows encoded image bytes, base64 or SVG text. Returns False if they are not an image of this type."""
    data = _image_bytes(mime, form, outputs.display_bytes)
    if data is None:
        return False
    width, height = size_in_pixels(mime, data)
    head = {"type": "image", "mime_type": mime, "width": width, "height": height, "role": role, "data": other_forms()}
    return outputs.show(head, data)


def _image_bytes(mime: str, form: Any, bytes_max: int) -> bytes | None:
    if isinstance(form, str) and len(form) <= 2 * bytes_max:
        if mime == "image/svg+xml":
            return form.encode("utf-8", "replace") if "<svg" in form else None
        import binascii

        try:
            form = binascii.a2b_base64(form)
        except ValueError:
            return None
    if not isinstance(form, (bytes, bytearray)):
        return None
    data = bytes(form)
    if not data.startswith(_STARTS.get(mime, b"")):
        return None
    return None if mime == "image/webp" and data[8:12] != b"WEBP" else data


def size_in_pixels(mime: str, data: bytes) -> tuple[int | None, int | None]:
    """Returns (width, height) from the file's header; None for SVG and broken headers."""
    if mime == "image/png" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if mime == "image/jpeg":
        return _jpeg_size(data)
    if mime == "image/gif" and len(data) >= 10:
        return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    if mime == "image/webp" and len(data) >= 30:
        return _webp_size(data)
    return None, None


def _webp_size(data: bytes) -> tuple[int | None, int | None]:
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        both = int.from_bytes(data[21:25], "little")
        return (both & 0x3FFF) + 1, (both >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        # The upper two bits are a scale for display.
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return None, None


def _jpeg_size(data: bytes) -> tuple[int | None, int | None]:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        # Start-of-frame markers hold the size. C4, C8 and CC are in their range but are not such markers.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None, None


def show_pil(image: Any, outputs: Outputs, role: str) -> bool:
    """Shows a Pillow image: an animation in its own format, a photo as JPEG if it was read from one, all else as PNG."""
    import io

    file = io.BytesIO()
    if image.format in _ANIMATED and getattr(image, "is_animated", False):
        mime = _ANIMATED[image.format]
        frame = image.tell()
        image.save(file, image.format, save_all=True)
        image.seek(frame)
    elif image.format == "JPEG" and image.mode in _JPEG_MODES:
        mime = "image/jpeg"
        _save_jpeg(image, file)
    else:
        mime = "image/png"
        _in_png_mode(image).save(file, "PNG")
    width, height = (int(side) for side in image.size)
    text = f"<PIL image, mode {image.mode}, {width} x {height}>"
    head = {"type": "image", "mime_type": mime, "width": width, "height": height, "role": role, "data": {"text/plain": text}}
    if not outputs.show(head, file.getvalue()):
        print(f"{text} was not shown", file=sys.stderr)
    return True


def _in_png_mode(image: Any) -> Any:
    if image.mode in _PNG_MODES:
        return image
    if image.mode in _TRANSPARENT:
        return image.convert(_TRANSPARENT[image.mode])
    if image.mode.startswith("I;"):
        return image.convert("I")
    if image.mode == "F":
        return _grey(image)
    if image.mode == "LAB":
        from PIL import ImageCms

        return ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB")
    return image.convert("RGB")


def _grey(image: Any) -> Any:
    """Returns an image of floats as grey levels, from its lowest value to its highest. A plain conversion would cut them to 0 … 255."""
    low, high = image.getextrema()
    scale = 255 / (high - low) if high - low > 0 else 0.0
    return image.point(lambda value: value * scale - low * scale).convert("L")


def _save_jpeg(image: Any, file: Any) -> None:
    try:
        # Only an unchanged image can keep the quality that it was read with.
        image.save(file, "JPEG", quality="keep")
    except ValueError:
        file.seek(0)
        file.truncate()
        image.save(file, "JPEG", quality=90)
