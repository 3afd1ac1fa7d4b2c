import type { Codec } from './codecs.js'

/** Messages that came in together, in one piece of memory. */
export class MessageBatch<T = Buffer> implements Iterable<T> {
  /** The memory that the offsets speak of. It also has bytes of others: read only between `start(i)` and `end(i)`. */
  readonly data: Buffer
  /** How many messages there are. */
  length = 0
  readonly #codec: Codec<T, never>
  readonly #bounds: number[] = []

  /** @internal */
  constructor(data: Buffer, codec: { decode(bytes: Buffer): T }) {
    this.data = data
    this.#codec = codec as Codec<T, never>
  }

  /** @internal */
  add(start: number, end: number): void {
    this.#bounds.push(start, end)
    this.length++
  }

  /** Where message `index` begins in `data`. */
  start(index: number): number {
    return this.#bounds[index * 2] as number
  }

  /** Where message `index` ends in `data`. */
  end(index: number): number {
    return this.#bounds[index * 2 + 1] as number
  }

  /** Message `index`, decoded. */
  at(index: number): T {
    return this.#codec.decode(this.data.subarray(this.start(index), this.end(index)))
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (let index = 0; index < this.length; index++) yield this.at(index)
  }
}
