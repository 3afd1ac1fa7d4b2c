import { closedError, SocketError } from './errors.js'
import { enter, giveBack, hold, release } from './loop.js'
import { Waits } from './waits.js'

/** What every open handle offers. */
export interface Closable extends AsyncDisposable {
  /**
   * Closes the handle: what was sent goes out first, everything that waits is settled (with `ERR_SOCKET_CLOSED`;
   * iterators end), and the descriptor is closed. Calling it again answers the same promise. It waits for a peer that
   * does not read as long as that takes; see `destroy()`.
   */
  close(): Promise<void>
  /**
   * Closes the handle at once, also while `close()` waits: what the kernel has not taken yet is dropped, and whoever
   * waits for that is told so (`ERR_SOCKET_CLOSED`).
   */
  destroy(): Promise<void>
  /** Resolves once the handle is closed, by whomever. */
  readonly closed: Promise<void>
  /** Lets a pending operation keep the process alive: the default. */
  ref(): this
  /** Lets the process end although an operation is pending. */
  unref(): this
  /** The descriptor, or -1 once it is closed or given up. It stays the handle's: do not close it. */
  readonly fd: number
  /**
   * Gives the descriptor up and answers it: nothing of ours touches it again, and closing it is the caller's.
   * Throws `ERR_READ_AHEAD` or `ERR_UNSENT` when bytes would be lost.
   */
  detach(): number
}

/** The part of a native class that every handle needs. */
export interface NativeHandle {
  readonly fd: number
  close(): void
  detach(): number
}

/** The life of one descriptor: waiting, holding the process, closing once. */
export abstract class Handle<N extends NativeHandle = NativeHandle> implements Closable {
  /** @internal */
  protected readonly native: N
  /** @internal */
  readonly reads: Waits
  #writes: Waits | undefined
  readonly #slot: number
  #referenced = true
  #waiting = 0
  #open = true
  #closing: Promise<void> | undefined
  #closed: { promise: Promise<void>, resolve: () => void } | undefined
  #whenGone: Set<() => void> | undefined

  /** @internal */
  protected constructor(native: N, slot: number) {
    this.native = native
    this.#slot = slot
    this.reads = new Waits(this)
    enter(slot, this)
  }

  /** @internal Made when first needed: most handles never wait to write. */
  protected get writes(): Waits {
    return this.#writes ??= new Waits(this)
  }

  /** What messages call this: 'stream', 'listener'. */
  protected abstract readonly kind: string

  get fd(): number {
    return this.native.fd
  }

  /** @internal Whether the descriptor is still ours. */
  protected get isOpen(): boolean {
    return this.#open
  }

  /** @internal Whether `close()` has been called. */
  get isClosing(): boolean {
    return this.#closing !== undefined || !this.#open
  }

  get closed(): Promise<void> {
    if (this.#closed === undefined) {
      let resolve = (): void => {}
      const promise = new Promise<void>((settle) => { resolve = settle })
      this.#closed = { promise, resolve }
      if (!this.#open) resolve()
    }
    return this.#closed.promise
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close()
  }

  destroy(): Promise<void> {
    if (this.#open) {
      this.native.close()
      this.#end()
    }
    return this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  ref(): this {
    if (!this.#referenced) {
      this.#referenced = true
      this.referenced(true)
      if (this.#waiting > 0) hold()
    }
    return this
  }

  unref(): this {
    if (this.#referenced) {
      this.#referenced = false
      this.referenced(false)
      if (this.#waiting > 0) release()
    }
    return this
  }

  detach(): number {
    this.assertOpen('detach')
    this.beforeDetach()
    const fd = this.native.detach()
    this.#end()
    return fd
  }

  /** @internal Has `callback` called when the descriptor is gone; answers how to take that back. */
  whenGone(callback: () => void): () => void {
    const callbacks = this.#whenGone ??= new Set()
    callbacks.add(callback)
    return () => callbacks.delete(callback)
  }

  /** @internal */
  onReadable(): void {
    this.reads.retry()
  }

  /** @internal */
  onWritable(): void {
    this.#writes?.retry()
  }

  /** @internal */
  protected assertOpen(syscall: string): void {
    if (this.isClosing) throw this.closedError(syscall)
  }

  /** @internal */
  protected closedError(syscall: string): SocketError {
    return closedError(syscall, this.kind)
  }

  /** @internal Called when what is on its way shall keep the process alive from now on, or no longer. */
  protected referenced(_on: boolean): void {}

  /** @internal What must be over before the descriptor may go: unsent bytes. What else is sent is refused. */
  protected drained(_refusal: () => SocketError): Promise<void> | undefined {
    return undefined
  }

  /** @internal Throws when bytes would be lost. */
  protected beforeDetach(): void {}

  /** @internal Called once when the descriptor is gone. */
  protected afterEnd(): void {}

  async #close(): Promise<void> {
    // Marks the handle as closing before anything is settled.
    const draining = this.#open ? this.drained(() => this.closedError('write')) : undefined
    this.reads.end(() => this.closedError('close'))
    if (draining !== undefined) {
      try {
        await draining
      } catch {
        // Whoever sent has been told; closing goes on.
      }
    }
    if (!this.#open) return
    this.native.close()
    this.#end()
  }

  #end(): void {
    this.#open = false
    giveBack(this.#slot)
    this.reads.end(() => this.closedError('close'))
    this.#writes?.end(() => this.closedError('close'))
    this.afterEnd()
    this.#whenGone?.forEach((tell) => tell())
    this.#closed?.resolve()
  }

  /** @internal Keeps the process alive while something waits, unless unreferenced. */
  hold(on: boolean): void {
    this.#waiting += on ? 1 : -1
    if (!this.#referenced) return
    if (on && this.#waiting === 1) hold()
    else if (!on && this.#waiting === 0) release()
  }
}
