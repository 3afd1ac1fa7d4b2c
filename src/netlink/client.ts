import { closeSync, openSync } from 'node:fs'

import * as check from '../arguments.js'
import { SocketError } from '../errors.js'
import { Handle } from '../handle.js'
import type { Native } from '../native.js'
import { Chunk } from './chunk.js'
import { NetlinkDump, type NetlinkDumpOptions, type Source } from './dump.js'
import { DumpPool } from './dump-pool.js'
import { Engine } from './engine.js'
import type { NetlinkError } from './error.js'
import type { NetlinkWaitOptions, Waiting } from './exchange.js'
import { unwrap } from './failures.js'
import { Layout } from './layout.js'
import { checkMessage, type NetlinkMessage, type ReceivedMessage } from './message.js'
import { nativeOptions, type NetlinkOpenOptions, openBeside, type Opened } from './open.js'
import { type Asking, type NetlinkRequestOptions, Request } from './request.js'
import { breathe } from './turns.js'

/** How to open a `NetlinkClient`. */
export interface NetlinkClientOptions extends NetlinkOpenOptions {
  /** The port id to ask: 0, the default, for the kernel. Answers from anyone else are thrown away. */
  peer?: number
  /** How many dumps may run at once, each on a socket of its own; others wait for one of them to end. Default 128. */
  dumps?: number
}

/** How to send a batch. */
export interface NetlinkBatchOptions extends NetlinkWaitOptions {
  /**
   * `'each'`: every message is acknowledged. `'last'`: only the last of each datagram, at twice the speed, and as good with
   * a peer that carries messages out in order and reports every refusal, as the kernel does; but should it be lost to an
   * overrun, all of its datagram is unknown. Default: `'last'` with the kernel, `'each'` with a process.
   */
  acknowledge?: 'each' | 'last'
}

const TIMEOUT = 5000
const MAX_LENGTH = 16 * 1024 * 1024
const DUMPS = 128
const U32 = 0xffff_ffff
/** What of the send buffer no datagram can use (netlink_sendmsg in net/netlink/af_netlink.c). */
const SEND_OVERHEAD = 32

const single = (): string => 'message'

const byDefault: Omit<Asking, 'toProcess' | 'protocol'> = {
  timeout: TIMEOUT,
  signal: undefined,
  layout: undefined,
  layoutStart: 16,
  acknowledge: true,
  until: undefined,
  maxLength: MAX_LENGTH,
  onWarning: undefined,
}

/**
 * Asks the kernel, or any peer that answers by sequence number: requests, batches, dumps. Events are for a `NetlinkSocket`
 * of their own, for what overruns it must not cost answers.
 */
export class NetlinkClient extends Handle<Native.NetlinkSocket> {
  protected readonly kind = 'netlink client'
  readonly #engine: Engine
  readonly #pool: DumpPool
  readonly #source: Source
  readonly #peer: number
  readonly #sendLimit: number
  readonly #asking: Asking
  readonly #namespace: number | undefined

