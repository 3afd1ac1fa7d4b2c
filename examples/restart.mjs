// A server that is replaced by a new process without one failed request, and without one closed connection.
//   node examples/restart.mjs /tmp/nearwire-example.sock
//   kill -HUP <pid>     starts a successor, which gets the listening socket and every live connection
// Ask it with lines: whatever you send comes back with the number of the process that answered.

import { spawn } from 'node:child_process'
import { setMaxListeners } from 'node:events'
import { closeDescriptor, UnixListener, UnixSeqpacket, UnixStream } from 'nearwire'

const HANDOVER = 3

const handover = new AbortController()
// Every connection listens to it.
setMaxListeners(0, handover.signal)
const serving = new Set()
const listener = process.env.NEARWIRE_HANDOVER === undefined
  ? await UnixListener.listen(process.argv[2] ?? '/tmp/nearwire-example.sock')
  : await inherit(UnixSeqpacket.fromFd(HANDOVER))

process.once('SIGHUP', () => handover.abort())
process.once('SIGTERM', () => process.exit())
console.log(`process ${process.pid} serves, having taken over ${serving.size} connections`)

while (!handover.signal.aborted) {
  const stream = await listener.accept({ signal: handover.signal }).catch((error) => {
    if (error !== handover.signal.reason) throw error
  })
  if (stream !== undefined) serve({ stream, begun: '' })
}
await handOver()

/** Answers lines until the client ends, or until this process is to be replaced. */
function serve(connection) {
  const served = { connection, done: undefined }
  serving.add(served)
  served.done = answer(connection).then(() => serving.delete(served), async (error) => {
    if (error === handover.signal.reason) return
    console.error(error.message)
    serving.delete(served)
    await connection.stream.close()
  })
}

async function answer(connection) {
  const room = Buffer.alloc(4096)
  for (;;) {
    // Aborting a read loses nothing: what comes later is read by whoever has the descriptor then.
    const count = await connection.stream.read(room, { signal: handover.signal })
    if (count === 0) break
    const lines = (connection.begun + room.toString('latin1', 0, count)).split('\n')
    // A request of which only a part has come goes over to the successor, too.
    connection.begun = lines.pop()
    for (const line of lines) await connection.stream.write(Buffer.from(`${process.pid} ${line}\n`, 'latin1'))
  }
  await connection.stream.close()
}

/** Starts a successor and gives it everything. Clients that connect meanwhile wait in the socket's own queue. */
async function handOver() {
  const [ours, theirs] = UnixSeqpacket.pair()
  const successor = spawn(process.execPath, process.argv.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit', theirs.fd], env: { ...process.env, NEARWIRE_HANDOVER: 'yes' },
  })
  await theirs.close()
  await pass(ours, listener.detach(), {})
  for (const served of serving) {
    const { connection, done } = served
    // Whatever it was about to answer, it has answered.
    await done
    if (serving.has(served)) await pass(ours, connection.stream.detach(), { begun: connection.begun })
  }
  // Closed only when the successor has read all of it.
  await ours.close()
  successor.unref()
}

async function pass(channel, fd, state) {
  await channel.send(JSON.stringify(state), { fds: [fd] })
  await channel.flush()
  closeDescriptor(fd)
}

/** The other side of that. */
async function inherit(channel) {
  const { fds: [fd] } = await channel.receive()
  for await (const { data, fds } of channel) serve({ stream: UnixStream.fromFd(fds[0]), ...JSON.parse(data) })
  await channel.close()
  return UnixListener.fromFd(fd)
}
