// The one place where readiness comes in from the native side: tokens, a batch at a time.

import { calls, native } from './native.js'

/** Something that waits for its descriptor. */
export interface Waiter {
  /** Reading may succeed now. */
  onReadable(): void
  /** Writing may succeed now. */
  onWritable(): void
}

/** How many tokens one call from the native side brings at most. */
const BATCH = 4096

const tokens = new Uint32Array(BATCH)
const waiters: (Waiter | undefined)[] = []
const freeSlots: number[] = []

function dispatch(count: number): void {
  for (let index = 0; index < count; index++) {
    const token = tokens[index] as number
    const waiter = waiters[token >>> 1]
    if (waiter === undefined) continue
    try {
      if ((token & 1) === 0) waiter.onReadable()
      else waiter.onWritable()
    } catch (error) {
      // A throwing listener of the user's is uncaught, as anywhere else, and must not cost the others their turn.
      process.nextTick(() => { throw error })
    }
  }
}

// Bun exports libuv functions that abort, Deno none: both get a thread that waits. So does Node, when told to.
const watcher = process.versions['bun'] !== undefined || process.versions['deno'] !== undefined
  || process.env['NEARWIRE_WATCHER'] === '1'

/** The native loop of this environment: the main thread's or this worker's. */
export const eventLoop = new native.EventLoop(dispatch, tokens, watcher)

// process.exit() and an uncaught exception never get to the point where buffers are flushed.
process.on('exit', () => eventLoop.flush())

/** Reserves a slot, under which tokens will come; `enter()` or `giveBack()` it. */
export function reserveSlot(): number {
  return freeSlots.pop() ?? waiters.push(undefined) - 1
}

export function enter(slot: number, waiter: Waiter): void {
  waiters[slot] = waiter
}

export function giveBack(slot: number): void {
  waiters[slot] = undefined
  freeSlots.push(slot)
}

let holds = 0
const { number } = eventLoop

/** Keeps the process alive until `release()` is called as often. */
export function hold(): void {
  if (holds++ === 0) calls.loopHold(number)
}

/** Takes one `hold()` back. */
export function release(): void {
  if (--holds === 0) calls.loopRelease(number)
}
