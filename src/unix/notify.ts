// Telling the service manager how this service is doing (sd_notify(3)).

import * as check from '../arguments.js'
import { SocketError, timeoutError } from '../errors.js'
import type { UnixAddressLike } from './address.js'
import { descriptors } from './ancillary.js'
import { UnixDatagram } from './datagram.js'
import { UnixStream } from './stream.js'
import { sendOverVsock, type VsockTarget, vsockTarget } from './vsock.js'
import { waitAny } from './wait-any.js'

const EOPNOTSUPP = 95
const LONGEST_NAME = 255
const SHORTEST_INTERVAL = 1
/** What a timer holds. */
const LONGEST_INTERVAL = 0x7fff_ffff

/** Variables of a notification, such as `{ READY: 1, STATUS: 'serving' }`; see sd_notify(3). */
export type Notification = Readonly<Record<string, string | number>>

/** How a notification is sent. */
export interface NotifyOptions {
  /** Aborts the wait for room at the service manager with the signal's reason. */
  signal?: AbortSignal
}

/**
 * Sends variables, as an object or as lines of `NAME=value`, with descriptors beside them.
 *
 * Answers false, and does nothing, when nobody asked to be told (`NOTIFY_SOCKET` is not set); true when the service manager
 * has it.
 *
 * Errors: `ERR_INVALID_ARG_VALUE` (there is nothing to send; `NOTIFY_SOCKET` is none of a path, `@` and an abstract name, and `vsock:CID:PORT` with
 * its `vsock-stream:`, `vsock-dgram:` and `vsock-seqpacket:` forms), `ECONNREFUSED` and `ENOENT` (nobody is there), `EMSGSIZE`,
 * `EOPNOTSUPP` (descriptors over vsock); the signal's reason.
 */
async function send(state: string | Notification, options?: NotifyOptions & { fds?: readonly number[] }): Promise<boolean> {
  const text = typeof state === 'string' ? state : lines(state)
  if (text === '') throw check.invalidValue('state', state, 'at least one NAME=value')
  const { fds: given, signal: aborts } = check.options('options', options)
  const fds = descriptors('options.fds', given)
  const signal = check.signal('options.signal', aborts)
  signal?.throwIfAborted()
  return deliver(text, { fds, signal })
}

/** Sends what was checked. Unless it `holds` the process, that may end while the service manager has no room. */
async function deliver(
  text: string,
  { fds = [], signal, holds = true }: { fds?: readonly number[], signal: AbortSignal | undefined, holds?: boolean },
): Promise<boolean> {
  const target = targetOf(process.env['NOTIFY_SOCKET'])
  if (target === undefined) return false
  if (typeof target === 'object' && 'cid' in target) {
    if (fds.length > 0) {
      throw new SocketError({ errno: EOPNOTSUPP, syscall: 'sendmsg', explanation: 'descriptors do not travel over vsock' })
    }
    await sendOverVsock(target, text, { signal, holds })
    return true
  }
  const socket = UnixDatagram.unbound({ sendBuffer: 8 * 1024 * 1024 })
  if (!holds) socket.unref()
  try {
    await socket.send(text, { to: target, fds, ...(signal === undefined ? {} : { signal }) })
    await socket.flush()
  } finally {
    void socket.close()
  }
  return true
}

/** The service is up (`READY=1`), or up again after `reloading()`. */
function ready(options?: NotifyOptions): Promise<boolean> {
  return send('READY=1', options)
}

/** The service begins to reload its configuration (`RELOADING=1`, with `MONOTONIC_USEC`); `ready()` ends that. */
function reloading(options?: NotifyOptions): Promise<boolean> {
  // libuv's clock is CLOCK_MONOTONIC.
  return send({ RELOADING: 1, MONOTONIC_USEC: String(process.hrtime.bigint() / 1000n) }, options)
}

/** The service begins to shut down (`STOPPING=1`). */
function stopping(options?: NotifyOptions): Promise<boolean> {
  return send('STOPPING=1', options)
}

