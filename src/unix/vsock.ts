// One message over AF_VSOCK, to a service manager outside the virtual machine.

import { readSync, writeSync } from 'node:fs'

import { native } from '../native.js'
import { closeDescriptor, system } from './descriptors.js'
import { failure, unwrap } from './failures.js'
import { type WaitOptions, WaitSet } from './wait-any.js'

const KINDS: Readonly<Record<string, number>> = { '-stream': 1, '-dgram': 2, '-seqpacket': 5 }
const SOCK_DGRAM = 2
const ANY_CID = 0xffff_ffff

/** Where to, and how: the type of socket, or whichever the hypervisor has. */
export interface VsockTarget {
  kind: number | undefined
  cid: number
  port: number
}

/** What `vsock:CID:PORT` and its forms mean, or `undefined`. */
export function vsockTarget(text: string): VsockTarget | undefined {
  const parts = /^vsock(-stream|-dgram|-seqpacket)?:(\d+):(\d+)$/.exec(text)
  if (parts === null) return undefined
  const [cid, port] = [Number(parts[2]), Number(parts[3])]
  if (cid >= ANY_CID || port > ANY_CID) return undefined
  return { kind: parts[1] === undefined ? undefined : KINDS[parts[1]], cid, port }
}

/** Sends, and waits as sd_notify(3) does. Unless it `holds` the process, that may end meanwhile. */
export async function sendOverVsock(
  target: VsockTarget, text: string, { signal, holds }: { signal: AbortSignal | undefined, holds: boolean },
): Promise<void> {
  const set = new WaitSet()
  if (!holds) set.unref()
  try {
    await converse(target, text, set, signal === undefined ? {} : { signal })
  } finally {
    void set.close()
  }
}

/** Connects, sends, and on a connection waits until the other side has seen the end. */
async function converse({ kind, cid, port }: VsockTarget, text: string, set: WaitSet, options: WaitOptions): Promise<void> {
  const { fd, kindNumber } = unwrap(native.connectVsock(kind, cid, port))
  try {
    set.add(fd, { writable: true })
    await set.wait(options)
    const failed = native.vsockFailure(fd)
    if (failed !== null) throw failure(failed)
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length;) {
      const count = attempt('write', () => writeSync(fd, bytes, at))
      if (count === undefined) await set.wait(options)
      else at += count
    }
    if (kindNumber === SOCK_DGRAM) return
    const unended = native.shutdownVsock(fd)
    if (unended !== null) throw failure(unended)
    set.change(fd, { readable: true })
    const room = Buffer.alloc(1)
    while (attempt('read', () => readSync(fd, room)) === undefined) await set.wait(options)
  } finally {
    set.delete(fd)
    closeDescriptor(fd)
  }
}

/** The count, or `undefined` when it would block. */
function attempt(syscall: string, call: () => number): number | undefined {
  try {
    return call()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined
    throw system(error, syscall)
  }
}
