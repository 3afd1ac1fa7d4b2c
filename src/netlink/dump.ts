import { SocketError } from '../errors.js'
import { END } from '../iterate.js'
import { buffers, COLUMNS, ERRNO, FLAGS, FROM, FULL_LENGTH, GROUP, LENGTH, messageLength, OFFSET, writeMessage } from './buffers.js'
import { readU16, readU32 } from './bytes.js'
import { NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_HDRLEN, NLMSG_MIN_TYPE, NLMSG_NOOP } from './constants.js'
import { type DumpPool, type DumpSocket } from './dump-pool.js'
import { NetlinkError, type NetlinkErrorDetails } from './error.js'
import { asSent, type NetlinkWaitOptions, type Waiting } from './exchange.js'
import { type Acknowledgement, decodeDone, decodeError, type ExtendedAck, nameExtack } from './extack.js'
import { EAGAIN } from '../errnos.js'
import { receiveError } from './failures.js'
import { encodeMessage, MessageCursor, type NetlinkMessage, type ReceivedMessage } from './message.js'
import { NetlinkMessageBatch } from './message-batch.js'
import { interruption, isEnd, payloadOf } from './request.js'
import type { Sequences } from './sequences.js'
import { breathe } from './turns.js'

/** How to list. `timeout` is how long to wait for the next piece of the list, not for all of it. */
export interface NetlinkDumpOptions extends NetlinkWaitOptions {
  /**
   * What to do when the kernel says that what it lists changed meanwhile (NLM_F_DUMP_INTR). `'retry'` (default): begin
   * again, as long as nothing has been handed out; what has been handed out cannot be taken back, so later, as always with
   * `'report'`, the iteration goes on to the last message and then rejects with `EINTR`. `toArray()` hands nothing out
   * before it has everything, and so can always begin again.
   */
  onInterrupted?: 'retry' | 'report'
  /** How often to begin again before `EINTR`. Default 10. */
  retries?: number
  /** Whether a message is the last one, for peers that end a list with something else than `NLMSG_DONE`. */
  until?: (message: ReceivedMessage) => boolean
  /** Is given what the kernel says beside a success. */
  onWarning?: (warning: ExtendedAck) => void
}

/** The same, checked. */
export interface Listing extends Waiting {
  onInterrupted: 'retry' | 'report'
  retries: number
  until: ((message: ReceivedMessage) => boolean) | undefined
  onWarning: ((warning: ExtendedAck) => void) | undefined
}

/** What all dumps of a client share. */
export interface Source {
  readonly pool: DumpPool
  readonly sequences: Sequences
  readonly peer: number
  readonly closed: () => SocketError
}

const EINTR = 4
const ETIMEDOUT = 110
/** So many messages keep the loop as long as one request. */
const MESSAGES_A_REQUEST = 16
const notInUse = (): boolean => false

/**
 * A list that the kernel, or a peer, gives in many messages. Nothing is sent before it is iterated, and each iteration asks
 * anew.
 *
 * The list is read as it is iterated, at most 256 KiB ahead; leaving it early harms nothing. Several run at once, each on a
 * socket of its own.
 */
export class NetlinkDump implements AsyncIterable<ReceivedMessage> {
  readonly #source: Source
  readonly #message: NetlinkMessage
  readonly #listing: Listing

  /** @internal */
  constructor(source: Source, message: NetlinkMessage, listing: Listing) {
    this.#source = source
    this.#message = message
    this.#listing = listing
  }

