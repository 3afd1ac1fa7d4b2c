import * as check from '../arguments.js'
import { SocketError } from '../errors.js'
import { Handle } from '../handle.js'
import { eventLoop, giveBack, reserveSlot } from '../loop.js'
import { type Native, native } from '../native.js'
import { decodeAddress, encodeAddress, type EncodedAddress, type UnixAddress, type UnixAddressLike } from './address.js'
import {
  configureOrClose, configureOrGiveBack, type Credentials, credentials, descriptors, receiveOptions, type ReceiveOptions,
} from './ancillary.js'
import { adoptSocket, type Opened, openPair } from './connected.js'
import { failure, unwrap } from './failures.js'
import { takeoverNumber } from './listening.js'
import { type Beside, MessageOutgoing } from './message-outgoing.js'
import { SocketOptions } from './options.js'
import { Incoming, type ReceivedBatch, type ReceivedMessage, type ReceiveMessageOptions } from './messages.js'

const SOCK_DGRAM = 2

/** How a datagram socket takes its name. */
export interface BindOptions extends ReceiveOptions {
  /** Permission bits of the socket file, set before the name appears. Sending to it needs write permission. */
  mode?: number
  /**
   * What to do about a socket that has the name already. `'stale'` (default): replace one that no process holds;
   * `true`: replace a live one too; `false`: `EADDRINUSE`. Anything that is not a socket is never replaced.
   */
  takeover?: boolean | 'stale'
  /** Remove the socket file on close, if it is still the one made here. Default true. */
  unlinkOnClose?: boolean
}

/** A received datagram. */
export type DatagramMessage = ReceivedMessage

/** Where a message goes and what goes beside it. */
export interface SendOptions {
  /** Where to; default: where the socket is connected. The `from` of a received message is an address to answer to. */
  to?: UnixAddressLike
  /** Descriptors to pass, at most 253. They are duplicated: yours stay open, and may be closed once it is sent. */
  fds?: readonly number[]
  /** Credentials to send: one's own (`true`), or others, which only a privileged process may. */
  credentials?: Credentials | true
  /** Aborts the wait for room with the signal's reason; the message is not sent then. */
  signal?: AbortSignal
}

/** The constructor, for the functions beside the class. */
let make: (opened: Opened, receive: Native.UnixReceiveOptions) => UnixDatagram

/**
 * A datagram socket: messages with the kernel's own boundaries, in order and never lost, from anybody who may write to
 * its name. Iterating it receives.
 *
 * A datagram socket is never told that a peer is gone; whoever sends is (`ECONNREFUSED`).
 */
export class UnixDatagram extends Handle<Native.UnixSocket> implements AsyncIterable<DatagramMessage> {
  protected readonly kind = 'datagram socket'
  readonly #incoming: Incoming
  #outgoing: MessageOutgoing | undefined

  private constructor({ native, slot }: Opened, timestamps: boolean) {
    super(native, slot)
    this.#incoming = new Incoming(native, this, timestamps)
  }

  /**
   * A socket at a name; `'auto'` lets the kernel choose an abstract one.
   *
   * Peers see a path as it was bound. One over 108 bytes they see as another, which cannot be answered.
   *
   * Errors: `EADDRINUSE` (the name is taken, see `takeover`), `EACCES`, `ENOENT` (no such directory), `ENOPROTOOPT` (an
   * option that the running kernel lacks).
   */
  static override async bind(address: UnixAddressLike | 'auto', options?: BindOptions): Promise<UnixDatagram> {
    const name = address === 'auto' ? undefined : encodeAddress('address', address)
    const given = check.options('options', options)
    const receive = receiveOptions(given)
    const native_ = {
      ...(given.mode === undefined ? {} : { mode: check.integer('options.mode', given.mode, 0, 0o777) }),
      takeover: takeoverNumber(given.takeover),
      unlinkOnClose: check.bool('options.unlinkOnClose', given.unlinkOnClose, true),
      receive,
    }
    return open((slot) => native.UnixSocket.bindDatagram(eventLoop, slot, name, native_), receive, name)
  }

