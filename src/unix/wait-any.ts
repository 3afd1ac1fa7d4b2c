// What select(2) is for, over any number of descriptors, whoever owns them.

import { EAGAIN } from '../errnos.js'
import * as check from '../arguments.js'
import { closedError, SocketError } from '../errors.js'
import { Handle } from '../handle.js'
import { eventLoop, giveBack, reserveSlot } from '../loop.js'
import { type Native, native } from '../native.js'
import { WAIT } from '../waits.js'
import { errnoError, failure, unwrap } from './failures.js'
import { FramedStream } from './framed.js'

/** A handle of this package, anything else with a descriptor, or the descriptor's number. */
export type WaitTarget = number | { readonly fd: number }

/** What to wait for. */
export interface Interest {
  /** Wait until there is something to read, the end, or an error. Default: true unless `writable` is given. */
  readable?: boolean
  /** Wait until there is room to write, or an error. Default false. */
  writable?: boolean
}

/** One of those that `waitAny()` waits for. */
export interface WaitEntry extends Interest {
  /** A handle of ours, or the number of any descriptor that can be polled. */
  target: WaitTarget
}

/** A target that needs no more waiting. */
export interface Ready {
  /** As it was given. */
  readonly target: WaitTarget
  /** Reading will not block. */
  readonly readable: boolean
  /** Writing will not block. */
  readonly writable: boolean
  /** The other side is gone, or sends no more (`EPOLLHUP`, `EPOLLRDHUP`). */
  readonly hungUp: boolean
  /** Something is wrong with it, which reading or writing tells (`EPOLLERR`). */
  readonly error: boolean
  /**
   * The handle was closed or detached, or the descriptor's number means another one by now, and it has left the set. Nothing
   * else is true then.
   */
  readonly closed: boolean
}

/** How long to wait. */
export interface WaitOptions {
  /** Milliseconds until the answer is that none is ready; 0 only looks. Default: as long as it takes. */
  timeout?: number
  /** Aborts with the signal's reason. */
  signal?: AbortSignal
}

const EBADF = 9
const EEXIST = 17
const READABLE = 1
const WRITABLE = 2
const HUNG_UP = 4
const ERROR = 8
const LAST_TOKEN = 0xffff_ffff

interface Member {
  readonly target: WaitTarget
  readonly fd: number
  readonly token: number
  readable: boolean
  writable: boolean
  /** Stops watching for the handle's end. */
  forget: (() => void) | undefined
}

/** A target that tells when its descriptor is its own no more. */
interface Mortal {
  whenGone(callback: () => void): () => void
}

/**
 * Descriptors to wait on, kept between waits: for programs that wait on thousands of them over and over. One epoll
 * instance, no threads. What is ready is reported at each wait until somebody has dealt with it (level-triggered).
 *
 * What is in the set stays its owner's. A handle or a file of this package that is closed leaves by itself and is reported
 * once as `closed`; delete a bare descriptor before you close it, for the kernel does not tell when it goes.
 *
 * It waits for the kernel: what a handle has read ahead (a framed stream, a loop over messages) is not there any more.
 */
export class WaitSet extends Handle<Native.UnixMany> {
  protected readonly kind = 'wait set'
  readonly #members = new Map<WaitTarget, Member>()
  readonly #byToken = new Map<number, Member>()
  readonly #byDescriptor = new Map<number, Member>()
  #lastToken = -1
  #gone: Ready[] = []

  /** An empty set. Errors: `EMFILE`, `ENFILE`. */
  constructor() {
    const slot = reserveSlot()
    try {
      super(unwrap(native.UnixMany.open(eventLoop, slot)), slot)
    } catch (error) {
      giveBack(slot)
      throw error
    }
  }

  /** How many are in it. */
  get size(): number {
    return this.#members.size
  }

