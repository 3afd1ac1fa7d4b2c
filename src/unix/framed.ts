import { EAGAIN } from '../errnos.js'
import * as check from '../arguments.js'
import { cut } from '../cut.js'
import { SocketError } from '../errors.js'
import type { Closable } from '../handle.js'
import { END, iterate } from '../iterate.js'
import { WAIT } from '../waits.js'
import { type Codec, rawCodec } from './codecs.js'
import { FOUND, type Framing, type FramingOptions, lengthPrefix, type Scanner, TOO_LONG } from './framing.js'
import { MessageBatch } from './message-batch.js'
import { slab } from './slab.js'
import type { UnixStream } from './stream.js'

const DEFAULT_MAX_LENGTH = 16 * 1024 * 1024
/** Messages up to this size are coalesced; larger ones go to the kernel from where they are. */
const LARGEST_COALESCED = 16 * 1024

/** A message that is not all here yet is moved to the slab's end when others have read there, unless that is dear. */
const MOST_MOVED = 4 * 1024
/** The least that a message gets which has memory of its own. */
const LEAST_OWN = 64 * 1024

const nothing = Buffer.alloc(0)
const noMemory = nothing.buffer as ArrayBuffer

/** Where the bounds of a batch are collected, before their number is known; one at a time on this thread. */
let starts = new Uint32Array(4096)
let ends = new Uint32Array(4096)

function grown(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2)
  larger.set(array)
  return larger
}

/** Messages over a stream. Iterating it receives them. */
export class FramedStream<T = Buffer, Sent = Uint8Array | string> implements AsyncIterable<T>, Closable {
  readonly #stream: UnixStream
  readonly #framing: Framing
  readonly #codec: Codec<T, Sent>
  readonly #raw: boolean
  readonly #maxLength: number
  readonly #scanner: Scanner
  /** Bytes that were read and not taken yet: `#buffer[#start..#end]`. */
  #buffer: Buffer = nothing
  #memory: ArrayBuffer = noMemory
  /** Nobody else reads into it. */
  #isOwn = false
  #start = 0
  #end = 0
  #ended = false
  #failure: SocketError | undefined
  readonly #nextMessage = (): IteratorResult<T, undefined> | typeof WAIT => this.#receive()
  readonly #nextBatch = (): IteratorResult<MessageBatch<T>, undefined> | typeof WAIT => this.#receiveBatch()

  /** @internal Use `stream.framed()`. */
  constructor(stream: UnixStream, options: FramingOptions<T, Sent> | undefined) {
    const { framing = lengthPrefix(), maxLength, codec } = check.options('options', options)
    if (typeof framing?.scanner !== 'function') {
      throw check.invalidType('options.framing', framing, 'what lengthPrefix() or delimiter() answers')
    }
    if (codec !== undefined && (typeof codec?.encode !== 'function' || typeof codec.decode !== 'function')) {
      throw check.invalidType('options.codec', codec, 'an object with encode() and decode()')
    }
    const longest = Math.min(framing.longest, 0x7fff_ffff)
    this.#maxLength = check.integer('options.maxLength', maxLength, 1, longest, Math.min(DEFAULT_MAX_LENGTH, longest))
    this.#stream = stream
    this.#framing = framing
    this.#raw = codec === undefined || (codec as unknown) === rawCodec
    this.#codec = codec ?? (rawCodec as unknown as Codec<T, Sent>)
    this.#scanner = framing.scanner(this.#maxLength)
  }

  /** The stream underneath: its peer, its addresses. */
  get stream(): UnixStream {
    return this.#stream
  }

