import * as check from '../arguments.js'
import { cut } from '../cut.js'
import { SocketError } from '../errors.js'
import { Handle } from '../handle.js'
import { iterate } from '../iterate.js'
import { calls, type Native } from '../native.js'
import { WAIT, Waits } from '../waits.js'
import {
  buffers, COLUMNS, ERRNO, FLAGS, FROM, FULL_LENGTH, GROUP, LENGTH, MOST, NAMESPACE, OFFSET, TRUNCATED,
} from './buffers.js'
import { NetlinkDatagram, overrunMark } from './datagram.js'
import { EAGAIN } from '../errnos.js'
import { ENOBUFS, failure, receiveError, unwrap } from './failures.js'
import { encodeFilter, type FilterInstruction } from './filter.js'
import { encodeMessages, type NetlinkMessage } from './message.js'
import { adopt, groupNumber, type NetlinkSocketOptions, type Opened, openSocket } from './open.js'

/** Where to send. Without either: to the kernel. */
export interface NetlinkSendOptions {
  /** The port id to send to, 0 for the kernel. Default 0. */
  to?: number
  /** The group to multicast to, 1 to 32: an address cannot name others. Given with `to`, both get it. Default 0, none. */
  group?: number
  /** Gives up waiting for a full peer, with the signal's reason. */
  signal?: AbortSignal
}

/** What the kernel says of a socket's buffers, in bytes as it accounts them: with its own overhead. */
export interface NetlinkMemory {
  /** Taken by datagrams not yet received. */
  queued: number
  /** How much may be taken. */
  receiveBuffer: number
  /** 32 bytes more than the largest datagram that can be sent. */
  sendBuffer: number
  /** How many datagrams were dropped for want of room, in the socket's life. */
  drops: number
}

/** The native side's way to say that the group has a datagram and the port has not: less 4096. */
const GROUP_ONLY = -4096
const U32 = 0xffff_ffff
const HIGHEST_GROUP = 32

const noMemory = new ArrayBuffer(0)
const noRows = new Uint32Array(0)

/**
 * A netlink socket as it is: datagrams to the kernel, to other processes and to groups, and whatever comes in.
 * Requests with answers are `NetlinkClient`'s.
 */
