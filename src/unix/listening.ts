// What the stream and the seqpacket listener have in common.

import { EAGAIN } from '../errnos.js'
import * as check from '../arguments.js'
import { Handle } from '../handle.js'
import { iterate } from '../iterate.js'
import { eventLoop, giveBack, reserveSlot } from '../loop.js'
import { type Native, native } from '../native.js'
import { WAIT } from '../waits.js'
import { decodeAddress, encodeAddress, type EncodedAddress, type UnixAddress, type UnixAddressLike } from './address.js'
import { receiveOptions, type ReceiveOptions } from './ancillary.js'
import type { ConnectedType } from './connect.js'
import { errnoError, unwrap } from './failures.js'
import { SocketOptions } from './options.js'

/** How to listen. Accepted sockets inherit what is said about receiving. */
export interface ListenOptions extends Omit<ReceiveOptions, 'receiveBuffer' | 'sendBuffer'> {
  /** How many connections may wait to be accepted (listen(2); the kernel admits one more). Default 511. */
  backlog?: number
  /** Permission bits of the socket file, set before the name appears; exactly these whatever the umask. Default 0o777 less the umask. */
  mode?: number
  /**
   * What to do about a socket that has the name already. `'stale'` (default): replace one that nobody listens on;
   * `true`: replace a live one too, without a moment in which the name leads nowhere; `false`: `EADDRINUSE`. Anything
   * that is not a socket is never replaced. Let the old listener accept until the new one has had a connection: one that
   * closes at once refuses who had found it just before (the kernel looks for the file first, then for its socket).
   */
  takeover?: boolean | 'stale'
  /**
   * Remove the socket file on close, if it is still the one made here. Default true. Not for a listener that is passed to
   * another process and closed here; one that is detached leaves its file anyway.
   */
  unlinkOnClose?: boolean
  /** Microseconds that `read()` of an accepted stream tries before it waits; default 0. */
  busyPoll?: number
  /** Aborts with the signal's reason. */
  signal?: AbortSignal
}

const MAX_BACKLOG = 0x7fff_ffff

/** Opens the native listener of a type. */
export function listen(type: ConnectedType, to: UnixAddressLike, given: ListenOptions | undefined): Opened {
  const address = encodeAddress('address', to)
  const options = check.options('options', given)
  const receive = receiveOptions(options)
  const busyPoll = options.busyPoll === undefined ? 0 : check.integer('options.busyPoll', options.busyPoll, 0, 1_000_000)
  const native_ = {
    backlog: check.integer('options.backlog', options.backlog, 0, MAX_BACKLOG, 511),
    ...(options.mode === undefined ? {} : { mode: check.integer('options.mode', options.mode, 0, 0o777) }),
    takeover: takeoverNumber(options.takeover),
    unlinkOnClose: check.bool('options.unlinkOnClose', options.unlinkOnClose, true),
    receive,
  }
  check.signal('options.signal', options.signal)?.throwIfAborted()
  const opened = open((slot) => native.UnixListener.listen(eventLoop, slot, type, address, native_), address)
  return { ...opened, busyPoll, timestamps: receive.timestamps === true }
}

/** Whom to replace, as the native side numbers it. */
export function takeoverNumber(given: unknown): number {
  const takeover = check.oneOf('options.takeover', given, [false, 'stale', true] as const, 'stale')
  return takeover === false ? 0 : takeover === 'stale' ? 1 : 2
}

/** Adopts a listening descriptor of a type. */
export function adopt(type: ConnectedType, fd: number): Opened {
  check.descriptor('fd', fd)
  return open((slot) => native.UnixListener.adopt(eventLoop, slot, type, fd))
}

export interface Opened {
  native: Native.UnixListener
  slot: number
  /** What accepted sockets get. */
  busyPoll?: number
  timestamps?: boolean
}

function open(make: (slot: number) => Native.UnixListener | Native.Failure, address?: EncodedAddress): Opened {
  const slot = reserveSlot()
  try {
    return { native: unwrap(make(slot), address), slot }
  } catch (error) {
    giveBack(slot)
    throw error
  }
}

/** A listening socket that makes `S` of each connection. */
export abstract class Listening<S> extends Handle<Native.UnixListener> implements AsyncIterable<S> {
  /**
   * The name that clients connect to. An adopted listener says what the kernel remembers: where this package bound a path,
   * that is the temporary name that it was renamed from, and leads nowhere.
   */
  readonly address: UnixAddress
  protected readonly kind = 'listener'
  /** @internal */
  protected readonly timestamps: boolean
  readonly #busyPoll: number
  #slot: number | undefined
  readonly #attempt = (): S | typeof WAIT => this.#accept()
  readonly #next = (): IteratorResult<S, undefined> | typeof WAIT => {
    const value = this.#accept()
    return value === WAIT ? WAIT : { done: false, value }
  }

  /** @internal */
  protected constructor({ native, slot, busyPoll = 0, timestamps = false }: Opened) {
    super(native, slot)
    this.#busyPoll = busyPoll
    this.timestamps = timestamps
    this.address = decodeAddress(unwrap(native.address()))
  }

  /** @internal */
  protected abstract wrap(native: Native.UnixSocket, slot: number): S

  /** Socket options, by the names of socket(7) and unix(7). */
  get options(): SocketOptions {
    return new SocketOptions(this)
  }

  /**
   * The next connection.
   * Errors: `EMFILE` or `ENFILE` when out of descriptors (the connection stays queued), `ERR_SOCKET_CLOSED`.
   */
  accept(options?: { signal?: AbortSignal }): Promise<S> {
    try {
      this.assertOpen('accept')
      return this.reads.run(this.#attempt, check.signal('options.signal', options?.signal))
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /** Connections, until the listener is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<S> {
    return iterate(this.reads, this.#next)
  }

  /** @internal */
  protected override afterEnd(): void {
    if (this.#slot !== undefined) giveBack(this.#slot)
    this.#slot = undefined
  }

  #accept(): S | typeof WAIT {
    this.assertOpen('accept')
    // A slot kept from the last attempt, which found nobody.
    const slot = this.#slot ??= reserveSlot()
    const accepted = this.native.accept(slot)
    if (accepted === -EAGAIN) return WAIT
    if (typeof accepted === 'number') throw errnoError(accepted, 'accept')
    this.#slot = undefined
    if (this.#busyPoll > 0) accepted.busyPoll(this.#busyPoll)
    return this.wrap(accepted, slot)
  }
}
