// Sockets for dumps. The kernel carries out one dump a socket at a time, and no further than its reader reads: so each
// dump that runs has a socket to itself, or one that nobody reads on would stop all others.

import { SocketError } from '../errors.js'
import { Handle } from '../handle.js'
import { calls, type Native } from '../native.js'
import { Queue } from '../queue.js'
import { WAIT } from '../waits.js'
import { buffers } from './buffers.js'
import { EAGAIN } from '../errnos.js'
import type { Opened } from './open.js'

/** How many sockets without a dump are kept for the next. */
const SPARE = 4
const EMFILE = 24
const ENFILE = 23

/** Eight datagrams: as much as is read ahead of whoever iterates, 256 KiB of a large dump. */
const AHEAD = 8

/** A socket that carries dumps, one after another. */
export class DumpSocket extends Handle<Native.NetlinkSocket> {
  protected readonly kind = 'netlink client'
  readonly #number: number

  constructor(opened: Opened) {
    super(opened.native, opened.slot)
    this.#number = opened.native.number
  }

  /** Sends a request; answers a negated errno, or nothing, or a promise of either while a process has no room. */
  send(bytes: Buffer, end: number, peer: number): number | Promise<number> {
    const outcome = calls.netlinkSend(this.#number, bytes, 0, end, peer, 0)
    if (outcome !== -EAGAIN) return outcome
    const own = Buffer.from(bytes.subarray(0, end))
    return this.writes.wait(() => {
      const again = calls.netlinkSend(this.#number, own, 0, end, peer, 0)
      return again === -EAGAIN ? WAIT : again
    })
  }

  explainSend(errno: number, length: number, peer: number): Native.Failure {
    return this.native.explainSend(errno, length, peer, 0)
  }

  get portId(): number {
    const id = this.native.portId()
    return typeof id === 'number' ? id : 0
  }

  /** Receives into the buffers; answers how many rows there are or a negated errno. */
  receiveNow(): number {
    return buffers.receive(this.#number, AHEAD)
  }

  /** Settles as soon as there is something to receive, and with nothing received. */
  whenReadable(): Promise<undefined> {
    return this.reads.wait<undefined>(() => undefined)
  }
}

export class DumpPool {
  readonly #open: () => Opened
  readonly #most: number
  readonly #spare: DumpSocket[] = []
  readonly #busy = new Set<DumpSocket>()
  readonly #waiting = new Queue<{ resolve(socket: DumpSocket): void, reject(error: unknown): void }>()
  readonly #hold: (on: boolean) => void
  #referenced = true
  #ended: (() => unknown) | undefined

  constructor(open: () => Opened, most: number, hold: (on: boolean) => void) {
    this.#open = open
    this.#most = most
    this.#hold = hold
  }

  /** A socket without a dump, now or when one is free. */
  take(): DumpSocket | Promise<DumpSocket> {
    if (this.#ended !== undefined) throw this.#ended()
    const socket = this.#waiting.length === 0 ? this.#find() : undefined
    if (socket !== undefined) return socket
    this.#hold(true)
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** Takes a socket back whose dump has ended. */
  give(socket: DumpSocket): void {
    if (!this.#busy.delete(socket)) return
    if (this.#spare.length < SPARE) this.#spare.push(socket)
    else void socket.close()
    this.#serve()
  }

  /** Closes a socket in the middle of its dump, which the kernel takes for its end. */
  discard(socket: DumpSocket): void {
    if (!this.#busy.delete(socket)) return
    void socket.close()
    this.#serve()
  }

  reference(on: boolean): void {
    this.#referenced = on
    for (const socket of [...this.#spare, ...this.#busy]) if (on) socket.ref(); else socket.unref()
  }

  end(failure: () => unknown): void {
    this.#ended = failure
    for (const socket of [...this.#spare, ...this.#busy]) void socket.close()
    this.#spare.length = 0
    this.#busy.clear()
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.#hold(false)
      next.reject(failure())
    }
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      let socket: DumpSocket | undefined
      try {
        socket = this.#find()
      } catch (error) {
        this.#hold(false)
        this.#waiting.shift()?.reject(error)
        continue
      }
      if (socket === undefined) return
      this.#hold(false)
      this.#waiting.shift()?.resolve(socket)
    }
  }

  #find(): DumpSocket | undefined {
    let socket = this.#spare.pop()
    if (socket === undefined) {
      if (this.#busy.size >= this.#most) return undefined
      try {
        socket = new DumpSocket(this.#open())
      } catch (error) {
        // Out of descriptors: one of the dumps that run will leave its own.
        const { errno } = error as SocketError
        if (this.#busy.size > 0 && (errno === EMFILE || errno === ENFILE)) return undefined
        throw error
      }
      if (!this.#referenced) socket.unref()
    }
    this.#busy.add(socket)
    return socket
  }
}
