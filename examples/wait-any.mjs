// Many descriptors waited on at once, whoever owns them: what select(2) is for, without its limit of 1,024.
//   node examples/wait-any.mjs [how many, default 1000]
// Each pair of sockets gets a message at some time within a second; whoever is ready is read, and counted.

import { UnixDatagram, WaitSet } from 'nearwire'

const count = Number(process.argv[2] ?? 1000)
const pairs = Array.from({ length: count }, () => UnixDatagram.pair())

const set = new WaitSet()
for (const [, receiver] of pairs) set.add(receiver)

pairs.forEach(([sender], index) => {
  setTimeout(() => sender.send(`message ${index}`), Math.random() * 1000)
})

let received = 0
let waits = 0
while (received < count) {
  const ready = await set.wait({ timeout: 5000 })
  if (ready.length === 0) throw new Error('nothing came within five seconds')
  waits++
  for (const { target } of ready) {
    await target.receive()
    received++
  }
}
console.log(`${received} messages on ${set.size} sockets, in ${waits} waits`)
await Promise.all([set, ...pairs.flat()].map((handle) => handle.close()))
