// One message over AF_VSOCK, to a service manager outside the virtual machine.

import { readSync, writeSync } from 'node:fs'

import { native } from '../native.js'
import { closeDescriptor, system } from './descriptors.js'
import { failure, unwrap } from './failures.js'
import { waitAny } from './wait-any.js'

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

/** Connects, sends, and on a connection waits until the other side has seen the end, as sd_notify(3) does. */
export async function sendOverVsock({ kind, cid, port }: VsockTarget, text: string, signal?: AbortSignal): Promise<void> {
  const waiting = signal === undefined ? {} : { signal }
  const { fd, kindNumber } = unwrap(native.connectVsock(kind, cid, port))
  const writable = (): Promise<unknown> => waitAny([{ target: fd, writable: true }], waiting)
  try {
    await writable()
    const failed = native.vsockFailure(fd)
    if (failed !== null) throw failure(failed)
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length;) {
      const count = attempt('write', () => writeSync(fd, bytes, at))
      if (count === undefined) await writable()
      else at += count
    }
    if (kindNumber === SOCK_DGRAM) return
    const unended = native.shutdownVsock(fd)
    if (unended !== null) throw failure(unended)
    const room = Buffer.alloc(1)
    while (attempt('read', () => readSync(fd, room)) === undefined) await waitAny([{ target: fd }], waiting)
  } finally {
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
