// Messages as they come in: a batch a call, split when somebody looks.

import { EAGAIN } from '../errnos.js'
import * as check from '../arguments.js'
import { cut } from '../cut.js'
import { SocketError } from '../errors.js'
import { END, iterate } from '../iterate.js'
import { calls, type Native, native } from '../native.js'
import { WAIT, type Waits } from '../waits.js'
import { decodeAddress, type EncodedAddress, type UnixAddress } from './address.js'
import { type Credentials, MOST_DESCRIPTORS } from './ancillary.js'
import { errnoError } from './failures.js'
import { slab } from './slab.js'

/** One message with everything that came with it. */
export interface ReceivedMessage {
  /** The bytes; nobody writes to them again. */
  data: Buffer
  /** The sender's address, to answer to; null for one without a name, and on connections. */
  from: UnixAddress | null
  /** Received descriptors, closed on exec. They are the caller's now, to close or to adopt. */
  fds: readonly number[]
  /** The sender, with `passCredentials`. */
  credentials: Credentials | null
  /** A descriptor of the sender's process, the caller's, with `passPidfd`; null also when none could be made. */
  pidfd: number | null
  /** The sender's security label, with `passSecurity` and a security module that has labels. */
  securityLabel: string | null
  /** When it was sent, in milliseconds since 1970 with a fraction, with `timestamps`. */
  timestamp: number | null
  /** `data` is not all of it: it was longer than `maxLength`, and the rest is gone (`MSG_TRUNC`). */
  truncated: boolean
  /**
   * Something that came beside the bytes is gone (`MSG_CTRUNC`): descriptors for which this process had no number left
   * (RLIMIT_NOFILE).
   */
  ancillaryTruncated: boolean
  /** The length of the message itself, in bytes. */
  fullLength: number
}

/** How to receive one message. */
export interface ReceiveMessageOptions {
  /** Bytes of the message to keep; what is longer is cut and says so in `truncated`. Default: all of it. */
  maxLength?: number
  /**
   * Answers the next message and leaves it where it is. Its descriptors stay with it: `fds` is empty and `pidfd` null.
   * Default false.
   */
  peek?: boolean
  /** Aborts the wait with the signal's reason. */
  signal?: AbortSignal
}

/** As many messages as one call brings at most; see `crates/node/src/unix_receiver.rs`, also for what follows. */
const MOST = 64
/** What is said of the last call. */
const USED = 0
const NEEDED = 1
const FORGOT_SENDERS = 2
const SENDERS = 3
/** What is said of a message. */
const COLUMNS = 12
const OFFSET = 0
const LENGTH = 1
const FULL_LENGTH = 2
const FLAGS = 3
const ANCILLARY = 4
const SENDER = 5
const PID = 6
const TIME_LOW = 9
const TIME_HIGH = 10
const DESCRIPTORS = 11

const TRUNCATED = 1
const ANCILLARY_TRUNCATED = 2
const HAS_CREDENTIALS = 4
const HAS_TIMESTAMP = 8
const HAS_PIDFD = 16
const HAS_LABEL = 32

const LONGEST = 0xffff_ffff
const NO_FDS: readonly number[] = Object.freeze([])
/** A sender's name by its number; number 0 has none. */
type Senders = readonly (UnixAddress | null)[]
const NO_SENDERS: Senders = Object.freeze([null])

// Messages are taken off one socket at a time on this thread, so all sockets share the memory that is filled natively.
const head = new Uint32Array(4)
const descriptors = new Int32Array(MOST_DESCRIPTORS + 1)
/** Rows of so many batches are one piece of memory, which is never written again: a piece a batch would cost as much as the batch. */
const ROWS = 16 * MOST
let rows = moreRows()
/** The next row to be filled. */
let row = 0
let shared: Native.UnixReceiver | undefined

/** Has a socket's messages go through the shared memory; before the first is received, or sent with descriptors. */
export function attach(socket: Native.UnixSocket): void {
  shared ??= new native.UnixReceiver(head, rows, descriptors)
  socket.attachReceiver(shared)
}

