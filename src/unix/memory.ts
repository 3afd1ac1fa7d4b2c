// Memory files: what travels between processes instead of the bytes.

import { ftruncateSync, readSync, writeSync } from 'node:fs'

import * as check from '../arguments.js'
import { SocketError } from '../errors.js'
import { native } from '../native.js'
import { closeDescriptor, LARGEST_TRANSFER, statOf, system } from './descriptors.js'
import { failure } from './failures.js'

/** What may no longer be done to a memory file, by anybody (fcntl(2)). */
export type Seal = 'F_SEAL_SEAL' | 'F_SEAL_SHRINK' | 'F_SEAL_GROW' | 'F_SEAL_WRITE' | 'F_SEAL_FUTURE_WRITE'

const SEALS: Readonly<Record<Seal, number>> = {
  F_SEAL_SEAL: 1, F_SEAL_SHRINK: 2, F_SEAL_GROW: 4, F_SEAL_WRITE: 8, F_SEAL_FUTURE_WRITE: 16,
}
const { F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE } = SEALS
/** Nobody can change a byte any more. */
const FINISHED = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE
const UNCHANGEABLE = F_SEAL_SHRINK | F_SEAL_WRITE
const EFBIG = 27
const EINVAL = 22
const DEFAULT_MAX_LENGTH = 1024 ** 3
const LONGEST_NAME = 249
const CHUNK = 64 * 1024

/**
 * A new memory file (memfd_create(2)), closed on exec; the descriptor is the caller's to send and to close.
 *
 * Given bytes, it holds them and is sealed for good, so that a receiver may map it without a copy and without trusting
 * the sender. Given a size, it is that many zero bytes, and sealed against changing its size only: share it with
 * `memoryFromFd(fd, { shared: true })`.
 *
 * `name` is what `/proc/<pid>/fd` shows, at most 249 bytes; default 'nearwire'. Errors: `EMFILE`, `ENFILE`, `ENOMEM`.
 */
export function createMemfd(content: Uint8Array | string | number, options?: { name?: string }): number {
  const { name = 'nearwire' } = check.options('options', options)
  if (typeof name !== 'string') throw check.invalidType('options.name', name, 'a string')
  if (name.includes('\0') || Buffer.byteLength(name) > LONGEST_NAME) {
    throw check.invalidValue('options.name', name, `at most ${LONGEST_NAME} bytes without NUL`)
  }
  const bytes = typeof content === 'number' ? undefined : check.bytes('content', content)
  const size = bytes?.length ?? check.integer('content', content, 0, Number.MAX_SAFE_INTEGER)
  const fd = native.createMemfd(name)
  if (typeof fd !== 'number') throw failure(fd)
  try {
    ftruncateSync(fd, size)
    if (bytes !== undefined) fill(fd, bytes)
    seal(fd, bytes === undefined ? F_SEAL_SHRINK | F_SEAL_GROW : FINISHED)
  } catch (error) {
    closeDescriptor(fd)
    throw error instanceof SocketError ? error : system(error, 'write')
  }
  return fd
}

/**
 * The content of a file as an `ArrayBuffer`. The descriptor stays the caller's and may be closed at once.
 *
 * A memory file that nobody can change any more (`F_SEAL_SHRINK` and `F_SEAL_WRITE`) is mapped, without a copy; writing to
 * the buffer changes the buffer only. Everything else is copied: memory that another process can cut off or change
 * underneath could crash this one.
 *
 * `shared: true` maps the file itself: what is written here shows there, and the other way round. It takes `F_SEAL_SHRINK`,
 * and trust: who shares it may change bytes while Node's own functions look at them, which not all of them survive.
 *
 * Errors: `EINVAL` (not a file; `shared` and not sealed against shrinking), `EFBIG` (more than `maxLength` bytes; default
 * 1 GiB), `EACCES` or `EPERM` (`shared`, and the descriptor cannot be written to), `EOPNOTSUPP` (`shared`, and the runtime
 * allows no memory from outside).
 */
