// Memory that received bytes are read into: large pieces, cut up once and never written again.

/** How much is allocated at a time; a few reads share one piece. */
const SIZE = 1024 * 1024
/** A read with less room than this would cost more calls than it saves memory. */
const LEAST_ROOM = 64 * 1024

const nothing = Buffer.alloc(0)

/** The piece that is being filled. Reads happen one at a time on this thread, so all sockets share it. */
export const slab = {
  buffer: nothing,
  /** The memory of `buffer`, from its beginning: asking a buffer for it costs as much as making another. */
  memory: nothing.buffer as ArrayBuffer,
  used: 0,

  /** Makes room for a read of at least `least` bytes, in a new piece where the old one has too little. */
  makeRoom(least: number = LEAST_ROOM): void {
    if (this.buffer.length - this.used >= least) return
    this.buffer = Buffer.allocUnsafeSlow(Math.max(SIZE, least))
    this.memory = this.buffer.buffer as ArrayBuffer
    this.used = 0
  },
}
