// Node's own: `node:net`, and `node:dgram` where that is the nearest that Node has.
import dgram from 'node:dgram'
import net from 'node:net'

import { first, fromEvents } from '../connection.mjs'

export const api = { net, dgram }

export const stream = (path) => fromEvents(net.connect(path), 'connect')

// It has no call for the type: what it has is tried on a socket of that type.
export const seqpacket = stream

export async function datagram() {
  return dgram.createSocket('unix_dgram')
}

export async function listen(path) {
  const server = net.createServer().listen(path)
  await first(server, 'listening')
  return server
}

export async function adopt(fd) {
  const server = net.createServer((socket) => socket.pipe(socket)).listen({ fd })
  await first(server, 'listening')
}

export const connectWith = (path, signal) => first(new net.Socket({ signal }).connect(path), 'connect')
