// What leaves through one message socket: a lane a destination.

import { EAGAIN } from '../errnos.js'
import { SocketError } from '../errors.js'
import { calls, type Native } from '../native.js'
import type { Holder } from '../waits.js'
import { type EncodedAddress, encodeAddress, type UnixAddressLike } from './address.js'
import type { Credentials } from './ancillary.js'
import { errnoError, failure, isTheEnd } from './failures.js'
import { Lane, type Road } from './lane.js'
import { LARGEST_COALESCED, MessageOutbox } from './message-outbox.js'
import { sendMessage } from './messages.js'

const EMSGSIZE = 90
/** `unix_dgram_sendmsg()` keeps these back of `SO_SNDBUF`. */
const RESERVED = 32
/** Messages that one system call takes: as many are sent at once, so that the receiver begins while more are made. */
const BATCH = 64
/** Destinations that are remembered though nothing is on its way to them. */
const MOST_LANES = 1024

/** Milliseconds between attempts to use the socket's own buffer. */
const LONGEST_PAUSE = 50
/** Destinations that are watched although they have room: they are likely to be full again. */
const MOST_WATCHED = 16

/** What goes beside the bytes of a message, checked. */
export interface Beside {
  fds: readonly number[]
  credentials: Credentials | undefined
  signal: AbortSignal | undefined
}

export class MessageOutgoing implements Road {
  readonly native: Native.UnixSocket
  readonly number: number
  readonly failsForGood: boolean
  readonly outbox: MessageOutbox
  readonly #holder: Holder
  readonly #connected: Lane
  /** Lanes by address, and by the text or the object that was given: looking those up costs less. */
  readonly #lanes = new Map<string, Lane>()
  #lanesByText = new Map<string, Lane>()
  #lanesByObject = new WeakMap<object, Lane>()
  readonly #pending = new Set<Lane>()
  readonly #needRoom = new Set<Lane>()
  #timer: NodeJS.Timeout | undefined
  #pause = 1
  /** Lanes that keep a second socket to watch their destination, the longest first. */
  readonly #watching = new Set<Lane>()
  /** The longest message, as far as is known: who lowers `SO_SNDBUF` later is told by the kernel. */
  #longest = 0
  #ended = false
  /** Why nothing more is taken. */
  #refusal: (() => SocketError) | undefined

