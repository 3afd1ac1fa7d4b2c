// What is done to a descriptor that blocks: one operation at a time in each direction, and only when it is ready.

import { WAIT, Waits } from '../waits.js'
import { WaitSet } from './wait-any.js'

/**
 * Reading or writing. Two that were told at once that the descriptor is ready would both go on, and the second would sit in
 * the kernel, with one of Node's threads, until the next byte.
 */
export class Direction {
  readonly #interest: { readable: boolean, writable: boolean }
  /** Whoever has the turn keeps the process alive for those behind it. */
  readonly #line = new Waits({ hold() {} })
  #taken = false
  #set: WaitSet | undefined
  readonly #take = (): typeof WAIT | undefined => {
    if (this.#taken) return WAIT
    this.#taken = true
    return undefined
  }

  constructor(which: 'read' | 'write') {
    this.#interest = { readable: which === 'read', writable: which === 'write' }
  }

  /** Does `work` when everything that was asked for before is over. The signal ends the wait for that. */
  async inTurn<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    if (this.#take() === WAIT) await this.#line.wait(this.#take, signal)
    try {
      return await work()
    } finally {
      this.#taken = false
      this.#line.retry()
    }
  }

  /** Waits, in its turn, until the descriptor will not block. */
  async ready(fd: number, signal: AbortSignal | undefined): Promise<void> {
    const set = this.#set = new WaitSet()
    try {
      await set.add(fd, this.#interest).wait(signal === undefined ? {} : { signal })
    } finally {
      this.#set = undefined
      void set.close()
    }
  }

  /** Rejects what waits. */
  end(error: () => unknown): void {
    this.#line.end(error)
    this.#set?.reads.end(error)
  }
}
