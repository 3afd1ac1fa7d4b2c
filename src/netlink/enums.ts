import { invalidType, outOfRange } from '../arguments.js'
import type { IntegerType } from './integers.js'
import { InvalidAttribute } from './invalid.js'

/** Names for the values of an integer. A value without a name decodes to its number: kernels grow new ones. */
export interface Enumeration<N extends string = string> {
  /** One value at a time. */
  readonly kind: 'enum'
  /** What errors call it. */
  readonly name: string
  /** The number of each name. */
  readonly values: Readonly<Record<N, number | bigint>>
}

/** Names for the bits of an integer. Bits without a name decode to one number that holds them all, after the names. */
export interface Flags<N extends string = string> {
  /** Any number of bits. */
  readonly kind: 'flags'
  /** What errors call it. */
  readonly name: string
  /** The mask of each name. */
  readonly masks: Readonly<Record<N, number | bigint>>
}

/**
 * An enum: `enumeration('rtm-type', { unspec: 0, unicast: 1 })`.
 * Decoded: the name, or the number when it has none. Encoded: either.
 */
export function enumeration<const N extends string>(
  name: string,
  values: Readonly<Record<N, number | bigint>>,
): Enumeration<N> {
  requireNumbers(name, values)
  return Object.freeze({ kind: 'enum', name, values: Object.freeze({ ...values }) })
}

/**
 * A set of flags: `flags('op-flags', { adminPerm: 1, cmdCapDo: 2 })`, the values being masks, not bit numbers.
 * Decoded: an array of names, in the order they are declared, and a last number for the bits left over.
 * Encoded: such an array, or one number for all.
 */
export function flags<const N extends string>(name: string, masks: Readonly<Record<N, number | bigint>>): Flags<N> {
  requireNumbers(name, masks)
  return Object.freeze({ kind: 'flags', name, masks: Object.freeze({ ...masks }) })
}

function requireNumbers(name: string, numbers: unknown): void {
  if (typeof name !== 'string') throw invalidType('name', name, 'a string')
  if (typeof numbers !== 'object' || numbers === null) throw invalidType(name, numbers, 'an object of integers by name')
  for (const [entry, value] of Object.entries(numbers)) {
    if (typeof value === 'bigint') continue
    if (typeof value !== 'number') throw invalidType(`${name}.${entry}`, value, 'an integer')
    if (!Number.isSafeInteger(value)) throw outOfRange(`${name}.${entry}`, value, 'an integer up to 2 ** 53 - 1, or a bigint')
  }
}

/** What stands between an integer of the wire and what the user sees. */
export interface Names {
  decode(value: number | bigint): unknown
  /** @throws InvalidAttribute for a name that is not declared */
  encode(value: unknown): unknown
}

/** @throws TypeError unless it is what `enumeration()` or `flags()` gave, or one of the two */
export function requireNames(path: string, names: unknown, kinds: readonly ('enum' | 'flags')[] = ['enum', 'flags']): void {
  const kind = typeof names === 'object' && names !== null ? (names as { kind?: unknown }).kind : undefined
  if (names === undefined || (kinds as readonly unknown[]).includes(kind)) return
  const makers = { enum: 'enumeration()', flags: 'flags()' }
  throw invalidType(`${path}.enum`, names, `what ${kinds.map((one) => makers[one]).join(' or ')} gave`)
}

export function compileNames(names: Enumeration | Flags, type: IntegerType): Names {
  return names.kind === 'enum' ? compileEnumeration(names, type) : compileFlags(names, type)
}

function compileEnumeration({ name, values }: Enumeration, type: IntegerType): Names {
  const wide = type === 'u64' || type === 's64'
  const byValue = new Map<number | bigint, string>()
  for (const [entry, value] of Object.entries(values)) {
    const key = wide ? BigInt(value) : Number(value)
    // The first name of a value wins; later ones are aliases, still accepted when encoding.
    if (!byValue.has(key)) byValue.set(key, entry)
  }
  return {
    decode: (value) => byValue.get(value) ?? value,
    encode(value) {
      if (typeof value !== 'string') return value
      if (Object.hasOwn(values, value)) return values[value]!
      throw new InvalidAttribute(
        'ERR_INVALID_ARG_VALUE',
        `a number or a name of ${name} (${Object.keys(values).join(', ')})`,
        value,
      )
    },
  }
}

const INT32 = 0x1_0000_0000

function compileFlags({ name, masks }: Flags, type: IntegerType): Names {
  const entries = Object.entries(masks).map(([entry, mask]) => ({
    entry,
    mask: BigInt(mask),
    low: Number(BigInt.asIntN(32, BigInt(mask))),
  }))
  const narrow = entries.filter(({ mask }) => mask > 0n && mask < BigInt(INT32))
  const used = entries.filter(({ mask }) => mask > 0n)
  const wide = type === 'u64' || type === 's64'
  const variable = type === 'uint' || type === 'sint'

  function decodeWide(value: bigint): unknown[] {
    const found: unknown[] = []
    let left = value
    for (const { entry, mask } of used) {
      if ((value & mask) !== mask) continue
      found.push(entry)
      left &= ~mask
    }
    if (left !== 0n) found.push(wide || (variable && left > BigInt(Number.MAX_SAFE_INTEGER)) ? left : Number(left))
    return found
  }

  return {
    decode(value) {
      if (typeof value === 'bigint') return decodeWide(value)
      if (value < 0 || value >= INT32) return decodeWide(BigInt(value))
      const found: unknown[] = []
      let left = value | 0
      for (const { entry, low } of narrow) {
        if ((value & low) !== low) continue
        found.push(entry)
        left &= ~low
      }
      if (left !== 0) found.push(left >>> 0)
      return found
    },
    encode(value) {
      if (!Array.isArray(value)) return value
      let mask = 0n
      for (const part of value as unknown[]) {
        if (typeof part === 'string' && Object.hasOwn(masks, part)) mask |= BigInt(masks[part]!)
        else if (typeof part === 'bigint' || (typeof part === 'number' && Number.isSafeInteger(part)))
          mask |= BigInt(part)
        else
          throw new InvalidAttribute(
            'ERR_INVALID_ARG_VALUE',
            `made of numbers and names of ${name} (${Object.keys(masks).join(', ')})`,
            part,
          )
      }
      return wide || variable ? mask : Number(mask)
    },
  }
}
