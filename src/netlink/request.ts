import { messageLength, writeMessage } from './buffers.js'
import { copyBytes, readS32 } from './bytes.js'
import { NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_DUMP_INTR, NLM_F_MULTI, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, protocols } from './constants.js'
import type { NetlinkErrorDetails } from './error.js'
import { asSent, Exchange, type NetlinkWaitOptions, type Waiting } from './exchange.js'
import { type Acknowledgement, decodeDone, decodeError, type ExtendedAck } from './extack.js'
import type { MessageCursor, NetlinkMessage, ReceivedMessage } from './message.js'

/** How to ask. */
export interface NetlinkRequestOptions extends NetlinkWaitOptions {
  /**
   * Whether to ask for an acknowledgement, which is then the end of the answer. Default true. Without it, and from a peer
   * that is a process, the end is the first message without NLM_F_MULTI, or `NLMSG_DONE`.
   */
  acknowledge?: boolean
  /** Whether a message of the answer is its last one, where the peer's own protocol says so instead of an acknowledgement. */
  until?: (message: ReceivedMessage) => boolean
  /** Bytes of payload that the answer may have in all; more is `EMSGSIZE`. Default 16 MiB. */
  maxLength?: number
  /** Is given what the kernel says beside a success. */
  onWarning?: (warning: ExtendedAck) => void
}

/** The same, checked. */
export interface Asking extends Waiting {
  acknowledge: boolean
  until: ((message: ReceivedMessage) => boolean) | undefined
  maxLength: number
  onWarning: ((warning: ExtendedAck) => void) | undefined
  /** A process at the other end: it may not know acknowledgements. */
  toProcess: boolean
}

const EINTR = 4
const EMSGSIZE = 90

/** One message, and its answer. */
export class Request extends Exchange<ReceivedMessage[]> {
  readonly count = 1
  #message: NetlinkMessage
  readonly #asking: Asking
  readonly #flags: number
  #answers: ReceivedMessage[] | undefined
  #reviewed = 0
  #received = 0
  #interrupted = false
  #portId = 0

  constructor(message: NetlinkMessage, asking: Asking) {
    super(asking)
    this.#message = message
    this.#asking = asking
    this.#flags = (message.flags ?? 0) | NLM_F_REQUEST | (asking.acknowledge ? NLM_F_ACK : 0)
  }

  get length(): number {
    return messageLength(this.#message)
  }

  write(into: Buffer, portId: number): number {
    this.#portId = portId
    return writeMessage(into, 0, this.#message, this.#flags, this.first, portId)
  }

  own(): void {
    this.#message = { ...this.#message, payload: Buffer.from(this.#message.payload) }
  }

  take(cursor: MessageCursor): void {
    switch (cursor.type) {
      case NLMSG_NOOP:
        return
      case NLMSG_ERROR:
        return this.#acknowledged(cursor)
      case NLMSG_DONE:
        if (isEnd(cursor, this.waiting)) return this.#finish(decodeDone(payloadOf(cursor), cursor.flags))
    }
    if ((cursor.flags & NLM_F_DUMP_INTR) !== 0) this.#interrupted = true
    const { bytes, payloadStart, payloadEnd, type, flags, sequence, portId } = cursor
    this.#received += payloadEnd - payloadStart
    if (this.#received > this.#asking.maxLength) {
      return this.fail({
        errno: EMSGSIZE,
        syscall: 'recvmsg',
        explanation: `the answer is longer than the ${this.#asking.maxLength} bytes of options.maxLength`,
      })
    }
    this.#answers ??= []
    this.#answers.push({ type, flags, sequence, portId, payload: copyBytes(bytes, payloadStart, payloadEnd) })
    if (this.#asking.until !== undefined || (flags & NLM_F_MULTI) !== 0) return
    if (!this.#asking.acknowledge || this.#asking.toProcess) this.settle()
  }

  override get wantsReview(): boolean {
    return this.#asking.until !== undefined
  }

  override review(): void {
    const { until } = this.#asking
    const answers = this.#answers
    if (until === undefined || answers === undefined) return
    try {
      while (!this.done && this.#reviewed < answers.length) {
        if (!until(answers[this.#reviewed++]!)) continue
        // What came behind it in the same datagrams is not part of the answer.
        answers.length = this.#reviewed
        this.settle()
      }
    } catch (error) {
      this.settle(error)
    }
  }

  fail(details: NetlinkErrorDetails): void {
    if (this.done) return
    this.settle(this.error(asSent(this.#message, this.#flags, this.first, this.#portId), details))
  }

  protected value(): ReceivedMessage[] {
    return this.#answers ?? []
  }

  #acknowledged(cursor: MessageCursor): void {
    const { bytes, payloadStart, payloadEnd, flags } = cursor
    // The usual success has nothing more to say.
    if (payloadEnd - payloadStart >= 4 && readS32(bytes, payloadStart) === 0 && (flags & NLM_F_ACK_TLVS) === 0) {
      if (this.#asking.until === undefined) this.#end()
      return
    }
    this.#finish(decodeError(payloadOf(cursor), flags))
  }

  #finish({ errno, extack }: Acknowledgement): void {
    if (errno !== 0) return this.fail({ errno, extack })
    const { onWarning, until } = this.#asking
    if (extack !== null && onWarning !== undefined) queueMicrotask(() => onWarning(extack))
    if (until === undefined) this.#end()
  }

  #end(): void {
    if (this.#interrupted) this.fail({ errno: EINTR, syscall: 'recvmsg', explanation: interruption })
    else this.settle()
  }
}

export const interruption = 'what was listed changed meanwhile: some of it may be missing or there twice'

/** The part of a datagram that a decoder copies from. */
export function payloadOf(cursor: MessageCursor): Buffer {
  return cursor.bytes.subarray(cursor.payloadStart, cursor.payloadEnd)
}

/** Whether an `NLMSG_DONE` is one: the connector uses the number for its own messages, without NLM_F_MULTI. */
export function isEnd(cursor: MessageCursor, { protocol }: { protocol: number }): boolean {
  return (cursor.flags & NLM_F_MULTI) !== 0 || protocol !== protocols.connector
}
