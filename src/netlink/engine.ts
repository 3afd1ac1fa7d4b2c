// Requests in flight on one socket: numbered, matched with their answers, and never more than the receive buffer has
// room to answer.

import type { Native } from '../native.js'
import { Queue } from '../queue.js'
import { buffers, COLUMNS, ERRNO, FLAGS, FROM, FULL_LENGTH, GROUP, LENGTH, MOST, OFFSET, UNSENT } from './buffers.js'
import { NLMSG_OVERRUN } from './constants.js'
import type { NetlinkErrorDetails } from './error.js'
import type { Carrier, Exchange } from './exchange.js'
import { EAGAIN } from '../errnos.js'
import { ENOBUFS } from './failures.js'
import { NetlinkFormatError } from './malformed.js'
import { MessageCursor } from './message.js'
import { Sequences } from './sequences.js'

/** An acknowledgement takes up less than this of the receive buffer, as the kernel accounts it (832 on x86-64). */
const PLACE = 1024

/** After so many tables others get their turn: a process that never stops sending must not have the loop to itself. */
const PATIENCE = 64

/** What sending came to: no room at the peer, or sent and perhaps more to receive, or sent and nothing left to receive. */
const BLOCKED = 0
const SENT = 1
const EMPTY = 2

const lost: NetlinkErrorDetails = {
  errno: ENOBUFS,
  syscall: 'recvmsg',
  explanation: 'the receive buffer was full and the answer may be lost with what was dropped; whether the request was carried out is unknown',
}

export interface EngineOptions {
  /** The only port id that is listened to. */
  peer: number
  /** Bytes of the receive buffer as the kernel accounts them. */
  receiveBuffer: number
}

export class Engine implements Carrier {
  readonly sequences = new Sequences()
  /** How many may be in flight. */
  readonly places: number
  /** Datagrams thrown away because they came from someone else than the peer. */
  discarded = 0
  unreadable: NetlinkFormatError | undefined
  readonly #native: Native.NetlinkSocket
  readonly #number: number
  readonly #portId: number
  readonly #peer: number
  readonly #hold: (on: boolean) => void
  /** The one that is being sent: mostly answered within the call, and then never among those that wait. */
  #fresh: Exchange | undefined
  /** Single requests, by sequence number. */
  readonly #single = new Map<number, Exchange>()
  /** Chunks of batches, of which there are few. */
  readonly #chunks = new Set<Exchange>()
  readonly #queue = new Queue<Exchange>()
  /** For one datagram after the other: nobody keeps it, and no code of others runs while it moves. */
  readonly #cursor = new MessageCursor(buffers.incoming)
  #used = 0
  #overrun = false
  #resuming = false
  #ended = false
  /** The first in the queue waits for room in its peer's buffer. */
  #blocked = false
  readonly #inUse = (sequence: number): boolean => this.#find(sequence) !== undefined

  constructor(native: Native.NetlinkSocket, portId: number, hold: (on: boolean) => void, options: EngineOptions) {
    this.#native = native
    this.#number = native.number
    this.#portId = portId
    this.#hold = hold
    this.#peer = options.peer
    this.places = Math.max(1, Math.floor(options.receiveBuffer / PLACE))
  }

  /** Whether nothing is in flight or waits to be. */
  get isIdle(): boolean {
    return this.#used === 0 && this.#queue.length === 0
  }

  hold(on: boolean): void {
    this.#hold(on)
  }

