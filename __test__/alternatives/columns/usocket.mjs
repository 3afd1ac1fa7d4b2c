import { createRequire } from 'node:module'

import { first, fromEvents } from '../connection.mjs'

export const api = createRequire(new URL('../packages/', import.meta.url))('usocket')

export async function stream(path) {
  const socket = new api.USocket()
  socket.connect(path)
  return fromEvents(socket, 'connected')
}

// It has no call for these types: what it has is tried on a socket of that type.
export const seqpacket = stream
export const datagram = stream

export async function listen(path) {
  const server = new api.UServer()
  server.listen(path)
  await first(server, 'listening')
  return server
}

export async function adopt(fd) {
  new api.UServer().listen({ fd })
}

export async function connectWith(path, signal) {
  const socket = new api.USocket({ path, signal })
  await first(socket, 'connected')
}
