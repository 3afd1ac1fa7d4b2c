import { endianness } from 'node:os'

// Netlink is in the host's byte order. Every platform we build for is little-endian;
// on another one wrong numbers would reach the kernel, so refuse before anything is sent.
if (endianness() !== 'LE') {
  throw Object.assign(new Error('nearwire/netlink reads and writes little-endian; this host is big-endian'), {
    code: 'ERR_NETLINK_BYTE_ORDER',
  })
}

// Single bytes put together: faster than DataView (one to build for each datagram) and than Buffer's checked methods.
// Callers have compared the offset with the end already; `!` is theirs to justify.

export function readU16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

export function readS32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

// BigInt arithmetic allocates at every step; reading through one shared 8-byte cell allocates the result only.
const cell = new BigUint64Array(1)
const signedCell = new BigInt64Array(cell.buffer)
const halves = new Uint32Array(cell.buffer)

export function readU64(bytes: Uint8Array, at: number): bigint {
  halves[0] = readS32(bytes, at)
  halves[1] = readS32(bytes, at + 4)
  return cell[0]!
}

export function readS64(bytes: Uint8Array, at: number): bigint {
  halves[0] = readS32(bytes, at)
  halves[1] = readS32(bytes, at + 4)
  return signedCell[0]!
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

/** Signed values too: a `BigUint64Array` cell keeps the low 64 bits of whatever it is given. */
export function write64(bytes: Uint8Array, at: number, value: bigint): void {
  cell[0] = value
  writeU32(bytes, at, halves[0]!)
  writeU32(bytes, at + 4, halves[1]!)
}

/** The same memory as a `Buffer`, for its native string and copy methods. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * A copy that shares nothing with `bytes`. Decoded values outlive the datagram they came in,
 * and four bytes of an address must not keep 32 KiB of receive buffer alive.
 */
export function copyBytes(bytes: Uint8Array, start: number, end: number): Buffer {
  const length = end - start
  const copy = Buffer.allocUnsafe(length)
  // A native call costs more than moving an address or a hardware address by hand.
  if (length <= 32) for (let i = 0; i < length; i++) copy[i] = bytes[start + i]!
  else copy.set(bytes.subarray(start, end))
  return copy
}
