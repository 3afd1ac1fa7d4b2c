// Deno's own, `Deno.listen` and what belongs to it, not what it has of Node's.
import { Connection } from '../connection.mjs'

const { Deno } = globalThis

export const api = Deno

export const stream = (path) => connect({ transport: 'unix', path })
export const seqpacket = (path) => connect({ transport: 'unixpacket', path }).catch(() => stream(path))

async function connect(options) {
  const socket = await Deno.connect(options)
  const connection = new Connection(socket, (data) => socket.write(data))
  void read(socket, connection)
  return connection
}

async function read(socket, connection) {
  const bytes = new Uint8Array(65_536)
  for (;;) {
    const count = await socket.read(bytes)
    connection.arrived(count === null ? null : bytes.slice(0, count))
    if (count === null) return
  }
}

export async function datagram(path, own) {
  const socket = Deno.listenDatagram({ transport: 'unixpacket', path: own })
  const connection = new Connection(socket, (data, to = path) => socket.send(data, { transport: 'unixpacket', path: to }))
  // Only when asked: while one receives, the other cannot send (`Busy`).
  connection.next = async () => {
    const [data, from] = await socket.receive()
    return { data: Buffer.from(data), from: from.path }
  }
  return connection
}

export async function listen(path) {
  return Deno.listen({ transport: 'unix', path })
}

export async function adopt(fd) {
  const listener = Deno.listen({ transport: 'unix', fd })
  for await (const socket of listener) void socket.readable.pipeTo(socket.writable)
}

export const connectWith = (path, signal) => Deno.connect({ transport: 'unix', path, signal })
