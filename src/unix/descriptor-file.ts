// Reading and writing through a descriptor that Node did not open, and cannot make a FileHandle of.

import { fstat, read, type Stats, write } from 'node:fs'
import type { Readable, Writable } from 'node:stream'

import { EAGAIN } from '../errnos.js'
import * as check from '../arguments.js'
import { closedError, SocketError } from '../errors.js'
import { END } from '../iterate.js'
import { closeDescriptor, LARGEST_TRANSFER, statOf, system } from './descriptors.js'
import { Direction } from './direction.js'

const CHUNK = 64 * 1024
/** What a pipe that says it is writable takes without blocking (`PIPE_BUF` of pipe(7)). */
const PIPE_CHUNK = 4096
const EFBIG = 27
const DEFAULT_MAX_LENGTH = 1024 ** 3

/** Closes the descriptors of objects that nobody can reach any more. */
const lost = new FinalizationRegistry<number>((fd) => {
  try {
    closeDescriptor(fd)
  } catch {
    return
  }
  process.emitWarning(`a DescriptorFile was never closed; descriptor ${fd} was closed when it was collected`)
})

/**
 * A file, a pipe or a device behind a descriptor that came from elsewhere: what a `FileHandle` of node:fs/promises is for
 * one that Node opened. Pipes and devices are waited for with epoll, so that a silent one does not occupy one of Node's
 * threads.
 *
 * The position of a file is shared with everybody who has the same open file, its sender for one. `readAll()` and
 * iteration therefore begin at its front and leave that position alone.
 */
export class DescriptorFile implements AsyncIterable<Buffer>, AsyncDisposable {
  readonly #fd: number
  readonly #waits: boolean
  readonly #reading = new Direction('read')
  readonly #writing = new Direction('write')
  #open = true
  /** Operations that were asked for and are not over. */
  #pending = 0
  #idle: (() => void) | undefined
  #closed: Promise<void> | undefined
  readonly #whenGone = new Set<() => void>()

  private constructor(fd: number, waits: boolean) {
    this.#fd = fd
    this.#waits = waits
    lost.register(this, fd, this)
  }

  /**
   * Takes a descriptor over, which is this object's from then on. For sockets there is `socketFromFd()`.
   * Errors: `EBADF`; `EINVAL` for a socket.
   */
  static fromFd(fd: number): DescriptorFile {
    const stats = statOf(fd)
    if (stats.isSocket()) {
      throw new SocketError({ errno: 22, syscall: 'fstat', explanation: 'the descriptor is a socket: use socketFromFd()' })
    }
    return new DescriptorFile(fd, !stats.isFile() && !stats.isDirectory() && !stats.isBlockDevice())
  }

  /** The descriptor, or -1 once it is closed or given up. */
  get fd(): number {
    return this.#open ? this.#fd : -1
  }

