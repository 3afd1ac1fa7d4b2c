import { Duplex } from 'node:stream'

import * as check from '../arguments.js'
import { cut } from '../cut.js'
import { EAGAIN } from '../errnos.js'
import { WAIT } from '../waits.js'
import type { UnixAddress } from './address.js'
import { slab } from './slab.js'
import type { UnixStream } from './stream.js'

type Callback = (error?: Error | null) => void

/** What a duplex does about the peer's end. */
export interface DuplexOptions {
  /**
   * Leave it to whoever uses the duplex to end it after the peer has. Default false: it ends by itself, as a `net.Socket`
   * does, once nothing has been written for a few turns of the event loop.
   */
  allowHalfOpen?: boolean
}

/** TLS over a duplex lets one turn pass between what it writes. */
const QUIET_TURNS = 8

/** A `node:stream` duplex over a stream socket, with the few methods of `net.Socket` that http and drivers call. */
export class UnixDuplex extends Duplex {
  readonly #stream: UnixStream
  readonly #attempt = (): boolean | typeof WAIT => this.#pull()
  /** One wait lasts from the first demand until nobody wants more; a demand in between only says that somebody does. */
  #pulling = false
  #demanded = false
  #timer: NodeJS.Timeout | undefined
  /** How many writes there have been. */
  #writes = 0
  #endsByItself = false

  constructor(stream: UnixStream, allowHalfOpen: boolean) {
    // Node's own way would end it at once, and cut off what whoever is in between has still to write.
    super({ allowHalfOpen: true, autoDestroy: true })
    this.#stream = stream
    stream.closed.then(() => this.destroy(), () => {})
    if (!allowHalfOpen) {
      this.once('end', () => {
        this.#endsByItself = true
        this.#endWhenQuiet()
      })
    }
    // As net.Socket: the peer's end is noticed though nobody reads.
    this.read(0)
  }

  override _read(): void {
    this.#demanded = true
    if (this.#pulling) return
    this.#pulling = true
    this.#stream.reads.run(this.#attempt).catch((error: Error) => {
      // When the stream underneath is being closed, what was written goes out first.
      if (!isClosed(error)) this.destroy(error)
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
    this.#timer = undefined
    // What was written and ended is in the kernel by now; what is destroyed before that does not wait for the peer.
    this.#stream.destroy().then(() => callback(error), callback)
  }

  get remoteAddress(): UnixAddress {
    return this.#stream.remoteAddress
  }

  /** Emits 'timeout' when there was no traffic for so many milliseconds, once until there is some again; 0 turns it off. */
  setTimeout(milliseconds: number, listener?: () => void): this {
    check.milliseconds('milliseconds', milliseconds)
    if (this.destroyed) return this
    clearTimeout(this.#timer)
    this.#timer = milliseconds === 0 ? undefined : setTimeout(() => this.emit('timeout'), milliseconds).unref()
    if (listener !== undefined) {
      if (milliseconds === 0) this.off('timeout', listener)
      else this.once('timeout', listener)
    }
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
    this.#timer?.refresh()
    this.#writes++
    try {
      const waiting = this.#stream.outgoing.writeNow(chunk)
      if (waiting === undefined) this.#sent(callback)
      else waiting.then(() => this.#sent(callback), callback)
    } catch (error) {
      callback(error as Error)
    }
  }

  #sent(callback: Callback): void {
    callback()
    if (this.#endsByItself) this.#endWhenQuiet()
  }

  /** Reads until nobody wants more. */
  #pull(): boolean | typeof WAIT {
    for (;;) {
      slab.makeRoom()
      const { buffer, memory, used } = slab
      const count = this.#stream.readNow(buffer, used, buffer.length)
      if (count === -EAGAIN) return WAIT
      this.#timer?.refresh()
      if (count === 0) {
        this.push(null)
        this.read(0)
        return false
      }
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

  /** Ends when nothing is being written, nor will be for some turns. */
  #endWhenQuiet(): void {
    const { writableLength } = this
    const writes = this.#writes
    let turns = 0
    const look = (): void => {
      // Whoever has written meanwhile comes here again.
      if (writableLength > 0 || writes !== this.#writes || this.writableEnded || this.destroyed) return
      if (turns++ === QUIET_TURNS) this.end()
      else setImmediate(look)
    }
    look()
  }
}

function isDisconnected(error: unknown): boolean {
  return isClosed(error) || (error instanceof Error && 'code' in error && error.code === 'ENOTCONN')
}

function isClosed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_SOCKET_CLOSED'
}