export class NetlinkSocket extends Handle<Native.NetlinkSocket> implements AsyncIterable<NetlinkDatagram> {
  protected readonly kind = 'netlink socket'
  readonly #marks: boolean
  /** Received and not handed out yet: one batch. */
  /** What was read ahead lies here, from `#base` on. */
  #memory = noMemory
  #base = 0
  #rows: Uint32Array = noRows
  #row = 0
  /** The kernel has reported an overrun, and the queue has not been seen empty since. */
  #lost = false
  #drained = true
  /** Sends that wait, by the port that has no room: one full peer must not hold up the others. */
  readonly #sends = new Map<number, Waits>()
  readonly #number: number
  readonly #receive = (): NetlinkDatagram | typeof WAIT => this.#take()
  readonly #next = (): IteratorResult<NetlinkDatagram, undefined> | typeof WAIT => {
    const value = this.#take()
    return value === WAIT ? WAIT : { done: false, value }
  }

  private constructor(opened: Opened, onOverrun: 'throw' | 'mark') {
    super(opened.native, opened.slot)
    this.#number = opened.native.number
    this.#marks = onOverrun === 'mark'
  }

  /**
   * Opens a socket.
   *
   * Errors: `EPROTONOSUPPORT` (no module serves the protocol), `EADDRINUSE` (the port id is taken), `EINVAL` (the protocol
   * has no such group, or the filter is no program), `EPERM` (a group, an option or a namespace asks for a capability),
   * `ENOENT` (no such namespace), `EMFILE`.
   */
  static async open(options: NetlinkSocketOptions): Promise<NetlinkSocket> {
    const given = check.options('options', options)
    const onOverrun = overrunPolicy(given.onOverrun)
    return new NetlinkSocket(openSocket(given), onOverrun)
  }

  /**
   * Adopts a netlink socket, of any protocol, which is this object's from then on; it gets packet information.
   *
   * Errors: `EBADF`, `ENOTSOCK`, `EAFNOSUPPORT` (not AF_NETLINK); the descriptor then stays as it was.
   */
  static fromFd(fd: number, options?: { onOverrun?: 'throw' | 'mark' }): NetlinkSocket {
    const onOverrun = overrunPolicy(check.options('options', options).onOverrun)
    return new NetlinkSocket(adopt(fd), onOverrun)
  }

  /** The protocol's number. */
  get protocol(): number {
    this.assertOpen('getsockopt')
    return this.native.protocol
  }

  /** The port id it is known by; 0 only for an adopted one that has neither been bound nor sent yet. */
  get portId(): number {
    this.assertOpen('getsockname')
    return unwrap(this.native.portId())
  }

  /** The groups it is in, in ascending order. */
  get groups(): number[] {
    this.assertOpen('getsockopt')
    return unwrap(this.native.groups())
  }

  /** Joins a group, numbered from 1. Errors: `EINVAL` (the protocol has no such group), `EPERM` (not open to everyone). */
  join(group: number): void {
    groupNumber('group', group)
    this.assertOpen('setsockopt')
    refuse(this.native.join(group))
  }

  /** Leaves a group. What it was sent before still comes. Error: `EINVAL` (the protocol has no such group). */
  leave(group: number): void {
    groupNumber('group', group)
    this.assertOpen('setsockopt')
    refuse(this.native.leave(group))
  }

  /** Has a classic BPF program see datagrams before they are queued, in place of an earlier one. Error: `EINVAL`. */
  attachFilter(program: readonly FilterInstruction[]): void {
    const numbers = encodeFilter('program', program)
    this.assertOpen('setsockopt')
    refuse(this.native.attachFilter(numbers))
  }

  /** Takes the filter off. Error: `ENOENT` (there is none). */
  detachFilter(): void {
    this.assertOpen('setsockopt')
    refuse(this.native.detachFilter())
  }

  /** Buffers and drops, as of now. */
  memory(): NetlinkMemory {
    this.assertOpen('getsockopt')
    const [queued, receiveBuffer, sendBuffer, drops] = unwrap(this.native.memory()) as [number, number, number, number]
    return { queued, receiveBuffer, sendBuffer, drops }
  }

  /**
   * Sends one datagram: bytes as they are, or messages with their headers written (what a message leaves out is zero).
   * Nothing is answered when it has gone; while its peer's buffer is full, a promise that settles when it has.
   *
   * Errors: `ECONNREFUSED` (nobody has the port id, or the protocol has no kernel side here), `EMSGSIZE` (larger than the
   * send buffer less 32 bytes), `EPERM` (a kernel protocol, another destination than the kernel, and no CAP_NET_ADMIN),
   * `ENODATA` (no bytes), `ERR_SOCKET_CLOSED`; the signal's reason. With a group and a port the group has the datagram even if
   * the port is absent, or waiting for it was aborted. Members of a group that have no room miss it and see `ENOBUFS` themselves.
   */
  send(
    data: Uint8Array | string | NetlinkMessage | readonly NetlinkMessage[],
    options?: NetlinkSendOptions,
  ): void | Promise<void> {
    const bytes = encode(data)
    let to = 0
    let group = 0
    let signal: AbortSignal | undefined
    if (options !== undefined) {
      check.options('options', options)
      if (options.to !== undefined) to = check.integer('options.to', options.to, 0, U32)
      if (options.group !== undefined) group = check.integer('options.group', options.group, 0, HIGHEST_GROUP)
      signal = check.signal('options.signal', options.signal)
      signal?.throwIfAborted()
    }
    this.assertOpen('sendto')
    if (this.#sends.get(to)?.length) return this.#wait(bytes, to, group, signal)
    const left = this.#try(bytes, to, group)
    if (left !== undefined) return this.#wait(bytes, to, left, signal)
  }

  /**
   * The next datagram.
   *
   * Errors: `ENOBUFS`, once an overrun, unless opened with `onOverrun: 'mark'`; go on receiving. `ERR_SOCKET_CLOSED`; the
   * signal's reason.
   */
  receive(options?: { signal?: AbortSignal }): Promise<NetlinkDatagram> {
    try {
      this.assertOpen('recvmsg')
      const given = options === undefined ? undefined : check.options('options', options)
      return this.reads.run(this.#receive, check.signal('options.signal', given?.signal))
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /** Datagrams, until the socket is closed; rejects as `receive()` does, and can be begun anew. */
  [Symbol.asyncIterator](): AsyncIterableIterator<NetlinkDatagram> {
    return iterate(this.reads, this.#next)
  }

  /** @internal */
  override onWritable(): void {
    for (const [to, sends] of this.#sends) {
      sends.retry()
      if (sends.length === 0) this.#sends.delete(to)
    }
  }

  /** @internal */
  protected override beforeDetach(): void {
    if (this.#row < this.#rows.length || this.#lost) {
      throw new SocketError({
        code: 'ERR_READ_AHEAD', errno: 0, syscall: 'detach', explanation: 'datagrams were read ahead; receive() them first',
      })
    }
    for (const sends of this.#sends.values()) {
      if (sends.length === 0) continue
      throw new SocketError({
        code: 'ERR_UNSENT', errno: 0, syscall: 'detach', explanation: 'datagrams wait for a full peer',
      })
    }
  }

  /** @internal */
  protected override afterEnd(): void {
    for (const sends of this.#sends.values()) sends.end(() => this.closedError('close'))
    this.#forget()
  }

  /** Sends at once; answers the group that is left to send to when the port has no room, else nothing. */
  #try(bytes: Uint8Array, to: number, group: number): number | undefined {
    const outcome = calls.netlinkSend(this.#number, bytes, 0, bytes.length, to, group)
    if (outcome === 0) return undefined
    if (outcome === -EAGAIN) return group
    if (outcome === GROUP_ONLY - EAGAIN) return 0
    const errno = outcome < GROUP_ONLY ? GROUP_ONLY - outcome : -outcome
    const explained = this.native.explainSend(errno, bytes.length, to, group)
    if (outcome < GROUP_ONLY) explained.detail = `${explained.detail ?? ''}; group ${group} has it`
    throw failure(explained)
  }

  #wait(data: Uint8Array, to: number, group: number, signal: AbortSignal | undefined): Promise<void> {
    // The caller may write to its own bytes as soon as send() returns.
    const bytes = Buffer.from(data)
    let left = group
    let sends = this.#sends.get(to)
    if (sends === undefined) this.#sends.set(to, sends = new Waits(this))
    return sends.wait<undefined>(() => {
      const again = this.#try(bytes, to, left)
      if (again === undefined) return undefined
      left = again
      return WAIT
    }, signal)
  }

  #take(): NetlinkDatagram | typeof WAIT {
    this.assertOpen('recvmsg')
    for (;;) {
      while (this.#row < this.#rows.length) {
        const at = this.#row
        this.#row += COLUMNS
        if (((this.#rows[at + FLAGS] as number) & ERRNO) === 0) return this.#datagram(at)
        const errno = this.#rows[at + FULL_LENGTH] as number
        if (!this.#marks || errno !== ENOBUFS) throw receiveError(errno)
        // A second overrun: the first gap is behind us for certain.
        if (this.#lost) return overrunMark()
        this.#lost = true
      }
      this.#forget()
      if (!(this.#drained && this.#lost) && this.#fill()) continue
      if (!this.#lost) return WAIT
      // Everything from before the gap has been handed out, for the queue has been empty.
      this.#lost = false
      return overrunMark()
    }
  }

  /** Takes what is queued; answers whether there was anything. */
  #fill(): boolean {
    const count = buffers.receive(this.#number, MOST)
    if (count < 0) {
      if (count === -EAGAIN) return false
      throw receiveError(-count)
    }
    const bytes = Buffer.from(buffers.incoming.subarray(0, buffers.used))
    this.#memory = bytes.buffer as ArrayBuffer
    this.#base = bytes.byteOffset
    this.#rows = buffers.table.slice(COLUMNS, COLUMNS * (count + 1))
    this.#row = 0
    this.#drained = buffers.drained
    return true
  }

  #datagram(at: number): NetlinkDatagram {
    const rows = this.#rows
    const offset = this.#base + (rows[at + OFFSET] as number)
    const namespace = rows[at + NAMESPACE] as number
    return new NetlinkDatagram(cut(this.#memory, offset, offset + (rows[at + LENGTH] as number)), {
      from: rows[at + FROM] as number,
      group: rows[at + GROUP] as number,
      namespaceId: namespace === 0 ? null : namespace - 1,
      length: rows[at + FULL_LENGTH] as number,
      truncated: ((rows[at + FLAGS] as number) & TRUNCATED) !== 0,
      overrun: false,
    })
  }

  #forget(): void {
    this.#memory = noMemory
    this.#rows = noRows
    this.#row = 0
  }
}

function overrunPolicy(value: unknown): 'throw' | 'mark' {
  return check.oneOf('options.onOverrun', value, ['throw', 'mark'] as const, 'throw') as 'throw' | 'mark'
}

function refuse(failed: Native.Failure | null): void {
  if (failed !== null) throw failure(failed)
}

function encode(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) return data
  if (typeof data === 'string') return Buffer.from(data)
  if (typeof data !== 'object' || data === null) {
    throw check.invalidType('data', data, 'a Uint8Array, a string, a message or an array of messages')
  }
  return encodeMessages(Array.isArray(data) ? (data as NetlinkMessage[]) : [data as NetlinkMessage])
}
