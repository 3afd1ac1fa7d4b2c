// Bun's own, `Bun.listen` and what belongs to it, not what it has of Node's.
import { Connection } from '../connection.mjs'

const { Bun } = globalThis

export const api = Bun

export function stream(path) {
  return new Promise((resolve, reject) => {
    let connection
    void Bun.connect({
      unix: path,
      socket: {
        open(socket) {
          connection = new Connection(socket, (data) => socket.write(data))
          resolve(connection)
        },
        data: (socket, data) => connection.arrived(data),
        close: () => connection?.arrived(null),
        error: (socket, error) => connection?.failed(error),
        connectError: (socket, error) => reject(error),
      },
    }).catch(reject)
  })
}

// It has no call for these types: what it has is tried on a socket of that type.
export const seqpacket = stream

export async function datagram(path, own) {
  const socket = await Bun.udpSocket({ unix: own, socket: {} })
  // With no name of its own: it is one of UDP.
  if (socket.address?.family !== undefined) throw new Error(`a socket of ${socket.address.family}`)
  return stream(path)
}

export async function listen(path) {
  return Bun.listen({ unix: path, socket: { data() {} } })
}

export async function adopt(fd) {
  Bun.listen({ fd, socket: { data: (socket, data) => socket.write(data) } })
}

export function connectWith(unix, signal) {
  return Bun.connect({ unix, signal, socket: { data() {} } })
}
