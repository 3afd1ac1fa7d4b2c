// Whom the probes talk to: sockets of ours in the test's process, one of each kind, and those that are difficult.
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { UnixDatagram, UnixListener, UnixSeqpacketListener, UnixStream, UnixSeqpacket } from 'nearwire'

/** More than any column but ours takes; few enough to be on the way to all of them at once. */
const PASSED = 100

/** Opens them in a folder. */
export async function openPeers(folder) {
  const at = (name) => join(folder, name)
  writeFileSync(at('passed'), 'a file')
  const passed = openSync(at('passed'), 'r')
  const fds = Array(PASSED).fill(passed)

  const listeners = await Promise.all([
    each(UnixListener.listen(at('stream')), async (stream) => {
      for await (const data of stream) await stream.write(data)
      await stream.close()
    }),
    each(UnixSeqpacketListener.listen(at('seqpacket')), async (socket) => {
      for await (const { data } of socket) await socket.send(data)
      await socket.close()
    }),
    each(UnixListener.listen(at('passing-stream')), async (stream) => {
      for await (const _ of stream) await stream.sendMessage({ data: 'x', fds })
    }),
    each(UnixSeqpacketListener.listen(at('passing-seqpacket')), async (socket) => {
      for await (const _ of socket) await socket.send('x', { fds })
    }),
    full(UnixListener, UnixStream, at('full-stream')),
    full(UnixSeqpacketListener, UnixSeqpacket, at('full-seqpacket')),
  ])
  const datagrams = await Promise.all([
    answering(at('datagram'), (data) => [data]),
    answering(at('passing-datagram'), () => ['x', { fds }]),
  ])

  return {
    /** Answers what a probe asks of the test. */
    async answer(question, own) {
      switch (question) {
        case 'open a slow receiver':
          return (own.slow = await UnixDatagram.bind(join(own.folder, 'slow'))).address.path
        case 'read':
          return countUntilQuiet(own.slow)
        case 'make a live name':
          own.live = await UnixListener.listen(join(own.folder, 'live'))
          return own.live.address.path
        case 'make a stale name': {
          const stale = await UnixListener.listen(join(own.folder, 'stale'), { unlinkOnClose: false })
          await stale.close()
          return stale.address.path
        }
        default:
          throw new Error(`a probe asks: ${question}`)
      }
    },
    async close() {
      await Promise.all([...listeners, ...datagrams].map((socket) => socket.close()))
      closeSync(passed)
    },
  }
}

/** Has something done with each connection; probes end as they like. */
async function each(listening, serve) {
  const listener = await listening
  void (async () => {
    for await (const socket of listener) serve(socket).catch(() => socket.close())
  })()
  return listener
}

async function answering(path, answer) {
  const socket = await UnixDatagram.bind(path)
  void (async () => {
    for await (const { data, from } of socket) {
      try {
        const [bytes, options] = answer(data)
        if (from !== null) await socket.send(bytes, { to: from, ...options })
      } catch { /* The probe is gone, or was never there to be answered. */ }
    }
  })()
  return socket
}

/** A listener that accepts nobody, with as many connections as it admits. */
async function full(Listener, Socket, path) {
  const listener = await Listener.listen(path, { backlog: 0 })
  for (;;) {
    try {
      await Socket.connect(path, { timeout: 50 })
    } catch (error) {
      if (error.code === 'ETIMEDOUT') return listener
      throw error
    }
  }
}

/** How many messages come until none has for as long as any sender needs to notice that there is room. */
async function countUntilQuiet(socket) {
  for (let count = 0; ; count++) {
    try {
      await socket.receive({ signal: AbortSignal.timeout(500) })
    } catch {
      return count
    }
  }
}
