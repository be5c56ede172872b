"""The headers of TIFF files: the kind of their samples, and tags by which decoders would change pixels."""

import struct

SUBFILE, WIDTH, HEIGHT, BITS, PHOTOMETRIC, ORIENTATION = 254, 256, 257, 258, 262, 274
CHANNELS, PLANAR, EXTRA, SAMPLE_FORMAT = 277, 284, 338, 339
DEFAULTS = {SUBFILE: 0, BITS: 1, PHOTOMETRIC: 1, ORIENTATION: 1, CHANNELS: 1, PLANAR: 1, EXTRA: 0, SAMPLE_FORMAT: 1}
NAMES = {BITS: "BitsPerSample", PHOTOMETRIC: "PhotometricInterpretation", PLANAR: "PlanarConfiguration",
         SAMPLE_FORMAT: "SampleFormat"}  # fmt: skip
NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # the types of whole numbers
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
WHITE_IS_ZERO, BLACK_IS_ZERO, COLOUR, PALETTE = range(4)
NOT_A_PAGE = 1 | 4  # subfiles that are smaller copies or masks of a page
DEPTH_DTYPES = {
    (8, UNSIGNED): "uint8", (16, UNSIGNED): "uint16", (32, UNSIGNED): "uint32", (16, SIGNED): "int16",
    (32, SIGNED): "int32", (16, FLOAT): "float16", (32, FLOAT): "float32", (64, FLOAT): "float64",
}  # fmt: skip


