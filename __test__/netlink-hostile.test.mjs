// Bytes from someone who means harm: an error that says where, or nothing lost; never a crash, a hang or a full stack.
import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import * as fc from 'fast-check'
import {
  attributes,
  decodeDone,
  decodeError,
  message,
  nameExtack,
  NetlinkFormatError,
  NLMSG_DONE,
  NLMSG_ERROR,
  struct,
  unknownAttributes,
  walkMessages,
} from 'nearwire/netlink'
import { Echo, Inner } from './helpers/netlink-echo.mjs'

function attribute(type, payload, length = payload.length + 4) {
  const bytes = Buffer.alloc(4 + Math.ceil(payload.length / 4) * 4)
  bytes.writeUInt16LE(length, 0)
  bytes.writeUInt16LE(type, 2)
  payload.copy(bytes, 4)
  return bytes
}

const nested = (type, ...parts) => attribute(type, Buffer.concat(parts))
const u8 = attribute(1, Buffer.from([7]))
const value = attribute(3, Buffer.from([7, 0]))

test('a malformed length is named by the path and offset it is found at', (t) => {
  const cases = [
    ['zero length', [u8, attribute(1, Buffer.alloc(4), 0)], 'echo', 8],
    ['below its header', [u8, attribute(1, Buffer.alloc(4), 3)], 'echo', 8],
    ['past the end', [u8, attribute(1, Buffer.alloc(4), 9)], 'echo', 8],
    ['fewer bytes than a header', [u8, Buffer.alloc(3)], 'echo', 8],
    [
      'past its parent, though not past the message',
      [nested(14, attribute(3, Buffer.alloc(2), 30)), u8, u8, u8, u8],
      'echo.inner',
      4,
    ],
    ['zero length in a nest', [nested(14, value, attribute(3, Buffer.alloc(2), 0))], 'echo.inner', 12],
    [
      'below its header in a nest in a nest',
      [nested(14, nested(2, attribute(3, Buffer.alloc(2), 2)))],
      'echo.inner.more',
      8,
    ],
    [
      'past its parent in an array',
      [nested(16, nested(1, value), attribute(2, Buffer.alloc(2), 40)), u8],
      'echo.array[1]',
      16,
    ],
    [
      "in an array's entry",
      [nested(16, nested(1, value), nested(2, attribute(3, Buffer.alloc(2), 40)))],
      'echo.array[1]',
      20,
    ],
    ['zero length in a typeValue', [nested(33, nested(5, attribute(6, Buffer.alloc(0), 0)))], 'echo.policy.5', 8],
    ['in a multi attribute', [nested(15, value), nested(15, Buffer.alloc(1))], 'echo.inners', 16],
    ['in a sub-message', [attribute(35, Buffer.from('inner\0')), nested(36, Buffer.alloc(3))], 'echo.data', 16],
    [
      'too short a fixed header',
      [attribute(35, Buffer.from('headed\0')), nested(36, Buffer.alloc(1))],
      'echo.data',
      16,
    ],
  ]
  for (const [what, parts, path, offset] of cases) {
    const error = t.throws(
      () => Echo.decode(Buffer.concat(parts)),
      { instanceOf: NetlinkFormatError, code: 'ERR_NETLINK_MALFORMED' },
      what,
    )
    t.is(error.path, path, what)
    t.is(error.offset, offset, what)
    t.true(error.message.includes(`offset ${offset}`), what)
  }
})

test('offsets count from the start of the bytes given, not of the range', (t) => {
  const error = t.throws(() => Echo.decode(Buffer.concat([Buffer.alloc(20), u8, Buffer.alloc(1)]), 20), {
    instanceOf: NetlinkFormatError,
  })
  t.is(error.offset, 28)
})

