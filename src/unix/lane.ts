// Messages on their way to one destination, in order.

import { EAGAIN } from '../errnos.js'
import { SocketError } from '../errors.js'
import { eventLoop, enter, giveBack, reserveSlot, type Waiter } from '../loop.js'
import { type Native, native } from '../native.js'
import { Queue } from '../queue.js'
import type { EncodedAddress } from './address.js'
import type { Credentials } from './ancillary.js'
import { concernsOneMessage, errnoError, failure, isTheEnd } from './failures.js'
import { LARGEST_COALESCED, type MessageOutbox } from './message-outbox.js'
import { sendMessage } from './messages.js'

const LONGEST_PAUSE = 50
/** Why a second socket may not be had for now: `ENOMEM`, `ENFILE`, `EMFILE`, `ENOBUFS`. */
const SCARCE = new Set([12, 23, 24, 105])

/** A message that waits because the destination is full. */
export interface Item {
  bytes: Uint8Array
  fds: readonly number[]
  credentials: Credentials | undefined
  /** Present for one that must not go through the outbox, because its caller wants to know what became of it. */
  settle: ((error?: unknown) => void) | undefined
  /** How manyth of its lane it is. */
  number: number
}

/** A message on its way, as it is given to a lane. */
export type NewItem = Omit<Item, 'number'>

interface Mark {
  upTo: number
  resolve: () => void
  reject: (error: unknown) => void
}

/** What lanes need of the socket that they belong to. */
export interface Road {
  readonly native: Native.UnixSocket
  readonly number: number
  readonly outbox: MessageOutbox
  /** Whether a failure is the socket's end: on connections. */
  readonly failsForGood: boolean
  /** Told when a lane begins and ceases to have something to wait for. */
  pending(lane: Lane, is: boolean): void
  /** Calls the lane's `onWritable()` when the socket's own buffer, which all lanes share, may have room. */
  waitForOwnRoom(lane: Lane): void
  /** Told when a lane begins to watch its destination. */
  watches(lane: Lane): void
}

/**
 * The messages for one destination. Those that are small coalesce in the socket's outbox when that is free for them;
 * those that find no room wait here. A destination that is full makes its own lane wait and no other.
 */
export class Lane implements Waiter {
  /** Where to; `undefined`: where the socket is connected. */
  readonly to: EncodedAddress | undefined
  readonly #road: Road
  /** Those that wait behind what is in the outbox. */
  readonly items = new Queue<Item>()
  #blocked = false
  /** Messages taken, those that left or failed among them. */
  #taken = 0
  #marks = new Queue<Mark>()
  /** A failure that nobody has been told of yet. */
  failure: SocketError | undefined
  #isPending = false
  /** What is put into the outbox is sent in this very moment. */
  isDraining = false
  #probe: { native: Native.UnixProbe, slot: number } | undefined
  #timer: NodeJS.Timeout | undefined
  #pause = 1

  constructor(road: Road, to: EncodedAddress | undefined) {
    this.#road = road
    this.to = to
  }

  /** The destination is full: what is sent now waits. */
  get isBlocked(): boolean {
    return this.#blocked
  }

  /** Nothing waits: everything sent is in the kernel. */
  get isEmpty(): boolean {
    return this.items.length === 0 && !this.#inOutbox
  }

