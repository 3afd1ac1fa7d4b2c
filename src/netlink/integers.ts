import { oneOf } from '../arguments.js'
import { readS32, readS64, readU16, readU32, readU64, write64, writeU16, writeU32 } from './bytes.js'
import { InvalidAttribute } from './invalid.js'
import { MalformedAttribute } from './malformed.js'

/** Integers up to 32 bits: always a `number`. */
export type NarrowType = 'u8' | 'u16' | 'u32' | 's8' | 's16' | 's32'
/** Integers of 64 bits: always a `bigint` when decoded; a safe integer `number` is taken as well when encoded. */
export type WideType = 'u64' | 's64'
/**
 * Integers the kernel sends in 4 or 8 bytes, as the value needs. Decoded as a `number` when it is a safe integer,
 * else as a `bigint`: their ids and counts index and compare like any other number, and no value loses a digit.
 * A fixed width decodes to one JS type whatever the value; a variable one says so in its type, `number | bigint`.
 */
export type VariableType = 'uint' | 'sint'
export type FixedType = NarrowType | WideType
export type IntegerType = FixedType | VariableType
export type ByteOrder = 'big-endian' | 'little-endian'

export type IntegerValue<T extends IntegerType> = T extends NarrowType
  ? number
  : T extends WideType
    ? bigint
    : number | bigint
export type IntegerInput<T extends IntegerType> = T extends NarrowType ? number : number | bigint

/** How one fixed-width integer is read and written; `read` and `write` do not look at the end of `bytes`. */
export interface FixedInteger {
  readonly size: 1 | 2 | 4 | 8
  read(bytes: Uint8Array, at: number): number | bigint
  /** @throws InvalidAttribute when `value` is no integer or does not fit */
  write(bytes: Uint8Array, at: number, value: unknown): void
}

/** @throws InvalidAttribute unless `value` is a number and an integer from `min` to `max` */
export function requireNumber(value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', 'a number', value)
  if (!(Number.isInteger(value) && value >= min && value <= max)) {
    throw new InvalidAttribute('ERR_OUT_OF_RANGE', `an integer from ${min} to ${max}`, value)
  }
  return value
}

const MAX_U64 = 0xffff_ffff_ffff_ffffn
const MIN_S64 = -0x8000_0000_0000_0000n
const MAX_S64 = 0x7fff_ffff_ffff_ffffn

function requireWide(value: unknown, min: bigint, max: bigint): bigint {
  if (typeof value === 'number') {
    // A number past 2^53 has lost digits before it came here.
    if (!Number.isSafeInteger(value))
      throw new InvalidAttribute('ERR_OUT_OF_RANGE', 'a safe integer, or a bigint', value)
    value = BigInt(value)
  }
  if (typeof value !== 'bigint') throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', 'a number or a bigint', value)
  if (value < min || value > max) throw new InvalidAttribute('ERR_OUT_OF_RANGE', `from ${min} to ${max}`, value)
  return value
}

const little: Record<FixedType, FixedInteger> = {
  u8: {
    size: 1,
    read: (bytes, at) => bytes[at]!,
    write: (bytes, at, value) => void (bytes[at] = requireNumber(value, 0, 0xff)),
  },
  s8: {
    size: 1,
    read: (bytes, at) => (bytes[at]! << 24) >> 24,
    write: (bytes, at, value) => void (bytes[at] = requireNumber(value, -0x80, 0x7f)),
  },
  u16: { size: 2, read: readU16, write: (bytes, at, value) => writeU16(bytes, at, requireNumber(value, 0, 0xffff)) },
  s16: {
    size: 2,
    read: (bytes, at) => (readU16(bytes, at) << 16) >> 16,
    write: (bytes, at, value) => writeU16(bytes, at, requireNumber(value, -0x8000, 0x7fff)),
  },
  u32: {
    size: 4,
    read: readU32,
    write: (bytes, at, value) => writeU32(bytes, at, requireNumber(value, 0, 0xffff_ffff)),
  },
  s32: {
    size: 4,
    read: readS32,
    write: (bytes, at, value) => writeU32(bytes, at, requireNumber(value, -0x8000_0000, 0x7fff_ffff)),
  },
  u64: { size: 8, read: readU64, write: (bytes, at, value) => write64(bytes, at, requireWide(value, 0n, MAX_U64)) },
  s64: {
    size: 8,
    read: readS64,
    write: (bytes, at, value) => write64(bytes, at, requireWide(value, MIN_S64, MAX_S64)),
  },
}

