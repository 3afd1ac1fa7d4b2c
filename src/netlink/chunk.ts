import { messageLength, writeMessage } from './buffers.js'
import { readS32 } from './bytes.js'
import { align, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR } from './constants.js'
import type { NetlinkError, NetlinkErrorDetails } from './error.js'
import { asSent, Exchange, type Waiting } from './exchange.js'
import { decodeDone, decodeError } from './extack.js'
import type { MessageCursor, NetlinkMessage } from './message.js'
import { isEnd, payloadOf } from './request.js'

/** Messages of a batch that go out in one datagram. Settles with the failures among them, in order. */
export class Chunk extends Exchange<NetlinkError[]> {
  readonly count: number
  readonly length: number
  readonly #messages: readonly NetlinkMessage[]
  readonly #from: number
  readonly #everyOne: boolean
  readonly #failures: NetlinkError[] = []
  /** By place in the chunk; 1 when it has been answered. */
  readonly #answered: Uint8Array
  #left: number
  #portId = 0

  /** `messages[from..to]`, which are `length` bytes. */
  constructor(messages: readonly NetlinkMessage[], from: number, to: number, length: number, everyOne: boolean, waiting: Waiting) {
    super(waiting)
    this.#messages = messages
    this.#from = from
    this.count = to - from
    this.length = length
    this.#everyOne = everyOne
    this.#answered = new Uint8Array(this.count)
    this.#left = this.count
  }

  /** Cuts off as many messages as fit a datagram of `bytes` and `places` in flight; at least one. */
  static cut(messages: readonly NetlinkMessage[], from: number, bytes: number, places: number): { to: number, length: number } {
    let to = from + 1
    let length = messageLength(messages[from]!)
    while (to < messages.length && to - from < places) {
      const next = align(length) + messageLength(messages[to]!)
      if (next > bytes) break
      length = next
      to++
    }
    return { to, length }
  }

  write(into: Buffer, portId: number): number {
    this.#portId = portId
    let end = 0
    for (let i = 0; i < this.count; i++) {
      end = writeMessage(into, align(end), this.#messages[this.#from + i]!, this.#flags(i), this.first + i, portId)
    }
    return end
  }

  /** The batch has its own array already; payloads are not copied, for a batch may be the whole of a large table. */
  own(): void {}

  take(cursor: MessageCursor): void {
    const index = cursor.sequence - this.first
    const { bytes, payloadStart, payloadEnd, type, flags } = cursor
    if (type === NLMSG_ERROR) {
      if (payloadEnd - payloadStart >= 4 && readS32(bytes, payloadStart) === 0) return this.#acknowledged(index)
      const { errno, extack } = decodeError(payloadOf(cursor), flags)
      return errno === 0 ? this.#acknowledged(index) : this.#refused(index, { errno, extack })
    }
    if (type !== NLMSG_DONE || !isEnd(cursor, this.waiting)) return
    const { errno, extack } = decodeDone(payloadOf(cursor), flags & NLM_F_ACK_TLVS)
    if (errno !== 0) this.#refused(index, { errno, extack })
  }

  fail(details: NetlinkErrorDetails): void {
    if (this.done) return
    for (let i = 0; i < this.count; i++) if (this.#answered[i] === 0) this.#failures.push(this.#failed(i, details))
    this.#finish()
  }

  protected value(): NetlinkError[] {
    return this.#failures
  }

  #flags(index: number): number {
    const asked = this.#everyOne || index === this.count - 1
    return (this.#messages[this.#from + index]!.flags ?? 0) | NLM_F_REQUEST | (asked ? NLM_F_ACK : 0)
  }

  #acknowledged(index: number): void {
    if (this.#answered[index] === 1) return
    this.#answered[index] = 1
    // Requests are carried out in order: with the last, all before it have been.
    if (--this.#left === 0 || (!this.#everyOne && index === this.count - 1)) this.#finish()
  }

  #refused(index: number, details: NetlinkErrorDetails): void {
    if (this.#answered[index] === 1) return
    this.#failures.push(this.#failed(index, details))
    this.#acknowledged(index)
  }

  #failed(index: number, details: NetlinkErrorDetails): NetlinkError {
    const message = asSent(this.#messages[this.#from + index]!, this.#flags(index), this.first + index, this.#portId)
    return this.error(message, { ...details, index: this.#from + index })
  }

  #finish(): void {
    this.#failures.sort((a, b) => (a.index ?? 0) - (b.index ?? 0))
    this.settle()
  }
}
