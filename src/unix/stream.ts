import type { Socket as NetSocket } from 'node:net'
import type { Duplex } from 'node:stream'

import { EAGAIN } from '../errnos.js'
import * as check from '../arguments.js'
import { cut } from '../cut.js'
import { SocketError } from '../errors.js'
import { END, iterate } from '../iterate.js'
import { calls, type Native } from '../native.js'
import { WAIT } from '../waits.js'
import type { EncodedAddress, UnixAddressLike } from './address.js'
import { configureOrClose, configureOrGiveBack, type Credentials, credentials, descriptors, receiveOptions, type ReceiveOptions } from './ancillary.js'
import { connect, type ConnectOptions } from './connect.js'
import { adoptSocket, Connected, openPair } from './connected.js'
import { type DuplexOptions, UnixDuplex } from './duplex.js'
import { errnoError, failure } from './failures.js'
import { FramedStream } from './framed.js'
import type { FramingOptions } from './framing.js'
import { attach, Incoming, receiveBytes, type ReceivedMessage, sendMessage } from './messages.js'
import { Outgoing } from './outgoing.js'
import { slab } from './slab.js'
import { readableOf, writableOf } from './web-streams.js'

const SOCK_STREAM = 1
/** Bytes that one `receiveMessage()` brings at most, unless told otherwise. */
const DEFAULT_LENGTH = 64 * 1024

/** Bytes with what goes beside them. */
export interface StreamMessage {
  /** At least one byte when something goes beside them. */
  data: Uint8Array | string
  /** Descriptors to pass, at most 253. */
  fds?: readonly number[]
  /** One's own credentials (`true`), or others, which only a privileged process may send. */
  credentials?: Credentials | true
}

/**
 * A connected AF_UNIX stream socket: bytes in order, without boundaries. Iterating it reads whatever is there.
 */
export class UnixStream extends Connected implements AsyncIterable<Buffer> {
  protected readonly kind = 'stream'
  readonly #number: number
  #outgoing: Outgoing | undefined
  #isAttached = false
  #incoming: Incoming | undefined
  readonly #nextChunk = (): IteratorResult<Buffer, undefined> | typeof WAIT => this.#readChunk()
  #readable: ReadableStream<Uint8Array> | undefined
  #writable: WritableStream<Uint8Array> | undefined
  #owner: string | undefined
  #readAhead: (() => number) | undefined

  private constructor(native: Native.UnixSocket, slot: number, remote?: EncodedAddress) {
    super(native, slot, remote)
    this.#number = native.number
  }

  /** @internal Made when first needed: a server's idle connections have sent nothing yet. */
  get outgoing(): Outgoing {
    if (this.#outgoing === undefined) {
      this.#outgoing = new Outgoing(this.native, this)
      if (this.isClosing) this.#outgoing.refuse(() => this.closedError('write'))
    }
    return this.#outgoing
  }

  /** @internal What kept sent bytes from the kernel, if anything did. */
  get sendFailure(): SocketError | undefined {
    return this.#outgoing?.failure
  }

  /** @internal */
  static wrap(native: Native.UnixSocket, slot: number, remote?: EncodedAddress): UnixStream {
    return new UnixStream(native, slot, remote)
  }

  /**
   * Connects to a listening stream socket.
   *
   * Errors: `ENOENT` (no such file), `ECONNREFUSED` (nobody listens: a stale file), `EACCES` (a permission, named in the
   * message), `EPROTOTYPE` (another socket type), `ETIMEDOUT`; the signal's reason.
   */
  static async connect(address: UnixAddressLike, options?: ConnectOptions): Promise<UnixStream> {
    const { native, slot, address: remote } = await connect(SOCK_STREAM, address, options)
    return new UnixStream(native, slot, remote)
  }

  /** Two streams connected to each other (socketpair(2)). */
  static pair(options?: ReceiveOptions): [UnixStream, UnixStream] {
    const receive = receiveOptions(check.options('options', options))
    const [left, right] = openPair(SOCK_STREAM)
    const pair: [UnixStream, UnixStream] = [new UnixStream(left.native, left.slot), new UnixStream(right.native, right.slot)]
    for (const socket of pair) configureOrClose(pair, socket.native, receive)
    return pair
  }