/** Memory for rows, which are filled before they are read: zeroing it would cost as much as filling it. */
function moreRows(): Uint32Array {
  return new Uint32Array(Buffer.allocUnsafeSlow(ROWS * COLUMNS * Uint32Array.BYTES_PER_ELEMENT).buffer)
}

/** Keeps the rows that were filled last. */
function keepRows(count: number): void {
  row += count
  if (row + MOST <= ROWS) return
  rows = moreRows()
  row = 0
  shared?.useRows(rows)
}

/** Sends one message with what goes beside it, at once. The socket must be attached. */
export function sendMessage(
  socket: number, bytes: Uint8Array, to: EncodedAddress | undefined, fds: readonly number[],
  credentials: Credentials | undefined,
): number | Native.Failure {
  for (let index = 0; index < fds.length; index++) descriptors[index] = fds[index] as number
  return calls.unixSendMessage(socket, bytes, to, fds.length, credentials)
}

/** What one row says, of a message of the socket with this number. */
function toMessage(
  socket: Native.UnixSocket, number: number, memory: ArrayBuffer, rows: Uint32Array, at: number, senders: Senders,
): ReceivedMessage {
  const offset = rows[at + OFFSET] as number
  const flags = rows[at + FLAGS] as number
  const message: ReceivedMessage = {
    data: cut(memory, offset, offset + (rows[at + LENGTH] as number)),
    from: senders[rows[at + SENDER] as number] as UnixAddress | null,
    fds: NO_FDS,
    credentials: null,
    pidfd: null,
    securityLabel: null,
    timestamp: null,
    truncated: (flags & TRUNCATED) !== 0,
    ancillaryTruncated: (flags & ANCILLARY_TRUNCATED) !== 0,
    fullLength: rows[at + FULL_LENGTH] as number,
  }
  if ((flags & HAS_CREDENTIALS) !== 0) {
    message.credentials = { pid: rows[at + PID] as number, uid: rows[at + PID + 1] as number, gid: rows[at + PID + 2] as number }
  }
  // Of a message that came alone, the descriptors are here already.
  const count = rows[at + DESCRIPTORS] as number
  if (count > 0) message.fds = firstDescriptors(count)
  const ancillary = rows[at + ANCILLARY] as number
  if (ancillary !== 0) {
    if ((flags & HAS_LABEL) !== 0) message.securityLabel = socket.securityLabel(ancillary)?.toString() ?? null
    const taken = takeDescriptors(number, ancillary)
    if (taken > 0) message.fds = firstDescriptors(taken)
    if ((flags & HAS_PIDFD) !== 0) message.pidfd = descriptors[taken] as number
  }
  return message
}

/** The first of the shared descriptors, of which there is one at least. */
function firstDescriptors(count: number): number[] {
  const fds = [descriptors[0] as number]
  for (let index = 1; index < count; index++) fds.push(descriptors[index] as number)
  return fds
}

/** Has what came beside a message put into the shared array; answers how many descriptors. */
function takeDescriptors(socket: number, ancillary: number): number {
  const count = calls.unixTakeDescriptors(socket, ancillary)
  if (count >= 0) return count
  throw new SocketError({
    code: 'ERR_MESSAGE_TAKEN', errno: 0, syscall: 'recvmsg',
    explanation: 'the descriptors of this message were taken before, or closed with its batch',
  })
}

function timeOf(rows: Uint32Array, at: number): number | null {
  if (((rows[at + FLAGS] as number) & HAS_TIMESTAMP) === 0) return null
  return ((rows[at + TIME_HIGH] as number) * 0x1_0000_0000 + (rows[at + TIME_LOW] as number)) / 1e6
}