  get #inOutbox(): boolean {
    const { outbox } = this.#road
    return outbox.lane === this && outbox.length > 0
  }

  /** Counts a message that has been put into the outbox. */
  took(): void {
    this.#taken++
  }

  /** Lets a message wait behind the others. What its owner may change meanwhile is copied, but for large ones. */
  enqueue({ bytes, fds, credentials, settle }: NewItem): Item {
    const kept = bytes.length <= LARGEST_COALESCED ? Buffer.from(bytes) : bytes
    const item = { bytes: kept, fds: [...fds], credentials, settle, number: ++this.#taken }
    this.items.push(item)
    this.#noticePending()
    return item
  }

  /** Settles when everything taken so far is in the kernel. */
  flushed(): Promise<void> {
    const failure = this.takeFailure()
    if (failure !== undefined) return Promise.reject(failure)
    if (this.isEmpty) return Promise.resolve()
    this.#noticePending()
    return new Promise((resolve, reject) => { this.#marks.push({ upTo: this.#taken, resolve, reject }) })
  }

  /** Throws a failure that nobody has been told of. */
  throwFailure(): void {
    const failure = this.takeFailure()
    if (failure !== undefined) throw failure
  }

  takeFailure(): SocketError | undefined {
    const found = this.failure
    if (found !== undefined && !this.#isEndedBy(found)) this.failure = undefined
    return found
  }

  /** Takes one back that has not been sent. */
  withdraw(item: Item): boolean {
    if (!this.items.remove(item)) return false
    this.#taken--
    for (const later of this.items) if (later.number > item.number) later.number--
    for (const mark of this.#marks) if (mark.upTo >= item.number) mark.upTo--
    this.#settleMarks()
    this.#noticePending()
    return true
  }

  /** The destination may have room again. */
  onWritable(): void {
    clearTimeout(this.#timer)
    this.#blocked = false
    this.drain()
  }

  /** Tries again to send what waits; answers whether nothing is left, nor a failure that nobody has been told of. */
  finish(): boolean {
    this.heed()
    this.onWritable()
    return this.isEmpty && (this.failure === undefined || this.#isEndedBy(this.failure))
  }

  /** Takes note of what the native side has met in the outbox, which must be this lane's. */
  heed(): void {
    const { outbox } = this.#road
    if (outbox.lane !== this) return
    const report = outbox.takeReport()
    if (report > 0) this.#failFirst(-report)
    // The token is on its way: until it comes, whoever sends should wait. Elsewhere the next attempt finds out.
    else if (report < 0 && this.to === undefined) this.block()
  }

  /** A probe has one token only. */
  onReadable(): void {
    this.onWritable()
  }

  /** Sends what waits, as far as the kernel takes it. */
  drain(): void {
    const wasDraining = this.isDraining
    this.isDraining = true
    this.#drain()
    this.isDraining = wasDraining
    this.#settleMarks()
    this.#noticePending()
  }

  #drain(): void {
    this.heed()
    while (!this.#blocked) {
      if (this.#inOutbox) {
        const outcome = this.#road.outbox.flush()
        if (outcome === -EAGAIN) this.block()
        else if (outcome < 0) this.#failFirst(outcome)
        else this.#pause = 1
        continue
      }
      const item = this.items.peek()
      if (item === undefined) break
      if (isPlain(item)) {
        this.#refill()
        continue
      }
      const outcome = sendMessage(this.#road.number, item.bytes, this.to, item.fds, item.credentials)
      if (outcome === -EAGAIN) {
        this.block()
        continue
      }
      this.items.shift()
      this.#pause = 1
      if (typeof outcome === 'number') item.settle?.()
      else this.#failOne(item, failure(outcome, this.to))
    }
  }

  /** A send to here said that it is full: waits for room. */
  block(): void {
    this.#blocked = true
    // Where the socket is connected, its own token has been asked for by the send.
    if (this.to !== undefined) this.#waitForRoom(this.to)
    this.#noticePending()
  }

  /** Nothing that waits can be sent any more: whoever waits for it is told. */
  fail(error: SocketError): void {
    let told = false
    if (this.#inOutbox) this.#road.outbox.clear()
    for (let item = this.items.shift(); item !== undefined; item = this.items.shift()) {
      told ||= item.settle !== undefined
      item.settle?.(error)
    }
    for (let mark = this.#marks.shift(); mark !== undefined; mark = this.#marks.shift()) {
      told = true
      mark.reject(error)
    }
    if (!told || this.#isEndedBy(error)) this.failure ??= error
    this.#blocked = false
    this.#noticePending()
  }

  /** Stops watching the destination. */
  rest(): void {
    clearTimeout(this.#timer)
    if (this.#probe === undefined) return
    giveBack(this.#probe.slot)
    this.#probe.native.close()
    this.#probe = undefined
  }

  /** Takes what is in the outbox back, for another lane needs it. */
  evict(messages: Uint8Array[]): void {
    const later: Item[] = []
    for (let item = this.items.shift(); item !== undefined; item = this.items.shift()) later.push(item)
    let number = this.#taken - later.length - messages.length
    for (const bytes of messages) {
      this.items.push({ bytes, fds: [], credentials: undefined, settle: undefined, number: ++number })
    }
    for (const item of later) this.items.push(item)
    this.#noticePending()
  }

  /**
   * An unconnected socket is writable whether its destination has room or not, so another one is connected there and
   * watched. What it watches may have been replaced under the same name: then it says "room" where there is none.
   */
  #waitForRoom(to: EncodedAddress): void {
    for (let attempt = 0; attempt < 2; attempt++) {
      if (this.#probe === undefined) {
        const slot = reserveSlot()
        const opened = native.UnixProbe.open(eventLoop, slot, to)
        if ('syscall' in opened) {
          giveBack(slot)
          if (SCARCE.has(opened.errno)) break
          this.fail(failure(opened, to))
          return
        }
        enter(slot, this)
        this.#probe = { native: opened, slot }
        this.#road.watches(this)
      }
      const outcome = this.#probe.native.wait(this.#road.native)
      if (outcome === 0) return
      if (outcome === 1) {
        this.#road.waitForOwnRoom(this)
        return
      }
      // Room at once: it may be true, or of a receiver that is gone. Only a new probe can tell.
      if (attempt === 0) this.rest()
    }
    // What waits holds the process already, unless the socket is unreferenced.
    this.#timer = setTimeout(() => this.onWritable(), this.#pause).unref()
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE)
  }

  #refill(): void {
    const { outbox } = this.#road
    outbox.lend(this)
    for (let item = this.items.peek(); item !== undefined && isPlain(item); item = this.items.peek()) {
      if (!outbox.append(item.bytes)) break
      this.items.shift()
    }
  }

  /** The first message in the outbox was refused. */
  #failFirst(negated: number): void {
    const { outbox } = this.#road
    const error = errnoError(negated, 'sendmmsg', this.to)
    if (!concernsOneMessage(error)) {
      this.fail(error)
      return
    }
    const number = this.#taken - this.items.length - outbox.length + 1
    outbox.dropFirst()
    this.#refuse(number, error)
  }

  /** A message that is no longer among those that wait was refused. */
  #failOne({ settle, number }: Item, error: SocketError): void {
    settle?.(error)
    if (this.#isEndedBy(error)) this.fail(error)
    else if (settle === undefined && concernsOneMessage(error)) this.#refuse(number, error)
    else if (settle === undefined) this.fail(error)
  }

  /** One message can never be sent, the others may: the first who waits for it is told, or whoever asks next. */
  #refuse(number: number, error: SocketError): void {
    for (const mark of this.#marks) {
      if (mark.upTo < number) continue
      this.#marks.remove(mark)
      mark.reject(error)
      return
    }
    this.failure ??= error
  }

  /** Whether a failure is the end of the connection, rather than of what was sent. */
  #isEndedBy(error: SocketError): boolean {
    return this.#road.failsForGood && isTheEnd(error)
  }

  #settleMarks(): void {
    let mark = this.#marks.peek()
    if (mark === undefined) return
    const { outbox } = this.#road
    const sent = this.#taken - this.items.length - (outbox.lane === this ? outbox.length : 0)
    for (; mark !== undefined && mark.upTo <= sent; mark = this.#marks.peek()) {
      this.#marks.shift()
      mark.resolve()
    }
  }

  #noticePending(): void {
    const is = this.items.length > 0 || this.#marks.length > 0 || (this.#blocked && !this.isEmpty)
    if (is === this.#isPending) return
    this.#isPending = is
    this.#road.pending(this, is)
  }
}

/** Whether it may go through the outbox. */
function isPlain(item: Item): boolean {
  return item.bytes.length <= LARGEST_COALESCED && item.settle === undefined && item.fds.length === 0 && item.credentials === undefined
}