  constructor(socket: Native.UnixSocket, holder: Holder, failsForGood: boolean) {
    this.native = socket
    this.number = socket.number
    this.#holder = holder
    this.failsForGood = failsForGood
    this.#connected = new Lane(this, undefined)
    this.outbox = new MessageOutbox(socket, this.#connected)
  }

  /** Whether everything that was sent is in the kernel. */
  get isEmpty(): boolean {
    return this.#pending.size === 0 && this.outbox.length === 0
  }

  /** The failure that ended a connection. */
  get failure(): SocketError | undefined {
    return this.failsForGood ? this.#connected.failure : undefined
  }

  /** Tries again to send what waits; answers whether nothing is left, nor a failure that nobody has been told of. */
  finish(): boolean {
    return [this.#connected, ...this.#lanes.values()].every((lane) => lane.finish())
  }

  /** The same for where the socket is connected. */
  finishConnected(): boolean {
    return this.#connected.finish()
  }

  /** The lane to a destination. */
  lane(to: UnixAddressLike): Lane {
    const known = typeof to === 'object' && to !== null ? this.#lanesByObject.get(to) : this.#lanesByText.get(to)
    if (known !== undefined) return known
    const lane = this.#laneOf(encodeAddress('options.to', to))
    if (typeof to === 'string') this.#lanesByText.set(to, lane)
    // An object may be changed by its owner; those that come with messages are frozen.
    else if (Object.isFrozen(to)) this.#lanesByObject.set(to, lane)
    return lane
  }

  #laneOf(encoded: EncodedAddress): Lane {
    const key = encoded.toString('latin1')
    const known = this.#lanes.get(key)
    if (known !== undefined) return known
    if (this.#lanes.size >= MOST_LANES) this.#forget()
    const lane = new Lane(this, encoded)
    this.#lanes.set(key, lane)
    return lane
  }

  /** Forgets the destinations to which nothing is on its way. */
  #forget(): void {
    for (const [key, lane] of this.#lanes) {
      if (!lane.isEmpty || lane.failure !== undefined || this.outbox.lane === lane) continue
      lane.rest()
      this.#watching.delete(lane)
      this.#lanes.delete(key)
    }
    // Whoever found a lane faster must not go on using one that is forgotten.
    this.#lanesByText = new Map()
    this.#lanesByObject = new WeakMap()
  }

  /** Sends a message to where the socket is connected, or to a lane. */
  send(bytes: Uint8Array, lane: Lane = this.#connected): void | Promise<void> {
    if (this.#refusal !== undefined) throw this.#refusal()
    if (lane.failure !== undefined) lane.throwFailure()
    const length = bytes.length
    if (length > this.#longest) this.#checkLength(length)
    const { outbox } = this
    if (outbox.hasReport) {
      lane.heed()
      lane.throwFailure()
    }
    const isSmall = length <= LARGEST_COALESCED
    if (lane.items.length === 0) {
      const mayLeaveNow = !lane.isBlocked && (outbox.length === 0 || outbox.lane !== lane)
      if (mayLeaveNow && (!isSmall || outbox.isFirstOfTurn())) {
        if (this.#leaveNow(bytes, lane)) return undefined
      }
      if (!isSmall && !lane.isBlocked) {
        // What was coalesced goes first.
        lane.drain()
        lane.throwFailure()
        if (lane.isEmpty && this.#leaveNow(bytes, lane)) return undefined
      }
      if (isSmall && (!lane.isBlocked || outbox.lane === lane)) {
        outbox.lend(lane)
        if (outbox.append(bytes)) return this.#appended(lane)
        if (!lane.isBlocked) {
          lane.drain()
          lane.throwFailure()
          if (lane.items.length === 0 && outbox.append(bytes)) return this.#appended(lane)
        }
      }
    }
    lane.enqueue({ bytes, fds: [], credentials: undefined, settle: undefined })
    return lane.flushed()
  }

  #appended(lane: Lane): void | Promise<void> {
    lane.took()
    if (!lane.isBlocked && this.outbox.length >= BATCH) {
      lane.drain()
      lane.throwFailure()
    }
    return lane.isBlocked ? lane.flushed() : undefined
  }

  /** Sends a message with what goes beside it, after everything before it. */
  sendWith(bytes: Uint8Array, { fds, credentials, signal }: Beside, lane: Lane = this.#connected): void | Promise<void> {
    if (this.#refusal !== undefined) throw this.#refusal()
    if (signal?.aborted === true) throw signal.reason
    lane.throwFailure()
    if (bytes.length > this.#longest) this.#checkLength(bytes.length)
    if (!lane.isEmpty && !lane.isBlocked) {
      lane.drain()
      lane.throwFailure()
    }
    if (lane.isEmpty && !lane.isBlocked) {
      const outcome = sendMessage(this.number, bytes, lane.to, fds, credentials)
      if (typeof outcome !== 'number') throw this.#note(failure(outcome, lane.to), lane)
      if (outcome !== -EAGAIN) return undefined
      lane.block()
      lane.throwFailure()
    }
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        if (lane.withdraw(item)) reject(signal?.reason as Error)
      }
      const item = lane.enqueue({
        bytes, fds, credentials,
        settle(error) {
          signal?.removeEventListener('abort', abort)
          if (error === undefined) resolve()
          else reject(error)
        },
      })
      signal?.addEventListener('abort', abort, { once: true })
      if (!lane.isBlocked) lane.drain()
    })
  }

  /** Settles when everything sent so far is in the kernel; rejects with the first failure since last asked. */
  flush(): Promise<void> {
    if (this.#ended) return Promise.reject((this.#refusal as () => SocketError)())
    const waiting: Promise<void>[] = []
    for (const lane of [this.#connected, ...this.#lanes.values()]) {
      if (lane.isEmpty && lane.failure === undefined) continue
      if (!lane.isBlocked) lane.drain()
      if (!lane.isEmpty || lane.failure !== undefined) waiting.push(lane.flushed())
    }
    if (waiting.length === 0) return Promise.resolve()
    return waiting.length === 1 ? waiting[0] as Promise<void> : allOf(waiting)
  }

  /** The socket has room again, or the native side has something to say. */
  onWritable(): void {
    const { lane } = this.outbox
    lane.heed()
    if (lane !== this.#connected && !lane.isBlocked) lane.drain()
    this.#connected.onWritable()
    this.#useOwnRoom()
  }

  /**
   * The kernel tells of room in the socket's own buffer only once three quarters of it are free, which receivers that do
   * not read may never allow. So what one that does read has freed is found out by trying, ever later.
   */
  waitForOwnRoom(lane: Lane): void {
    this.#needRoom.add(lane)
    // What waits holds the process already, unless the socket is unreferenced.
    this.#timer ??= setTimeout(() => this.#useOwnRoom(), this.#pause).unref()
  }

  #useOwnRoom(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const lanes = [...this.#needRoom]
    this.#needRoom.clear()
    for (const [index, lane] of lanes.entries()) {
      lane.onWritable()
      if (!this.#needRoom.has(lane)) continue
      // What one of them does not get, none does; the others come first the next time.
      const after = [...this.#needRoom]
      this.#needRoom.clear()
      for (const other of [...lanes.slice(index + 1), ...after]) this.#needRoom.add(other)
      this.#pause = index === 0 ? Math.min(this.#pause * 2, LONGEST_PAUSE) : 1
      return
    }
    this.#pause = 1
  }

  pending(lane: Lane, is: boolean): void {
    const before = this.#pending.size
    if (is) this.#pending.add(lane)
    else this.#pending.delete(lane)
    if (before === 0 && is) this.#holder.hold(true)
    else if (before > 0 && this.#pending.size === 0) this.#holder.hold(false)
  }

  watches(lane: Lane): void {
    this.#watching.delete(lane)
    this.#watching.add(lane)
    if (this.#watching.size <= MOST_WATCHED) return
    for (const idle of this.#watching) {
      if (idle.isBlocked) continue
      idle.rest()
      this.#watching.delete(idle)
      return
    }
  }

  /** Takes nothing more from now on; what waits still goes out. */
  refuse(error: () => SocketError): void {
    this.#refusal ??= error
  }

  /** The descriptor is gone: what waits is told so. */
  end(error: () => SocketError): void {
    this.#ended = true
    this.#refusal = error
    clearTimeout(this.#timer)
    this.#needRoom.clear()
    for (const lane of [this.#connected, ...this.#lanes.values()]) {
      if (!lane.isEmpty) lane.fail(error())
      lane.rest()
    }
    this.#lanes.clear()
  }

  #leaveNow(bytes: Uint8Array, lane: Lane): boolean {
    if (lane.to === undefined) {
      const outcome = calls.unixSend(this.number, bytes)
      if (outcome >= 0) {
        this.outbox.noteFirst()
        return true
      }
      if (outcome !== -EAGAIN) throw this.#note(this.#explained(outcome, bytes), lane)
    } else {
      const outcome = calls.unixSendMessage(this.number, bytes, lane.to, 0, undefined)
      if (typeof outcome !== 'number') throw this.#note(failure(outcome, lane.to), lane)
      if (outcome >= 0) {
        this.outbox.noteFirst()
        return true
      }
    }
    lane.block()
    lane.throwFailure()
    return false
  }

  #explained(negated: number, bytes: Uint8Array): SocketError {
    return negated === -EMSGSIZE ? this.#tooLong(bytes.length) : errnoError(negated, 'send')
  }

  /** Remembers what ended a connection. */
  #note(error: SocketError, lane: Lane): SocketError {
    if (this.failsForGood && isTheEnd(error)) lane.failure ??= error
    return error
  }

  #checkLength(length: number): void {
    const buffer = this.native.sendBuffer()
    if (buffer < 0) return
    this.#longest = buffer - RESERVED
    if (length > this.#longest) throw this.#tooLong(length)
  }

  #tooLong(length: number): SocketError {
    return new SocketError({
      errno: EMSGSIZE, syscall: 'sendmsg',
      explanation: `the message has ${length} bytes; SO_SNDBUF of this socket allows ${this.native.sendBuffer() - RESERVED} (sendBuffer)`,
    })
  }
}

/** All of them, also when one fails: the others must not be left unhandled. */
async function allOf(waiting: Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(waiting)).find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
}