/** Messages that came in together, in one piece of memory. */
export class ReceivedBatch implements Iterable<ReceivedMessage> {
  /** The memory that the offsets speak of. It also has bytes of others: read only between `start(i)` and `end(i)`. */
  readonly data: Buffer
  /** How many messages there are. */
  readonly length: number
  /** Nobody else gets its number while somebody has it. */
  readonly #socket: Native.UnixSocket
  readonly #number: number
  readonly #memory: ArrayBuffer
  readonly #rows: Uint32Array
  /** Where the first row begins. */
  readonly #first: number
  readonly #senders: Senders
  readonly #timestamps: boolean

  /** @internal `memory` is that of `data`, from its beginning; the rows are `length` of them from `first` on. */
  constructor(
    socket: Native.UnixSocket, number: number, data: Buffer, memory: ArrayBuffer, rows: Uint32Array, first: number,
    length: number, senders: Senders, timestamps: boolean,
  ) {
    this.#socket = socket
    this.#number = number
    this.data = data
    this.#memory = memory
    this.#rows = rows
    this.#first = first
    this.length = length
    this.#senders = senders
    this.#timestamps = timestamps
  }

  /** Where message `index` begins in `data`. */
  start(index: number): number {
    return this.#rows[this.#row(index)] as number
  }