  private constructor({ native, slot }: Opened, peer: number, more: Native.NetlinkOpenOptions, dumps: number, namespace?: number) {
    super(native, slot)
    const [, receiveBuffer, sendBuffer] = unwrap(native.memory()) as [number, number, number, number]
    const hold = (on: boolean): void => this.hold(on)
    this.#peer = peer
    this.#namespace = namespace
    this.#sendLimit = sendBuffer - SEND_OVERHEAD
    this.#engine = new Engine(native, unwrap(native.portId()), hold, { peer, receiveBuffer })
    this.#pool = new DumpPool(() => openBeside(peer, more), dumps, hold)
    this.#source = {
      pool: this.#pool, sequences: this.#engine.sequences, peer, closed: () => this.closedError('recvmsg'),
    }
    this.#asking = { ...byDefault, protocol: native.protocol, toProcess: peer !== 0 }
  }

  /**
   * Opens a client.
   *
   * Errors: `EPROTONOSUPPORT` (no module serves the protocol), `EADDRINUSE` (the port id is taken), `EPERM`, `ENOENT` (no
   * such namespace), `EMFILE`.
   */
  static async open(options: NetlinkClientOptions): Promise<NetlinkClient> {
    const given = check.options('options', options)
    if ('groups' in given) {
      throw check.invalidValue('options.groups', given.groups, 'left out: events come to a NetlinkSocket of their own')
    }
    const native = nativeOptions({ extendedAck: true, cappedAck: true, ...given })
    const peer = check.integer('options.peer', given.peer, 0, U32, 0)
    if (peer !== 0 && native.portId === peer) {
      throw check.invalidValue('options.portId', peer, 'another one than options.peer, which a client cannot be itself')
    }
    const dumps = check.integer('options.dumps', given.dumps, 1, 0x7fff_ffff, DUMPS)
    const { portId: _, namespaceName, namespacePath, namespaceFd, ...more } = native
    const namespace = keepNamespace(namespaceFd, namespacePath, namespaceName)
    try {
      const opened = openBeside(peer, native)
      return new NetlinkClient(opened, peer, namespace === undefined ? more : { ...more, namespaceFd: namespace }, dumps, namespace)
    } catch (error) {
      if (namespace !== undefined) closeSync(namespace)
      throw error
    }
  }

  /** The protocol's number. */
  get protocol(): number {
    return this.#asking.protocol
  }

  /** The port id that requests come from. Each dump has one of its own. */
  get portId(): number {
    this.assertOpen('getsockname')
    return unwrap(this.native.portId())
  }

  /** The port id that is asked, 0 for the kernel. */
  get peer(): number {
    return this.#peer
  }

  /** How many datagrams were thrown away because someone else than the peer had sent them. */
  get discarded(): number {
    return this.#engine.discarded
  }

  /**
   * Asks, and answers with all messages of the answer. NLM_F_REQUEST and NLM_F_ACK are added, the sequence number and the
   * port id are written. Any number may be asked at once: no more are in flight than the receive buffer can hold the
   * acknowledgements of, others wait their turn.
   *
   * Rejects with a `NetlinkError`: what the peer refused it with; `ETIMEDOUT`; `ENOBUFS` (answers of the kernel's were lost
   * for want of room, and this one's may be among them; whether it was carried out is unknown); `EINTR` (an answer in many
   * parts, of something that changed meanwhile); `ECONNREFUSED` (nobody has the peer's port id); `EMSGSIZE`. With a
   * `NetlinkFormatError` for an answer that cannot be read, `ERR_SOCKET_CLOSED`, or the signal's reason.
   */
  request(message: NetlinkMessage, options?: NetlinkRequestOptions): Promise<ReceivedMessage[]> {
    try {
      checkMessage(message, single)
      const asking = options === undefined ? this.#asking : this.#ask(options)
      asking.signal?.throwIfAborted()
      this.assertOpen('sendto')
      const request = new Request(message, asking)
      this.#engine.perform(request)
      const pause = request.done ? breathe(1) : undefined
      const outcome = request.outcome(this.#engine)
      return pause === undefined ? outcome : late(pause, outcome)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /**
   * Sends many messages in as few datagrams as the buffers allow, and waits for their acknowledgements; answers beside
   * these are thrown away. A refused message stops none of the others.
   *
   * Rejects with the `NetlinkError` of the first that failed: `index` is its place, and `failures` has all of them. The
   * codes are those of `request()`. `timeout` is for each datagram. Do not change the messages before it settles.
   */
  async batch(messages: readonly NetlinkMessage[], options?: NetlinkBatchOptions): Promise<void> {
    if (!Array.isArray(messages)) throw check.invalidType('messages', messages, 'an array of messages')
    for (let i = 0; i < messages.length; i++) checkMessage(messages[i] as NetlinkMessage, () => `messages[${i}]`)
    const given = check.options('options', options)
    const everyOne = check.oneOf('options.acknowledge', given.acknowledge, ['each', 'last'] as const, this.#peer === 0 ? 'last' : 'each') === 'each'
    const waiting: Waiting = { ...this.#asking, ...waitOptions(given) }
    this.assertOpen('sendto')
    // The caller's array may change; what is in it may not.
    const all = [...messages] as NetlinkMessage[]
    const failures: NetlinkError[] = []
    for (let from = 0; from < all.length;) {
      waiting.signal?.throwIfAborted()
      this.assertOpen('sendto')
      const { to, length } = Chunk.cut(all, from, this.#sendLimit, this.#engine.places)
      const chunk = new Chunk(all, from, to, length, everyOne, waiting)
      this.#engine.perform(chunk)
      const failed = await chunk.outcome(this.#engine)
      for (const failure of failed) failures.push(failure)
      await breathe(to - from)
      from = to
    }
    const [first] = failures
    if (first !== undefined) throw first.among(failures)
  }

  /**
   * A list: NLM_F_REQUEST and NLM_F_DUMP are added. Nothing is sent before it is iterated.
   * Rejects as `request()` does, and with `EINTR` when what is listed changed meanwhile; see `onInterrupted`.
   */
  dump(message: NetlinkMessage, options?: NetlinkDumpOptions): NetlinkDump {
    checkMessage(message, single)
    const given = check.options('options', options)
    this.assertOpen('sendto')
    const listing = {
      ...this.#asking,
      ...waitOptions(given),
      onInterrupted: check.oneOf('options.onInterrupted', given.onInterrupted, ['retry', 'report'] as const, 'retry'),
      retries: check.integer('options.retries', given.retries, 0, 0x7fff_ffff, 10),
      until: condition('options.until', given.until),
      onWarning: callback('options.onWarning', given.onWarning),
    }
    return new NetlinkDump(this.#source, { ...message, payload: Buffer.from(message.payload) }, listing)
  }

  override ref(): this {
    this.#pool.reference(true)
    return super.ref()
  }

  override unref(): this {
    this.#pool.reference(false)
    return super.unref()
  }

  /** @internal */
  override onReadable(): void {
    this.#engine.onReadable()
  }

  /** @internal */
  override onWritable(): void {
    this.#engine.onWritable()
  }

  /** @internal */
  protected override beforeDetach(): void {
    if (this.#engine.isIdle) return
    throw new SocketError({
      code: 'ERR_UNSENT', errno: 0, syscall: 'detach', explanation: 'requests are in flight; await their answers first',
    })
  }

  /** @internal */
  protected override afterEnd(): void {
    this.#engine.end(() => this.closedError('close'))
    this.#pool.end(() => this.closedError('close'))
    if (this.#namespace !== undefined) closeSync(this.#namespace)
  }

  #ask(given: NetlinkRequestOptions): Asking {
    check.options('options', given)
    return {
      ...this.#asking,
      ...waitOptions(given),
      acknowledge: check.bool('options.acknowledge', given.acknowledge, true),
      until: condition('options.until', given.until),
      maxLength: check.integer('options.maxLength', given.maxLength, 0, Number.MAX_SAFE_INTEGER, MAX_LENGTH),
      onWarning: callback('options.onWarning', given.onWarning),
    }
  }
}

function waitOptions(given: NetlinkWaitOptions): Omit<Waiting, 'protocol'> {
  const { timeout = TIMEOUT, layout } = given
  if (layout !== undefined && !(layout instanceof Layout)) {
    throw check.invalidType('options.layout', layout, 'what attributes() or message() gave')
  }
  return {
    timeout: timeout === Infinity ? timeout : check.milliseconds('options.timeout', timeout),
    signal: check.signal('options.signal', given.signal),
    layout,
    layoutStart: check.integer('options.layoutStart', given.layoutStart, 16, U32, 16),
  }
}

function callback<F>(name: string, value: F | undefined): F | undefined {
  if (value !== undefined && typeof value !== 'function') throw check.invalidType(name, value, 'a function')
  return value
}

/** A question about a message, to be answered at once: a promise would pass for a yes. */
function condition<T>(name: string, value: ((message: T) => boolean) | undefined): ((message: T) => boolean) | undefined {
  const asked = callback(name, value)
  if (asked === undefined) return undefined
  return (message) => {
    const answer: unknown = asked(message)
    if (answer instanceof Promise) throw check.invalidType(`what ${name} returns`, answer, 'true or false')
    return Boolean(answer)
  }
}

/** A descriptor of the namespace, for sockets opened later: by then its name may lead elsewhere. */
function keepNamespace(fd?: number, path?: string, name?: string): number | undefined {
  const file = fd !== undefined ? `/proc/self/fd/${fd}` : path ?? (name === undefined ? undefined : `/run/netns/${name}`)
  if (file === undefined) return undefined
  try {
    return openSync(file, 'r')
  } catch {
    // Opening the socket fails likewise, and says why.
    return undefined
  }
}

/** The outcome once the loop has turned; a rejection must not look unhandled until then. */
function late<T>(pause: Promise<void>, outcome: Promise<T>): Promise<T> {
  outcome.catch(() => {})
  return pause.then(() => outcome)
}