  /** A socket without a name: it can send, and receive answers once it has connected and is bound, or is a pair's. */
  static unbound(options?: ReceiveOptions): UnixDatagram {
    const receive = receiveOptions(check.options('options', options))
    return open((slot) => native.UnixSocket.unboundDatagram(eventLoop, slot, receive), receive)
  }

  /** Two sockets connected to each other (socketpair(2)). */
  static pair(options?: ReceiveOptions): [UnixDatagram, UnixDatagram] {
    const receive = receiveOptions(check.options('options', options))
    const [left, right] = openPair(SOCK_DGRAM)
    const pair: [UnixDatagram, UnixDatagram] = [make(left, receive), make(right, receive)]
    for (const socket of pair) configureOrClose(pair, socket.native, receive)
    return pair
  }

  /**
   * Adopts a datagram descriptor, which is this object's from then on. Its name is never unlinked.
   *
   * Errors: `EBADF`, `ENOTSOCK`, `EAFNOSUPPORT` (not AF_UNIX), `EPROTOTYPE` (not a datagram socket); the descriptor then
   * stays as it was.
   */
  static fromFd(fd: number, options?: ReceiveOptions): UnixDatagram {
    const receive = receiveOptions(check.options('options', options))
    const socket = make(adoptSocket(SOCK_DGRAM, fd), receive)
    configureOrGiveBack(socket, socket.native, receive)
    return socket
  }

  static {
    make = ({ native, slot }, receive) => new UnixDatagram({ native, slot }, receive.timestamps === true)
  }

  /** This socket's name; `{ unnamed: true }` for one without. */
  get address(): UnixAddress {
    this.assertOpen('getsockname')
    return decodeAddress(unwrap(this.native.localAddress()))
  }

  /** Socket options, by the names of socket(7) and unix(7). */
  get options(): SocketOptions {
    return new SocketOptions(this)
  }

  /** Where the socket is connected, or null. */
  get remoteAddress(): UnixAddress | null {
    this.assertOpen('getpeername')
    const found = this.native.remoteAddress()
    if ('syscall' in found) return null
    return decodeAddress(found)
  }

  /**
   * Makes an address the default destination and the only sender from which messages are taken. May be called again:
   * the kernel then discards what the socket has not received, as it does at `disconnect()`
   * (`unix_dgram_disconnected()` in net/unix/af_unix.c).
   *
   * Errors: `ECONNREFUSED` (no socket is bound there), `ENOENT`, `EPROTOTYPE` (one of another type), `EACCES`, `EPERM`
   * (it is connected to somebody else), `ERR_UNSENT` (messages wait for the destination so far, or failed and nobody has
   * been told: `await flush()` first).
   */
  connect(address: UnixAddressLike): void {
    this.#connect(encodeAddress('address', address))
  }

  /** Undoes `connect()`. The kernel discards what the socket has not received. */
  disconnect(): void {
    this.#connect(undefined)
  }

  /**
   * Sends one message: bytes, or a string as UTF-8; an empty one is a message too. A promise comes back when the
   * destination is full: the message is in the kernel when that settles, and you should wait for it before sending more.
   * It rejects when the destination dies, so do not drop it.
   *
   * Messages to one destination stay in order (where the socket is connected, and the same name as `to`, are two), and one
   * that is full does not stop the others, as long as what is unread everywhere leaves room in this socket's buffer
   * (`sendBuffer`), which all of them share.
   *
   * The first message of a turn of the event loop leaves at once, and what is wrong with it is thrown. Those that follow
   * in the same turn leave together before the loop blocks, or at `flush()`; what is wrong with them is thrown by the
   * next `send()` to that destination, or by `flush()`. A `Uint8Array` over 16 KiB is sent from where it is: do not
   * change it before the promise, or `flush()`, settles.
   *
   * Errors: `ECONNREFUSED` (nobody has the destination, or who had it is gone), `ENOENT`, `EACCES`, `ENOTCONN`
   * (connected nowhere, and no `to`), `ECONNRESET` (the peer disconnected without reading what it had been sent; told
   * once), `EMSGSIZE` (over `sendBuffer`), `EPROTOTYPE`, `ERR_SOCKET_CLOSED`; with descriptors `EPERM` (the receiver
   * refuses them), `ETOOMANYREFS` (too many are on their way), `EBADF`; with credentials `EPERM`; `RangeError` for more
   * than 253 descriptors; the signal's reason.
   */
  send(data: Uint8Array | string, options?: SendOptions): void | Promise<void> {
    const bytes = check.bytes('data', data)
    this.assertOpen('send')
    const outgoing = this.#out()
    if (options === undefined) return outgoing.send(bytes)
    const { to } = check.options('options', options)
    const beside = besideOf(options)
    const lane = to === undefined ? undefined : outgoing.lane(to)
    return beside === undefined ? outgoing.send(bytes, lane) : outgoing.sendWith(bytes, beside, lane)
  }

