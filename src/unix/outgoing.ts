import { EAGAIN } from '../errnos.js'
import { Queue } from '../queue.js'
import { SocketError } from '../errors.js'
import { calls, type Native } from '../native.js'
import type { Holder } from '../waits.js'
import { errnoError, isTheEnd } from './failures.js'

const TAIL = 0
const HEAD = 1
const ERRNO = 2

const SMALLEST_OUTBOX = 4 * 1024
const LARGEST_OUTBOX = 64 * 1024

/** Bytes that wait behind the outbox, and whoever wants to know when the last of them is in the kernel. */
interface Item {
  bytes: Uint8Array
  written: number
  settle: ((error?: SocketError) => void) | undefined
  /** Sends the beginning, when something goes beside it: a count or `-EAGAIN`. Throws what concerns these bytes only. */
  first?: (() => number) | undefined
}

const done = Promise.resolve()

/**
 * What leaves through one stream socket, in order: small pieces coalesce in an outbox that the native side flushes
 * before the loop blocks; what finds no room waits in a queue until the peer reads.
 */
export class Outgoing {
  readonly #native: Native.UnixSocket
  readonly #number: number
  readonly #holder: Holder
  /** Shared with the native side, which advances it; see `crates/node/src/outbox.rs`. */
  readonly #control = new Int32Array(3)
  #outbox: Buffer | undefined
  readonly #queue = new Queue<Item>()
  /** The kernel has no room: the writing token comes when it does. */
  #blocked = false
  #failed: SocketError | undefined
  /** Makes the error of whatever else is sent; made late, for capturing a stack costs more than closing does. */
  #refusal: (() => SocketError) | undefined

  constructor(socket: Native.UnixSocket, holder: Holder) {
    this.#native = socket
    this.#number = socket.number
    this.#holder = holder
  }

  /** The first failure: what had not left by then never will. */
  get failure(): SocketError | undefined {
    return this.#failed
  }

  /** Whether everything that was sent is in the kernel. */
  get isEmpty(): boolean {
    return this.#control[TAIL] === 0 && this.#queue.length === 0
  }

  /**
   * Room for `length` bytes at the end of the outbox, to be filled at the offset that comes back and then committed; -1
   * when the bytes must be queued instead.
   */
  reserve(length: number): number {
    const tail = this.#control[TAIL] as number
    const outbox = this.#outbox
    if (outbox !== undefined && tail + length <= outbox.length && this.#queue.length === 0 && this.#refusal === undefined) {
      return tail
    }
    return this.#makeRoom(length)
  }

  /** The buffer that `reserve()` speaks of. */
  get outbox(): Buffer {
    return this.#outbox as Buffer
  }

