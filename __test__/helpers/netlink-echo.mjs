// One set of attributes with every type, for the tests of the toolkit.
import { attributes, enumeration, flags, message, struct } from 'nearwire/netlink'

export const Color = enumeration('color', { red: 0, green: 1, blue: 2 })
export const Modes = flags('modes', { up: 1, loud: 2, high: 0x8000_0000 })
export const WideModes = flags('wide-modes', { first: 1n, last: 1n << 63n })

export const Pair = struct('pair', { left: 'u16', right: { type: 'u16', byteOrder: 'big-endian' }, total: 'u64' })
export const Everything = struct('everything', {
  color: { type: 'u8', enum: Color },
  signed: 's8',
  gap: { type: 'pad', length: 2 },
  modes: { type: 'u32', enum: Modes },
  name: { type: 'string', length: 8 },
  address: { type: 'binary', length: 6 },
  pair: { type: 'struct', of: Pair },
  later: { type: 's64', optional: true },
})

export const Inner = attributes('inner', {
  name: { id: 1, type: 'string' },
  more: { id: 2, type: 'nested', of: () => Inner },
  value: { id: 3, type: 'u16' },
})

export const Echo = attributes('echo', {
  u8: { id: 1, type: 'u8' },
  u16: { id: 2, type: 'u16' },
  u32: { id: 3, type: 'u32' },
  u64: { id: 4, type: 'u64' },
  s8: { id: 5, type: 's8' },
  s16: { id: 6, type: 's16' },
  s32: { id: 7, type: 's32' },
  s64: { id: 8, type: 's64' },
  uint: { id: 9, type: 'uint' },
  sint: { id: 10, type: 'sint' },
  text: { id: 11, type: 'string' },
  bare: { id: 12, type: 'string', terminated: false },
  bytes: { id: 13, type: 'binary' },
  inner: { id: 14, type: 'nested', of: Inner },
  inners: { id: 15, type: 'nested', of: Inner, multi: true },
  array: { id: 16, type: 'array', of: Inner },
  words: { id: 17, type: 'array', of: { type: 'u32', byteOrder: 'big-endian' } },
  flag: { id: 18, type: 'flag' },
  bits: { id: 19, type: 'bitfield32' },
  namedBits: { id: 20, type: 'bitfield32', enum: Modes },
  big16: { id: 21, type: 'u16', byteOrder: 'big-endian' },
  big32: { id: 22, type: 's32', byteOrder: 'big-endian' },
  big64: { id: 23, type: 'u64', byteOrder: 'big-endian' },
  bigUint: { id: 24, type: 'uint', byteOrder: 'big-endian' },
  pair: { id: 25, type: 'binary', struct: Pair },
  everything: { id: 26, type: 'binary', struct: Everything },
  numbers: { id: 27, type: 'binary', of: 's16' },
  wides: { id: 28, type: 'binary', of: 'u64' },
  color: { id: 29, type: 'u8', enum: Color },
  modes: { id: 30, type: 'u32', enum: Modes },
  wideModes: { id: 31, type: 'u64', enum: WideModes },
  texts: { id: 32, type: 'string', multi: true },
  policy: { id: 33, type: 'typeValue', keys: ['policyId', 'attributeId'], of: Inner },
  stats: { id: 34, type: 'typeValue', keys: ['id'], of: { type: 'u64' } },
  kind: { id: 35, type: 'string' },
  data: {
    id: 36,
    type: 'subMessage',
    selector: 'kind',
    formats: () => ({ inner: Inner, headed: Headed, 'only-header': message('only-header', { header: Pair }) }),
  },
  deep: { id: 37, type: 'nested', of: () => Deep },
  padding: { id: 38, type: 'pad' },
  reserved: { id: 39, type: 'unused' },
  flagged: { id: 40, type: 'u32', byteOrder: 'big-endian', byteOrderFlag: true },
})

export const Headed = message('headed', { header: struct('odd', { first: 'u8', second: 'u16' }), attributes: Inner })

/** A sub-message whose selector is in the set around it. */
export const Deep = attributes('deep', {
  data: { id: 1, type: 'subMessage', selector: 'kind', formats: { inner: Inner } },
})
