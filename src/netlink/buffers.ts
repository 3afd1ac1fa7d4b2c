// Where datagrams come in and requests go out: memory that all sockets of a thread use in turn. What is kept of it is
// copied. A buffer for each socket would cost a mebibyte each; one for each batch would be pinned by whoever keeps four
// bytes of it.

import { calls, native } from '../native.js'
import { align, NLMSG_HDRLEN } from './constants.js'
import { type NetlinkMessage, writeHeader } from './message.js'

/** Numbers a row of the native table; see `netlinkReceive()` in index.d.ts. */
export const COLUMNS = 7

/** Rows' columns. */
export const OFFSET = 0
export const LENGTH = 1
export const FULL_LENGTH = 2
export const FROM = 3
export const GROUP = 4
export const NAMESPACE = 5
export const FLAGS = 6

/** The bits of `FLAGS`: cut short; no datagram but an errno, in `FULL_LENGTH`. */
export const TRUNCATED = 1
export const ERRNO = 2

/** Rows of the table. */
export const MOST = 256

/** Three datagrams of a dump fit without a look at their length beforehand, and all events that a table holds. */
const INCOMING = 1024 * 1024
const OUTGOING = 64 * 1024
const BUFFER_FULL = 1
const DRAINED = 0

/** The native side's way to say that an exchange sent nothing: less 4096. */
export const UNSENT = -4096

/**
 * What came in last is good until anything else is received: nobody else's code may run before it has been copied. What
 * goes out is the kernel's when the call returns.
 */
class Buffers {
  /** One row about what came in, and a row for each datagram. */
  readonly table = new Uint32Array(COLUMNS * (1 + MOST))
  incoming = Buffer.alloc(0)
  outgoing = Buffer.alloc(0)
  /** What sockets are opened with. */
  readonly native = new native.NetlinkBuffers(this.incoming, this.outgoing, this.table)

  /**
   * Receives what is queued, at most `limit` datagrams; answers how many rows there are, or a negated errno. After
   * `-EAGAIN` the reading token will come.
   */
  receive(socket: number, limit: number): number {
    for (;;) {
      const rows = calls.netlinkReceive(socket, limit)
      if (rows !== 0) return rows
      this.#grow()
    }
  }

  /**
   * Sends what was put together and receives likewise, all in one call; less than `UNSENT` is a negated errno of sending.
   */
  exchange(socket: number, length: number, to: number, limit: number): number {
    const rows = calls.netlinkExchange(socket, length, to, limit)
    return rows === 0 ? this.receive(socket, limit) : rows
  }

  /** A place for what goes out, from its start. */
  room(length: number): Buffer {
    if (this.outgoing.length < length) {
      this.outgoing = Buffer.allocUnsafeSlow(Math.max(OUTGOING, length * 2))
      this.native.replace(this.incoming, this.outgoing)
    }
    return this.outgoing
  }

  /** How much of `incoming` the last call filled. */
  get used(): number {
    return this.table[1] as number
  }

  /** Whether the last call left nothing queued. */
  get drained(): boolean {
    return this.table[2] === DRAINED
  }

  /** For the first datagram of all, or one that is longer than all there is. */
  #grow(): void {
    if (this.table[2] !== BUFFER_FULL) return
    this.incoming = Buffer.allocUnsafeSlow(Math.max(INCOMING, this.table[3] as number))
    this.native.replace(this.incoming, this.outgoing)
  }
}

export const buffers = new Buffers()

/** Bytes that a message takes up, without padding behind it. */
export function messageLength(message: NetlinkMessage): number {
  return NLMSG_HDRLEN + message.payload.length
}

/** Writes a message at `at`, a multiple of 4, with the padding up to the next; answers where it ends without it. */
export function writeMessage(into: Buffer, at: number, message: NetlinkMessage, flags: number, sequence: number, portId: number): number {
  const { payload } = message
  const length = NLMSG_HDRLEN + payload.length
  const end = at + length
  const stop = align(end)
  // Zeroes where padding will be, whatever was sent from here before.
  for (let i = end; i < stop; i++) into[i] = 0
  writeHeader(into, at, length, message.type, flags, sequence, portId)
  // Moving a few bytes by hand is cheaper than the call.
  if (payload.length <= 48) for (let i = 0, to = at + NLMSG_HDRLEN; i < payload.length; i++) into[to + i] = payload[i] as number
  else into.set(payload, at + NLMSG_HDRLEN)
  return end
}
