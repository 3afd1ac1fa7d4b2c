// Operations that wait, in the order in which they were asked for.

import { Queue } from './queue.js'

/** What an attempt answers when it must wait. Not `undefined`, which an operation may answer. */
export const WAIT: unique symbol = Symbol('wait')

interface Wait {
  attempt: () => unknown
  resolve: (value: never) => void
  reject: (error: unknown) => void
  owner: object | undefined
  signal: AbortSignal | undefined
  onAbort: (() => void) | undefined
}

/**
 * The waiting operations of one direction of a handle. Each tries at once unless others wait before it, and again each
 * time that the descriptor is ready; one that is aborted leaves the others as they are.
 */
export class Waits {
  readonly #queue = new Queue<Wait>()
  readonly #hold: (on: boolean) => void

  /** `hold` keeps the process alive while something waits. */
  constructor(hold: (on: boolean) => void) {
    this.#hold = hold
  }

  /** How many operations wait. A plain field, for every `next()` of an iterator looks at it. */
  length = 0

  /** Runs `attempt` as soon as it is its turn, until it answers something else than `WAIT`. */
  run<T>(attempt: () => T | typeof WAIT, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
    if (this.length === 0) {
      try {
        const value = attempt()
        if (value !== WAIT) return Promise.resolve(value)
      } catch (error) {
        return Promise.reject(error as Error)
      }
    }
    return this.wait(attempt, signal)
  }

  /** Like `run()`, for an attempt that has just been made in vain. */
  wait<T>(attempt: () => T | typeof WAIT, signal?: AbortSignal, owner?: object): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const wait: Wait = { attempt, resolve, reject, owner, signal, onAbort: undefined }
      if (signal !== undefined) {
        wait.onAbort = () => this.#withdraw(wait, signal.reason)
        signal.addEventListener('abort', wait.onAbort, { once: true })
      }
      this.#queue.push(wait)
      this.length++
      if (this.length === 1) this.#hold(true)
    })
  }

  /** The descriptor is ready: whoever can go on does. */
  retry(): void {
    for (let wait = this.#queue.peek(); wait !== undefined; wait = this.#queue.peek()) {
      let value: unknown
      try {
        value = wait.attempt()
      } catch (error) {
        // The attempt may have ended everything, itself included.
        if (this.#queue.peek() === wait) this.#finish().reject(error)
        continue
      }
      if (value === WAIT) return
      if (this.#queue.peek() === wait) this.#finish().resolve(value as never)
    }
  }

  /** Withdraws the operations of one owner; their promises reject, and nobody should be listening. */
  cancel(owner: object): void {
    for (const wait of this.#queue.filter((one) => one.owner === owner)) this.#withdraw(wait, undefined)
  }

  /** Settles everything that waits. */
  end(error: () => unknown): void {
    while (this.length > 0) this.#finish().reject(error())
  }

  #finish(): Wait {
    const wait = this.#queue.shift() as Wait
    this.#settled(wait)
    return wait
  }

  #withdraw(wait: Wait, reason: unknown): void {
    if (!this.#queue.remove(wait)) return
    this.#settled(wait)
    wait.reject(reason)
  }

  #settled(wait: Wait): void {
    if (wait.onAbort !== undefined) wait.signal?.removeEventListener('abort', wait.onAbort)
    this.length--
    if (this.length === 0) this.#hold(false)
  }
}