export function memoryFromFd(fd: number, options?: { shared?: boolean, maxLength?: number }): ArrayBuffer {
  const given = check.options('options', options)
  const shared = check.bool('options.shared', given.shared, false)
  const maxLength = check.integer('options.maxLength', given.maxLength, 0, Number.MAX_SAFE_INTEGER, DEFAULT_MAX_LENGTH)
  const stats = statOf(fd)
  if (!stats.isFile()) {
    throw new SocketError({ errno: EINVAL, syscall: 'mmap', explanation: 'the descriptor is not of a file' })
  }
  if (stats.size > maxLength) throw tooLarge(`the file has ${stats.size} bytes`, maxLength)
  // -1, for a file that cannot have seals, has every bit.
  const seals = Math.max(native.getSeals(fd), 0)
  if (!shared && (seals & UNCHANGEABLE) !== UNCHANGEABLE) {
    return stats.size > 0 ? copy(fd, stats.size) : copyToTheEnd(fd, maxLength)
  }
  // Nothing cannot be mapped.
  if (stats.size === 0 && (seals & F_SEAL_SHRINK) !== 0) return new ArrayBuffer(0)
  const mapped = native.mapMemory(fd, stats.size, shared)
  if (mapped instanceof ArrayBuffer) return mapped
  throw failure(mapped)
}

/** The seals of a file; null for one that cannot have any. Errors: `EBADF`. */
export function sealsOf(fd: number): Seal[] | null {
  statOf(fd)
  const found = native.getSeals(fd)
  return found < 0 ? null : (Object.keys(SEALS) as Seal[]).filter((name) => (found & SEALS[name]) !== 0)
}

/**
 * Seals a memory file; there is no way back.
 * Errors: `EPERM` (`F_SEAL_SEAL` is set, or the descriptor cannot be written to), `EBUSY` (`F_SEAL_WRITE`, and somebody has
 * it mapped for writing), `EINVAL` (not a memory file).
 */
export function addSeals(fd: number, seals: readonly Seal[]): void {
  check.descriptor('fd', fd)
  if (!Array.isArray(seals)) throw check.invalidType('seals', seals, 'an array of names')
  const names = Object.keys(SEALS) as Seal[]
  seal(fd, seals.reduce((all, name, index) => all | SEALS[check.oneOf(`seals[${index}]`, name as Seal, names)], 0))
}

function seal(fd: number, seals: number): void {
  const failed = native.addSeals(fd, seals)
  if (failed !== null) throw failure(failed)
}

function fill(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, Math.min(bytes.length - at, LARGEST_TRANSFER), at)
}

/** What is there, which may be less than `size` when somebody truncates it meanwhile. */
function copy(fd: number, size: number): ArrayBuffer {
  const bytes = new Uint8Array(size)
  const have = readInto(fd, bytes, 0)
  return have === size ? bytes.buffer : bytes.buffer.slice(0, have)
}

/** The same of a file that says that it is empty: those of the kernel (proc(5)) do, and are not. */
function copyToTheEnd(fd: number, maxLength: number): ArrayBuffer {
  let bytes = new Uint8Array(CHUNK)
  for (let have = 0; ;) {
    have += readInto(fd, bytes.subarray(have), have)
    if (have > maxLength) throw tooLarge(`the file says 0 bytes, and has at least ${have}`, maxLength)
    if (have < bytes.length) return bytes.buffer.slice(0, have)
    const larger = new Uint8Array(2 * bytes.length)
    larger.set(bytes)
    bytes = larger
  }
}

/** Reads what is at `position`, until there is no room or no more; answers how many bytes that were. */
function readInto(fd: number, room: Uint8Array, position: number): number {
  let have = 0
  try {
    for (let count = -1; have < room.length && count !== 0; have += count) {
      count = readSync(fd, room, have, Math.min(room.length - have, LARGEST_TRANSFER), position + have)
    }
  } catch (error) {
    throw system(error, 'read')
  }
  return have
}

function tooLarge(what: string, maxLength: number): SocketError {
  return new SocketError({ errno: EFBIG, syscall: 'mmap', explanation: `${what}, more than maxLength: ${maxLength}` })
}