  /** The messages, until `NLMSG_DONE`. Rejects with its errno, if it has one, after what came before. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ReceivedMessage> {
    const batches = this.batches()
    let batch: NetlinkMessageBatch | undefined
    let index = 0
    let calls: Promise<unknown> | undefined
    const advance = async (): Promise<IteratorResult<ReceivedMessage, undefined>> => {
      while (batch === undefined || index === batch.length) {
        const next = await batches.next()
        if (next.done === true) return END
        batch = next.value
        index = 0
      }
      return { done: false, value: batch.at(index++) }
    }
    return {
      next(): Promise<IteratorResult<ReceivedMessage, undefined>> {
        if (calls === undefined && batch !== undefined && index < batch.length) {
          return Promise.resolve({ done: false, value: batch.at(index++) })
        }
        // One after another, so that overlapping calls stay in order.
        const turn = calls === undefined ? advance() : calls.then(advance, advance)
        calls = turn
        const over = (): void => { if (calls === turn) calls = undefined }
        turn.then(over, over)
        return turn
      },
      async return(): Promise<IteratorResult<ReceivedMessage, undefined>> {
        batch = undefined
        await batches.return?.()
        return END
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  /** The messages as they came in, many at a time. */
  batches(): AsyncIterableIterator<NetlinkMessageBatch> {
    const run = new DumpRun(this.#source, this.#message, this.#listing)
    let calls: Promise<unknown> = Promise.resolve()
    const iterator: AsyncIterableIterator<NetlinkMessageBatch> = {
      next() {
        const next = calls.then(() => run.next())
        calls = next.catch(() => {})
        return next
      },
      return() {
        run.leave()
        return Promise.resolve(END)
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
    // An iterator that is dropped half-way, without return(), leaves its socket too.
    dropped.register(iterator, run)
    return iterator
  }

  /** All of it, or nothing: begun again when interrupted, whatever had been read, unless `onInterrupted` is `'report'`. */
  async toArray(): Promise<ReceivedMessage[]> {
    const run = new DumpRun(this.#source, this.#message, this.#listing)
    const all: ReceivedMessage[] = []
    for (const batch of await run.whole()) for (const message of batch) all.push(message)
    return all
  }
}

const dropped = new FinalizationRegistry<DumpRun>((run) => run.leave())

/** One way through a list. */
class DumpRun {
  readonly #source: Source
  readonly #message: NetlinkMessage
  readonly #listing: Listing
  #socket: DumpSocket | undefined
  #sequence = 0
  #portId = 0
  #tries = 0
  #interrupted = false
  #handedOut = false
  /** The last message has been read. */
  #complete = false
  /** Nothing of it is left in the socket. */
  #clean = false
  #cost = 1
  #over = false
  /** Rejects once all that came before has been handed out. */
  #failure: unknown

  constructor(source: Source, message: NetlinkMessage, listing: Listing) {
    this.#source = source
    this.#message = message
    this.#listing = listing
  }

  /** The next messages, at least one. */
  async next(): Promise<IteratorResult<NetlinkMessageBatch, undefined>> {
    for (;;) {
      const batch = await this.#step()
      if (batch === undefined) return END
      if (this.#interrupted && !this.#handedOut && this.#again()) continue
      if (batch.length === 0) continue
      this.#handedOut = true
      return { done: false, value: batch }
    }
  }

  /** All of it. */
  async whole(): Promise<NetlinkMessageBatch[]> {
    let all: NetlinkMessageBatch[] = []
    for (;;) {
      const batch = await this.#step()
      if (batch === undefined) return all
      if (this.#interrupted && this.#again()) all = []
      else all.push(batch)
    }
  }

  /** Gives it up; nothing is wrong with that. */
  leave(): void {
    this.#over = true
    this.#release()
  }

  /** One batch, perhaps empty; nothing at the end. */
  async #step(): Promise<NetlinkMessageBatch | undefined> {
    if (this.#over) return undefined
    try {
      if (this.#complete) {
        this.#end()
        return undefined
      }
      const pause = breathe(this.#cost)
      if (pause !== undefined) await pause
      if (this.#socket === undefined) await this.#begin()
      const batch = await this.#receive()
      return this.#over ? undefined : batch
    } catch (error) {
      // Whoever left is told nothing.
      if (this.#over) return undefined
      this.leave()
      throw error
    }
  }

  #end(): void {
    this.#release()
    if (this.#failure !== undefined) throw this.#failure
    if (!this.#interrupted) return this.leave()
    const tries = this.#tries === 0 ? '' : `, ${this.#tries + 1} times in a row`
    throw this.#error({ errno: EINTR, syscall: 'recvmsg', explanation: `${interruption}${tries}` })
  }

  /** Whether the list is begun again. */
  #again(): boolean {
    const { onInterrupted, retries } = this.#listing
    if (onInterrupted === 'report' || this.#tries >= retries) return false
    this.#tries++
    this.#release()
    this.#interrupted = false
    this.#complete = false
    this.#clean = false
    this.#failure = undefined
    return true
  }

  #release(): void {
    const socket = this.#socket
    if (socket === undefined) return
    this.#socket = undefined
    if (this.#clean) this.#source.pool.give(socket)
    else this.#source.pool.discard(socket)
  }

  async #begin(): Promise<void> {
    const { pool, peer, sequences } = this.#source
    const { signal } = this.#listing
    signal?.throwIfAborted()
    const found = pool.take()
    const socket = found instanceof Promise ? await this.#queue(found) : found
    if (this.#over) {
      pool.give(socket)
      return
    }
    this.#socket = socket
    this.#portId = socket.portId
    this.#sequence = sequences.take(1, notInUse)
    const into = buffers.room(messageLength(this.#message) + 4)
    const end = writeMessage(into, 0, this.#message, this.#flags, this.#sequence, this.#portId)
    const sending = socket.send(into, end, peer)
    const outcome = typeof sending === 'number' ? sending : await this.#patiently(socket, sending)
    if (outcome === 0) return
    const { syscall, detail } = socket.explainSend(-outcome, end, peer)
    throw this.#error({ errno: -outcome, syscall, ...(detail === undefined ? {} : { explanation: detail }) })
  }

  /** Waits for a socket, unless aborted; one that comes too late goes back. */
  #queue(found: Promise<DumpSocket>): Promise<DumpSocket> {
    const { signal } = this.#listing
    if (signal === undefined) return found
    return new Promise((resolve, reject) => {
      let aborted = false
      const abort = (): void => {
        aborted = true
        reject(signal.reason as Error)
      }
      signal.addEventListener('abort', abort, { once: true })
      found.then((socket) => {
        signal.removeEventListener('abort', abort)
        if (aborted) this.#source.pool.give(socket)
        else resolve(socket)
      }, reject)
    })
  }

  async #receive(): Promise<NetlinkMessageBatch> {
    for (;;) {
      const socket = this.#socket
      if (socket === undefined) throw this.#source.closed()
      if (socket.isClosing) throw this.#source.closed()
      const count = socket.receiveNow()
      if (count > 0) return this.#read(count)
      if (count !== -EAGAIN) throw receiveError(-count)
      await this.#patiently(socket, socket.whenReadable())
    }
  }

  /** Waits, but no longer than asked; the socket is closed by giving up, which ends the wait. */
  async #patiently<T>(socket: DumpSocket, wait: Promise<T>): Promise<T> {
    const { timeout, signal } = this.#listing
    let failure: unknown
    const give = (reason: unknown): void => {
      failure = reason
      this.#source.pool.discard(socket)
    }
    const abort = (): void => give(signal?.reason)
    const timer = timeout === Infinity ? undefined : setTimeout(() => give(this.#late()), timeout).unref()
    signal?.addEventListener('abort', abort, { once: true })
    try {
      return await wait
    } catch (error) {
      throw failure ?? error
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }

  #late(): NetlinkError {
    return this.#error({
      errno: ETIMEDOUT,
      syscall: 'recvmsg',
      explanation: `nothing more within ${this.#listing.timeout} ms; the kernel drops a message whose lengths are wrong without a word`,
    })
  }

  /** Takes out of the inbox what belongs to this list. Nobody else's code runs in here. */
  #read(count: number): NetlinkMessageBatch {
    const { table } = buffers
    const batch = new NetlinkMessageBatch(Buffer.from(buffers.incoming.subarray(0, buffers.used)))
    for (let at = COLUMNS; at <= count * COLUMNS && !this.#complete; at += COLUMNS) {
      if (((table[at + FLAGS] as number) & ERRNO) !== 0) throw receiveError(table[at + FULL_LENGTH] as number)
      if (table[at + FROM] !== this.#source.peer || table[at + GROUP] !== 0) continue
      const start = table[at + OFFSET] as number
      const end = start + (table[at + LENGTH] as number)
      const rest = this.#ordinary(batch, start, end)
      if (rest < end) this.#walk(batch, new MessageCursor(batch.data, rest, end))
    }
    if (this.#listing.until !== undefined && !this.#complete) this.#review(batch, this.#listing.until)
    this.#cost = 1 + Math.floor(batch.length / MESSAGES_A_REQUEST)
    return batch
  }

  /** Takes messages of the list as long as they are nothing else, which most datagrams are; answers where that ends. */
  #ordinary(batch: NetlinkMessageBatch, start: number, end: number): number {
    const { data } = batch
    const sequence = this.#sequence
    let allFlags = 0
    let at = start
    while (end - at >= NLMSG_HDRLEN) {
      const length = readU32(data, at)
      if (length < NLMSG_HDRLEN || length > end - at) break
      if (readU16(data, at + 4) < NLMSG_MIN_TYPE || readU32(data, at + 8) !== sequence) break
      allFlags |= readU16(data, at + 6)
      batch.add(at)
      at += (length + 3) & ~3
    }
    if ((allFlags & NLM_F_DUMP_INTR) !== 0) this.#interrupted = true
    return at
  }

  #walk(batch: NetlinkMessageBatch, cursor: MessageCursor): void {
    try {
      while (!this.#complete && cursor.next()) {
        if (cursor.sequence !== this.#sequence || cursor.type === NLMSG_NOOP) continue
        if ((cursor.flags & NLM_F_DUMP_INTR) !== 0) this.#interrupted = true
        if (cursor.type === NLMSG_DONE && isEnd(cursor, this.#listing)) {
          this.#ended(decodeDone(payloadOf(cursor), cursor.flags))
        } else if (cursor.type === NLMSG_ERROR) {
          this.#ended(decodeError(payloadOf(cursor), cursor.flags))
        } else {
          batch.add(cursor.headerStart)
        }
      }
    } catch (error) {
      // What cannot be read may be any part of this list: what came before is handed out, and then the error.
      this.#complete = true
      this.#failure = error
    }
  }

  #review(batch: NetlinkMessageBatch, until: (message: ReceivedMessage) => boolean): void {
    for (let index = 0; index < batch.length; index++) {
      if (!until(batch.at(index))) continue
      this.#complete = true
      // What came behind it in the same datagrams is not part of the list.
      batch.cut(index + 1)
    }
  }

  #ended({ errno, extack }: Acknowledgement): void {
    this.#complete = true
    this.#clean = true
    const { onWarning } = this.#listing
    if (errno !== 0) this.#failure = this.#error({ errno, extack, syscall: 'recvmsg' })
    else if (extack !== null && onWarning !== undefined) queueMicrotask(() => onWarning(extack))
  }

  get #flags(): number {
    return ((this.#message.flags ?? 0) | NLM_F_REQUEST | NLM_F_DUMP) & ~NLM_F_ACK
  }

  #error(details: NetlinkErrorDetails): NetlinkError {
    const request = asSent(this.#message, this.#flags, this.#sequence, this.#portId)
    const { layout, layoutStart } = this.#listing
    const extack = details.extack ?? null
    const named = extack === null || layout === undefined ? extack : nameExtack(extack, encodeMessage(request), layout, layoutStart)
    return new NetlinkError({ ...details, extack: named, request })
  }
}
