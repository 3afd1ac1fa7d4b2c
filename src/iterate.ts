import { SocketError } from './errors.js'
import { WAIT, type Waits } from './waits.js'

export const END = { done: true as const, value: undefined }

/**
 * An iterator over what `attempt` brings. Overlapping `next()` calls stay in order; `return()` cancels those of this
 * iterator that wait and loses nothing of the others; after the end or a failure it is always done. Closing the handle
 * is an end, not an error.
 */
export function iterate<T>(
  waits: Waits,
  attempt: () => IteratorResult<T, undefined> | typeof WAIT,
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
        // The common case, in which something is here already, costs one promise.
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