/** One line for people to read (`STATUS=`). */
function status(text: string, options?: NotifyOptions): Promise<boolean> {
  return send({ STATUS: text }, options)
}

/** The process to watch, when it is not this one (`MAINPID=`). */
function mainPid(pid: number, options?: NotifyOptions): Promise<boolean> {
  return send({ MAINPID: check.integer('pid', pid, 1, 0x7fff_ffff) }, options)
}

/** Starting, reloading or stopping takes this many milliseconds longer (`EXTEND_TIMEOUT_USEC=`). */
function extendTimeout(milliseconds: number, options?: NotifyOptions): Promise<boolean> {
  return send({ EXTEND_TIMEOUT_USEC: check.milliseconds('milliseconds', milliseconds) * 1000 }, options)
}

/** The service is alive (`WATCHDOG=1`): to be told at least every `watchdogTimeout()`. */
function watchdog(options?: NotifyOptions): Promise<boolean> {
  return send('WATCHDOG=1', options)
}

/** The service has found out that it is broken: does at once what a missed `watchdog()` does (`WATCHDOG=trigger`). */
function watchdogTrigger(options?: NotifyOptions): Promise<boolean> {
  return send('WATCHDOG=trigger', options)
}

/**
 * Milliseconds within which the service manager wants to hear from this process (`WATCHDOG_USEC`, if `WATCHDOG_PID` means
 * it), or null when it does not. Errors: `ERR_INVALID_ARG_VALUE` (a variable makes no sense).
 */
function watchdogTimeout(): number | null {
  const microseconds = positive('WATCHDOG_USEC')
  const pid = positive('WATCHDOG_PID')
  if (microseconds === undefined || (pid !== undefined && pid !== process.pid)) return null
  return microseconds / 1000
}

/**
 * Asks `isAlive` twice as often as the service manager wants to hear, and tells `watchdog()` when it answers true, until
 * the signal is aborted; a failure to tell is thrown, and so is what `isAlive` throws. Settles at once when nobody asks.
 * Does not keep the process alive, also not while the service manager has no room.
 *
 *     notify.keepAlive(() => database.isConnected, { signal })
 */
async function keepAlive(isAlive: () => boolean | Promise<boolean> = () => true, options?: NotifyOptions): Promise<void> {
  if (typeof isAlive !== 'function') throw check.invalidType('isAlive', isAlive, 'a function')
  const signal = check.signal('options.signal', check.options('options', options).signal)
  const timeout = watchdogTimeout()
  if (timeout === null || targetOf(process.env['NOTIFY_SOCKET']) === undefined) return
  const interval = Math.min(Math.max(timeout / 2, SHORTEST_INTERVAL), LONGEST_INTERVAL)
  const { setTimeout: delay } = process.getBuiltinModule('node:timers/promises')
  const pause = signal === undefined ? { ref: false } : { ref: false, signal }
  try {
    while (signal?.aborted !== true) {
      const began = performance.now()
      if (await isAlive()) await deliver('WATCHDOG=1', { signal, holds: false })
      // What asking and telling took is no part of the pause: the service manager's clock went on.
      await delay(Math.ceil(Math.max(began + interval - performance.now(), SHORTEST_INTERVAL)), undefined, pause)
    }
  } catch (error) {
    if (signal?.aborted !== true) throw error
  }
}

/**
 * Leaves descriptors with the service manager, which passes them to the next start of this service, through
 * `activation` (`FDSTORE=1`). They stay open here.
 *
 * `name`: what `activation` calls them then; at most 255 printable ASCII characters without `:`; default 'stored'.
 * `poll: false`: keep them when they hang up, too (`FDPOLL=0`).
 */
async function storeFds(
  fds: readonly number[], options?: NotifyOptions & { name?: string, poll?: boolean },
): Promise<boolean> {
  const { name, poll, signal } = check.options('options', options)
  if (descriptors('fds', fds).length === 0) throw check.invalidValue('fds', fds, 'at least one descriptor')
  return send({
    FDSTORE: 1,
    ...(name === undefined ? {} : { FDNAME: descriptorName('options.name', name) }),
    ...(check.bool('options.poll', poll, true) ? {} : { FDPOLL: 0 }),
  }, { fds, ...(signal === undefined ? {} : { signal }) })
}

