import { Duplex } from 'node:stream'

import { cut } from '../cut.js'
import { EAGAIN } from '../errnos.js'
import { WAIT } from '../waits.js'
import type { UnixAddress } from './address.js'
import { slab } from './slab.js'
import type { UnixStream } from './stream.js'

type Callback = (error?: Error | null) => void

/** A `node:stream` duplex over a stream socket, with the few methods of `net.Socket` that http and drivers call. */
export class UnixDuplex extends Duplex {
  readonly #stream: UnixStream
  readonly #attempt = (): boolean | typeof WAIT => this.#pull()
  /** One wait lasts from the first demand until nobody wants more; a demand in between only says that somebody does. */
  #pulling = false
  #demanded = false
  #timeout = 0
  #timer: NodeJS.Timeout | undefined
  #active = 0

  constructor(stream: UnixStream) {
    // As net.Socket: the peer's end is answered with ours, unless the user of the duplex says otherwise.
    super({ allowHalfOpen: false, autoDestroy: true })
    this.#stream = stream
    stream.closed.then(() => this.destroy(), () => {})
  }

  override _read(): void {
    this.#demanded = true
    if (this.#pulling) return
    this.#pulling = true
    this.#stream.reads.run(this.#attempt).catch((error: Error) => {
      // Closing the stream underneath is an end, not a failure.
      this.destroy(isClosed(error) ? undefined : error)
    })
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#send(chunk, callback)
  }

  override _writev(chunks: { chunk: Buffer, encoding: BufferEncoding }[], callback: Callback): void {
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback)
  }

  override _final(callback: Callback): void {
    try {
      this.#stream.shutdown('write')
      callback()
    } catch (error) {
      // A peer that is gone has no use for an end.
      callback(isDisconnected(error) ? null : error as Error)
    }
  }

  override _destroy(error: Error | null, callback: Callback): void {
    clearTimeout(this.#timer)
    // What was written and ended is in the kernel by now; what is destroyed before that does not wait for the peer.
    this.#stream.destroy().then(() => callback(error), callback)
  }

  get remoteAddress(): UnixAddress {
    return this.#stream.remoteAddress
  }

  /** Emits 'timeout' after so many milliseconds without traffic; 0 turns it off. */
  setTimeout(milliseconds: number, listener?: () => void): this {
    clearTimeout(this.#timer)
    this.#timeout = milliseconds
    if (listener !== undefined) {
      if (milliseconds === 0) this.off('timeout', listener)
      else this.once('timeout', listener)
    }
    this.#active = performance.now()
    if (milliseconds > 0) this.#watchIdleness()
    return this
  }

  /** Nothing to turn off: AF_UNIX delays nothing. */
  setNoDelay(): this {
    return this
  }

  /** Nothing to keep alive: AF_UNIX knows when the peer is gone. */
  setKeepAlive(): this {
    return this
  }

  ref(): this {
    this.#stream.ref()
    return this
  }

  unref(): this {
    this.#stream.unref()
    return this
  }

  #send(chunk: Buffer, callback: Callback): void {
    if (this.#timeout > 0) this.#active = performance.now()
    try {
      const waiting = this.#stream.outgoing.writeNow(chunk)
      if (waiting === undefined) callback()
      else waiting.then(() => callback(), callback)
    } catch (error) {
      callback(error as Error)
    }
  }

  /** Reads until nobody wants more. */
  #pull(): boolean | typeof WAIT {
    for (;;) {
      slab.makeRoom()
      const { buffer, memory, used } = slab
      const count = this.#stream.readNow(buffer, used, buffer.length)
      if (count === -EAGAIN) return WAIT
      if (this.#timeout > 0) this.#active = performance.now()
      if (count === 0) return this.push(null)
      slab.used = used + count
      this.#demanded = false
      try {
        if (this.push(cut(memory, used, used + count)) || this.#demanded) continue
      } catch (error) {
        // A listener threw: uncaught, as with net.Socket, and no failure of the stream, which reads on after it.
        process.nextTick(() => {
          this.read(0)
          throw error
        })
      }
      this.#pulling = false
      return false
    }
  }

  #watchIdleness(): void {
    const idle = performance.now() - this.#active
    if (idle >= this.#timeout) this.emit('timeout')
    const wait = idle >= this.#timeout ? this.#timeout : this.#timeout - idle
    this.#timer = setTimeout(() => this.#watchIdleness(), wait)
    this.#timer.unref()
  }
}

function isDisconnected(error: unknown): boolean {
  return isClosed(error) || (error instanceof Error && 'code' in error && error.code === 'ENOTCONN')
}

function isClosed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_SOCKET_CLOSED'
}
