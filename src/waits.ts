// Operations that wait, in the order in which they were asked for.

/** What an attempt answers when it must wait. Not `undefined`, which an operation may answer. */
export const WAIT: unique symbol = Symbol('wait')

interface Wait {
  attempt: () => unknown
  resolve: (value: never) => void
  reject: (error: unknown) => void
  owner: object | undefined
  signal: AbortSignal | undefined
  onAbort: (() => void) | undefined
  /** The neighbours in line: a list of its own links costs an idle handle nothing, and leaving it is cheap. */
  before: Wait | undefined
  after: Wait | undefined
}

/** Who is told when the first operation begins to wait and when the last no longer does. */
export interface Holder {
  hold(on: boolean): void
}

/**
 * The waiting operations of one direction of a handle. Each tries at once unless others wait before it, and again each
 * time that the descriptor is ready; one that is aborted leaves the others as they are.
 */
export class Waits {
  readonly #holder: Holder
  #first: Wait | undefined
  #last: Wait | undefined

  constructor(holder: Holder) {
    this.#holder = holder
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
      const before = this.#last
      const wait: Wait = { attempt, resolve, reject, owner, signal, onAbort: undefined, before, after: undefined }
      if (signal !== undefined) {
        wait.onAbort = () => this.#withdraw(wait, signal.reason)
        signal.addEventListener('abort', wait.onAbort, { once: true })
      }
      if (before === undefined) this.#first = wait
      else before.after = wait
      this.#last = wait
      if (++this.length === 1) this.#holder.hold(true)
    })
  }

  /** The descriptor is ready: whoever can go on does. */
  retry(): void {
    for (let wait = this.#first; wait !== undefined; wait = this.#first) {
      let value: unknown
      try {
        value = wait.attempt()
      } catch (error) {
        // The attempt may have ended everything, itself included.
        if (this.#first === wait) this.#remove(wait).reject(error)
        continue
      }
      if (value === WAIT) return
      if (this.#first === wait) this.#remove(wait).resolve(value as never)
    }
  }

  /** Withdraws the operations of one owner; their promises reject, and nobody should be listening. */
  cancel(owner: object): void {
    for (let wait = this.#first; wait !== undefined; wait = wait.after) {
      if (wait.owner === owner) this.#withdraw(wait, undefined)
    }
  }

  /** Settles everything that waits. */
  end(error: () => unknown): void {
    for (let wait = this.#first; wait !== undefined; wait = this.#first) this.#remove(wait).reject(error())
  }

  /** Takes one out, unless it is out already. */
  #withdraw(wait: Wait, reason: unknown): void {
    if (wait.before === undefined && this.#first !== wait) return
    this.#remove(wait).reject(reason)
  }

  #remove(wait: Wait): Wait {
    if (wait.before === undefined) this.#first = wait.after
    else wait.before.after = wait.after
    if (wait.after === undefined) this.#last = wait.before
    else wait.after.before = wait.before
    wait.before = undefined
    if (wait.onAbort !== undefined) wait.signal?.removeEventListener('abort', wait.onAbort)
    if (--this.length === 0) this.#holder.hold(false)
    return wait
  }
}
