// What the tests of messages share: sockets that are closed after the test, descriptors with known content.
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UnixDatagram, UnixSeqpacket, UnixSeqpacketListener } from 'nearwire'
import { abstractName, closing, isSettled } from './sockets.mjs'

/** A datagram socket at a name, or at one of its own. */
export async function bound(t, address = { abstract: abstractName() }, options) {
  return closing(t, await UnixDatagram.bind(address, options))
}

/** A datagram socket without a name. */
export function unbound(t, options) {
  return closing(t, UnixDatagram.unbound(options))
}

/** Two sockets of a class that has `pair()`, connected to each other. */
export function pairOf(t, Class, options) {
  const pair = Class.pair(options)
  for (const socket of pair) closing(t, socket)
  return pair
}

/** Two seqpacket sockets connected through a listener. */
export async function seqpackets(t, listenOptions, connectOptions) {
  const listener = closing(t, await UnixSeqpacketListener.listen({ abstract: abstractName() }, listenOptions))
  const [client, server] = await Promise.all([UnixSeqpacket.connect(listener.address, connectOptions), listener.accept()])
  return { listener, client: closing(t, client), server: closing(t, server) }
}

/** Sends to a receiver that does not read until it is full; answers how many it took and the send that waits. */
export async function fill(socket, options, text = 'fill') {
  for (let sent = 0; ; sent++) {
    const waiting = socket.send(`${text} ${sent}`, options) ?? socket.flush()
    if (!(await isSettled(waiting))) return { sent, waiting }
  }
}

/** The text of the next message. */
export async function text(socket) {
  return (await socket.receive()).data.toString()
}

/** A descriptor of a file without a name that reads `content`. */
export function file(t, content) {
  const path = join(tmpdir(), `nearwire-${process.pid}-${Math.random().toString(36).slice(2)}`)
  const fd = openSync(path, 'wx+')
  unlinkSync(path)
  writeSync(fd, content)
  t.teardown(() => {
    try {
      closeSync(fd)
    } catch {
      // The test closed it.
    }
  })
  return fd
}

/** What is in the file of a descriptor, which is closed by that. */
export function contentOf(fd) {
  const bytes = Buffer.alloc(256)
  const length = readSync(fd, bytes, 0, bytes.length, 0)
  closeSync(fd)
  return bytes.toString('latin1', 0, length)
}

/** Whether two descriptors are of the same file. */
export function areSame(one, other) {
  const [left, right] = [fstatSync(one), fstatSync(other)]
  return left.ino === right.ino && left.dev === right.dev
}

export function isOpen(fd) {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}

/** Whether a descriptor is closed on exec, as fdinfo says. */
export function closesOnExec(fd) {
  const flags = Number.parseInt(/^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))[1], 8)
  return (flags & 0o2000000) !== 0
}

/** How many descriptors of files that `file()` made are open in this process: those and all their duplicates. */
export function copiesOf(fd) {
  const { ino, dev } = fstatSync(fd)
  return readdirSync('/proc/self/fd').filter((number) => {
    try {
      const found = fstatSync(Number(number))
      return found.ino === ino && found.dev === dev
    } catch {
      return false
    }
  }).length
}
