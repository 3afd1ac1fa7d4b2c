// A service that starts when somebody connects, and tells its service manager how it is doing.
//   systemd-socket-activate -l /tmp/nearwire-example.sock -E PATH -E NOTIFY_SOCKET node examples/activation.mjs
// Started by hand it listens itself, at the path given. It tells everybody how often it was asked.

import { activation, notify, UnixListener } from 'nearwire'

// The socket that was made for this service, if there is one: it was listening before this program ran, nobody was ever
// refused, and its file is not ours to remove.
const [activated] = activation.listeners()
const listener = activated?.listener ?? await UnixListener.listen(process.argv[2] ?? '/tmp/nearwire-example.sock')

process.once('SIGTERM', async () => {
  await notify.stopping()
  await listener.close()
})

// Each of these does nothing where nobody asked to be told.
await notify.ready()
notify.keepAlive().catch((error) => console.error(error.message))

let count = 0
for await (const stream of listener) serve(stream, ++count).catch((error) => console.error(error.message))

async function serve(stream, number) {
  try {
    await stream.write(`you are number ${number} at ${activated?.name ?? 'a socket of my own'}\n`)
  } finally {
    await stream.close()
  }
  await notify.status(`${number} served`)
}
