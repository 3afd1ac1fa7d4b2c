// A process opens a file and passes it to another, which could not have opened it itself: descriptor passing.
//   node examples/pass-descriptor.mjs

import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { UnixListener, UnixStream } from 'nearwire'

const isReceiver = process.argv[2] === 'receiver'
const name = { abstract: `nearwire-example-${isReceiver ? process.ppid : process.pid}` }

if (isReceiver) {
  const stream = await UnixStream.connect(name)
  const { data, fds } = await stream.receiveMessage()
  // Received descriptors are ours now: plain numbers, closed on exec, to be closed by us.
  console.log(`${data}: ${readFileSync(fds[0], 'utf8').split('\n')[0]}`)
  closeSync(fds[0])
  await stream.close()
} else {
  const listener = await UnixListener.listen(name)
  spawn(process.execPath, [import.meta.filename, 'receiver'], { stdio: 'inherit' })
  const stream = await listener.accept()
  const fd = openSync(import.meta.filename)
  await stream.sendMessage({ data: 'its first line', fds: [fd] })
  closeSync(fd)
  // The kernel vouches for whom it went to.
  console.log(`passed to a process of user ${stream.peer.uid}`)
  await stream.close()
  await listener.close()
}
