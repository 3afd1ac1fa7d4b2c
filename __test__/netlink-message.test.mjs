// The netlink header, exactly: what is written, what is read, and what happens to bytes that are neither.
import test from 'ava'
import * as fc from 'fast-check'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as netlink from 'nearwire/netlink'
import * as constants from '../dist/netlink/constants.js'
import { errnoName } from '../dist/errnos.js'

const { encodeMessage, encodeMessages, walkMessages, MessageCursor, NetlinkFormatError } = netlink

test('every constant, protocol number and errno is the one in the headers of the C library', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nearwire-constants-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const program = join(folder, 'constants')
  execFileSync('cc', [
    '-Wall',
    '-Werror',
    fileURLToPath(new URL('peers/netlink-constants.c', import.meta.url)),
    '-o',
    program,
  ])
  const lines = execFileSync(program, { encoding: 'utf8' }).trim().split('\n')
  const actual = new Map(lines.map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]))

  for (const [name, value] of Object.entries(constants))
    if (typeof value === 'number') t.is(value, actual.get(name), name)
  for (const [name, value] of Object.entries(constants.protocols))
    t.is(value, actual.get(`NETLINK_${name.toUpperCase()}`), name)
  for (const [name, value] of actual) if (/^E[A-Z0-9]+$/.test(name)) t.is(errnoName(value), name)
  t.is(Object.keys(constants.protocols).length, 18)
})

test('a header is written as struct nlmsghdr has it, and its length leaves the padding out', (t) => {
  const bytes = encodeMessage({
    type: 0x1234,
    flags: 0x0301,
    sequence: 0xdeadbeef,
    portId: 0xfffffffe,
    payload: Buffer.from('hello'),
  })
  t.is(
    bytes.toString('hex'),
    `15000000${'3412'}${'0103'}${'efbeadde'}${'feffffff'}${Buffer.from('hello').toString('hex')}`,
  )
})

test('what is left out of a message is zero', (t) => {
  t.is(encodeMessage({ type: 16, payload: new Uint8Array(0) }).toString('hex'), '10000000100000000000000000000000')
})

test('messages in one datagram are padded with zeros between them, and not after the last', (t) => {
  const one = { type: 16, payload: Uint8Array.of(0xff) }
  const bytes = encodeMessages([one, one])
  t.is(bytes.length, 20 + 17)
  t.deepEqual([...bytes.subarray(16, 20)], [0xff, 0, 0, 0])
})

test('a field that does not fit its width is refused by name', (t) => {
  const payload = new Uint8Array(0)
  const cases = [
    [{ type: 65536, payload }, RangeError, 'ERR_OUT_OF_RANGE', /message\.type/],
    [{ type: '16', payload }, TypeError, 'ERR_INVALID_ARG_TYPE', /message\.type/],
    [{ type: 16, flags: -1, payload }, RangeError, 'ERR_OUT_OF_RANGE', /message\.flags/],
    [{ type: 16, sequence: 2 ** 32, payload }, RangeError, 'ERR_OUT_OF_RANGE', /message\.sequence/],
    [{ type: 16, portId: 1.5, payload }, RangeError, 'ERR_OUT_OF_RANGE', /message\.portId/],
    [{ type: 16, payload: 'text' }, TypeError, 'ERR_INVALID_ARG_TYPE', /message\.payload/],
    [null, TypeError, 'ERR_INVALID_ARG_TYPE', /message must be/],
  ]
  for (const [message, instanceOf, code, text] of cases)
    t.throws(() => encodeMessage(message), { instanceOf, code, message: text })
  t.throws(
    () =>
      encodeMessages([
        { type: 16, payload },
        { type: 16, payload: 1 },
      ]),
    { message: /messages\[1\]\.payload/ },
  )
})

const arbitraryMessage = fc.record({
  type: fc.integer({ min: 0, max: 0xffff }),
  flags: fc.integer({ min: 0, max: 0xffff }),
  sequence: fc.integer({ min: 0, max: 0xffff_ffff }),
  portId: fc.integer({ min: 0, max: 0xffff_ffff }),
  payload: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
})

test('any messages come back from their datagram, wherever it lies in its buffer', (t) => {
  fc.assert(
    fc.property(fc.array(arbitraryMessage), fc.nat(9), (messages, offset) => {
      const bytes = encodeMessages(messages)
      const around = Buffer.concat([Buffer.alloc(offset, 0xff), bytes, Buffer.alloc(5, 0xff)])
      t.deepEqual([...walkMessages(around, offset, offset + bytes.length)], messages)
    }),
  )
})

test('the messages before a malformed one are given, then its offset and length are named', (t) => {
  const good = encodeMessage({ type: 16, payload: Buffer.from('good') })
  const header = (length) => {
    const bytes = Buffer.alloc(16)
    bytes.writeUInt32LE(length)
    return bytes
  }
  const cases = [
    ['too short for a header', Buffer.alloc(15), 15],
    ['a length of nothing', header(0), 0],
    ['a length below the header', header(15), 15],
    ['a length past the end', header(17), 17],
    ['a length of 4 GiB', header(0xffff_ffff), 0xffff_ffff],
  ]
  for (const [what, tail, length] of cases) {
    const messages = walkMessages(Buffer.concat([good, good, tail]))
    t.is(messages.next().value.payload.toString(), 'good', what)
    t.is(messages.next().value.payload.toString(), 'good', what)
    const error = t.throws(
      () => messages.next(),
      { instanceOf: NetlinkFormatError, code: 'ERR_NETLINK_MALFORMED' },
      what,
    )
    t.is(error.offset, 40, what)
    t.is(error.length, length, what)
    t.deepEqual(messages.next(), { done: true, value: undefined }, what)
  }
})

test('a cursor gives the same messages as the iterator, and nothing after a malformed one', (t) => {
  const cursor = new MessageCursor(
    Buffer.concat([
      encodeMessage({ type: 20, flags: 2, sequence: 3, portId: 4, payload: Buffer.from('abc') }),
      Buffer.alloc(2),
    ]),
  )
  t.true(cursor.next())
  const { type, flags, sequence, portId } = cursor
  t.deepEqual({ type, flags, sequence, portId }, { type: 20, flags: 2, sequence: 3, portId: 4 })
  t.is(cursor.bytes.toString('latin1', cursor.payloadStart, cursor.payloadEnd), 'abc')
  t.throws(() => cursor.next(), { code: 'ERR_NETLINK_MALFORMED' })
  t.false(cursor.next())
})

test('the iterator is lazy: a malformed message that nobody asks for is no error', (t) => {
  const bytes = Buffer.concat([encodeMessage({ type: 16, payload: Buffer.alloc(0) }), Buffer.alloc(3)])
  for (const message of walkMessages(bytes)) {
    t.is(message.type, 16)
    break
  }
})

test('an empty datagram has no messages', (t) => {
  t.deepEqual([...walkMessages(new Uint8Array(0))], [])
})