/** Has the service manager close the descriptors that were stored under a name (`FDSTOREREMOVE=1`). */
async function removeFds(name: string, options?: NotifyOptions): Promise<boolean> {
  return send({ FDSTOREREMOVE: 1, FDNAME: descriptorName('name', name) }, options)
}

/**
 * Waits until the service manager has dealt with everything sent before (`BARRIER=1`), for instance before a process exits
 * that it should still know. Answers false when there is nobody to wait for.
 *
 * Errors: `ETIMEDOUT`, after `timeout` milliseconds (default: as long as it takes); those of `send()`.
 */
async function barrier(options?: NotifyOptions & { timeout?: number }): Promise<boolean> {
  const { timeout: given, signal: aborts } = check.options('options', options)
  const timeout = given === undefined ? undefined : check.milliseconds('options.timeout', given)
  const signal = check.signal('options.signal', aborts)
  signal?.throwIfAborted()
  // One end for both waits: for room at the service manager, and for its answer.
  const over = new AbortController()
  const abort = (): void => over.abort(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  const timer = timeout === undefined ? undefined : setTimeout(() => {
    over.abort(timeoutError('poll', timeout, undefined, 'the service manager has not answered'))
  }, timeout)
  const [ours, theirs] = UnixStream.pair()
  try {
    if (!await send('BARRIER=1', { fds: [theirs.fd], signal: over.signal })) return false
    await theirs.close()
    // Nobody writes there: it is ready when the last copy of the other end is closed.
    await waitAny([{ target: ours }], { signal: over.signal })
    return true
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
    void ours.close()
    void theirs.close()
  }
}

/**
 * Notifications to the service manager that started this process (sd_notify(3)). Each answers false, without an error, when
 * none asked for them: programs need not know whether they run as a service.
 */
export const notify = Object.freeze({
  send, ready, reloading, stopping, status, mainPid, extendTimeout, watchdog, watchdogTrigger, watchdogTimeout, keepAlive,
  storeFds, removeFds, barrier,
})

function targetOf(socket: string | undefined): UnixAddressLike | VsockTarget | undefined {
  if (socket === undefined || socket === '') return undefined
  if (socket.startsWith('/')) return { path: socket }
  if (socket.startsWith('@') && socket.length > 1) return { abstract: socket.slice(1) }
  const target = vsockTarget(socket)
  if (target === undefined) {
    throw check.invalidValue('NOTIFY_SOCKET', socket, 'an absolute path, "@" and an abstract name, or vsock:CID:PORT')
  }
  return target
}

function lines(state: Notification): string {
  if (typeof state !== 'object' || state === null) throw check.invalidType('state', state, 'a string or an object')
  return Object.entries(state).map(([name, value]) => {
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw check.invalidType(`state.${name}`, value, 'a string or a number')
    }
    if (!/^[A-Z_][A-Z0-9_]*$/.test(name)) throw check.invalidValue('state', name, 'names in capital letters')
    if (/[\n\0]/.test(String(value))) throw check.invalidValue(`state.${name}`, value, 'a single line')
    return `${name}=${value}`
  }).join('\n')
}

function descriptorName(argument: string, value: unknown): string {
  if (typeof value !== 'string') throw check.invalidType(argument, value, 'a string')
  if (value.length > LONGEST_NAME || !/^[ -9;-~]+$/.test(value)) {
    throw check.invalidValue(argument, value, `1 to ${LONGEST_NAME} printable ASCII characters without ":"`)
  }
  return value
}

function positive(variable: string): number | undefined {
  const value = process.env[variable]
  if (value === undefined) return undefined
  const number = /^\d+$/.test(value) ? Number(value) : 0
  if (number === 0 || !Number.isSafeInteger(number)) throw check.invalidValue(variable, value, 'a positive number')
  return number
}
