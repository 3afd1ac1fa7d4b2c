// Every type of attribute: its bytes, its way there and back, and what is refused.
import test from 'ava'
import * as fc from 'fast-check'
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { attributes, AttributeWriter, NetlinkFormatError, trailingBytes, unknownAttributes } from 'nearwire/netlink'
import { Echo, Everything, Headed, Inner } from './helpers/netlink-echo.mjs'
import { hasPython } from './helpers/peers.mjs'

const hex = (bytes) => Buffer.from(bytes).toString('hex')
const unspaced = (text) => text.replaceAll(' ', '')
const fromHex = (text) => Buffer.from(unspaced(text), 'hex')

// Written out by hand from struct nlattr: length, type, value, padding.
const vectors = [
  [{ u8: 255 }, '0500 0100 ff000000'],
  [{ u16: 0x1234 }, '0600 0200 34120000'],
  [{ u32: 0xdeadbeef }, '0800 0300 efbeadde'],
  [{ u64: 0x0102030405060708n }, '0c00 0400 0807060504030201'],
  [{ s8: -1 }, '0500 0500 ff000000'],
  [{ s16: -2 }, '0600 0600 feff0000'],
  [{ s32: -2 }, '0800 0700 feffffff'],
  [{ s64: -2n }, '0c00 0800 feffffffffffffff'],
  [{ uint: 0xffffffff }, '0800 0900 ffffffff'],
  [{ uint: 0x100000000 }, '0c00 0900 0000000001000000'],
  [{ uint: 0xffffffffffffffffn }, '0c00 0900 ffffffffffffffff'],
  [{ sint: -0x80000000 }, '0800 0a00 00000080'],
  [{ sint: -0x80000001 }, '0c00 0a00 ffffff7fffffffff'],
  [{ text: 'abc' }, '0800 0b00 61626300'],
  [{ text: '' }, '0500 0b00 00000000'],
  [{ text: 'é' }, '0700 0b00 c3a90000'],
  [{ bare: 'abc' }, '0700 0c00 61626300'],
  [{ bytes: Buffer.from([1, 2, 3, 4, 5]) }, '0900 0d00 0102030405000000'],
  [{ inner: { value: 1 } }, '0c00 0e80 0600 0300 01000000'],
  [{ inner: {} }, '0400 0e80'],
  [{ inners: [{ value: 1 }, {}] }, '0c00 0f80 0600 0300 01000000 0400 0f80'],
  [{ array: [{ value: 1 }, {}] }, '1400 1080 0c00 0180 0600 0300 01000000 0400 0280'],
  [{ words: [1, 2] }, '1400 1180 0800 0100 00000001 0800 0200 00000002'],
  [{ flag: true }, '0400 1200'],
  [{ bits: { value: 1, selector: 3 } }, '0c00 1300 01000000 03000000'],
  [{ namedBits: { value: ['loud'], selector: ['up', 'loud', 'high'] } }, '0c00 1400 02000000 03000080'],
  [{ big16: 0x1234 }, '0600 1500 12340000'],
  [{ big32: -2 }, '0800 1600 fffffffe'],
  [{ big64: 1n }, '0c00 1700 0000000000000001'],
  [{ bigUint: 1 }, '0800 1800 00000001'],
  [{ pair: { left: 1, right: 2, total: 3n } }, '1000 1900 0100 0002 0300000000000000'],
  [{ numbers: [1, -1] }, '0800 1b00 0100ffff'],
  [{ wides: [1n] }, '0c00 1c00 0100000000000000'],
  [{ color: 'blue' }, '0500 1d00 02000000'],
  [{ color: 7 }, '0500 1d00 07000000'],
  [{ modes: ['up', 'high'] }, '0800 1e00 01000080'],
  [{ modes: ['up', 0x30] }, '0800 1e00 31000000'],
  [{ modes: [] }, '0800 1e00 00000000'],
  [{ wideModes: ['first', 'last', 2n] }, '0c00 1f00 0300000000000080'],
  [{ texts: ['a', 'bc'] }, '0600 2000 61000000 0700 2000 62630000'],
  [
    {
      policy: [
        { policyId: 1, attributeId: 2, value: 3 },
        { policyId: 1, attributeId: 4 },
        { policyId: 5, attributeId: 6 },
      ],
    },
    '2000 2180 1400 0180 0c00 0280 0600 0300 03000000 0400 0480 0800 0580 0400 0680',
  ],
  [{ stats: [{ id: 7, value: 9n }] }, '1000 2280 0c00 0700 0900000000000000'],
  [{ kind: 'inner', data: { value: 1 } }, '0a00 2300 696e6e6572000000 0c00 2480 0600 0300 01000000'],
  [
    { kind: 'headed', data: { first: 1, second: 2, value: 3 } },
    '0b00 2300 68656164656400 00 1000 2480 01020000 0600 0300 03000000',
  ],
  [{ kind: 'strange', data: Buffer.from([1, 2]) }, '0c00 2300 737472616e676500 0600 2480 01020000'],
  [
    { kind: 'inner', deep: { data: { value: 1 } } },
    '0a00 2300 696e6e6572000000 1000 2580 0c00 0180 0600 0300 01000000',
  ],
  [{ flagged: 1 }, '0800 2840 00000001'],
]

