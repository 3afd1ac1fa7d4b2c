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
  /** Where each begins, and where it ends. */
  readonly #starts: Uint32Array
  readonly #ends: Uint32Array

  /** @internal `memory` is that of `data`, from its beginning. */
  constructor(data: Buffer, memory: ArrayBuffer, starts: Uint32Array, ends: Uint32Array, codec: { decode(bytes: Buffer): T }) {
    this.data = data
    this.#memory = memory
    this.length = starts.length
    this.#starts = starts
    this.#ends = ends
    this.#codec = codec as Codec<T, never>
  }

  /** Where message `index` begins in `data`. Throws `ERR_OUT_OF_RANGE` without such a message, as the others do. */
  start(index: number): number {
    return this.#starts[index] ?? this.#refuse(index)
  }

  /** Where message `index` ends in `data`. */
  end(index: number): number {
    return this.#ends[index] ?? this.#refuse(index)
  }

  /** Message `index`, decoded. */
  at(index: number): T {
    return this.#codec.decode(cut(this.#memory, this.start(index), this.end(index)))
  }

  #refuse(index: number): never {
    throw check.outOfRange('index', index, `an integer from 0 to ${this.length - 1}`)
  }

  /** The messages one after the other, decoded. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (let index = 0; index < this.length; index++) yield this.at(index)
  }
}
