"""Test cases, and what they check with."""
import errno

cases = []


def case(name):
    """Adds a function to what peer.py runs."""
    def add(function):
        cases.append((name, function))
        return function
    return add


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f'got {actual!r}, expected {expected!r}')


def fails_with(code, function, *arguments):
    """The call must raise an OSError with exactly this errno."""
    try:
        result = function(*arguments)
    except OSError as error:
        equal(errno.errorcode[error.errno], errno.errorcode[code])
    else:
        raise AssertionError(f'got {result!r}, expected {errno.errorcode[code]}')