for (const [value, bytes] of vectors) {
  test(`${JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}n` : v))} is ${bytes}`, (t) => {
    t.is(hex(Echo.encode(value)), unspaced(bytes))
    t.deepEqual(Echo.decode(fromHex(bytes)), value)
  })
}

test('attributes come out in the order they went in, and several are several', (t) => {
  t.is(hex(Echo.encode({ u8: 1, u16: 2 })), unspaced('0500010001000000 0600020002000000'))
  t.is(hex(Echo.encode({ u16: 2, u8: 1 })), unspaced('0600020002000000 0500010001000000'))
})

test('undefined and a false flag are as good as left out', (t) => {
  t.is(hex(Echo.encode({ u8: undefined, flag: false, text: undefined })), '')
  t.deepEqual(Echo.decode(Buffer.alloc(0)), {})
})

test('numbers are taken for 64-bit integers as long as they are exact', (t) => {
  t.deepEqual(Echo.decode(Echo.encode({ u64: 5, s64: -5, uint: 5n, sint: -5n })), {
    u64: 5n,
    s64: -5n,
    uint: 5,
    sint: -5,
  })
  t.throws(() => Echo.encode({ u64: 2 ** 53 }), {
    instanceOf: RangeError,
    code: 'ERR_OUT_OF_RANGE',
    message: /echo\.u64 must be a safe integer/,
  })
})

test('one number stands for all flags, and a number for an enum', (t) => {
  t.deepEqual(Echo.decode(Echo.encode({ modes: 3, color: 1 })), { modes: ['up', 'loud'], color: 'green' })
})

test('a string ends at its first NUL, or without one at its end', (t) => {
  t.is(Echo.decode(fromHex('0800 0b00 61626364')).text, 'abcd')
  t.is(Echo.decode(fromHex('0800 0b00 61620064')).text, 'ab')
})

test('a name that is not UTF-8 is read, and written back the same', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 0, maxLength: 24 }).map((bytes) => bytes.filter((byte) => byte !== 0)),
      (name) => {
        const bytes = Buffer.concat([name, Buffer.of(0)])
        const wire = attributes('raw', { text: { id: 11, type: 'binary' } }).encode({ text: bytes })
        t.is(hex(Echo.encode(Echo.decode(wire))), hex(wire))
      },
    ),
  )
})

test('unknown attributes are kept, with their flags, and written back', (t) => {
  const wire = fromHex('0600 6440 abcd0000 0500 0100 07000000 0400 6580 0500 2700 01000000')
  const value = Echo.decode(wire)
  t.is(value.u8, 7)
  t.deepEqual(value[unknownAttributes], [
    { type: 100, flags: 0x4000, data: Buffer.from([0xab, 0xcd]) },
    { type: 101, flags: 0x8000, data: Buffer.alloc(0) },
    { type: 39, flags: 0, data: Buffer.from([1]) },
  ])
  t.deepEqual(Echo.decode(Echo.encode(value)), value)
  for (const unknown of [
    1,
    [null],
    [{ type: -1, data: Buffer.alloc(1) }],
    [{ type: 1, data: 'x' }],
    [{ type: 1, flags: 1, data: Buffer.alloc(0) }],
  ]) {
    t.throws(() => Echo.encode({ [unknownAttributes]: unknown }), { instanceOf: TypeError })
  }
})

test('padding is skipped, and the top bits of a type are no part of it', (t) => {
  t.deepEqual(Echo.decode(fromHex('0400 2600 0500 01c0 07000000')), { u8: 7 })
})

test('an attribute given twice counts once, the last time', (t) => {
  t.deepEqual(Echo.decode(fromHex('0500 0100 01000000 0500 0100 02000000')), { u8: 2 })
})

test('the last attribute need not be padded', (t) => {
  t.deepEqual(Echo.decode(fromHex('0500 0100 07')), { u8: 7 })
})

test('decoded bytes share no memory with what they were decoded from', (t) => {
  for (const length of [4, 100]) {
    const wire = Echo.encode({
      bytes: Buffer.alloc(length, 1),
      [unknownAttributes]: [{ type: 99, data: Buffer.alloc(length, 1) }],
    })
    const value = Echo.decode(wire)
    wire.fill(0)
    t.deepEqual(value.bytes, Buffer.alloc(length, 1))
    t.deepEqual(value[unknownAttributes][0].data, Buffer.alloc(length, 1))
  }
})

test('bytes outside the range given are not looked at', (t) => {
  const wire = Buffer.concat([Buffer.from([9]), Echo.encode({ u8: 7 }), Buffer.from([9, 9])])
  t.deepEqual(Echo.decode(wire, 1, 9), { u8: 7 })
  t.deepEqual(Echo.decode(new Uint8Array(wire), 1, 9), { u8: 7 })
  t.throws(() => Echo.decode(wire, 1, 12), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE', message: /^end/ })
  t.throws(() => Echo.decode(wire, 5, 4), { code: 'ERR_OUT_OF_RANGE', message: /^start/ })
  t.throws(() => Echo.decode('text'), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' })
})

test('a sub-message finds a selector that comes after it', (t) => {
  const [kind, data] = [Echo.encode({ kind: 'inner' }), Echo.encode({ kind: 'inner', data: { value: 1 } }).subarray(12)]
  t.deepEqual(Echo.decode(Buffer.concat([data, kind])), { kind: 'inner', data: { value: 1 } })
})

test('a sub-message without a selector is bytes, both ways', (t) => {
  const value = { data: Buffer.from([6, 0, 3, 0, 1, 0, 0, 0]) }
  t.deepEqual(Echo.decode(Echo.encode(value)), value)
})

test('empty attributes between the 64-bit values of a typeValue are padding', (t) => {
  t.deepEqual(Echo.decode(fromHex('1400 2280 0400 0100 0c00 0700 0900000000000000')).stats, [{ id: 7, value: 9n }])
})

test('a struct has its members where C has them', (t) => {
  const value = {
    color: 'green',
    signed: -1,
    modes: ['loud'],
    name: 'eth0',
    address: Buffer.from([1, 2, 3, 4, 5, 6]),
    pair: { left: 1, right: 2, total: 3n },
    later: -1n,
  }
  const wire = Everything.encode(value)
  t.is(
    hex(wire),
    unspaced('01ff0000 02000000 6574683000000000 010203040506 01000002 0300000000000000 ffffffffffffffff'),
  )
  t.deepEqual(Everything.decode(wire), value)
  t.deepEqual(Echo.decode(Echo.encode({ everything: value })), { everything: value })
})

test('a struct from an older kernel lacks its later members, one from a newer keeps what it has more', (t) => {
  const { size, requiredSize } = Everything
  t.is(size - requiredSize, 8)
  t.false('later' in Everything.decode(Buffer.alloc(requiredSize)))
  t.is(Everything.decode(Buffer.alloc(size)).later, 0n)
  t.throws(() => Everything.decode(Buffer.alloc(requiredSize - 1)), {
    code: 'ERR_NETLINK_MALFORMED',
    message: /everything/,
  })
  const newer = Buffer.concat([Buffer.alloc(size), Buffer.from('new')])
  t.deepEqual(Everything.decode(newer)[trailingBytes], Buffer.from('new'))
  for (const length of [requiredSize, requiredSize + 3, size, size + 3]) {
    const bytes = Buffer.alloc(length, 1)
    bytes.fill(0, 2, 4)
    t.is(hex(Everything.encode(Everything.decode(bytes))), hex(bytes), `${length} bytes`)
  }
})

test('members left out of a struct are zero', (t) => {
  t.is(hex(Echo.encode({ pair: { right: 1 } })), unspaced('10001900 00000001 0000000000000000'))
})

test('a fixed header comes before the attributes, padded to four bytes', (t) => {
  const wire = Headed.encode({ name: 'x', second: 0x0203, first: 1 })
  t.is(hex(wire), unspaced('01030200 0600010078000000'))
  t.deepEqual(Headed.decode(wire), { first: 1, second: 0x0203, name: 'x' })
  t.is(hex(Headed.encode({})), '00000000')
  t.throws(() => Headed.decode(Buffer.alloc(2)), { code: 'ERR_NETLINK_MALFORMED' })
})

test('a refused value is named by its path, with what is allowed', (t) => {
  const cases = [
    [{ u8: 256 }, RangeError, 'ERR_OUT_OF_RANGE', /^echo\.u8 must be an integer from 0 to 255, not 256/],
    [{ u8: '1' }, TypeError, 'ERR_INVALID_ARG_TYPE', /^echo\.u8 must be a number/],
    [{ s16: 32768 }, RangeError, 'ERR_OUT_OF_RANGE', /echo\.s16/],
    [{ u32: NaN }, RangeError, 'ERR_OUT_OF_RANGE', /echo\.u32/],
    [{ u64: -1n }, RangeError, 'ERR_OUT_OF_RANGE', /echo\.u64/],
    [{ s64: 1n << 63n }, RangeError, 'ERR_OUT_OF_RANGE', /echo\.s64/],
    [{ uint: 1n << 64n }, RangeError, 'ERR_OUT_OF_RANGE', /echo\.uint/],
    [{ sint: 'x' }, TypeError, 'ERR_INVALID_ARG_TYPE', /echo\.sint/],
    [{ text: 1 }, TypeError, 'ERR_INVALID_ARG_TYPE', /echo\.text/],
    [{ text: 'a\0b' }, TypeError, 'ERR_INVALID_ARG_VALUE', /echo\.text must be text without NUL/],
    [{ text: '\ud800' }, TypeError, 'ERR_INVALID_ARG_VALUE', /echo\.text/],
    [{ bytes: 'text' }, TypeError, 'ERR_INVALID_ARG_TYPE', /echo\.bytes/],
    [{ bytes: Buffer.alloc(65532) }, RangeError, 'ERR_OUT_OF_RANGE', /echo\.bytes must be at most 65531 bytes/],
    [{ texts: 'text' }, TypeError, 'ERR_INVALID_ARG_TYPE', /echo\.texts/],
    [{ texts: ['a', 1] }, TypeError, 'ERR_INVALID_ARG_TYPE', /echo\.texts\[1\]/],
    [{ inner: 1 }, TypeError, 'ERR_INVALID_ARG_TYPE', /echo\.inner/],
    [{ inner: { more: { more: { value: -1 } } } }, RangeError, 'ERR_OUT_OF_RANGE', /^echo\.inner\.more\.more\.value /],
    [{ array: [{}, { value: 'x' }] }, TypeError, 'ERR_INVALID_ARG_TYPE', /^echo\.array\[1\]\.value /],
    [{ flag: 1 }, TypeError, 'ERR_INVALID_ARG_TYPE', /echo\.flag/],
    [{ bits: 1 }, TypeError, 'ERR_INVALID_ARG_TYPE', /echo\.bits/],
    [{ bits: { value: 1 } }, TypeError, 'ERR_INVALID_ARG_TYPE', /echo\.bits\.selector/],
    [{ pair: { left: 1, middle: 2 } }, TypeError, 'ERR_INVALID_ARG_VALUE', /echo\.pair.*left, right, total.*'middle'/],
    [{ pair: { left: 65536 } }, RangeError, 'ERR_OUT_OF_RANGE', /echo\.pair\.left/],
    [{ everything: { name: 'too long a name' } }, RangeError, 'ERR_OUT_OF_RANGE', /echo\.everything\.name/],
    [{ everything: { address: Buffer.alloc(7) } }, RangeError, 'ERR_OUT_OF_RANGE', /echo\.everything\.address/],
    [{ numbers: [1, 40000] }, RangeError, 'ERR_OUT_OF_RANGE', /echo\.numbers\[1\]/],
    [{ color: 'purple' }, TypeError, 'ERR_INVALID_ARG_VALUE', /echo\.color.*red, green, blue.*'purple'/],
    [{ modes: ['up', 'down'] }, TypeError, 'ERR_INVALID_ARG_VALUE', /echo\.modes.*'down'/],
    [{ policy: [{ policyId: 1 }] }, TypeError, 'ERR_INVALID_ARG_TYPE', /echo\.policy\[0\]\.attributeId/],
    [{ kind: 'strange', data: {} }, TypeError, 'ERR_INVALID_ARG_VALUE', /echo\.data.*'kind'.*'strange'.*inner, headed/],
    [{ data: {} }, TypeError, 'ERR_INVALID_ARG_VALUE', /echo\.data.*missing/],
    [{ toString: 1 }, TypeError, 'ERR_INVALID_ARG_VALUE', /echo must be made of the attributes.*'toString'/],
    [{ padding: 1 }, TypeError, 'ERR_INVALID_ARG_VALUE', /'padding'/],
    [{ reserved: 1 }, TypeError, 'ERR_INVALID_ARG_VALUE', /'reserved'/],
    [null, TypeError, 'ERR_INVALID_ARG_TYPE', /^echo must be an object/],
  ]
  for (const [value, instanceOf, code, message] of cases)
    t.throws(() => Echo.encode(value), { instanceOf, code, message }, String(message))
})

test('checks are enforced when encoding, and not when decoding', (t) => {
  const Checked = attributes('checked', {
    index: { id: 1, type: 'u32', checks: { min: 1, max: 0x7fff_ffff } },
    wide: { id: 2, type: 'u64', checks: { max: 10 } },
    mask: { id: 3, type: 'uint', checks: { flagsMask: 6 } },
    key: { id: 4, type: 'binary', checks: { exactLength: 4 } },
    name: { id: 5, type: 'string', checks: { minLength: 1, maxLength: 3 } },
    small: { id: 6, type: 'sint', checks: { min: -5 } },
  })
  const good = { index: 1, wide: 10n, mask: 6, key: Buffer.alloc(4), name: 'abc', small: -5 }
  t.deepEqual(Checked.decode(Checked.encode(good)), good)
  const cases = [
    [{ index: 0 }, /checked\.index must be at least 1/],
    [{ wide: 11 }, /checked\.wide must be at most 10/],
    [{ mask: 1 }, /checked\.mask must be made of the bits of 0x6/],
    [{ key: Buffer.alloc(5) }, /checked\.key must be 4 bytes long/],
    [{ name: '' }, /checked\.name must be at least 1/],
    [{ name: 'éé' }, /checked\.name must be at most 3/],
    [{ small: -6 }, /checked\.small must be at least -5/],
  ]
  for (const [value, message] of cases)
    t.throws(() => Checked.encode(value), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE', message })
  t.is(Checked.decode(fromHex('0800 0100 00000000')).index, 0)
})

test('a writer holds what it held before a value that was refused', (t) => {
  const writer = new AttributeWriter(4)
  Echo.encodeInto(writer, { u8: 1 })
  t.throws(() => Echo.encodeInto(writer, { u16: 1, u32: -1 }))
  Echo.encodeInto(writer, { u8: 2 })
  t.is(hex(writer.take()), unspaced('0500010001000000 0500010002000000'))
  Echo.encodeInto(writer, { u8: 3 })
  t.is(hex(writer.take()), '0500010003000000')
})

test("what goes wrong in the user's own object is the user's own error", (t) => {
  const mine = new Error('mine')
  const error = t.throws(() =>
    Echo.encode({
      get u8() {
        throw mine
      },
    }),
  )
  t.is(error, mine)
})

const number = (bits, signed) =>
  signed
    ? fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
    : fc.integer({ min: 0, max: 2 ** bits - 1 })
const big = (signed) =>
  signed ? fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }) : fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
const narrowed = (value) =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
const bytes = fc.uint8Array({ maxLength: 50 }).map((array) => Buffer.from(array))
const text = fc.string({ unit: 'binary', maxLength: 20 }).map((string) => string.replaceAll('\0', ''))
const bits = (names, rest) => fc.tuple(fc.subarray(names), rest).map(([some, left]) => (left ? [...some, left] : some))
const modes = bits(
  ['up', 'loud', 'high'],
  number(31, false).map((n) => (n & ~3) >>> 0),
)
const color = fc.oneof(fc.constantFrom('red', 'green', 'blue'), fc.integer({ min: 3, max: 255 }))
const pair = fc.record({ left: number(16, false), right: number(16, false), total: big(false) })
const { inner } = fc.letrec((tie) => ({
  inner: fc.record(
    { name: text, more: fc.oneof({ maxDepth: 5 }, fc.constant({}), tie('inner')), value: number(16, false) },
    { requiredKeys: [] },
  ),
}))

const arbitrary = fc.record(
  {
    u8: number(8, false),
    u16: number(16, false),
    u32: number(32, false),
    u64: big(false),
    s8: number(8, true),
    s16: number(16, true),
    s32: number(32, true),
    s64: big(true),
    uint: fc.oneof(number(32, false), big(false).map(narrowed)),
    sint: fc.oneof(number(32, true), big(true).map(narrowed)),
    text,
    bare: text,
    bytes,
    inner,
    inners: fc.array(inner, { minLength: 1, maxLength: 4 }),
    array: fc.array(inner, { maxLength: 4 }),
    words: fc.array(number(32, false)),
    flag: fc.constant(true),
    bits: fc.record({ value: number(32, false), selector: number(32, false) }),
    namedBits: fc.record({ value: modes, selector: modes }),
    big16: number(16, false),
    big32: number(32, true),
    big64: big(false),
    bigUint: fc.oneof(number(32, false), big(false).map(narrowed)),
    pair,
    everything: fc.record({
      color,
      signed: number(8, true),
      modes,
      name: fc.stringMatching(/^[a-z]{0,8}$/),
      address: fc.uint8Array({ minLength: 6, maxLength: 6 }).map((array) => Buffer.from(array)),
      pair,
      later: big(true),
    }),
    numbers: fc.array(number(16, true)),
    wides: fc.array(big(false)),
    color,
    modes,
    wideModes: bits(
      ['first', 'last'],
      fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }).map((n) => n & ~1n),
    ),
    texts: fc.array(text, { minLength: 1 }),
    policy: fc.array(
      fc
        .tuple(inner, number(4, false), number(14, false))
        .map(([attrs, policyId, attributeId]) => ({ policyId, attributeId, ...attrs })),
      { maxLength: 6 },
    ),
    stats: fc.array(fc.record({ id: number(14, false), value: big(false) })),
    kind: fc.constantFrom('inner', 'other'),
    flagged: number(32, false),
  },
  { requiredKeys: [] },
)

test('any value of every type comes back as it went', (t) => {
  fc.assert(
    fc.property(arbitrary, (value) => {
      const plain = { ...value }
      t.deepEqual(Echo.decode(Echo.encode(plain)), plain)
    }),
    { numRuns: 500 },
  )
})

test('any sub-message comes back under its selector', (t) => {
  const kinds = [
    ['inner', inner],
    [
      'headed',
      fc
        .tuple(inner, number(8, false), number(16, false))
        .map(([attrs, first, second]) => ({ first, second, ...attrs })),
    ],
    ['only-header', pair],
    ['else', bytes],
  ]
  for (const [kind, data] of kinds)
    fc.assert(
      fc.property(data, (value) => t.deepEqual(Echo.decode(Echo.encode({ kind, data: value })), { kind, data: value })),
    )
})

test('an encoder written in another language makes the same bytes', (t) => {
  if (!hasPython) {
    t.log('skipped: there is no python3 to run __test__/peers/netlink-attributes.py')
    return t.pass()
  }
  const same = [
    'u8',
    'u16',
    'u32',
    'u64',
    's8',
    's16',
    's32',
    's64',
    'uint',
    'sint',
    'text',
    'bytes',
    'inner',
    'inners',
    'array',
    'words',
    'flag',
    'bits',
    'big16',
    'big32',
    'big64',
    'bigUint',
    'numbers',
    'wides',
    'texts',
  ]
  const describe = ({ of, ...definition }) => {
    if (typeof of === 'object' && of instanceof Inner.constructor)
      of = definition.type === 'array' ? { type: 'nested', of: inside } : inside
    return of === undefined ? definition : { ...definition, of }
  }
  // Deep enough for what is generated: JSON has no definition that contains itself.
  let inside = { name: { id: 1, type: 'string' }, value: { id: 3, type: 'u16' } }
  for (let depth = 0; depth < 10; depth++) inside = { ...inside, more: { id: 2, type: 'nested', of: inside } }
  const definitions = Object.fromEntries(same.map((name) => [name, describe(Echo.definitions[name])]))
  const values = fc
    .sample(arbitrary, 200)
    .map((value) => Object.fromEntries(Object.entries(value).filter(([key]) => same.includes(key))))
  const input = JSON.stringify({ definitions, values }, function (key, value) {
    if (typeof value === 'bigint') return String(value)
    return Buffer.isBuffer(this[key]) ? hex(this[key]) : value
  })
  const peer = fileURLToPath(new URL('peers/netlink-attributes.py', import.meta.url))
  const output = execFileSync('python3', [peer], { input, encoding: 'utf8', maxBuffer: 1 << 28 }).split('\n')
  for (const [i, value] of values.entries()) t.is(hex(Echo.encode(value)), output[i])
})

test('values of the wrong size are malformed', (t) => {
  for (const [wire, path] of [
    ['0500 0300 01000000', 'echo.u32'],
    ['0c00 0300 0100000000000000', 'echo.u32'],
    ['0a00 0900 010000000000 0000', 'echo.uint'],
    ['0700 1b00 01000000', 'echo.numbers'],
    ['0800 1300 01000000', 'echo.bits'],
    ['0800 1900 01000000', 'echo.pair'],
  ]) {
    const error = t.throws(() => Echo.decode(fromHex(wire)), {
      instanceOf: NetlinkFormatError,
      code: 'ERR_NETLINK_MALFORMED',
    })
    t.is(error.path, path)
    t.is(error.offset, 4)
  }
})
