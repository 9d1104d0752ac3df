"""A folder per person: ``person name/photo.jpg`` says who is in the photo."""

from core.errors import InvalidRequest, ItemInvalid
from core.texts import clean_name


def person_of(key: str) -> str | None:
    """Return the name of the folder that a photo lies in; None where it lies in none.

    Underscores stand for blanks in a name that has none of its own, as collections of faces are
    packed (``George_W_Bush/George_W_Bush_0001.jpg``).

    Args:
        key: A relative path with ``/``, as those of archives and server folders are.

    Raises:
        ItemInvalid: The folder is called what nobody can be.
    """
    *_, folder, _file = ("", *key.split("/"))
    if not folder:
        return None
    try:
        name = clean_name(folder)
        return name if " " in name else clean_name(name.replace("_", " "))
    except InvalidRequest as error:
        raise ItemInvalid(f"The name of the folder {error}.", field="person") from None
