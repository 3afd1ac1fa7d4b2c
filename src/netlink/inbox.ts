// Where datagrams come in: one buffer for all sockets of a thread, out of which whatever is kept is copied. A buffer for
// each socket would cost a mebibyte each; one for each batch would be pinned by whoever keeps four bytes of it.

import type { Native } from '../native.js'
import { EAGAIN } from './failures.js'

/** Numbers a row of the native table; see `receive()` in index.d.ts. */
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

/** Three datagrams of a dump fit without a look at their length beforehand, and three hundred events do anyway. */
const SIZE = 1024 * 1024
const BUFFER_FULL = 1
const DRAINED = 0

/** A table for at most so many datagrams. */
export function tableOf(rows: number): Uint32Array {
  return new Uint32Array(COLUMNS * (1 + rows))
}

/** What came in last. Good until anything else is received: nobody else's code may run before it has been copied. */
export const inbox = {
  buffer: Buffer.alloc(0),

  /**
   * Receives what is queued, at most a table full; answers how many rows there are, or `-EAGAIN` when there is nothing:
   * then the reading token will come.
   */
  receive(socket: Native.NetlinkSocket, table: Uint32Array): number {
    if (this.buffer.length === 0) this.buffer = Buffer.allocUnsafeSlow(SIZE)
    for (;;) {
      const rows = socket.receive(this.buffer, table)
      if (rows !== 0 || table[2] !== BUFFER_FULL) return rows === 0 ? -EAGAIN : rows
      // One datagram longer than all of it.
      this.buffer = Buffer.allocUnsafeSlow(table[3] as number)
    }
  },

  /** How many bytes of the buffer the last call filled. */
  used(table: Uint32Array): number {
    return table[1] as number
  },

  /** Whether the last call left nothing queued. */
  drained(table: Uint32Array): boolean {
    return table[2] === DRAINED
  },
}
