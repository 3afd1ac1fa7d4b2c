// A very small service manager: starts a program, and prints what it tells about itself.
//   node examples/notify.mjs node examples/activation.mjs
//   node examples/notify.mjs systemd-notify --ready --status='all is well'

import { spawn } from 'node:child_process'
import { closeDescriptor, UnixDatagram } from 'nearwire'

const [command, ...args] = process.argv.slice(2)

// A name that the kernel chooses. The kernel also says who sends: nobody else can speak for the program.
const socket = await UnixDatagram.bind('auto', { passCredentials: true })
const name = `@${socket.address.abstract}`

const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, NOTIFY_SOCKET: name } })
child.once('error', (error) => { console.error(error.message); socket.close() })
child.once('exit', () => socket.close())

for await (const { data, fds, credentials } of socket) {
  for (const line of data.toString().trim().split('\n')) console.log(`${credentials.pid}: ${line}`)
  // BARRIER=1 waits for this; descriptors that somebody wants kept (FDSTORE=1) are not kept here.
  fds.forEach(closeDescriptor)
}
