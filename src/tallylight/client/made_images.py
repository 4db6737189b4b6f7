"""The images that a client's call returns."""

from dataclasses import dataclass, field
from pathlib import Path

from tallylight.gateway.api import Images


@dataclass(frozen=True, slots=True)
class MadeImage:
    """One image.

    Args:
        data: Its bytes.
        media_type: "image/png".
    """

    data: bytes = field(repr=False)
    media_type: str

    def save(self, path: str | Path) -> Path:
        """Write the image into a file, and return its path."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.data)
        return target


async def read_images(images: Images) -> tuple[MadeImage, ...]:
    """Return stored images with their bytes."""
    found = []
    for each in images.files:
        data = b"".join([chunk async for chunk in each.chunks])
        found.append(MadeImage(data, images.media_type))
    return tuple(found)