  /** Settles when everything sent so far is in the kernel; rejects with the failure that kept some of it from there. */
  flush(): Promise<void> {
    if (this.isClosing && this.#outgoing === undefined) return Promise.reject(this.closedError('send'))
    return this.#outgoing?.flush() ?? Promise.resolve()
  }

  /**
   * The next message. Errors: `ERR_SOCKET_CLOSED`; `ECONNRESET` (as for `send()`); `ESHUTDOWN` (an adopted socket whose
   * reading was shut down, once what came before is read); the signal's reason.
   */
  receive(options?: ReceiveMessageOptions): Promise<DatagramMessage> {
    return this.#incoming.receive(options) as Promise<DatagramMessage>
  }

  /**
   * Messages until the socket is closed. Reads ahead what is there; what the loop did not get to is given by the next
   * `receive()` or loop, and descriptors with it are closed with the socket.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<DatagramMessage> {
    return this.#incoming.iterate()
  }

  /** The messages that came in together, together (recvmmsg(2)): for programs to which a promise a message is too dear. */
  batches(): AsyncIterableIterator<ReceivedBatch> {
    return this.#incoming.batches()
  }

  /** @internal */
  assertReadable(): void {
    this.assertOpen('recvmsg')
  }

  /** @internal */
  override onWritable(): void {
    this.#outgoing?.onWritable()
  }

  /** @internal */
  protected override referenced(on: boolean): void {
    this.native.reference(on)
  }

  /** @internal */
  protected override drained(refusal: () => SocketError): Promise<void> | undefined {
    const outgoing = this.#outgoing
    outgoing?.refuse(refusal)
    return outgoing === undefined || outgoing.isEmpty ? undefined : outgoing.flush()
  }

  /** @internal */
  protected override beforeDetach(): void {
    this.#incoming.assertNothingAhead()
    assertNothingUnsent(this.#outgoing)
  }

  /** @internal */
  protected override afterEnd(): void {
    this.#incoming.end()
    this.#outgoing?.end(() => this.closedError('send'))
  }

  #out(): MessageOutgoing {
    return this.#outgoing ??= new MessageOutgoing(this.native, this, false)
  }

  #connect(to: EncodedAddress | undefined): void {
    this.assertOpen('connect')
    if (this.#outgoing?.finishConnected() === false) throw unsent('connect')
    const failed = this.native.connect(to)
    if (failed !== null) throw failure(failed, to)
  }
}

function open(
  how: (slot: number) => Native.UnixSocket | Native.Failure, receive: Native.UnixReceiveOptions, name?: EncodedAddress,
): UnixDatagram {
  const slot = reserveSlot()
  try {
    return make({ native: unwrap(how(slot), name), slot }, receive)
  } catch (error) {
    giveBack(slot)
    throw error
  }
}

/** What goes beside the bytes, if anything; checked. */
export function besideOf(options: SendOptions): Beside | undefined {
  const beside = {
    fds: descriptors('options.fds', options.fds),
    credentials: credentials('options.credentials', options.credentials),
    signal: check.signal('options.signal', options.signal),
  }
  return beside.fds.length === 0 && beside.credentials === undefined && beside.signal === undefined ? undefined : beside
}

export function assertNothingUnsent(outgoing: MessageOutgoing | undefined): void {
  if (outgoing?.finish() === false) throw unsent('detach')
}

function unsent(syscall: string): SocketError {
  return new SocketError({
    code: 'ERR_UNSENT', errno: 0, syscall, explanation: 'messages wait to be sent, or failed and nobody was told; await flush() first',
  })
}
