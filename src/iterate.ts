import { SocketError } from './errors.js'
import { WAIT, type Waits } from './waits.js'

export const END = { value: undefined, done: true as const }

/**
 * An iterator over what `attempt` brings. Overlapping `next()` calls stay in order; `return()` cancels those of this
 * iterator that wait and loses nothing of the others; after the end or a failure it is always done. Closing the handle
 * is an end, not an error.
 *
 * `ready` may answer what is here already as a settled promise, or `undefined`: for messages so small that every call on
 * their way counts.
 */
export function iterate<T>(
  waits: Waits,
  attempt: () => IteratorResult<T, undefined> | typeof WAIT,
  ready: () => Promise<IteratorResult<T, undefined>> | undefined = nothing,
): AsyncIterableIterator<T> {
  let ended = false
  const latch = (result: IteratorResult<T, undefined>): IteratorResult<T, undefined> => {
    if (result.done === true) ended = true
    return result
  }
  const fail = (error: unknown): IteratorResult<T, undefined> => {
    const silent = ended || (error instanceof SocketError && error.code === 'ERR_SOCKET_CLOSED')
    ended = true
    if (silent) return END
    throw error
  }
  return {
    next(): Promise<IteratorResult<T, undefined>> {
      if (ended) return Promise.resolve(END)
      if (waits.length === 0) {
        const settled = ready()
        if (settled !== undefined) return settled
        // Still no wait, when something has arrived meanwhile.
        try {
          const result = attempt()
          if (result !== WAIT) return Promise.resolve(latch(result))
        } catch (error) {
          return new Promise((resolve) => resolve(fail(error)))
        }
      }
      return waits.wait(attempt, undefined, this).then(latch, fail)
    },
    return(): Promise<IteratorResult<T, undefined>> {
      ended = true
      waits.cancel(this)
      return Promise.resolve(END)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

function nothing(): undefined {}