  /** Where message `index` ends in `data`. */
  end(index: number): number {
    const at = this.#row(index)
    return (this.#rows[at] as number) + (this.#rows[at + LENGTH] as number)
  }

  /** The sender of message `index`, or null. */
  from(index: number): UnixAddress | null {
    return this.#senders[this.#rows[this.#row(index) + SENDER] as number] as UnixAddress | null
  }

  /**
   * Message `index`, with its descriptors, which are the caller's by that. Ask before the next batch comes and only
   * once: descriptors that nobody asked for are closed then. Throws `ERR_MESSAGE_TAKEN` for those.
   */
  at(index: number): ReceivedMessage {
    const at = this.#row(index)
    const message = toMessage(this.#socket, this.#number, this.#memory, this.#rows, at, this.#senders)
    if (this.#timestamps) message.timestamp = timeOf(this.#rows, at)
    return message
  }

  /** The messages in order, each taken as by `at()`. */
  *[Symbol.iterator](): IterableIterator<ReceivedMessage> {
    for (let index = 0; index < this.length; index++) yield this.at(index)
  }

  /** @internal A message as it would be, without taking what came with it. */
  peek(index: number): ReceivedMessage {
    const at = this.#row(index)
    const rows = this.#rows.slice(at, at + COLUMNS)
    rows[ANCILLARY] = 0
    const message = toMessage(this.#socket, this.#number, this.#memory, rows, 0, this.#senders)
    if (this.#timestamps) message.timestamp = timeOf(rows, 0)
    return message
  }

  /** @internal The messages from `index` on. */
  tail(index: number): ReceivedBatch {
    const first = this.#first + index * COLUMNS
    return new ReceivedBatch(
      this.#socket, this.#number, this.data, this.#memory, this.#rows, first, this.length - index, this.#senders,
      this.#timestamps,
    )
  }

  /** Where the row of message `index` begins. Other batches have theirs around it. */
  #row(index: number): number {
    // A shift makes an index of whatever is none.
    if (index >>> 0 !== index || index >= this.length) throw check.outOfRange('index', index, `an integer from 0 to ${this.length - 1}`)
    return this.#first + index * COLUMNS
  }

  /** @internal Closes what came with messages that nobody has asked for. */
  drop(): void {
    for (let index = 0; index < this.length; index++) {
      const number = this.#rows[this.#first + index * COLUMNS + ANCILLARY] as number
      if (number !== 0) this.#socket.dropAncillary(number)
    }
  }
}

/** Where messages of a handle come from. */
export interface Source {
  readonly reads: Waits
  /** @internal Throws when it is closed. */
  assertReadable(): void
}

/** The incoming messages of one socket. */
export class Incoming {
  readonly #socket: Native.UnixSocket
  readonly #number: number
  readonly #source: Source
  readonly #timestamps: boolean
  /** What iteration has read ahead: messages of `#batch` from `#next` on. */
  #batch: ReceivedBatch | undefined
  #next = 0
  /** The batch that was handed over last. */
  #given: ReceivedBatch | undefined
  #senders: (UnixAddress | null)[] = [null]
  readonly #nextMessage = (): IteratorResult<ReceivedMessage, undefined> | typeof WAIT => {
    const message = this.#ahead() ?? this.#receiveAhead()
    return message === WAIT ? WAIT : message === null ? END : { done: false, value: message }
  }
  readonly #nextBatch = (): IteratorResult<ReceivedBatch, undefined> | typeof WAIT => this.#receiveBatch()

  constructor(socket: Native.UnixSocket, source: Source, timestamps: boolean) {
    this.#socket = socket
    this.#number = socket.number
    this.#source = source
    attach(socket)
    this.#timestamps = timestamps
  }

  /** How many messages were read ahead. */
  get ahead(): number {
    return this.#batch === undefined ? 0 : this.#batch.length - this.#next
  }

  /** Throws when the descriptor must not leave yet. */
  assertNothingAhead(): void {
    if (this.ahead === 0) return
    throw new SocketError({
      code: 'ERR_READ_AHEAD', errno: 0, syscall: 'detach',
      explanation: `${this.ahead} messages were read ahead and would be lost; receive them first`,
    })
  }

  /** The next message; null at the end. */
  receive(given: ReceiveMessageOptions | undefined): Promise<ReceivedMessage | null> {
    try {
      this.#source.assertReadable()
      if (given === undefined) return this.#source.reads.run(this.#receiveOne)
      const options = check.options('options', given)
      const longest = options.maxLength === undefined
        ? LONGEST : check.integer('options.maxLength', options.maxLength, 0, LONGEST)
      const signal = check.signal('options.signal', options.signal)
      const peek = check.bool('options.peek', options.peek, false)
      return this.#source.reads.run(() => peek ? this.#peek(longest) : this.#receive(longest), signal)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  iterate(): AsyncIterableIterator<ReceivedMessage> {
    return iterate(this.#source.reads, this.#nextMessage, () => this.#ready())
  }

  batches(): AsyncIterableIterator<ReceivedBatch> {
    return iterate(this.#source.reads, this.#nextBatch)
  }

  /** Forgets what was read ahead; its descriptors are closed natively with the socket. */
  end(): void {
    this.#batch = undefined
    this.#given = undefined
  }

  #ready(): Promise<IteratorResult<ReceivedMessage, undefined>> | undefined {
    const message = this.#ahead()
    return message === undefined ? undefined : Promise.resolve({ done: false, value: message })
  }

  /** The next message of those that were read ahead. */
  #ahead(): ReceivedMessage | undefined {
    const batch = this.#batch
    if (batch === undefined) return undefined
    const index = this.#next++
    if (this.#next === batch.length) this.#batch = undefined
    return batch.at(index)
  }

  #receiveAhead(): ReceivedMessage | null | typeof WAIT {
    const batch = this.#read()
    if (batch === null || batch === WAIT) return batch
    if (batch.length > 1) {
      this.#batch = batch
      this.#next = 1
    }
    return batch.at(0)
  }

  readonly #receiveOne = (): ReceivedMessage | null | typeof WAIT => this.#receive(LONGEST)

  #receive(longest: number): ReceivedMessage | null | typeof WAIT {
    this.#source.assertReadable()
    const ahead = this.#ahead()
    if (ahead !== undefined) return shortened(ahead, longest)
    const count = this.#fill(1, longest)
    if (count <= 0) return count === 0 ? null : WAIT
    return this.#fromRow(slab.memory)
  }

  #fromRow(memory: ArrayBuffer): ReceivedMessage {
    const message = toMessage(this.#socket, this.#number, memory, rows, row * COLUMNS, this.#senders)
    if (this.#timestamps) message.timestamp = timeOf(rows, row * COLUMNS)
    return message
  }

  #peek(longest: number): ReceivedMessage | null | typeof WAIT {
    this.#source.assertReadable()
    if (this.#batch !== undefined) return shortened(this.#batch.peek(this.#next), longest)
    const length = this.#socket.nextLength()
    if (length === -EAGAIN) return WAIT
    if (length < 0) throw errnoError(length, 'recvmsg')
    const room = Math.min(length, longest)
    slab.makeRoom(Math.max(room, 1))
    const { buffer, memory, used } = slab
    const count = this.#socket.peekMessage(buffer, used, used + room, row)
    if (count === -EAGAIN) return WAIT
    if (count < 0) throw errnoError(count, 'recvmsg')
    if (count === 0) return null
    slab.used = used + (rows[row * COLUMNS + LENGTH] as number)
    this.#learnSenders()
    return this.#fromRow(memory)
  }

  #receiveBatch(): IteratorResult<ReceivedBatch, undefined> | typeof WAIT {
    this.#source.assertReadable()
    this.#given?.drop()
    this.#given = undefined
    const ahead = this.#batch
    this.#batch = undefined
    const batch = ahead === undefined ? this.#read() : ahead.tail(this.#next)
    if (batch === WAIT) return WAIT
    if (batch === null) return END
    this.#given = batch
    return { done: false, value: batch }
  }

  /** Reads what there is: at least one message, null at the end. */
  #read(): ReceivedBatch | null | typeof WAIT {
    this.#source.assertReadable()
    const count = this.#fill(MOST, LONGEST)
    if (count <= 0) return count === 0 ? null : WAIT
    const batch = new ReceivedBatch(
      this.#socket, this.#number, slab.buffer, slab.memory, rows, row * COLUMNS, count, this.#senders, this.#timestamps,
    )
    keepRows(count)
    return batch
  }

  /** Fills the next rows from the socket; -EAGAIN when there is nothing. */
  #fill(most: number, longest: number): number {
    for (;;) {
      slab.makeRoom(1)
      const count = calls.unixReceiveMessages(this.#number, slab.buffer, slab.used, row, most, longest)
      if (count < 0) {
        if (count === -EAGAIN) return count
        throw errnoError(count, 'recvmmsg')
      }
      if (head[FORGOT_SENDERS] !== 0) this.#senders = [null]
      if (count > 0) {
        slab.used = head[USED] as number
        this.#learnSenders()
        return count
      }
      if (head[NEEDED] === 0) return 0
      // The next message does not fit: it waits, natively, for this.
      slab.makeRoom(head[NEEDED] as number)
    }
  }

  /** Fetches the names of senders that were not there before. */
  #learnSenders(): void {
    while (this.#senders.length <= (head[SENDERS] as number)) {
      const name = this.#socket.sender(this.#senders.length)
      // Frozen, so that sending to it need not look at it again.
      this.#senders.push(name === null ? null : Object.freeze(decodeAddress(name)))
    }
  }
}

function shortened(message: ReceivedMessage, longest: number): ReceivedMessage {
  if (message.data.length > longest) {
    message.data = message.data.subarray(0, longest)
    message.truncated = true
  }
  return message
}

/** What a stream has, with what came beside it; null at the end. */
export function receiveBytes(socket: Native.UnixSocket, number: number, longest: number): ReceivedMessage | null | typeof WAIT {
  slab.makeRoom(Math.min(longest, 64 * 1024))
  const { buffer, memory, used } = slab
  const count = calls.unixReceiveBytes(number, buffer, used, Math.min(buffer.length, used + longest), row)
  if (count === -EAGAIN) return WAIT
  if (count < 0) throw errnoError(count, 'recvmsg')
  if (count === 0) return null
  slab.used = used + (rows[row * COLUMNS + LENGTH] as number)
  return toMessage(socket, number, memory, rows, row * COLUMNS, NO_SENDERS)
}
