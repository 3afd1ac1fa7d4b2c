import * as check from '../arguments.js'
import type { Codec } from './codecs.js'
import { cut } from '../cut.js'

/** Messages that came in together, in one piece of memory. */
export class MessageBatch<T = Buffer> implements Iterable<T> {
  /** The memory that the offsets speak of. It also has bytes of others: read only between `start(i)` and `end(i)`. */
  readonly data: Buffer
  /** How many messages there are. */
  readonly length: number
  readonly #memory: ArrayBuffer
  readonly #codec: Codec<T, never>
  /** Where each begins and ends. */
  readonly #bounds: Uint32Array

  /** @internal `memory` is that of `data`, from its beginning. */
  constructor(data: Buffer, memory: ArrayBuffer, bounds: Uint32Array, codec: { decode(bytes: Buffer): T }) {
    this.data = data
    this.#memory = memory
    this.length = bounds.length / 2
    this.#bounds = bounds
    this.#codec = codec as Codec<T, never>
  }

  /** Where message `index` begins in `data`. Throws `ERR_OUT_OF_RANGE` without such a message, as the others do. */
  start(index: number): number {
    return this.#bounds[this.#place(index)] as number
  }

  /** Where message `index` ends in `data`. */
  end(index: number): number {
    return this.#bounds[this.#place(index) + 1] as number
  }

  /** Message `index`, decoded. */
  at(index: number): T {
    return this.#codec.decode(cut(this.#memory, this.start(index), this.end(index)))
  }

  #place(index: number): number {
    // A shift makes an index of whatever is none.
    if (index >>> 0 !== index || index >= this.length) throw check.outOfRange('index', index, `an integer from 0 to ${this.length - 1}`)
    return index * 2
  }

  /** The messages one after the other, decoded. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (let index = 0; index < this.length; index++) yield this.at(index)
  }
}
