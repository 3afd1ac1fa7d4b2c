import * as check from '../arguments.js'
import type { SocketError } from '../errors.js'
import type { Native } from '../native.js'
import type { EncodedAddress, UnixAddressLike } from './address.js'
import { configureOrClose, configureOrGiveBack, receiveOptions, type ReceiveOptions } from './ancillary.js'
import { connect, type ConnectOptions } from './connect.js'
import { adoptSocket, Connected, openPair } from './connected.js'
import { assertNothingUnsent, besideOf, type SendOptions } from './datagram.js'
import { MessageOutgoing } from './message-outgoing.js'
import { Incoming, type ReceivedBatch, type ReceivedMessage, type ReceiveMessageOptions } from './messages.js'

const SOCK_SEQPACKET = 5

/**
 * A connected seqpacket socket: messages with the kernel's own boundaries over a connection. An empty message is a
 * message. Iterating it receives until the peer ends.
 */
export class UnixSeqpacket extends Connected implements AsyncIterable<ReceivedMessage> {
  protected readonly kind = 'seqpacket socket'
  readonly #incoming: Incoming
  #outgoing: MessageOutgoing | undefined

  private constructor(native: Native.UnixSocket, slot: number, timestamps: boolean, remote?: EncodedAddress) {
    super(native, slot, remote)
    this.#incoming = new Incoming(native, this, timestamps)
    if (timestamps) configureOrClose([this], native, { timestamps })
  }

  /** @internal */
  static wrap(native: Native.UnixSocket, slot: number, timestamps: boolean): UnixSeqpacket {
    return new UnixSeqpacket(native, slot, timestamps)
  }

  /**
   * Connects to a listening seqpacket socket. Without `bind` the kernel gives this one an abstract name, by which a
   * receiver of ours tells its empty messages from its end for less than it could otherwise.
   *
   * Errors: `ENOENT` (no such file), `ECONNREFUSED` (nobody listens: a stale file), `EACCES` (a permission, named in the
   * message), `EPROTOTYPE` (another socket type), `ETIMEDOUT`; the signal's reason.
   */
  static async connect(address: UnixAddressLike, options?: Omit<ConnectOptions, 'busyPoll'>): Promise<UnixSeqpacket> {
    const { native, slot, address: remote } = await connect(SOCK_SEQPACKET, address, options)
    return new UnixSeqpacket(native, slot, options?.timestamps === true, remote)
  }

  /** Two sockets connected to each other (socketpair(2)). */
  static pair(options?: ReceiveOptions): [UnixSeqpacket, UnixSeqpacket] {
    const receive = receiveOptions(check.options('options', options))
    const timestamps = receive.timestamps === true
    const [left, right] = openPair(SOCK_SEQPACKET)
    const pair: [UnixSeqpacket, UnixSeqpacket] = [
      new UnixSeqpacket(left.native, left.slot, timestamps), new UnixSeqpacket(right.native, right.slot, timestamps),
    ]
    for (const socket of pair) configureOrClose(pair, socket.native, untimed(receive))
    return pair
  }

  /**
   * Adopts a connected seqpacket descriptor, which is this object's from then on.
   *
   * Errors: `EBADF`, `ENOTSOCK`, `EAFNOSUPPORT` (not AF_UNIX), `EPROTOTYPE` (not a seqpacket socket), `EINVAL` (a
   * listener), `ENOTCONN`; the descriptor then stays as it was.
   */
  static fromFd(fd: number, options?: ReceiveOptions): UnixSeqpacket {
    const receive = receiveOptions(check.options('options', options))
    const { native, slot } = adoptSocket(SOCK_SEQPACKET, fd)
    const socket = new UnixSeqpacket(native, slot, receive.timestamps === true)
    configureOrGiveBack(socket, native, untimed(receive))
    return socket
  }

  /**
   * Sends one message: bytes, or a string as UTF-8; an empty one is a message too. A promise comes back when the kernel
   * is not keeping up: the message is in it when that settles, and you should wait for it before sending more.
   *
   * The first message of a turn of the event loop leaves at once. Those that follow in the same turn leave together
   * before the loop blocks, or at `flush()`. After the connection has failed, `send()` throws that failure. A
   * `Uint8Array` over 16 KiB is sent from where it is: do not change it before the promise, or `flush()`, settles.
   *
   * Errors: `EPIPE` (the peer is gone, or no longer reads), `ECONNRESET`, `EMSGSIZE` (over `sendBuffer`),
   * `ERR_SOCKET_CLOSED`; with descriptors `EPERM` (the peer refuses them), `ETOOMANYREFS`, `EBADF`; with credentials
   * `EPERM`; `RangeError` for more than 253 descriptors; the signal's reason.
   */
  send(data: Uint8Array | string, options?: Omit<SendOptions, 'to'>): void | Promise<void> {
    const bytes = check.bytes('data', data)
    this.assertOpen('send')
    const outgoing = this.#outgoing ??= new MessageOutgoing(this.native, this, true)
    if (options === undefined) return outgoing.send(bytes)
    const beside = besideOf(check.options('options', options))
    return beside === undefined ? outgoing.send(bytes) : outgoing.sendWith(bytes, beside)
  }

  /** Settles when everything sent so far is in the kernel; rejects with the failure that kept it from there. */
  flush(): Promise<void> {
    if (this.isClosing && this.#outgoing === undefined) return Promise.reject(this.closedError('send'))
    return this.#outgoing?.flush() ?? Promise.resolve()
  }

  /**
   * The next message, or null when the peer has ended.
   * Errors: `ECONNRESET` (the peer closed without reading what was sent to it), `ERR_SOCKET_CLOSED`; the signal's reason.
   */
  receive(options?: ReceiveMessageOptions): Promise<ReceivedMessage | null> {
    return this.#incoming.receive(options)
  }

  /**
   * Messages until the peer ends. Reads ahead what is there; what the loop did not get to is given by the next
   * `receive()` or loop, and descriptors with it are closed with the socket.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ReceivedMessage> {
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
  protected override drained(refusal: () => SocketError): Promise<void> | undefined {
    const outgoing = this.#outgoing
    outgoing?.refuse(refusal)
    return outgoing === undefined || outgoing.isEmpty || outgoing.failure !== undefined ? undefined : outgoing.flush()
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
}

/** Times are never switched off: where the peer has no name, they tell an empty message from the end. */
function untimed({ timestamps: _, ...options }: Native.UnixReceiveOptions): Native.UnixReceiveOptions {
  return options
}
