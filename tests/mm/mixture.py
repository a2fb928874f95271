"""What drawn mixtures of calls share: a machine whose refusals are answers, and the list of what it was told."""

from vmtool.errors import InternalError, VmtoolError


class Told:
    """`machine` is the heir's to make."""

    def __init__(self, draw):
        self.draw, self.told = draw, []

    def call(self, name, *args):
        """A call of the machine: its answer, None when it was refused. An internal error is none of these."""
        self.told.append((name, *args))
        try:
            return getattr(self.machine, name)(*args)
        except InternalError:
            raise
        except VmtoolError:
            return None
