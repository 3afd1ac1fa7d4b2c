import { createRequire } from 'node:module'

import { Connection, fromEvents } from '../connection.mjs'

export const api = createRequire(new URL('../packages/', import.meta.url))('node-unix-socket')

export async function seqpacket(path) {
  const socket = new api.SeqpacketSocket()
  socket.connect(path)
  return fromEvents(socket, 'connect')
}

// It has no call for the type: what it has is tried on a socket of that type.
export const stream = seqpacket

export async function datagram(path, own) {
  const socket = new api.DgramSocket()
  socket.bind(own)
  const connection = new Connection(socket, (data, to = path) => new Promise((resolve, reject) => {
    socket.sendTo(data, 0, data.length, to, (error) => (error ? reject(error) : resolve()))
  }))
  socket.on('data', (data, from) => connection.arrived(data, from))
  socket.on('error', (error) => connection.failed(error))
  return connection
}

export async function listen(path) {
  const server = new api.SeqpacketServer()
  server.listen(path)
  return server
}

export async function adopt(fd) {
  new api.SeqpacketServer().listen({ fd })
}

export async function connectWith(path, signal) {
  const socket = new api.SeqpacketSocket({ signal })
  socket.connect(path, { signal })
  await fromEvents(socket, 'connect')
}
