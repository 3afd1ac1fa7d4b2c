// Ours, by the same probes.
import * as api from 'nearwire'
import * as netlink from 'nearwire/netlink'

import { Connection } from '../connection.mjs'

export { api }
export const more = netlink

export const stream = async (path) => bytes(await api.UnixStream.connect(path))

/** The only way to get descriptors on a stream, which reads too. */
async function bytes(socket) {
  const connection = new Connection(socket, (data) => socket.write(data))
  void (async () => {
    for (let message; (message = await socket.receiveMessage()) !== null;) connection.arrived(message.data)
    connection.arrived(null)
  })()
  return connection
}

export async function seqpacket(path) {
  const socket = await api.UnixSeqpacket.connect(path)
  return messages(socket, (data) => socket.send(data))
}

export async function datagram(path, own) {
  const socket = await api.UnixDatagram.bind(own)
  return messages(socket, (data, to = path) => socket.send(data, { to }))
}

function messages(socket, send) {
  const connection = new Connection(socket, send)
  void (async () => {
    for await (const { data, from } of socket) connection.arrived(data, from)
    connection.arrived(null)
  })().catch((error) => connection.failed(error))
  return connection
}

export const listen = (path) => api.UnixListener.listen(path)

export const autobind = async () => (await api.UnixDatagram.bind('auto')).address.abstract.toString()

export async function adopt(fd) {
  const listener = api.UnixListener.fromFd(fd)
  for await (const socket of listener) for await (const data of socket) await socket.write(data)
}

export const connectWith = (path, signal) => api.UnixStream.connect(path, { signal })
export const connectWithin = (path, timeout) => api.UnixStream.connect(path, { timeout })