  /**
   * Reads into `into`; answers how many bytes, 0 at the end. `position`: where in the file; default: the file's own, which
   * moves by that.
   *
   * Errors: those of read(2); `ERR_SOCKET_CLOSED`; the signal's reason, while nothing is there yet.
   */
  async read(into: Uint8Array, options?: { position?: number, signal?: AbortSignal }): Promise<number> {
    if (!(into instanceof Uint8Array)) throw check.invalidType('into', into, 'a Uint8Array')
    if (into.length === 0) throw check.invalidValue('into', into, 'an array with room for at least one byte')
    const position = place(options?.position)
    const signal = check.signal('options.signal', options?.signal)
    signal?.throwIfAborted()
    const length = Math.min(into.length, LARGEST_TRANSFER)
    return this.#inTurn('read', this.#reading, signal, () => {
      return this.#attempt('read', this.#reading, signal, (done) => read(this.#fd, into, 0, length, position, done))
    })
  }

  /**
   * Writes all of `data`, at `position` or where the file stands.
   * Errors: those of write(2); `ERR_SOCKET_CLOSED`; the signal's reason, before the first byte.
   */
  async write(data: Uint8Array | string, options?: { position?: number, signal?: AbortSignal }): Promise<void> {
    const bytes = check.bytes('data', data)
    const start = place(options?.position)
    const signal = check.signal('options.signal', options?.signal)
    signal?.throwIfAborted()
    return this.#inTurn('write', this.#writing, signal, async () => {
      for (let at = 0; at < bytes.length;) {
        const length = Math.min(bytes.length - at, this.#waits ? PIPE_CHUNK : LARGEST_TRANSFER)
        const position = start === null ? null : start + at
        at += await this.#attempt('write', this.#writing, at === 0 ? signal : undefined,
          (done) => write(this.#fd, bytes, at, length, position, done))
      }
    })
  }

  /**
   * Everything: a file from its front, a pipe until its end.
   * Errors: `EFBIG` (more than `maxLength` bytes; default 1 GiB), those of `read()`.
   */
  async readAll(options?: { maxLength?: number, signal?: AbortSignal }): Promise<Buffer> {
    const given = check.options('options', options)
    const maxLength = check.integer('options.maxLength', given.maxLength, 0, Number.MAX_SAFE_INTEGER, DEFAULT_MAX_LENGTH)
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of this.#chunks(given.signal)) {
      length += chunk.length
      if (length > maxLength) {
        throw new SocketError({ errno: EFBIG, syscall: 'read', explanation: `there is more than maxLength: ${maxLength} bytes` })
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks, length)
  }

  /** Size, times, type (fstat(2)). */
  stat(): Promise<Stats> {
    return this.#underWay('fstat', () => this.#settled<Stats>('fstat', (done) => fstat(this.#fd, done)))
  }

  /** What is there, in pieces: a file from its front, a pipe until its end, or until `return()` ends the wait. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer> {
    const over = new AbortController()
    const chunks = this.#chunks(over.signal)
    return {
      next: () => chunks.next().catch((error: unknown) => {
        if (over.signal.aborted) return END
        throw error
      }),
      return() {
        // A generator's own return() would stand in line behind the next() that waits.
        over.abort()
        return chunks.return()
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  /** A `node:stream` of what iteration gives. Destroying it closes the descriptor unless told otherwise. */
  createReadStream(options?: { autoClose?: boolean }): Readable {
    const autoClose = check.bool('options.autoClose', check.options('options', options).autoClose, true)
    const stream = process.getBuiltinModule('node:stream').Readable.from(this, { objectMode: false })
    if (autoClose) stream.once('close', () => void this.close())
    return stream
  }

  /** A `node:stream` that writes where the file stands. Its end closes the descriptor unless told otherwise. */
  createWriteStream(options?: { autoClose?: boolean }): Writable {
    const autoClose = check.bool('options.autoClose', check.options('options', options).autoClose, true)
    const { Writable } = process.getBuiltinModule('node:stream')
    const over = new AbortController()
    const stream = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.write(chunk, { signal: over.signal }).then(() => done(), done)
      },
      destroy: (error, done) => {
        over.abort()
        done(error)
      },
    })
    if (autoClose) stream.once('close', () => void this.close())
    return stream
  }

  /** Closes the descriptor once the operations that are under way are over; those that wait reject. */
  close(): Promise<void> {
    return this.#closed ??= this.#close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Gives the descriptor up and answers it. Errors: `EBUSY` while an operation is under way. */
  detach(): number {
    this.#assertOpen('detach')
    if (this.#pending > 0) {
      throw new SocketError({ errno: 16, syscall: 'detach', explanation: 'an operation on this file is under way' })
    }
    this.#leave()
    return this.#fd
  }

  /** @internal Has `callback` called when the descriptor is given up; answers how to take that back. */
  whenGone(callback: () => void): () => void {
    this.#whenGone.add(callback)
    return () => this.#whenGone.delete(callback)
  }

  /** Nothing begins from here on. */
  #leave(): void {
    this.#open = false
    lost.unregister(this)
    this.#whenGone.forEach((tell) => tell())
  }

  async #close(): Promise<void> {
    if (!this.#open) return
    this.#leave()
    for (const direction of [this.#reading, this.#writing]) direction.end(() => closedError('close', 'file'))
    if (this.#pending > 0) await new Promise<void>((resolve) => { this.#idle = resolve })
    closeDescriptor(this.#fd)
  }

  async *#chunks(signal?: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    const room = Buffer.allocUnsafeSlow(CHUNK)
    for (let position = 0; ;) {
      const where = this.#waits ? {} : { position }
      const count = await this.read(room, signal === undefined ? where : { ...where, signal })
      if (count === 0) return
      position += count
      // A copy: a line at a time, each would hold all of the memory that it was read into.
      yield Buffer.from(room.subarray(0, count))
    }
  }

  /** What may block is done one after the other in each direction. */
  #inTurn<T>(syscall: string, direction: Direction, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    return this.#underWay(syscall, this.#waits ? () => direction.inTurn(signal, work) : work)
  }

  async #underWay<T>(syscall: string, work: () => Promise<T>): Promise<T> {
    this.#assertOpen(syscall)
    this.#pending++
    try {
      return await work()
    } finally {
      if (--this.#pending === 0) this.#idle?.()
    }
  }

  /** Waits until it will not block, where it could, and does it. */
  async #attempt(
    syscall: string, direction: Direction, signal: AbortSignal | undefined, call: (done: Done<number>) => void,
  ): Promise<number> {
    for (;;) {
      this.#assertOpen(syscall)
      if (this.#waits) await direction.ready(this.#fd, signal)
      try {
        return await this.#settled(syscall, call)
      } catch (error) {
        // Somebody else was faster, on a descriptor that does not block.
        if (!this.#waits || (error as SocketError).errno !== EAGAIN) throw error
      }
    }
  }

  #settled<T>(syscall: string, call: (done: Done<T>) => void): Promise<T> {
    this.#assertOpen(syscall)
    return new Promise<T>((resolve, reject) => {
      call((error, value) => {
        if (error) reject(system(error, syscall))
        else resolve(value)
      })
    })
  }

  #assertOpen(syscall: string): void {
    if (!this.#open) throw closedError(syscall, 'file')
  }
}

type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void

function place(position: unknown): number | null {
  return position === undefined ? null : check.integer('options.position', position, 0, Number.MAX_SAFE_INTEGER)
}