  /**
   * Adds one.
   *
   * Errors: `EPERM` (an ordinary file or a folder: always ready), `EEXIST` (its descriptor is in the set already), `EBADF`,
   * `ENOSPC` (`/proc/sys/fs/epoll/max_user_watches` is used up), `ERR_SOCKET_CLOSED` (the set or the handle).
   */
  add(target: WaitTarget, interest?: Interest): this {
    this.assertOpen('epoll_ctl')
    const fd = descriptorOf(target)
    const wanted = checkInterest('interest', interest)
    if (this.#members.has(target)) throw existing(fd)
    const token = this.#nextToken()
    const failed = this.native.add(fd, wanted.readable, wanted.writable, token)
    if (failed !== null) throw failed.errno === EEXIST ? existing(fd) : failure(failed)
    // The kernel takes a number twice only when it was closed in between.
    const stale = this.#byDescriptor.get(fd)
    if (stale !== undefined) this.#lose(stale)
    const member: Member = { target, fd, token, ...wanted, forget: undefined }
    member.forget = ownerOf(target)?.whenGone(() => {
      this.native.remove(fd)
      this.#lose(member)
    })
    this.#members.set(target, member)
    this.#byToken.set(token, member)
    this.#byDescriptor.set(fd, member)
    return this
  }

  /** Changes what one in the set is waited for. Errors: `ENOENT` when it is not in the set. */
  change(target: WaitTarget, interest: Interest): this {
    this.assertOpen('epoll_ctl')
    const { readable, writable } = checkInterest('interest', interest)
    const member = this.#members.get(target)
    if (member === undefined) {
      throw new SocketError({ errno: 2, syscall: 'epoll_ctl', explanation: 'the target is not in this set' })
    }
    const failed = this.native.modify(member.fd, readable, writable)
    if (failed !== null) throw failure(failed)
    Object.assign(member, { readable, writable })
    return this
  }

  /** Takes one out; answers whether it was there. */
  delete(target: WaitTarget): boolean {
    const member = this.#members.get(target)
    if (member === undefined) return false
    this.#remove(member)
    // It may be closed already, and out by that.
    if (this.isOpen) this.native.remove(member.fd)
    return true
  }

  /** Whether the set waits for this one. */
  has(target: WaitTarget): boolean {
    return this.#members.has(target)
  }

  /**
   * Waits until at least one is ready; answers all that are, or none when the time is up first.
   * Errors: `ERR_SOCKET_CLOSED`; the signal's reason.
   */
  wait(given?: WaitOptions): Promise<Ready[]> {
    try {
      const options = check.options('options', given)
      const timeout = options.timeout === undefined ? undefined : check.milliseconds('options.timeout', options.timeout)
      const signal = check.signal('options.signal', options.signal)
      signal?.throwIfAborted()
      const found = this.#ready()
      if (found !== WAIT) return Promise.resolve(found)
      if (timeout === 0) return Promise.resolve([])
      const owner = {}
      const waiting = this.reads.wait(() => this.#ready(), signal, owner)
      return timeout === undefined ? waiting : this.#within(waiting, timeout, owner)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /** @internal */
  protected override afterEnd(): void {
    for (const member of this.#members.values()) member.forget?.()
    this.#members.clear()
    this.#byToken.clear()
    this.#byDescriptor.clear()
  }

  async #within(waiting: Promise<Ready[]>, timeout: number, owner: object): Promise<Ready[]> {
    let expired = false
    const timer = setTimeout(() => {
      expired = true
      this.reads.cancel(owner)
    }, timeout)
    // Waiting holds the process already, unless the set is unreferenced.
    timer.unref()
    try {
      return await waiting
    } catch (error) {
      if (expired) return []
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  #ready(): Ready[] | typeof WAIT {
    this.assertOpen('epoll_wait')
    for (;;) {
      const gone = this.#gone
      this.#gone = []
      const rows = this.native.ready(Math.max(this.#members.size, 1))
      if (typeof rows === 'number') {
        if (gone.length > 0) return gone
        if (rows === -EAGAIN) return WAIT
        throw errnoError(rows, 'epoll_wait')
      }
      let stale = false
      const found = gone
      for (let at = 0; at < rows.length; at += 2) {
        const member = this.#byToken.get(rows[at] as number)
        if (member === undefined) stale = true
        else found.push(report(member.target, rows[at + 1] as number))
      }
      // A number that was closed while another process or another number still has the file: the kernel goes on
      // reporting it and does not let it be taken out. Only a new set is rid of it.
      if (stale) this.#renew()
      if (found.length > 0) return found
    }
  }

  #renew(): void {
    const failed = this.native.renew()
    if (failed !== null) throw failure(failed)
    for (const member of this.#members.values()) {
      if (this.native.add(member.fd, member.readable, member.writable, member.token) !== null) this.#lose(member)
    }
  }

  #lose(member: Member): void {
    this.#remove(member)
    this.#gone.push(report(member.target, 0, true))
    this.reads.retry()
  }

  #remove(member: Member): void {
    member.forget?.()
    this.#members.delete(member.target)
    this.#byToken.delete(member.token)
    this.#byDescriptor.delete(member.fd)
  }

  #nextToken(): number {
    do this.#lastToken = this.#lastToken === LAST_TOKEN ? 0 : this.#lastToken + 1
    while (this.#byToken.has(this.#lastToken))
    return this.#lastToken
  }
}

/**
 * Waits until at least one of some descriptors is ready; answers those that are, in the order given, or none when the
 * time is up first. Each may be a handle of this package, or a descriptor of anybody's that can be waited for: a pipe, a
 * terminal, an eventfd, a pidfd, a socket of any family.
 *
 *     const ready = await waitAny([{ target: stream }, { target: pipe, writable: true }], { timeout: 1000 })
 *
 * For the same ones over and over, keep a `WaitSet`.
 *
 * Errors: those of `WaitSet`'s `add()` and `wait()`.
 */
export async function waitAny(entries: Iterable<WaitEntry>, options?: WaitOptions): Promise<Ready[]> {
  const all = [...entries]
  const set = new WaitSet()
  try {
    const places = new Map<WaitTarget, number>()
    all.forEach((entry, index) => {
      if (typeof entry !== 'object' || entry === null) {
        throw check.invalidType(`entries[${index}]`, entry, 'an object with a target')
      }
      // A number that was closed before may be the one that the kernel has just given our own epoll instance.
      if (entry.target === set.fd) throw new SocketError({ errno: EBADF, syscall: 'epoll_ctl' })
      set.add(entry.target, entry)
      places.set(entry.target, index)
    })
    const ready = await set.wait(options)
    return ready.sort((one, other) => (places.get(one.target) as number) - (places.get(other.target) as number))
  } finally {
    void set.close()
  }
}

function report(target: WaitTarget, flags: number, closed = false): Ready {
  return {
    target,
    readable: (flags & READABLE) !== 0,
    writable: (flags & WRITABLE) !== 0,
    hungUp: (flags & HUNG_UP) !== 0,
    error: (flags & ERROR) !== 0,
    closed,
  }
}

function descriptorOf(target: WaitTarget): number {
  if (typeof target === 'number') return check.descriptor('target', target)
  if (typeof target !== 'object' || target === null || typeof target.fd !== 'number') {
    throw check.invalidType('target', target, 'a descriptor, or a handle that has one')
  }
  if (target.fd < 0) throw closedError('epoll_ctl', 'target')
  return target.fd
}

/** Who tells when a target's descriptor is gone: nobody, for a bare number and for what others made. */
function ownerOf(target: WaitTarget): Mortal | undefined {
  const owner = target instanceof FramedStream ? target.stream : target
  return typeof owner === 'object' && 'whenGone' in owner ? owner as Mortal : undefined
}

function checkInterest(name: string, given: Interest | undefined): { readable: boolean, writable: boolean } {
  const options = check.options(name, given)
  const writable = check.bool(`${name}.writable`, options.writable, false)
  const readable = check.bool(`${name}.readable`, options.readable, !writable)
  if (!readable && !writable) throw check.invalidValue(name, given, 'readable, writable or both')
  return { readable, writable }
}

function existing(fd: number): SocketError {
  return new SocketError({
    errno: EEXIST, syscall: 'epoll_ctl',
    explanation: `descriptor ${fd} is in the set already; ask for reading and writing at once, or change()`,
  })
}
