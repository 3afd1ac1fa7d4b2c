// Small messages to one destination, coalesced; the native side sends them together before the loop blocks.

import { calls, type Native } from '../native.js'
import type { Lane } from './lane.js'

/** Messages up to this size are coalesced; larger ones go to the kernel from where they are. */
export const LARGEST_COALESCED = 16 * 1024

const COUNT = 0
const HEAD = 1
const ERRNO = 2
const TURN = 3

const SMALLEST = 4 * 1024
const LARGEST = 64 * 1024
const MOST = 256

/** Shared with the native side, which advances it; see `crates/node/src/unix_messages.rs`. */
export class MessageOutbox {
  readonly #native: Native.UnixSocket
  readonly #number: number
  readonly #control = new Int32Array(4)
  readonly #bounds = new Uint32Array(MOST + 1)
  #data: Buffer | undefined
  #turn = -1
  /** Whose messages are in it. */
  lane: Lane

  constructor(socket: Native.UnixSocket, lane: Lane) {
    this.#native = socket
    this.#number = socket.number
    this.lane = lane
  }

  /** How many messages are in it. */
  get length(): number {
    return (this.#control[COUNT] as number) - (this.#control[HEAD] as number)
  }

  /**
   * Whether nothing has been sent since the loop last blocked. The first message of a turn leaves at once: often it is
   * the only one. Those after it coalesce.
   */
  isFirstOfTurn(): boolean {
    return this.#turn !== this.#control[TURN]
  }

  /** The first has been sent. */
  noteFirst(): void {
    // Only an open one counts turns.
    this.#open()
    this.#turn = this.#control[TURN] as number
  }

  /** Whether the native side has met something of which the lane has not heard. */
  get hasReport(): boolean {
    return this.#control[ERRNO] !== 0
  }

  /** What the native side has met since last asked: a positive errno, -1 when the destination was full, or 0. */
  takeReport(): number {
    const found = this.#control[ERRNO] as number
    this.#control[ERRNO] = 0
    return found
  }

  /** Makes the outbox a lane's; what another one has in it is sent first, or goes back to its lane. */
  lend(lane: Lane): void {
    if (this.lane === lane) return
    if (this.length > 0) {
      const other = this.lane
      other.heed()
      if (!other.isBlocked) other.drain()
      if (this.length > 0) {
        const messages: Uint8Array[] = []
        const data = this.#data as Buffer
        for (let at = this.#control[HEAD] as number; at < (this.#control[COUNT] as number); at++) {
          messages.push(Buffer.from(data.subarray(this.#bounds[at] as number, this.#bounds[at + 1] as number)))
        }
        this.clear()
        other.evict(messages)
      }
    }
    this.lane = lane
    this.#open()
    this.#native.addressMessageOutbox(lane.to)
  }

  /** Appends one small message; false when there is no room. */
  append(bytes: Uint8Array): boolean {
    const count = this.#control[COUNT] as number
    const start = this.#bounds[count] as number
    const end = start + bytes.length
    if (count === MOST || end > LARGEST || bytes.length > LARGEST_COALESCED) return false
    const data = this.#data
    if (data === undefined || end > data.length) this.#grow(end)
    ;(this.#data as Buffer).set(bytes, start)
    this.#bounds[count + 1] = end
    this.#control[COUNT] = count + 1
    // A lane that is full knows already that it must wait, and is drained when there is room.
    if (count === 0 && !this.lane.isBlocked && !this.lane.isDraining) calls.unixMarkDirty(this.#number)
    return true
  }

  /** Sends what is in it: 0, or a negated errno. */
  flush(): number {
    return calls.unixFlushMessages(this.#number)
  }

  /** Forgets the first message in it. */
  dropFirst(): void {
    if (this.length > 1) this.#control[HEAD] = (this.#control[HEAD] as number) + 1
    else this.clear()
  }

  /** Forgets what is in it, and what it has met. */
  clear(): void {
    this.#control[COUNT] = 0
    this.#control[HEAD] = 0
    this.#control[ERRNO] = 0
    // Lets go of the loop.
    calls.unixFlushMessages(this.#number)
  }

  #open(): void {
    if (this.#data !== undefined) return
    this.#data = Buffer.allocUnsafeSlow(SMALLEST)
    this.#native.openMessageOutbox(this.#data, this.#bounds, this.#control)
  }

  #grow(end: number): void {
    this.#open()
    const before = this.#data as Buffer
    let size = before.length
    while (size < end) size *= 4
    if (size === before.length) return
    const larger = Buffer.allocUnsafeSlow(size)
    before.copy(larger)
    this.#data = larger
    this.#native.growMessageOutbox(larger)
  }
}
