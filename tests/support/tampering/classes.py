"""All classes of tampering, by name: a function each, from a scene to a file and what must be said about it.

`scene` is a log to tamper with; `content`, `sequence`, `checkpoint`, `insider` and `form` are the classes, by what is
done to it.
"""

from types import ModuleType

from tests.support.tampering import checkpoint, content, form, insider, sequence
from tests.support.tampering.scene import Tampering


def _of(module: ModuleType) -> dict[str, Tampering]:
    found = {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    }
    return {f"{module.__name__.rpartition('.')[2]}.{name}": tampering for name, tampering in found.items()}


CLASSES: dict[str, Tampering] = {
    name: tampering
    for module in (content, sequence, checkpoint, insider, form)
    for name, tampering in _of(module).items()
}
