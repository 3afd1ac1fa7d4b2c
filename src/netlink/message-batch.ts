import { outOfRange } from '../arguments.js'
import { cut } from '../cut.js'
import { readU16, readU32 } from './bytes.js'
import { NLMSG_HDRLEN } from './constants.js'
import type { ReceivedMessage } from './message.js'

/** Messages that came in together, in one piece of memory: for decoders that want no object for each. */
export class NetlinkMessageBatch implements Iterable<ReceivedMessage> {
  /** The memory that the offsets speak of, headers and all. It is yours: nothing is written there again. */
  readonly data: Buffer
  readonly #memory: ArrayBuffer
  readonly #base: number
  readonly #headers: number[] = []

  /** @internal */
  constructor(data: Buffer) {
    this.data = data
    this.#memory = data.buffer as ArrayBuffer
    this.#base = data.byteOffset
  }

  /** @internal Adds the message whose header is at an offset. */
  add(header: number): void {
    this.#headers.push(header)
  }

  /** @internal Leaves out all from `length` on. */
  cut(length: number): void {
    this.#headers.length = length
  }

  /** How many messages there are. */
  get length(): number {
    return this.#headers.length
  }

  /** Where the payload of message `index` begins in `data`. Throws `ERR_OUT_OF_RANGE` without one, as the others do. */
  start(index: number): number {
    return this.#header(index) + NLMSG_HDRLEN
  }

  /** Where the payload of message `index` ends in `data`. */
  end(index: number): number {
    const header = this.#header(index)
    return header + readU32(this.data, header)
  }

  /** The `nlmsg_type` of message `index`. */
  type(index: number): number {
    return readU16(this.data, this.#header(index) + 4)
  }

  /** Message `index`; its payload is a view of `data`. */
  at(index: number): ReceivedMessage {
    const { data } = this
    const header = this.#header(index)
    const begin = this.#base + header
    return {
      type: readU16(data, header + 4),
      flags: readU16(data, header + 6),
      sequence: readU32(data, header + 8),
      portId: readU32(data, header + 12),
      payload: cut(this.#memory, begin + NLMSG_HDRLEN, begin + readU32(data, header)),
    }
  }

  #header(index: number): number {
    return this.#headers[index] ?? this.#refuse(index)
  }

  #refuse(index: number): never {
    throw outOfRange('index', index, `an integer from 0 to ${this.length - 1}`)
  }

  /** The messages one after the other. */
  *[Symbol.iterator](): IterableIterator<ReceivedMessage> {
    for (let index = 0; index < this.length; index++) yield this.at(index)
  }
}