def is_tiff(payload: bytes) -> bool:
    """Whether a file is a TIFF or a BigTIFF by its first bytes."""
    return payload[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class TiffHeader:
    """The tags of the first page of a TIFF, and the question whether there are more pages.

    Attributes
    ----------
    several
        Whether there is more than one page; smaller copies and masks of a page are none.

    Raises
    ------
    OSError
        If the directories are damaged.
    """

    def __init__(self, payload: bytes) -> None:
        if not is_tiff(payload):
            raise OSError("no TIFF")
        self._payload = payload
        self._order = "<" if payload[:2] == b"II" else ">"
        self._big = 43 in payload[2:4]
        (first,) = self._unpack("Q" if self._big else "I", 8 if self._big else 4)
        self._places, following = self._directory(first)
        seen, pages = {first}, int(not self[SUBFILE] & NOT_A_PAGE)
        while following and pages < 2:
            if following in seen:
                raise OSError("its last directory points back to an earlier one")
            seen.add(following)
            places, following = self._directory(following)
            pages += not self._value(places, SUBFILE) & NOT_A_PAGE
        self.several = pages > 1

    def __getitem__(self, tag: int) -> int:
        """The first number of a tag, or its default."""
        return self._value(self._places, tag)

    def name(self, *tags: int) -> str:
        """Some tags with their values, for messages."""
        return ", ".join(f"{NAMES[tag]} {self[tag]}" for tag in tags)

    def replaced(self, changes: dict[int, int]) -> bytes:
        """The file with other values of tags, as far as it has these tags."""
        payload = bytearray(self._payload)
        for tag, number in changes.items():
            if tag in self._places:
                form, count, place = self._places[tag]
                packed = struct.pack(self._order + count * form, *count * [number])
                payload[place : place + len(packed)] = packed
        return bytes(payload)

    def _directory(self, place: int) -> tuple[dict[int, tuple[str, int, int]], int]:
        """Type, count and place of the values of each tag of numbers, and the place of the next directory."""
        (count,) = self._unpack("Q" if self._big else "H", place)
        start, entry, size = place + (8 if self._big else 2), "HHQ" if self._big else "HHI", 20 if self._big else 12
        word = "Q" if self._big else "I"
        inline = struct.calcsize(word)
        if start + count * size > len(self._payload):
            raise OSError(f"a directory of {count} tags does not end within the file")
        places = {}
        for at in range(start, start + count * size, size):
            tag, kind, length = self._unpack(entry, at)
            if (form := NUMBERS.get(kind)) and tag in (*DEFAULTS, WIDTH, HEIGHT):
                where = at + size - inline
                if length * struct.calcsize(f"={form}") > inline:
                    (where,) = self._unpack(word, where)
                if not 0 < length <= len(self._payload):
                    raise OSError(f"tag {tag} has {length} values")
                places[tag] = form, length, where
        return places, self._unpack(word, start + count * size)[0]

    def _value(self, places: dict[int, tuple[str, int, int]], tag: int) -> int:
        if tag not in places:
            return DEFAULTS.get(tag, 0)
        form, count, place = places[tag]
        numbers = set(self._unpack(count * form if count < 9 else form, place))
        if len(numbers) > 1 and tag in (BITS, SAMPLE_FORMAT):
            raise OSError(f"its channels differ in {NAMES[tag]}: {sorted(numbers)}")
        return int(max(numbers))

    def _unpack(self, form: str, place: int) -> tuple[int, ...]:
        if place + struct.calcsize(f"={form}") > len(self._payload):
            raise OSError("it ends before its directory")
        return struct.unpack_from(self._order + form, self._payload, place)


def stored_depth(header: TiffHeader) -> tuple[bytes, str]:
    """A TIFF of depth for a decoder that turns and inverts images by their tags and does not know half precision.

    Returns
    -------
    The file without an orientation and a colour of zero, half precision as uint16 of the same bits; and the dtype of
    its samples.

    Raises
    ------
    ValueError
        If the file has several pages or channels, a palette, or samples of another kind; names the tag.
    OSError
        If a tag is damaged.
    """
    kind = header[BITS], header[SAMPLE_FORMAT] if header[SAMPLE_FORMAT] != 4 else UNSIGNED  # 4: undefined
    if header[CHANNELS] != 1:
        raise ValueError(f"depth must have one channel, got {header[CHANNELS]}")
    if header.several:
        raise ValueError("depth must have one page, got several pages")
    if header[PHOTOMETRIC] not in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        raise ValueError(f"depth must be grey, got {header.name(PHOTOMETRIC)}")
    if kind not in DEPTH_DTYPES:
        names = ", ".join(sorted(set(DEPTH_DTYPES.values())))
        raise ValueError(f"depth must be one of {names}, got {header.name(BITS, SAMPLE_FORMAT)}")
    changes = {ORIENTATION: 1, PHOTOMETRIC: BLACK_IS_ZERO} | (
        {SAMPLE_FORMAT: UNSIGNED} if DEPTH_DTYPES[kind] == "float16" else {}
    )
    return header.replaced(changes), DEPTH_DTYPES[kind]


def stored_image(header: TiffHeader) -> bytes:
    """A TIFF of colours for a decoder that turns images by their tags and multiplies colours by their alpha.

    Returns
    -------
    The file without an orientation, its alpha declared as multiplied already.

    Raises
    ------
    ValueError
        If the file has several pages, or its samples are of a kind that decoders change; names the tag.
    OSError
        If a tag is damaged.
    """
    if header.several:
        raise ValueError("a colour image must have one page, got several pages")
    if header[BITS] not in (1, 2, 4, 8, 16) or header[SAMPLE_FORMAT] not in (UNSIGNED, 4):
        raise ValueError(f"a colour image must be 8 or 16 bit, got {header.name(BITS, SAMPLE_FORMAT)}")
    if header[BITS] == 16 and (header[PHOTOMETRIC] not in (BLACK_IS_ZERO, COLOUR) or header[PLANAR] != 1):
        raise ValueError(
            "a colour image of 16 bit must be RGB or black-is-zero grey in one plane, got "
            f"{header.name(PHOTOMETRIC, PLANAR)}"
        )
    return header.replaced({ORIENTATION: 1, EXTRA: 1})