test('nests within nests end at 64, read or written', (t) => {
  const deep = (levels) => {
    let bytes = Buffer.alloc(0)
    for (let i = 0; i < levels; i++) bytes = nested(2, bytes)
    return bytes
  }
  t.notThrows(() => Inner.decode(deep(64)))
  t.throws(() => Inner.decode(deep(65)), { code: 'ERR_NETLINK_MALFORMED', message: /deeper than 64/ })
  t.throws(() => Inner.decode(deep(16_000)), { code: 'ERR_NETLINK_MALFORMED', message: /deeper than 64/ })
  const loop = {}
  loop.more = loop
  t.throws(() => Inner.encode(loop), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE', message: /at most 64 levels/ })
})

test('a million attributes take time in proportion to their number', (t) => {
  const List = attributes('list', { item: { id: 1, type: 'u8', multi: true }, one: { id: 2, type: 'u8' } })
  const wire = (type, count) => {
    const bytes = Buffer.alloc(count * 8)
    for (let at = 0; at < bytes.length; at += 8) {
      bytes.writeUInt16LE(5, at)
      bytes.writeUInt16LE(type, at + 2)
    }
    return bytes
  }
  const small = wire(3, 100_000)
  const large = wire(3, 1_000_000)
  const decodeSmall = () => t.is(List.decode(small)[unknownAttributes].length, 100_000)
  const decodeLarge = () => t.is(List.decode(large)[unknownAttributes].length, 1_000_000)
  const time = (run) => {
    const start = process.hrtime.bigint()
    run()
    return Number(process.hrtime.bigint() - start)
  }
  decodeSmall()
  const ratio =
    Math.min(time(decodeLarge), time(decodeLarge)) / Math.max(time(decodeSmall), time(decodeSmall), time(decodeSmall))
  // Ten times as many; a hundred would be quadratic. The rest is garbage collection and whoever else uses this machine.
  t.true(ratio < 60, `ten times the attributes took ${ratio} times as long`)
  t.is(List.decode(wire(1, 1_000_000)).item.length, 1_000_000)
  t.deepEqual(List.decode(wire(2, 1_000_000)), { one: 0 })
  t.is(List.encode({ item: Array.from({ length: 1_000_000 }, () => 1) }).length, 8_000_000)
})

test('a million messages in one buffer are walked', (t) => {
  const bytes = Buffer.alloc(16_000_000)
  for (let at = 0; at < bytes.length; at += 16) bytes.writeUInt32LE(16, at)
  let count = 0
  for (const one of walkMessages(bytes)) count += one.payload.length + 1
  t.is(count, 1_000_000)
})

test('attributes named after what every object has are just attributes', (t) => {
  const Odd = attributes('odd', {
    constructor: { id: 1, type: 'u8' },
    hasOwnProperty: { id: 2, type: 'u8', multi: true },
  })
  t.is(Odd.decode(attribute(1, Buffer.from([1]))).constructor, 1)
  t.deepEqual(
    Odd.decode(Buffer.concat([attribute(2, Buffer.from([1])), attribute(2, Buffer.from([2]))])).hasOwnProperty,
    [1, 2],
  )
})

test('a selector named after what every object has selects nothing', (t) => {
  const wire = Buffer.concat([attribute(35, Buffer.from('toString\0')), nested(36, value)])
  t.deepEqual(Echo.decode(wire), { kind: 'toString', data: value })
})

/** Bytes that look like attributes, some of them wrong: what a fuzzer would come to. */
const { hostile } = fc.letrec((tie) => ({
  hostile: fc
    .array(
      fc.record({
        type: fc.oneof(fc.integer({ min: 0, max: 45 }), fc.integer({ min: 0, max: 0xffff })),
        payload: fc.oneof(
          { maxDepth: 6 },
          fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
          fc.constant(Buffer.from('inner\0')),
          tie('hostile'),
        ),
        off: fc.oneof(
          { weight: 9, arbitrary: fc.constant(0) },
          { weight: 1, arbitrary: fc.integer({ min: -8, max: 8 }) },
        ),
      }),
      { maxLength: 6 },
    )
    .map((parts) =>
      Buffer.concat(
        parts.map(({ type, payload, off }) =>
          attribute(type, payload, Math.max(0, (payload.length + 4 + off) & 0xffff)),
        ),
      ),
    ),
}))

function decodesOrSaysWhy(t, decode) {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof NetlinkFormatError)) throw error
    t.is(error.code, 'ERR_NETLINK_MALFORMED')
    return undefined
  }
}

test('any bytes are decoded or refused, and what is decoded can be sent back to the same value', (t) => {
  fc.assert(
    fc.property(fc.oneof(hostile, fc.uint8Array({ maxLength: 300 })), (bytes) => {
      const value = decodesOrSaysWhy(t, () => Echo.decode(bytes))
      if (value === undefined) return
      t.deepEqual(Echo.decode(Echo.encode(value)), value)
    }),
    { numRuns: 3000 },
  )
})

test('any bytes are walked or refused', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 6 }),
      (bytes, lengths) => {
        const parts = lengths.map((length) => {
          const part = Buffer.alloc(Math.max(16, (length + 3) & ~3))
          part.writeUInt32LE(length)
          return part
        })
        const datagram = Buffer.concat([...parts, bytes])
        decodesOrSaysWhy(t, () => {
          let total = 0
          for (const one of walkMessages(datagram)) total += one.payload.length + 16
          t.true(total <= datagram.length)
        })
      },
    ),
    { numRuns: 1000 },
  )
})

test('the seeds of the fuzz target, cut anywhere, are walked and decoded or refused', (t) => {
  const directory = new URL('../fuzz/netlink-parser/seeds/', import.meta.url)
  const seeds = readdirSync(directory).map((name) => readFileSync(new URL(name, directory)))
  t.true(seeds.length >= 10)
  for (const seed of seeds) {
    for (let length = 0; length <= seed.length; length++) {
      const datagram = seed.subarray(0, length)
      decodesOrSaysWhy(t, () => {
        for (const { type, flags, payload } of walkMessages(datagram)) {
          decodesOrSaysWhy(t, () => Echo.decode(payload))
          if (type === NLMSG_ERROR) decodesOrSaysWhy(t, () => decodeError(payload, flags))
          if (type === NLMSG_DONE) decodesOrSaysWhy(t, () => decodeDone(payload, flags))
        }
      })
    }
  }
})

test('any acknowledgement is decoded, whatever follows its errno', (t) => {
  const flags = fc.constantFrom(0, 0x100, 0x200, 0x300)
  const Request = message('request', { header: struct('header', { x: 'u32' }), attributes: Echo })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), hostile), flags, hostile, (bytes, bits, request) => {
      for (const decode of [decodeError, decodeDone]) {
        const ack = decodesOrSaysWhy(t, () => decode(bytes, bits))
        if (ack === undefined) continue
        t.true(ack.errno >= 0)
        if (ack.extack !== null) nameExtack(ack.extack, request, Request, 0)
      }
      for (let offset = 0; offset < request.length + 4; offset++)
        nameExtack({ offset, missingType: 1, missingNest: offset }, request, Echo, 0)
    }),
    { numRuns: 500 },
  )
})
