"""The message made of attributes, and what its refusals point at."""
import errno
from tap import case, equal
from wire import (ATTRIBUTES, COLUMN, ERR_MISSING_NEST, ERR_MISSING_TYPE, ERR_MSG, ERR_OFFSET, ERR_POLICY, LABEL, NUMBER,
                  PLACE, RECEIVED, ROW, SHOUT, TEXT, Socket, attribute, attributes, nested, number, refusal, text, u32)

WHOLE = (text(TEXT, 'zwölf pence') + u32(NUMBER, 41) + attribute(SHOUT)
         + nested(PLACE, u32(ROW, 3), u32(COLUMN, 4), text(LABEL, 'here')))


def refused(payload):
    with Socket() as peer:
        return refusal(peer.ask(ATTRIBUTES, payload))


@case('u32, string, flag and nest come back, changed as the header says')
def _():
    with Socket() as peer:
        got = attributes(peer.ask(ATTRIBUTES, WHOLE).payload)
    equal(sorted(got), [TEXT, NUMBER, SHOUT, PLACE])
    equal(got[TEXT], 'ZWöLF PENCE'.encode() + b'\0')
    equal(number(got[NUMBER]), 42)
    equal(got[SHOUT], b'')
    place = attributes(got[PLACE])
    equal((number(place[ROW]), number(place[COLUMN]), place[LABEL]), (4, 3, b'here\0'))


@case('what was not sent does not come back')
def _():
    with Socket() as peer:
        equal(attributes(peer.ask(ATTRIBUTES, text(TEXT, 'alone')).payload), {TEXT: b'alone\0'})


@case('the last of several attributes of a type counts')
def _():
    with Socket() as peer:
        equal(attributes(peer.ask(ATTRIBUTES, text(TEXT, 'first') + text(TEXT, 'last')).payload), {TEXT: b'last\0'})


@case('a missing attribute is named by its type')
def _():
    code, why = refused(u32(NUMBER, 1))
    equal((code, why[ERR_MSG], number(why[ERR_MISSING_TYPE])), (errno.EINVAL, b'a text is required\0', TEXT))


@case('a missing attribute in a nest is named by its type and the offset of the nest')
def _():
    code, why = refused(text(TEXT, 'abc') + nested(PLACE, u32(ROW, 1)))
    equal((code, number(why[ERR_MISSING_TYPE]), number(why[ERR_MISSING_NEST])), (errno.EINVAL, COLUMN, 16 + 8))


@case('an attribute of a wrong length is named by its offset, with its policy')
def _():
    code, why = refused(text(TEXT, 'abc') + attribute(NUMBER, bytes(3)))
    equal((code, number(why[ERR_OFFSET])), (errno.EINVAL, 16 + 8))
    assert ERR_POLICY in why, why


@case('an unknown attribute, and one that only the kernel sends, are refused')
def _():
    for kind in (500, RECEIVED):
        code, why = refused(text(TEXT, 'abc') + u32(kind, 1))
        equal((code, number(why[ERR_OFFSET])), (errno.EINVAL, 16 + 8))


@case('a text that is too long or does not end is refused')
def _():
    equal(refused(text(TEXT, 'x' * 64))[0], errno.EINVAL)
    equal(refused(attribute(TEXT, b'no end'))[0], errno.EINVAL)
    with Socket() as peer:
        equal(attributes(peer.ask(ATTRIBUTES, text(TEXT, 'x' * 63)).payload)[TEXT], b'x' * 63 + b'\0')


@case('a nest without the NESTED bit is refused')
def _():
    equal(refused(text(TEXT, 'abc') + attribute(PLACE, u32(ROW, 1) + u32(COLUMN, 2)))[0], errno.EINVAL)