  /** Takes the outbox up to `end` as sent. */
  commit(end: number): void {
    const before = this.#control[TAIL]
    this.#control[TAIL] = end
    if (before === 0) calls.unixMarkDirty(this.#number)
  }

  /** The promise that a sender should wait for, when the kernel is not keeping up. */
  pressure(): void | Promise<void> {
    if (!this.#blocked) return undefined
    const room = this.flush()
    // Not waiting is allowed; a failure is told to the next send, flush or iteration as well.
    room.catch(() => {})
    return room
  }

  /** Sends bytes that do not fit the outbox; they are the socket's until they are in the kernel. */
  push(bytes: Uint8Array): void {
    if (this.#refusal !== undefined) throw this.#refusal()
    if (this.#blocked || this.#queue.length > 0) {
      this.#enqueue({ bytes, written: 0, settle: undefined })
      return
    }
    const written = this.#write(bytes, 0)
    if (written < bytes.length) this.#enqueue({ bytes, written, settle: undefined })
  }

  /** Writes bytes, after everything before them; `undefined` when all of it is in the kernel already. */
  writeNow(bytes: Uint8Array, signal?: AbortSignal): Promise<void> | undefined {
    if (this.#refusal !== undefined) throw this.#refusal()
    return this.#writeNow(bytes, signal)
  }

  #writeNow(bytes: Uint8Array, signal?: AbortSignal): Promise<void> | undefined {
    let written = 0
    if (!this.#blocked && this.#queue.length === 0) {
      written = this.#write(bytes, 0)
      if (written === bytes.length && this.#control[TAIL] === 0) return undefined
    }
    return this.#whenWritten({ bytes, written, settle: undefined }, signal)
  }

  /** The same as a promise, of a failure too. */
  write(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    try {
      return this.writeNow(bytes, signal) ?? done
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /** Writes bytes of which `first` sends the beginning, once, after everything before them. */
  writeWith(bytes: Uint8Array, first: () => number, signal?: AbortSignal): Promise<void> | undefined {
    if (this.#refusal !== undefined) throw this.#refusal()
    const item: Item = { bytes, written: 0, settle: undefined, first }
    if (!this.#blocked && this.#queue.length === 0) {
      this.#advance(item)
      if (item.written === bytes.length) return undefined
    }
    return this.#whenWritten(item, signal)
  }

  /** Settles when everything sent so far is in the kernel. */
  flush(): Promise<void> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed)
    if (this.isEmpty) return done
    try {
      return this.#writeNow(new Uint8Array(0)) ?? done
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /** The socket has room again, or has failed. */
  onWritable(): void {
    const errno = this.#control[ERRNO] as number
    if (errno !== 0) {
      this.#fail(errnoError(-errno, 'write'))
      return
    }
    this.#blocked = false
    try {
      if (this.#queue.length === 0) {
        this.#write(new Uint8Array(0), 0)
        return
      }
      for (let item = this.#queue.peek(); item !== undefined; item = this.#queue.peek()) {
        try {
          this.#advance(item)
        } catch (error) {
          if (this.#failed !== undefined) return
          // Nothing of it went out, and the others may.
          this.#dequeue()
          item.settle?.(error as SocketError)
          continue
        }
        if (item.written < item.bytes.length || this.#control[TAIL] !== 0) return
        this.#dequeue()
        item.settle?.()
      }
    } catch {
      // #write has told everyone.
    }
  }

  /** Takes nothing more from now on; what waits still goes out. */
  refuse(error: () => SocketError): void {
    this.#refusal ??= error
  }

  /** The descriptor is gone: what waits is told so. */
  end(error: () => SocketError): void {
    this.#refusal = error
    if (!this.isEmpty) this.#fail(error())
    this.#outbox = undefined
  }

  #makeRoom(length: number): number {
    if (this.#refusal !== undefined) throw this.#refusal()
    if (this.#queue.length > 0 || length > LARGEST_OUTBOX) return -1
    let tail = this.#control[TAIL] as number
    if (tail + length > LARGEST_OUTBOX) {
      if (this.#blocked) return -1
      this.#write(new Uint8Array(0), 0)
      tail = this.#control[TAIL] as number
      if (tail + length > LARGEST_OUTBOX) return -1
    }
    let size = this.#outbox?.length ?? SMALLEST_OUTBOX
    while (size < tail + length) size *= 4
    if (this.#outbox === undefined) {
      this.#outbox = Buffer.allocUnsafeSlow(size)
      this.#native.openOutbox(this.#outbox, this.#control)
    } else if (size > this.#outbox.length) {
      const larger = Buffer.allocUnsafeSlow(size)
      this.#outbox.copy(larger, 0, 0, tail)
      this.#outbox = larger
      this.#native.growOutbox(larger)
    }
    return tail
  }

  /** Writes the outbox and then bytes, as far as the kernel takes them; answers how many of the latter. */
  #write(bytes: Uint8Array, from: number): number {
    const count = calls.unixWrite(this.#number, bytes, from, bytes.length)
    if (count < 0) {
      if (count === -EAGAIN) {
        this.#blocked = true
        return 0
      }
      const error = errnoError(count, 'write')
      this.#fail(error)
      throw error
    }
    if (count < bytes.length - from) this.#blocked = true
    return count
  }

  /** Writes as much of an item as the kernel takes. */
  #advance(item: Item): void {
    if (item.first !== undefined) {
      if (this.#control[TAIL] !== 0) this.#write(new Uint8Array(0), 0)
      if (this.#control[TAIL] !== 0) return
      let count: number
      try {
        count = item.first()
      } catch (error) {
        if (isTheEnd(error as SocketError)) this.#fail(error as SocketError)
        throw error
      }
      if (count === -EAGAIN) {
        this.#blocked = true
        return
      }
      item.first = undefined
      item.written = count
      if (count === item.bytes.length) return
    }
    item.written += this.#write(item.bytes, item.written)
  }

  #dequeue(): void {
    this.#queue.shift()
    if (this.#queue.length === 0) this.#holder.hold(false)
  }

  #enqueue(item: Item): void {
    if (this.#queue.length === 0) this.#holder.hold(true)
    this.#queue.push(item)
  }

  #whenWritten(item: Item, signal: AbortSignal | undefined): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        // One that has begun goes on, or the peer would see half of it.
        if (item.written === 0 && this.#queue.remove(item) && this.#queue.length === 0) this.#holder.hold(false)
        item.settle = undefined
        reject(signal?.reason as Error)
      }
      item.settle = (error) => {
        signal?.removeEventListener('abort', abort)
        if (error === undefined) resolve()
        else reject(error)
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#enqueue(item)
    })
  }

  #fail(error: SocketError): void {
    const failed = this.#failed ??= error
    this.#refusal ??= () => failed
    this.#blocked = false
    this.#control[TAIL] = 0
    this.#control[HEAD] = 0
    // Without it every sender comes by the failure.
    this.#outbox = undefined
    while (this.#queue.length > 0) {
      const item = this.#queue.shift() as Item
      if (this.#queue.length === 0) this.#holder.hold(false)
      item.settle?.(failed)
    }
  }
}
