"""Image outputs: encoded images of the type they claim, with their size in pixels."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runner.outputs.sender import Outputs

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16")
_JPEG_MODES = ("L", "RGB", "CMYK")


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
    starts = {"image/png": _PNG, "image/jpeg": b"\xff\xd8\xff"}
    if mime in starts and not data.startswith(starts[mime]):
        return None
    return data


def size_in_pixels(mime: str, data: bytes) -> tuple[int | None, int | None]:
    """Returns (width, height) from the file's header; None for SVG and broken headers."""
    if mime == "image/png" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if mime == "image/jpeg":
        return _jpeg_size(data)
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
    """Shows a Pillow image: as JPEG if it was read from one, otherwise as PNG."""
    import io

    file = io.BytesIO()
    jpeg = image.format == "JPEG" and image.mode in _JPEG_MODES
    if jpeg:
        _save_jpeg(image, file)
    else:
        (image if image.mode in _PNG_MODES else image.convert("RGB")).save(file, "PNG")
    mime = "image/jpeg" if jpeg else "image/png"
    width, height = (int(side) for side in image.size)
    text = f"<PIL image, mode {image.mode}, {width} x {height}>"
    head = {"type": "image", "mime_type": mime, "width": width, "height": height, "role": role, "data": {"text/plain": text}}
    if not outputs.show(head, file.getvalue()):
        print(f"{text} was not shown", file=sys.stderr)
    return True


def _save_jpeg(image: Any, file: Any) -> None:
    try:
        # Only an unchanged image can keep the quality that it was read with.
        image.save(file, "JPEG", quality="keep")
    except ValueError:
        file.seek(0)
        file.truncate()
        image.save(file, "JPEG", quality=90)