/** The same integer with its bytes the other way round, by way of a scratch that is never live between two calls. */
function reversed(integer: FixedInteger): FixedInteger {
  const { size } = integer
  const scratch = new Uint8Array(8)
  return {
    size,
    read(bytes, at) {
      for (let i = 0; i < size; i++) scratch[size - 1 - i] = bytes[at + i]!
      return integer.read(scratch, 0)
    },
    write(bytes, at, value) {
      integer.write(scratch, 0, value)
      for (let i = 0; i < size; i++) bytes[at + i] = scratch[size - 1 - i]!
    },
  }
}

const big = Object.fromEntries(
  Object.entries(little).map(([type, integer]) => [type, integer.size === 1 ? integer : reversed(integer)]),
) as Record<FixedType, FixedInteger>

export function fixedInteger(type: FixedType, byteOrder: ByteOrder | undefined): FixedInteger {
  return (byteOrder === 'big-endian' ? big : little)[type]
}

/** A byte order that is none would be the host's without a word. */
export function requireByteOrder(path: string, byteOrder: unknown): void {
  if (byteOrder !== undefined) oneOf(`${path}.byteOrder`, byteOrder, ['big-endian', 'little-endian'])
}

export function isFixedType(type: string): type is FixedType {
  return Object.hasOwn(little, type)
}

export function isIntegerType(type: string): type is IntegerType {
  return type === 'uint' || type === 'sint' || isFixedType(type)
}

function narrow(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
}

/** @throws MalformedAttribute when the payload has neither 4 nor 8 bytes */
export function readVariable(
  type: VariableType,
  byteOrder: ByteOrder | undefined,
  bytes: Uint8Array,
  start: number,
  end: number,
): number | bigint {
  const order = byteOrder === 'big-endian' ? big : little
  const length = end - start
  if (length === 4) return order[type === 'uint' ? 'u32' : 's32'].read(bytes, start)
  if (length === 8) return narrow(order[type === 'uint' ? 'u64' : 's64'].read(bytes, start) as bigint)
  throw new MalformedAttribute(`${type} of ${length} bytes instead of 4 or 8`, start, length)
}

/** A 4-byte integer that takes the bigints a variable one takes. */
function shortened(integer: FixedInteger): FixedInteger {
  return { ...integer, write: (bytes, at, value) => integer.write(bytes, at, Number(value)) }
}

const short = {
  little: { uint: shortened(little.u32), sint: shortened(little.s32) },
  big: { uint: shortened(big.u32), sint: shortened(big.s32) },
}

/**
 * The integer that writes `value`: of 4 bytes when they hold it and else of 8, as the kernel does (`nla_put_uint`, include/net/netlink.h).
 * @throws InvalidAttribute when `value` is no integer or does not fit 64 bits
 */
export function variableInteger(type: VariableType, byteOrder: ByteOrder | undefined, value: unknown): FixedInteger {
  const isBig = byteOrder === 'big-endian'
  const signed = type === 'sint'
  const wide = signed ? requireWide(value, MIN_S64, MAX_S64) : requireWide(value, 0n, MAX_U64)
  const fits = signed ? wide >= -0x8000_0000n && wide <= 0x7fff_ffffn : wide <= 0xffff_ffffn
  if (fits) return short[isBig ? 'big' : 'little'][type]
  return (isBig ? big : little)[signed ? 's64' : 'u64']
}
