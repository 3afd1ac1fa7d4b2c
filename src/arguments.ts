// Bad arguments throw before any system call, and name the argument, the value and what is allowed. What is left out, or
// undefined, is the default; null is a value that nothing allows.

import { setMaxListeners } from 'node:events'
import { inspect } from 'node:util'

type Coded<E extends Error> = E & { code: string }

function coded<E extends Error>(error: E, code: string): Coded<E> {
  return Object.assign(error, { code })
}

/** A `TypeError` with code `ERR_INVALID_ARG_TYPE`. */
export function invalidType(name: string, value: unknown, allowed: string): Coded<TypeError> {
  return coded(new TypeError(`${name} must be ${allowed}, not ${shown(value)}`), 'ERR_INVALID_ARG_TYPE')
}

/** A `TypeError` with code `ERR_INVALID_ARG_VALUE`: the right type, but not a value that means anything. */
export function invalidValue(name: string, value: unknown, allowed: string): Coded<TypeError> {
  return coded(new TypeError(`${name} must be ${allowed}, not ${shown(value)}`), 'ERR_INVALID_ARG_VALUE')
}

/** A `RangeError` with code `ERR_OUT_OF_RANGE`. */
export function outOfRange(name: string, value: unknown, allowed: string): Coded<RangeError> {
  return coded(new RangeError(`${name} must be ${allowed}, not ${shown(value)}`), 'ERR_OUT_OF_RANGE')
}

function shown(value: unknown): string {
  return inspect(value, { depth: 0, maxArrayLength: 8, maxStringLength: 120, breakLength: Infinity })
}

/** An integer within bounds. */
export function integer(name: string, value: unknown, least: number, most: number, fallback?: number): number {
  if (value === undefined && fallback !== undefined) return fallback
  if (typeof value !== 'number') throw invalidType(name, value, 'an integer')
  if (!Number.isInteger(value) || value < least || value > most) {
    throw outOfRange(name, value, `an integer from ${least} to ${most}`)
  }
  return value
}

/** A descriptor number. */
export function descriptor(name: string, value: unknown): number {
  return integer(name, value, 0, 0x7fff_ffff)
}

/** A time in milliseconds; timers hold at most 2**31 - 1. */
export function milliseconds(name: string, value: unknown): number {
  return integer(name, value, 0, 0x7fff_ffff)
}

export function bool(name: string, value: unknown, fallback?: boolean): boolean {
  if (value === undefined && fallback !== undefined) return fallback
  if (typeof value !== 'boolean') throw invalidType(name, value, 'true or false')
  return value
}

/** One of a few values. */
export function oneOf<T>(name: string, value: unknown, allowed: readonly T[], fallback?: T): T {
  if (value === undefined && fallback !== undefined) return fallback
  if (!(allowed as readonly unknown[]).includes(value)) {
    throw invalidValue(name, value, `one of ${allowed.map((one) => inspect(one)).join(', ')}`)
  }
  return value as T
}

/** An options object, or nothing. */
export function options<T extends object>(name: string, value: T | undefined): Partial<T> {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidType(name, value, 'an object')
  return value
}

/** An `AbortSignal`, or nothing; throws its reason when it is aborted already. */
export function signal(name: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  if (!(value instanceof AbortSignal)) throw invalidType(name, value, 'an AbortSignal')
  // One signal for many operations is what signals are for, and no leak that Node must warn of.
  setMaxListeners(0, value)
  return value
}

/** Bytes to send. */
export function bytes(name: string, value: unknown): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value)
  if (!(value instanceof Uint8Array)) throw invalidType(name, value, 'a Uint8Array, a Buffer or a string')
  return value
}
