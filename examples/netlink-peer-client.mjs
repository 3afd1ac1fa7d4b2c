// Asks the process of netlink-peer-server.mjs.
//   node examples/netlink-peer-client.mjs [port id] [text ...]

import { NetlinkClient } from 'nearwire/netlink'

const [peer = '4242', ...words] = process.argv.slice(2)
const client = await NetlinkClient.open({ protocol: 'usersock', peer: Number(peer) })
try {
  for (const word of words.length > 0 ? words : ['hello']) {
    const [answer] = await client.request({ type: 16, payload: Buffer.from(word) }, { timeout: 1000 })
    console.log(`${word} -> ${answer.payload}`)
  }
} catch (error) {
  // ECONNREFUSED: nobody has that port id. ETIMEDOUT: somebody has it, and does not answer.
  console.error(error.message)
  process.exitCode = 1
}
await client.close()