  /** Sends now if there is room, and takes the answer if it is there; the exchange knows what came of it. */
  perform(exchange: Exchange): void {
    if (this.#queue.length > 0 || this.#used + exchange.count > this.places) return this.#enqueue(exchange)
    // A process can send what nobody asked for: nothing of that may take up the room for the answer.
    if (this.#peer !== 0 && this.#used === 0) this.#drain()
    const sent = this.#send(exchange)
    if (sent === BLOCKED) return this.#enqueue(exchange)
    if (sent === EMPTY) return
    for (let rounds = 0; !exchange.done || this.#overrun; rounds++) {
      if (rounds === PATIENCE) return this.#later()
      if (!this.#receive(limitFor(exchange))) return
    }
  }

  withdraw(exchange: Exchange): void {
    if (!this.#remove(exchange)) this.#queue.remove(exchange)
    // Not at once: one signal may withdraw all that wait, and none of them is to be sent in between.
    else if (this.#queue.length > 0) queueMicrotask(() => { if (!this.#ended) this.#pump() })
  }

  onReadable(): void {
    if (this.isIdle) return
    this.#drain()
    this.#pump()
  }

  onWritable(): void {
    if (!this.#blocked) return
    this.#blocked = false
    this.#pump()
  }

  /** The socket is gone. */
  end(failure: () => unknown): void {
    this.#ended = true
    const all = this.#inFlight()
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) all.push(next)
    this.#fresh = undefined
    this.#single.clear()
    this.#chunks.clear()
    this.#used = 0
    for (const exchange of all) exchange.abandon(failure())
  }

  #enqueue(exchange: Exchange): void {
    exchange.own()
    this.#queue.push(exchange)
  }

  /** Sends what is queued as long as there is room, and takes what is answered at once. */
  #pump(): void {
    let sent = false
    for (let next = this.#queue.peek(); next !== undefined && !this.#blocked; next = this.#queue.peek()) {
      if (this.#used + next.count > this.places) {
        if (!sent) return
        sent = false
        this.#drain()
        continue
      }
      if (this.#send(next) === BLOCKED) return
      this.#queue.shift()
      sent = true
    }
    if (sent) this.#drain()
  }

  /** Sends, and takes what is answered within the call. */
  #send(exchange: Exchange): typeof BLOCKED | typeof SENT | typeof EMPTY {
    exchange.first = this.sequences.take(exchange.count, this.#inUse)
    const end = exchange.write(buffers.room(exchange.length + 4), this.#portId)
    this.#fresh = exchange
    this.#used += exchange.count
    const outcome = buffers.exchange(this.#number, end, this.#peer, limitFor(exchange))
    if (outcome >= UNSENT) return this.#received(outcome) ? SENT : EMPTY
    this.#remove(exchange)
    const errno = UNSENT - outcome
    if (errno === EAGAIN) {
      exchange.first = 0
      this.#blocked = true
      return BLOCKED
    }
    const { syscall, detail } = this.#native.explainSend(errno, end, this.#peer, 0)
    exchange.fail({ errno, syscall, ...(detail === undefined ? {} : { explanation: detail }) })
    return SENT
  }

  /** Takes all that is there. */
  #drain(): void {
    for (let rounds = 0; rounds < PATIENCE; rounds++) if (!this.#receive(MOST)) return
    this.#later()
  }

  /** Goes on once others have had their turn. */
  #later(): void {
    if (this.#resuming) return
    this.#resuming = true
    setImmediate(() => {
      this.#resuming = false
      if (!this.#ended) this.onReadable()
    })
  }

  /** Takes what is there, at most `limit` datagrams; answers false when there was nothing. */
  #receive(limit: number): boolean {
    return this.#received(buffers.receive(this.#number, limit))
  }

  /** Sees to what came in: a number of rows, or a negated errno. */
  #received(count: number): boolean {
    if (count < 0) {
      this.#settleFresh()
      if (count !== -EAGAIN) this.#failAll({ errno: -count, syscall: 'recvmsg' })
      else if (this.#overrun) {
        // All that had its place has been read: whoever has no answer yet may have lost it.
        this.#overrun = false
        this.#failAll(lost)
      }
      return false
    }
    const reviews: Exchange[] = []
    for (let at = COLUMNS; at <= count * COLUMNS; at += COLUMNS) this.#row(at, reviews)
    this.#settleFresh()
    // Only now, for the user's own code may receive something itself.
    for (const exchange of reviews) {
      exchange.review()
      if (exchange.done) this.#remove(exchange)
    }
    return true
  }

  #row(at: number, reviews: Exchange[]): void {
    const { table } = buffers
    if (((table[at + FLAGS] as number) & ERRNO) !== 0) {
      const errno = table[at + FULL_LENGTH] as number
      if (errno === ENOBUFS) this.#overrun = true
      else this.#failAll({ errno, syscall: 'recvmsg' })
      return
    }
    if (table[at + FROM] !== this.#peer || table[at + GROUP] !== 0) {
      this.discarded++
      return
    }
    const start = table[at + OFFSET] as number
    try {
      const cursor = this.#cursor
      cursor.restart(buffers.incoming, start, start + (table[at + LENGTH] as number))
      while (cursor.next()) this.#dispatch(cursor, reviews)
    } catch (error) {
      if (!(error instanceof NetlinkFormatError)) throw error
      this.unreadable = error
    }
  }

  #dispatch(cursor: MessageCursor, reviews: Exchange[]): void {
    if (cursor.type === NLMSG_OVERRUN) this.#overrun = true
    const exchange = this.#find(cursor.sequence)
    if (exchange === undefined || exchange.done) return
    try {
      exchange.take(cursor)
    } catch (error) {
      if (!(error instanceof NetlinkFormatError)) throw error
      exchange.abandon(error)
    }
    if (exchange.done) this.#remove(exchange)
    else if (exchange.wantsReview && reviews[reviews.length - 1] !== exchange) reviews.push(exchange)
  }

  #find(sequence: number): Exchange | undefined {
    const fresh = this.#fresh
    if (fresh !== undefined && sequence >= fresh.first && sequence < fresh.first + fresh.count) return fresh
    const single = this.#single.get(sequence)
    if (single !== undefined || this.#chunks.size === 0) return single
    for (const chunk of this.#chunks) if (sequence >= chunk.first && sequence < chunk.first + chunk.count) return chunk
    return undefined
  }

  /** Whoever has been sent and not been answered is from now on found by its number. */
  #settleFresh(): void {
    const exchange = this.#fresh
    if (exchange === undefined) return
    this.#fresh = undefined
    if (exchange.count === 1) this.#single.set(exchange.first, exchange)
    else this.#chunks.add(exchange)
  }

  /** Answers whether it was in flight. */
  #remove(exchange: Exchange): boolean {
    if (exchange === this.#fresh) {
      this.#fresh = undefined
      this.#used -= exchange.count
      return true
    }
    const was = exchange.count === 1
      // One that was never sent has no number, and that of another is not its own.
      ? exchange.first !== 0 && this.#single.delete(exchange.first)
      : this.#chunks.delete(exchange)
    if (was) this.#used -= exchange.count
    return was
  }

  #inFlight(): Exchange[] {
    return [...this.#fresh === undefined ? [] : [this.#fresh], ...this.#single.values(), ...this.#chunks]
  }

  #failAll(details: NetlinkErrorDetails): void {
    for (const exchange of this.#inFlight()) {
      this.#remove(exchange)
      exchange.fail(details)
    }
  }
}

/** A request that is answered at once needs one datagram, and no second look that finds nothing. */
function limitFor({ count }: Exchange): number {
  return count === 1 ? 1 : MOST
}