  /**
   * Adopts a connected stream descriptor, which is this object's from then on.
   *
   * Errors: `EBADF`, `ENOTSOCK`, `EAFNOSUPPORT` (not AF_UNIX), `EPROTOTYPE` (not a stream socket), `EINVAL` (a
   * listener), `ENOTCONN`; the descriptor then stays as it was.
   */
  static fromFd(fd: number, options?: ReceiveOptions): UnixStream {
    const receive = receiveOptions(check.options('options', options))
    const { native, slot } = adoptSocket(SOCK_STREAM, fd)
    const stream = new UnixStream(native, slot)
    configureOrGiveBack(stream, native, receive)
    return stream
  }

  /**
   * Reads what is there into `into`, waiting for at least one byte; answers how many, 0 at the end.
   *
   * Errors: `ECONNRESET` (the peer closed with unread data), `ERR_SOCKET_CLOSED`, `ERR_STREAM_LOCKED` (a framed stream
   * or a duplex reads already); the signal's reason.
   */
  read(into: Uint8Array, options?: { signal?: AbortSignal }): Promise<number> {
    try {
      if (!(into instanceof Uint8Array)) throw check.invalidType('into', into, 'a Uint8Array')
      if (into.length === 0) throw check.invalidValue('into', into, 'an array with room for at least one byte')
      this.assertReadable()
      const signal = check.signal('options.signal', options?.signal)
      signal?.throwIfAborted()
      if (this.reads.length === 0) {
        const count = this.readNow(into, 0, into.length)
        if (count !== -EAGAIN) return Promise.resolve(count)
      }
      return this.reads.wait(() => this.#readInto(into), signal)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /**
   * Writes all of `data`; settles when the kernel has it. Do not change the bytes before that. A write that is aborted
   * before its first byte went out is withdrawn; one that has begun goes on, so that the peer never sees half of it.
   * Which of the two it was, the signal's reason does not say.
   *
   * Errors: `EPIPE` (the peer no longer reads), `ECONNRESET`, `ERR_SOCKET_CLOSED`; the signal's reason.
   */
  write(data: Uint8Array | string, options?: { signal?: AbortSignal }): Promise<void> {
    try {
      const bytes = check.bytes('data', data)
      const signal = check.signal('options.signal', options?.signal)
      signal?.throwIfAborted()
      this.assertOpen('write')
      return this.outgoing.write(bytes, signal)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /**
   * Writes bytes with descriptors or credentials beside them (sendmsg(2)); answers their number when all of them are in
   * the kernel. The descriptors go with the first of the bytes, once, whatever the kernel takes at a time. They are
   * duplicated: yours stay open, and may be closed when this settles.
   *
   * Errors: `ERR_INVALID_ARG_VALUE` (no bytes: on a stream the kernel would report success and deliver nothing),
   * `RangeError` for more than 253 descriptors; `EBADF`, `EPERM` (the peer refuses descriptors, or credentials that are
   * not one's own need a privilege), `ETOOMANYREFS` (too many are on their way), after which the stream is as before;
   * `EPIPE`, `ECONNRESET`, `ERR_SOCKET_CLOSED`; the signal's reason.
   */
  sendMessage(message: StreamMessage, options?: { signal?: AbortSignal }): Promise<number> {
    try {
      if (typeof message !== 'object' || message === null) throw check.invalidType('message', message, 'an object')
      const bytes = check.bytes('message.data', message.data)
      const waiting = this.#sendWith(message, bytes, check.signal('options.signal', options?.signal))
      return waiting === undefined ? Promise.resolve(bytes.length) : waiting.then(() => bytes.length)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  #sendWith(message: StreamMessage, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> | undefined {
    let fds = descriptors('message.fds', message.fds)
    const sender = credentials('message.credentials', message.credentials)
    signal?.throwIfAborted()
    this.assertOpen('sendmsg')
    if (fds.length === 0 && sender === undefined) return this.outgoing.writeNow(bytes, signal)
    if (bytes.length === 0) {
      throw check.invalidValue('message.data', message.data, 'at least one byte: on a stream, descriptors and credentials travel with bytes')
    }
    this.#attach()
    const waiting = this.outgoing.writeWith(bytes, () => {
      const sent = sendMessage(this.#number, bytes, undefined, fds, sender)
      if (typeof sent === 'number') return sent
      throw failure(sent)
    }, signal)
    // The list is its owner's again.
    if (waiting !== undefined) fds = [...fds]
    return waiting
  }

  /**
   * What is there, with the descriptors that came with it; null at the end. A stream has no boundaries: `data` may be a
   * part of what was sent together, or have earlier bytes before it, but the descriptors always belong to its last bytes,
   * and no byte that was sent after them is in it.
   *
   * This, and `messages()`, are the only ways to receive descriptors on a stream: with `read()`, iteration, a framed
   * stream, a duplex or a web stream the kernel closes those that come with the bytes (unix(7)). `passRights: false`
   * makes the sender learn it.
   *
   * Errors: `ECONNRESET`, `ERR_SOCKET_CLOSED`, `ERR_STREAM_LOCKED`; the signal's reason.
   */
  receiveMessage(options?: { maxLength?: number, signal?: AbortSignal }): Promise<ReceivedMessage | null> {
    try {
      this.assertReadable()
      this.#attach()
      if (options === undefined) return this.reads.run(() => this.#receiveBytes(DEFAULT_LENGTH))
      const { maxLength = DEFAULT_LENGTH, signal } = check.options('options', options)
      const longest = check.integer('options.maxLength', maxLength, 1, 0x7fff_ffff)
      return this.reads.run(() => this.#receiveBytes(longest), check.signal('options.signal', signal))
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /**
   * What `receiveMessage()` gives, in a loop, until the end: for many descriptors. It reads ahead, several at a time
   * (recvmmsg(2)), so from then on nothing else reads this stream; what a loop did not get to is given by the next
   * `messages()`, and descriptors with it are closed with the socket.
   *
   * Errors: `ERR_STREAM_LOCKED`; those of `receiveMessage()` end the loop.
   */
  messages(): AsyncIterableIterator<ReceivedMessage> {
    if (this.#incoming === undefined) {
      this.lock('messages()', () => 0)
      this.#incoming = new Incoming(this.native, { reads: this.reads, assertReadable: () => this.assertOpen('recvmsg') }, false)
    }
    return this.#incoming.iterate()
  }

  /** The bytes as they come in, in pieces of whatever size was there; until the end. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer> {
    const chunks = iterate(this.reads, this.#nextChunk)
    const next = chunks.next.bind(chunks)
    // Without this a loop would wait in line behind what reads the stream now, for ever.
    chunks.next = () => this.#owner === undefined ? next() : Promise.reject(locked(this.#owner))
    return chunks
  }

  /** Messages with boundaries of our own on this stream, which from then on reads them and nothing else. */
  framed<T = Buffer, Sent = Uint8Array | string>(options?: FramingOptions<T, Sent>): FramedStream<T, Sent> {
    this.assertReadable()
    const framed = new FramedStream<T, Sent>(this, options)
    this.lock('a framed stream', () => framed.readAhead)
    return framed
  }

  /**
   * A `node:stream` duplex over this stream: for http, http2, undici, TLS and whatever else takes one. Like a `net.Socket`
   * it reads from the beginning, which keeps the process alive until it is closed, destroyed or unreferenced.
   */
  toDuplex(options?: DuplexOptions): Duplex {
    const allowHalfOpen = check.bool('options.allowHalfOpen', check.options('options', options).allowHalfOpen, false)
    this.lock('a duplex', () => duplex.readableLength)
    const duplex = new UnixDuplex(this, allowHalfOpen)
    return duplex
  }

  /** Hands the descriptor to Node itself: a `net.Socket` at Node's own speed. This object is closed by that. */
  toNetSocket(): NetSocket {
    this.assertReadable()
    // Loaded when asked for: it would be a tenth of this package's loading time.
    const { Socket } = process.getBuiltinModule('node:net')
    return new Socket({ fd: this.detach(), readable: true, writable: true })
  }

  /** The incoming bytes as a web stream, with BYOB reading. */
  get readable(): ReadableStream<Uint8Array> {
    return this.#readable ??= readableOf(this)
  }

  /** The outgoing bytes as a web stream; closing it shuts writing down. */
  get writable(): WritableStream<Uint8Array> {
    return this.#writable ??= writableOf(this)
  }

  /** As for every connection; what was sent before `shutdown('write')` goes out first, and sending more is `EPIPE`. */
  override shutdown(how: 'read' | 'write' | 'both' = 'write'): void {
    // Made now if nothing was sent before, to refuse what is sent afterwards.
    if (how !== 'read') void this.outgoing
    super.shutdown(how)
  }

  /** @internal Reads into a buffer now: a count, 0 at the end, or `-EAGAIN` when the token will come. */
  readNow(into: Uint8Array, start: number, end: number): number {
    this.assertOpen('read')
    const count = calls.unixRead(this.#number, into, start, end)
    if (count < 0 && count !== -EAGAIN) throw errnoError(count, 'read')
    return count
  }

  /** @internal From now on only `owner` reads; `readAhead` tells how many bytes it has read and nobody has taken. */
  lock(owner: string, readAhead: () => number): void {
    this.assertReadable()
    if (this.reads.length > 0) throw locked('a pending read')
    this.#owner = owner
    this.#readAhead = readAhead
  }

  /** @internal */
  override onWritable(): void {
    this.#outgoing?.onWritable()
  }

  /** @internal */
  protected override drained(refusal: () => SocketError): Promise<void> | undefined {
    const outgoing = this.#outgoing
    outgoing?.refuse(refusal)
    return outgoing === undefined || outgoing.isEmpty ? undefined : outgoing.flush()
  }

  /** @internal */
  protected override beforeDetach(): void {
    this.#incoming?.assertNothingAhead()
    const ahead = this.#readAhead?.() ?? 0
    if (ahead > 0) {
      throw new SocketError({
        code: 'ERR_READ_AHEAD', errno: 0, syscall: 'detach', explanation: `${ahead} bytes were read ahead and would be lost`,
      })
    }
    this.native.flush()
    if (this.#outgoing?.isEmpty === false) {
      throw new SocketError({
        code: 'ERR_UNSENT', errno: 0, syscall: 'detach', explanation: 'bytes wait to be sent; await flush() first',
      })
    }
  }

  /** @internal */
  protected override afterEnd(): void {
    this.#incoming?.end()
    this.#outgoing?.end(() => this.closedError('write'))
  }

  private assertReadable(): void {
    this.assertOpen('read')
    if (this.#owner !== undefined) throw locked(this.#owner)
  }

  #receiveBytes(longest: number): ReceivedMessage | null | typeof WAIT {
    this.assertOpen('recvmsg')
    return receiveBytes(this.native, this.#number, longest)
  }

  #attach(): void {
    if (this.#isAttached) return
    attach(this.native)
    this.#isAttached = true
  }

  #readInto(into: Uint8Array): number | typeof WAIT {
    const count = this.readNow(into, 0, into.length)
    return count === -EAGAIN ? WAIT : count
  }

  #readChunk(): IteratorResult<Buffer, undefined> | typeof WAIT {
    this.assertReadable()
    slab.makeRoom()
    const { buffer, memory, used } = slab
    const count = this.readNow(buffer, used, buffer.length)
    if (count === -EAGAIN) return WAIT
    if (count === 0) return END
    slab.used = used + count
    return { done: false, value: cut(memory, used, used + count) }
  }
}

function locked(owner: string): SocketError {
  return new SocketError({
    code: 'ERR_STREAM_LOCKED', errno: 0, syscall: 'read', explanation: `${owner} reads from this stream already`,
  })
}
