import type { UnixStream } from './stream.js'

/** How much is read at a time when the consumer brings no buffer of its own. */
const CHUNK = 64 * 1024

/** A byte stream: `getReader({ mode: 'byob' })` reads straight into the consumer's buffer. */
export function readableOf(stream: UnixStream): ReadableStream<Uint8Array> {
  const cancelled = new AbortController()
  return new ReadableStream({
    type: 'bytes',
    autoAllocateChunkSize: CHUNK,
    async pull(controller) {
      const request = controller.byobRequest as ReadableStreamBYOBRequest
      const view = request.view as Uint8Array
      let count: number
      try {
        count = await stream.read(view, { signal: cancelled.signal })
      } catch (error) {
        if (cancelled.signal.aborted) return
        throw error
      }
      if (count === 0) controller.close()
      request.respond(count)
    },
    cancel(reason) {
      cancelled.abort(reason)
    },
  })
}

export function writableOf(stream: UnixStream): WritableStream<Uint8Array> {
  return new WritableStream({
    // The sink's abort() only comes after the write in flight, which may wait for the peer for ever.
    // (@types/node does not know the controller's signal yet.)
    write: (chunk, controller) => stream.write(chunk, { signal: (controller as unknown as { signal: AbortSignal }).signal }),
    close: () => stream.shutdown('write'),
    abort: () => stream.destroy(),
  })
}
