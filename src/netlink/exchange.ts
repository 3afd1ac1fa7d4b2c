// One thing that is asked for: what is sent, what comes back, and who waits for it.



import { NLM_F_REQUEST } from './constants.js'
import { NetlinkError, type NetlinkErrorDetails } from './error.js'
import { type ExtendedAck, nameExtack } from './extack.js'
import type { AnyLayout } from './layout.js'
import { encodeMessage, type MessageCursor, type NetlinkMessage } from './message.js'

/** What every kind of request takes. */
export interface NetlinkWaitOptions {
  /**
   * Milliseconds to wait for an answer, `Infinity` for as long as it takes; default 5000. The kernel drops what it cannot
   * read without a word.
   */
  timeout?: number
  /** Gives up waiting, with the signal's reason. What has been sent may be carried out all the same. */
  signal?: AbortSignal
  /** What the payload was encoded with: refusals then name the attribute that is wrong or missing. */
  layout?: AnyLayout
  /** Where in the message the layout begins: 16, the default, after the netlink header; 20 for generic netlink. */
  layoutStart?: number
}

/** The same, checked. */
export interface Waiting {
  timeout: number
  signal: AbortSignal | undefined
  layout: AnyLayout | undefined
  layoutStart: number
  protocol: number
}

/** What an exchange needs of the socket it goes through. */
export interface Carrier {
  hold(on: boolean): void
  /** Takes it out of wherever it is. */
  withdraw(exchange: Exchange): void
  /** A datagram that could not be read since the exchange began, which may have been its answer. */
  readonly unreadable: unknown
}

const HINT = 'the kernel drops a message whose lengths are wrong, or without NLM_F_REQUEST, without a word'

/** Something in flight: `count` messages with sequence numbers in a row. */
export abstract class Exchange<T = unknown> {
  /** The first sequence number; 0 until it is sent. */
  first = 0
  abstract readonly count: number
  done = false
  protected readonly waiting: Waiting
  #failure: unknown
  #resolve: ((value: never) => void) | undefined
  #reject: ((reason: unknown) => void) | undefined
  #stop: (() => void) | undefined

  constructor(waiting: Waiting) {
    this.waiting = waiting
  }

  /** Bytes of all messages, each padded but the last. */
  abstract readonly length: number
  /** Puts all of it into a buffer, numbered from `first`; answers where it ends. */
  abstract write(into: Buffer, portId: number): number
  /** Keeps copies of what the caller could change before it is sent. */
  abstract own(): void
  /** Takes one answer. */
  abstract take(cursor: MessageCursor): void
  /** Whether `review()` has something to do. */
  get wantsReview(): boolean {
    return false
  }

  /** Looks at what has come with the user's own code, which must not run while `take()` is being called. */
  review(): void {}
  /** Fails what is not answered yet. */
  abstract fail(details: NetlinkErrorDetails): void
  protected abstract value(): T

  /** Ends it; what comes later is nobody's. */
  protected settle(failure?: unknown): void {
    if (this.done) return
    this.done = true
    this.#failure = failure
    if (this.#resolve === undefined) return
    this.#stop?.()
    if (failure === undefined) this.#resolve(this.value() as never)
    else this.#reject?.(failure)
  }

  /** Ends it with something other than an errno. */
  abandon(failure: unknown): void {
    this.settle(failure)
  }

  /** What it came to, now or later. */
  outcome(carrier: Carrier): Promise<T> {
    if (this.done) return this.#failure === undefined ? Promise.resolve(this.value()) : Promise.reject(this.#failure)
    return new Promise<T>((resolve, reject) => {
      const { timeout, signal } = this.waiting
      this.#resolve = resolve
      this.#reject = reject
      const abort = (): void => this.#give(carrier, signal?.reason)
      const timer = timeout === Infinity ? undefined : setTimeout(() => this.#expire(carrier), timeout).unref()
      signal?.addEventListener('abort', abort, { once: true })
      carrier.hold(true)
      this.#stop = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        carrier.hold(false)
      }
    })
  }

  #give(carrier: Carrier, reason: unknown): void {
    carrier.withdraw(this)
    this.settle(reason)
  }

  #expire(carrier: Carrier): void {
    carrier.withdraw(this)
    const { unreadable } = carrier
    this.fail({
      errno: 110,
      syscall: 'recvmsg',
      explanation: `no answer within ${this.waiting.timeout} ms; ${this.first === 0 ? 'it was never sent, for others were in flight' : HINT}`,
      ...(unreadable === undefined ? {} : { cause: unreadable }),
    })
  }

  /** The error of one of its messages. */
  protected error(message: NetlinkMessage, details: NetlinkErrorDetails): NetlinkError {
    return new NetlinkError({ ...details, extack: this.named(message, details.extack ?? null), request: message })
  }

  /** Puts names to numbers, where types are known. */
  protected named(message: NetlinkMessage, extack: ExtendedAck | null): ExtendedAck | null {
    const { layout, layoutStart } = this.waiting
    if (extack === null || layout === undefined) return extack
    return nameExtack(extack, encodeMessage(message), layout, layoutStart)
  }
}

/** A message as it goes out. */
export function asSent(message: NetlinkMessage, flags: number, sequence: number, portId: number): NetlinkMessage {
  return { type: message.type, flags: flags | NLM_F_REQUEST, sequence, portId, payload: message.payload }
}

