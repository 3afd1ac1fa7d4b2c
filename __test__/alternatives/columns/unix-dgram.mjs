import { createRequire } from 'node:module'

import { Connection } from '../connection.mjs'

export const api = createRequire(new URL('../packages/', import.meta.url))('unix-dgram')

const refusing = (type) => async () => api.createSocket(type)

export const stream = refusing('unix_stream')
export const seqpacket = refusing('unix_seqpacket')

export async function datagram(path, own) {
  const receiver = api.createSocket('unix_dgram')
  await listening(receiver, own)
  const connection = new Connection(receiver, (data, to = path) => new Promise((resolve, reject) => {
    receiver.send(data, 0, data.length, to, (error) => (error ? reject(error) : resolve()))
  }))
  receiver.on('message', (data, { path: from }) => connection.arrived(data, from))
  return connection
}

export async function listen(path) {
  const socket = api.createSocket('unix_dgram')
  await listening(socket, path)
  return socket
}

export async function adopt(fd) {
  await listening(api.createSocket('unix_dgram'), { fd })
}

export async function connectWith(path, signal) {
  api.createSocket({ type: 'unix_dgram', signal }).connect(path)
}

// It emits within the call.
function listening(socket, path) {
  return new Promise((resolve, reject) => {
    socket.once('listening', resolve)
    socket.once('error', reject)
    socket.bind(path)
  })
}