  /**
   * Sends one message. Small ones are coalesced and leave before the loop blocks, or at `flush()`. A promise comes back
   * when the kernel is not keeping up: wait for it before sending more. A `Uint8Array` over 16 KiB is sent from where it
   * is; do not change it before `flush()` settles.
   *
   * Throws `ERR_MESSAGE_TOO_LONG` (RangeError), `ERR_DELIMITER_IN_MESSAGE`, what the codec throws, and after a failure
   * that failure: `EPIPE`, `ECONNRESET`, `ERR_SOCKET_CLOSED`.
   */
  send(message: Sent): void | Promise<void> {
    const encoded = this.#codec.encode(message)
    const payload = typeof encoded === 'string' ? Buffer.from(encoded) : encoded
    if (!(payload instanceof Uint8Array)) {
      throw check.invalidType('message', message, this.#raw ? 'a Uint8Array, a Buffer or a string' : 'encoded to bytes')
    }
    const length = payload.length
    const framing = this.#framing
    if (length > this.#maxLength) throw this.#tooLongToSend(length)
    framing.check(payload)
    const header = framing.headerLength(length)
    const trailer = framing.trailer
    const outgoing = this.#stream.outgoing
    if (length <= LARGEST_COALESCED) {
      const total = header + length + trailer.length
      const at = outgoing.reserve(total)
      if (at !== -1) {
        const outbox = outgoing.outbox
        framing.writeHeader(outbox, at, length)
        outbox.set(payload, at + header)
        if (trailer.length > 0) outbox.set(trailer, at + header + length)
        outgoing.commit(at + total)
        return outgoing.pressure()
      }
    }
    return this.#sendApart(payload, header, trailer)
  }

  /** Settles when everything sent so far is in the kernel; rejects with the failure that kept it from there. */
  flush(): Promise<void> {
    return this.#stream.outgoing.flush()
  }

  /**
   * Messages until the peer ends. Throws `ERR_UNEXPECTED_END` when it ends within a message and `ERR_MESSAGE_TOO_LONG`
   * when it announces one over `maxLength`, each after the whole messages before it; `ECONNRESET`.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return iterate(this.#stream.reads, this.#nextMessage, () => this.#receiveReady())
  }

  /** The messages that came in together, together: for programs to which a promise a message is too dear. */
  batches(): AsyncIterableIterator<MessageBatch<T>> {
    return iterate(this.#stream.reads, this.#nextBatch)
  }

  close(): Promise<void> {
    return this.#stream.close()
  }

  destroy(): Promise<void> {
    return this.#stream.destroy()
  }

  get closed(): Promise<void> {
    return this.#stream.closed
  }

  ref(): this {
    this.#stream.ref()
    return this
  }

  unref(): this {
    this.#stream.unref()
    return this
  }

  get fd(): number {
    return this.#stream.fd
  }

  detach(): number {
    return this.#stream.detach()
  }

  /** @internal How many bytes were read and not taken yet. */
  get readAhead(): number {
    return this.#end - this.#start
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The next message, when all of it has been read already and needs no decoding. */
  #receiveReady(): Promise<IteratorResult<T, undefined>> | undefined {
    if (this.#start === this.#end || !this.#raw) return undefined
    const scanner = this.#scanner
    if (scanner.scan(this.#buffer, this.#start, this.#end) !== FOUND) return undefined
    this.#start = scanner.next
    return Promise.resolve({ value: cut(this.#memory, scanner.start, scanner.end) as T, done: false })
  }

  #receive(): IteratorResult<T, undefined> | typeof WAIT {
    const scanner = this.#scanner
    for (;;) {
      if (this.#start < this.#end) {
        const outcome = scanner.scan(this.#buffer, this.#start, this.#end)
        if (outcome === FOUND) {
          this.#start = scanner.next
          const bytes = cut(this.#memory, scanner.start, scanner.end)
          return { value: this.#raw ? bytes as T : this.#codec.decode(bytes), done: false }
        }
        if (outcome === TOO_LONG) throw this.#tooLongToReceive()
      }
      const filled = this.#fill()
      if (filled === WAIT) return WAIT
      if (!filled) return this.#finish()
    }
  }

  #receiveBatch(): IteratorResult<MessageBatch<T>, undefined> | typeof WAIT {
    for (;;) {
      const scanner = this.#scanner
      const buffer = this.#buffer
      let outcome = 0
      let at = this.#start
      let count = 0
      const end = this.#end
      while (at < end && (outcome = scanner.scan(buffer, at, end)) === FOUND) {
        if (count === starts.length) [starts, ends] = [grown(starts), grown(ends)]
        starts[count] = scanner.start
        ends[count++] = scanner.end
        at = scanner.next
      }
      this.#start = at
      if (count > 0) {
        const value = new MessageBatch<T>(buffer, this.#memory, starts.slice(0, count), ends.slice(0, count), this.#codec)
        return { value, done: false }
      }
      if (outcome === TOO_LONG) throw this.#tooLongToReceive()
      const filled = this.#fill()
      if (filled === WAIT) return WAIT
      if (!filled) return this.#finish()
    }
  }

  /** The peer's end; but what we sent and the kernel refused meanwhile must not go unnoticed. */
  #finish(): IteratorResult<never, undefined> {
    const failure = this.#stream.sendFailure
    if (failure !== undefined) throw failure
    return END
  }

  /** Reads more behind what is here; false at the end. */
  #fill(): boolean | typeof WAIT {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#ended) return false
    const have = this.#end - this.#start
    const missing = have === 0 ? 1 : Math.max(1, this.#scanner.needed - have)
    // Where nobody has read since, go on behind our own bytes.
    const isFree = (this.#buffer === slab.buffer && this.#end === slab.used) || this.#isOwn
    if (isFree && this.#buffer.length - this.#end >= missing) return this.#readAt(this.#end)
    const before = this.#buffer
    // A large message gets memory of its own: in what all share, several would be in each other's way, over and over.
    this.#isOwn = have > MOST_MOVED || have + missing > LEAST_OWN
    let at = 0
    if (this.#isOwn) {
      // Twice as much, for where a delimiter comes nobody knows.
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(LEAST_OWN, have + missing, 2 * have))
      this.#memory = this.#buffer.buffer as ArrayBuffer
    } else {
      slab.makeRoom()
      ;({ buffer: this.#buffer, memory: this.#memory, used: at } = slab)
    }
    if (have > 0) before.copy(this.#buffer, at, this.#start, this.#end)
    this.#start = at
    return this.#readAt(at + have)
  }

  /** Reads behind what is here, which ends at `at`. */
  #readAt(at: number): boolean | typeof WAIT {
    this.#end = at
    if (!this.#isOwn) slab.used = at
    const count = this.#stream.readNow(this.#buffer, at, this.#buffer.length)
    if (count === -EAGAIN) {
      // Whoever waits with nothing must not keep memory that others go on to fill.
      if (this.#start === this.#end) {
        this.#buffer = nothing
        this.#memory = noMemory
        this.#isOwn = false
        this.#start = this.#end = 0
      }
      return WAIT
    }
    if (count === 0) {
      this.#ended = true
      if (this.#start === this.#end) return false
      throw this.#failure = new SocketError({
        code: 'ERR_UNEXPECTED_END', errno: 0, syscall: 'read',
        explanation: `the peer ended within a message, ${this.#end - this.#start} bytes after its beginning`,
      })
    }
    this.#end = at + count
    if (!this.#isOwn) slab.used = this.#end
    return true
  }

  #sendApart(payload: Uint8Array, headerLength: number, trailer: Uint8Array): void | Promise<void> {
    const outgoing = this.#stream.outgoing
    const header = Buffer.allocUnsafe(headerLength)
    this.#framing.writeHeader(header, 0, payload.length)
    const parts = payload.length <= LARGEST_COALESCED ? [Buffer.concat([header, payload, trailer])] : [header, payload, trailer]
    for (const part of parts) {
      if (part.length === 0) continue
      const at = outgoing.reserve(part.length)
      if (at === -1 || part === payload) {
        outgoing.push(part)
      } else {
        outgoing.outbox.set(part, at)
        outgoing.commit(at + part.length)
      }
    }
    return outgoing.pressure()
  }

  #tooLongToSend(length: number): RangeError {
    return Object.assign(
      new RangeError(`message must be at most ${this.#maxLength} bytes (maxLength), not ${length}`),
      { code: 'ERR_MESSAGE_TOO_LONG' },
    )
  }

  #tooLongToReceive(): SocketError {
    return this.#failure = new SocketError({
      code: 'ERR_MESSAGE_TOO_LONG', errno: 0, syscall: 'read',
      explanation: `the peer sends a message of ${this.#scanner.length} bytes or more, over the ${this.#maxLength} of maxLength`,
    })
  }
}
