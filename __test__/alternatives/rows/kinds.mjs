// What kinds of socket a column has, and what they do with the messages that are difficult.
import { cpuUsage } from 'node:process'

import { ABSENT, within } from '../outcome.mjs'

const HELLO = Buffer.from('hello')

/** Whether a socket sends, and gets back what it sent. */
async function echoes(connection) {
  await connection.send(HELLO)
  return (await within(connection.next()))?.data.equals(HELLO) === true
}

/** Whether this process, which has nothing to do, uses more than a twentieth of a processor: what spins gets that on a busy machine too. */
async function usesTheProcessor() {
  const before = cpuUsage()
  for (let waited = 0; waited < 3_000; waited += 100) {
    await new Promise((resolve) => { setTimeout(resolve, 100) })
    const { user, system } = cpuUsage(before)
    if (user + system > 150_000) return true
  }
  return false
}

export const kinds = {
  'stream': async ({ column, at }) => {
    const connection = await column.stream(at('stream'))
    return (await echoes(connection)) ? 'yes' : 'no echo'
  },

  'datagram': async ({ column, at, own }) => {
    const connection = await column.datagram(at('datagram'), own('mine'))
    return (await echoes(connection)) ? 'yes' : 'no echo'
  },

  'a datagram tells its sender': async ({ column, own }) => {
    const [asking, asked] = [await column.datagram(own('b'), own('a')), await column.datagram(own('a'), own('b'))]
    await asking.send(HELLO)
    const { from } = await within(asked.next())
    return (from?.path ?? from) === own('a') ? 'yes' : ABSENT
  },

  // The other side does not read until it is told that all is sent, and then counts what arrives.
  'a full datagram receiver is waited for': async ({ column, own, peer }) => {
    const path = await peer('open a slow receiver')
    const connection = await column.datagram(path, own('sender'))
    let refused = 0
    void (async () => {
      for (let sent = 0; sent < 100; sent++) {
        try {
          await connection.send(Buffer.from(`message ${sent}`))
        } catch {
          refused++
        }
      }
    })()
    const spins = await usesTheProcessor()
    const received = await peer('read')
    if (spins) return 'spins'
    if (received === 100) return 'yes'
    return received + refused === 100 ? 'an error' : 'loses'
  },

  // The test watches the system calls meanwhile.
  'many messages with one `sendmmsg`, `recvmmsg`': async ({ column, own }) => {
    const [from, to] = [await column.datagram(own('b'), own('a')), await column.datagram(own('a'), own('b'))]
    for (let count = 0; count < 8; count++) void from.send(HELLO)
    for (let count = 0; count < 8; count++) await within(to.next())
    return 'traced'
  },

  'seqpacket': async ({ column, at }) => {
    const connection = await column.seqpacket(at('seqpacket'))
    if (!(await echoes(connection))) return 'no echo'
    await connection.send(Buffer.alloc(0))
    const answer = await within(connection.next())
    return answer?.data.length === 0 ? 'yes' : 'an empty message ends it'
  },
}
