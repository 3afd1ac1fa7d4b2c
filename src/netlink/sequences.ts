/** Numbers that tell the requests of one socket apart: 32 bits, never 0, which the kernel's own messages carry. */
export class Sequences {
  #next: number

  constructor(first = 1) {
    this.#next = first
  }

  /**
   * The first of `count` numbers in a row, none of which is in use: after four thousand million requests the oldest may
   * still be waiting.
   */
  take(count: number, inUse: (sequence: number) => boolean): number {
    for (;;) {
      const first = this.#next
      const last = first + count - 1
      if (first === 0 || last > 0xffff_ffff) {
        this.#next = 1
        continue
      }
      let busy = last
      while (busy >= first && !inUse(busy)) busy--
      // Past the end it starts over at the next call.
      this.#next = (busy < first ? last : busy) + 1
      if (busy < first) return first
    }
  }
}
