"""What the records' classes are made of.

A record is a tuple whose fields have names, as typing.NamedTuple makes them; but that import costs twice a bare start-up.
"""

from __future__ import annotations

from _operator import itemgetter


class RecordType(type):
    """Makes a property of each annotated field, in order."""

    def __new__(mcs, name, bases, body):
        body["_fields"] = fields = tuple(body.get("__annotations__", ()))
        body["__slots__"] = ()
        body.update({field: property(itemgetter(index)) for index, field in enumerate(fields)})
        return super().__new__(mcs, name, bases, body)


class Record(tuple, metaclass=RecordType):
    """The methods of a named tuple."""

    def __new__(cls, *values, **named):
        if named:
            try:
                values += tuple([named.pop(field) for field in cls._fields[len(values):]])
            except KeyError as missing:
                raise TypeError(f"{cls.__name__}: missing field {missing}") from None
        if named or len(values) != len(cls._fields):
            raise TypeError(f"{cls.__name__} has the fields {', '.join(cls._fields)}")
        return tuple.__new__(cls, values)

    @classmethod
    def _make(cls, values):
        return cls(*values)

    def _asdict(self):
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, **named):
        return type(self)(**{**self._asdict(), **named})

    def __getnewargs__(self):
        return tuple(self)

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"


class Declared:
    """Whose instance is a base has this for its metaclass: the class statement notes its body, and makes nothing."""

    bodies: dict[str, dict] = {}

    def __new__(cls, name, bases, body):
        cls.bodies[name] = body
