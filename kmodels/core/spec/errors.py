"""The exceptions meant for people."""


class UserError(Exception):
    """Something that the person at the keyboard can put right.

    Its text says what was expected, what came, and where. Verbs print it without a traceback and end with
    status 2; from Python it is an ordinary exception.
    """


class Lost(UserError):  # noqa: N818 - nobody has made a mistake
    """Machines were lost, or died too often. What was done before is kept, and the same command goes on from there."""
