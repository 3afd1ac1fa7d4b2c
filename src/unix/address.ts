import { inspect } from 'node:util'

import { invalidType, invalidValue } from '../arguments.js'

/** An AF_UNIX address, as the kernel reports it (unix(7)). */
export type UnixAddress =
  | {
    /** The name in the file system. Bytes that are not UTF-8 show as U+FFFD here, and `bytes` has them as they are. */
    readonly path: string
    /** The name as the kernel gives it; there only when `path` could not show it. */
    readonly bytes?: Buffer
  }
  | {
    /** The abstract name, without the NUL that marks it in the kernel's structure. */
    readonly abstract: Buffer
  }
  | {
    /** The socket is bound to no name. */
    readonly unnamed: true
  }

/**
 * Where an address is taken: a string is a path, and one that begins with NUL is abstract, as in `node:net`. Paths may
 * be of any length; abstract names are 1 to 107 bytes, NUL bytes among them. What sockets and messages answer as their
 * address may be given as it is; an unnamed one is `ERR_INVALID_ARG_TYPE`, for nobody can be reached there.
 */
export type UnixAddressLike =
  | string
  | UnixAddress
  | {
    path: string | Uint8Array
    /** As in a `UnixAddress`: the bytes of a path that is not UTF-8, which then count instead of `path`. */
    bytes?: Uint8Array
  }
  | { abstract: string | Uint8Array }

const UNNAMED = 0
const PATH = 1
const ABSTRACT = 2
const LONGEST_ABSTRACT = 107

/** The form in which addresses cross to the native side: a byte for the kind, then the name. */
export type EncodedAddress = Buffer

export function encodeAddress(name: string, value: UnixAddressLike): EncodedAddress {
  if (typeof value === 'string') {
    return value.startsWith('\0') ? encodeAbstract(name, value.slice(1)) : encodePath(name, value)
  }
  if (typeof value === 'object' && value !== null) {
    if ('path' in value) {
      return value.bytes === undefined ? encodePath(`${name}.path`, value.path) : encodePath(`${name}.bytes`, value.bytes)
    }
    if ('abstract' in value) return encodeAbstract(`${name}.abstract`, value.abstract)
  }
  throw invalidType(name, value, 'a name: a path, { path } or { abstract }')
}

function encodePath(name: string, value: unknown): EncodedAddress {
  const path = nameBytes(name, value)
  if (path.length === 0) throw invalidValue(name, value, 'a path of at least one byte')
  if (path.includes(0)) throw invalidValue(name, value, 'a path without NUL bytes')
  return Buffer.concat([Buffer.of(PATH), path])
}

function encodeAbstract(name: string, value: unknown): EncodedAddress {
  const bytes = nameBytes(name, value)
  if (bytes.length === 0 || bytes.length > LONGEST_ABSTRACT) {
    throw invalidValue(name, value, `an abstract name of 1 to ${LONGEST_ABSTRACT} bytes`)
  }
  return Buffer.concat([Buffer.of(ABSTRACT), bytes])
}

function nameBytes(name: string, value: unknown): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value)
  if (value instanceof Uint8Array) return value
  throw invalidType(name, value, 'a string or a Uint8Array')
}

export function decodeAddress(encoded: EncodedAddress): UnixAddress {
  const name = encoded.subarray(1)
  switch (encoded[0]) {
    case PATH: {
      const path = name.toString()
      return Buffer.from(path).equals(name) ? { path } : { path, bytes: name }
    }
    case ABSTRACT: return { abstract: name }
    default: return { unnamed: true }
  }
}

/** How an address reads in a message: a path as it is, an abstract name behind an `@`, as in /proc/net/unix. */
export function showAddress(encoded: EncodedAddress): string {
  const name = encoded.subarray(1)
  switch (encoded[0]) {
    case PATH: return name.toString()
    case ABSTRACT: return `@${inspect(name.toString()).slice(1, -1)}`
    default: return '(unnamed)'
  }
}

/** The path of an encoded address, if it is one. */
export function pathOf(encoded: EncodedAddress): Buffer | undefined {
  return encoded[0] === PATH ? encoded.subarray(1) : undefined
}

export const unnamed: EncodedAddress = Buffer.of(UNNAMED)
