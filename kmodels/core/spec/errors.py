"""The one exception meant for people."""


class UserError(Exception):
    """Something that the person at the keyboard can put right.

    Its text says what was expected, what came, and where. Verbs print it without a traceback and end with
    status 2; from Python it is an ordinary exception.
    """
