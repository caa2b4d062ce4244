"""What can be checked of a class before it runs."""

from __future__ import annotations

__all__ = ["check_names"]


def check_names(cls: type, base: type) -> None:
    """See to it that a user's class does not replace, unawares, a private method of the class that it extends.

    Raises:
        TypeError: Naming the method.
    """
    own = [one for one in cls.__mro__[: cls.__mro__.index(base)] if one.__module__.partition(".")[0] != "actors"]
    for name in [name for one in own for name in vars(one)]:
        if name.startswith("_") and not name.endswith("__") and callable(getattr(base, name, None)):
            msg = f"{cls.__qualname__}.{name}: every {base.__name__} has a method of this name already; choose another"
            raise TypeError(msg)
