// What a column does with the names of sockets, and with listeners that are not as usual.
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'

import { fromEvents } from '../connection.mjs'
import { ABSENT, within } from '../outcome.mjs'

/** The names to which this process has bound sockets, as the kernel shows them: `@` for NUL. */
function boundNames() {
  const inodes = new Set(readdirSync('/proc/self/fd').map((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1]
    } catch {
      return undefined
    }
  }))
  return readFileSync('/proc/net/unix', 'latin1').split('\n').map((line) => line.split(/\s+/))
    .filter(([, , , , , , inode, name]) => name !== undefined && inodes.has(inode)).map(([, , , , , , , name]) => name)
}

export const names = {
  'abstract names, autobind': async ({ column }) => {
    const wanted = [`probe-${process.pid}-a`, `probe-${process.pid}-b`]
    for (const name of wanted) {
      try {
        await column.listen(`\0${name}`)
      } catch (error) {
        // Nobody else has such a name.
        if (/in use|EADDRINUSE|-98/.test(error.message)) return 'all the same'
        throw error
      }
    }
    // Some are padded with NUL to the length of the field.
    const bound = new Set(boundNames().map((name) => name.replace(/@*$/, '')))
    if (!wanted.every((name) => bound.has(`@${name}`))) return ABSENT
    try {
      await (column.autobind ?? (() => column.listen('')))()
    } catch { /* Nothing is bound then. */ }
    return boundNames().some((name) => /^@[0-9a-f]{5}$/.test(name)) ? 'yes' : 'names'
  },

  'paths of any length': async ({ column, folder }) => {
    const deep = join(folder, 'd'.repeat(100), 'e'.repeat(100))
    mkdirSync(deep, { recursive: true })
    const path = join(deep, 'socket')
    try {
      await column.listen(path)
    } catch {
      return 'refused'
    }
    return existsSync(path) ? 'yes' : 'cut'
  },

  'a stale socket file replaced, a live one not': async ({ column, peer }) => {
    const taken = async (path) => {
      try {
        await column.listen(path)
        return true
      } catch {
        return false
      }
    }
    if (await taken(await peer('make a live name'))) return 'a live one too'
    return (await taken(await peer('make a stale name'))) ? 'yes' : ABSENT
  },

  'connect timeout on a full backlog': async ({ column, at }) => {
    if (column.connectWithin) {
      const error = await within(column.connectWithin(at('full-stream'), 100)).catch((error) => error)
      return error.code === 'ETIMEDOUT' ? 'yes' : 'no timeout'
    }
    // What connects to neither type does not connect at all.
    for (const kind of ['stream', 'seqpacket']) {
      if ((await failure(column[kind](at(kind)))) !== undefined) continue
      const error = await failure(column[kind](at(`full-${kind}`)), 2_000)
      if (error === undefined) return 'connects'
      if (error.code === 'STILL_WAITING') return 'waits'
      return /^E[A-Z]+$/.test(error.code ?? '') ? `\`${error.code}\`` : 'throws'
    }
    return ABSENT
  },

  'activation': async ({ column, own }) => {
    // A listener is descriptor 3, as from a service manager. What takes it goes on serving.
    const refused = new Promise((resolve) => { Promise.resolve().then(() => column.adopt(3)).catch(resolve) })
    const client = await fromEvents(connect(own('adopted')), 'connect')
    client.send('hello')
    const outcome = await Promise.race([within(client.next(), 3_000), refused])
    if (outcome instanceof Error) throw outcome
    if (outcome?.data.toString() !== 'hello') return ABSENT
    return 'activation' in column.api ? 'yes' : '`listen({ fd })`'
  },
}

/** What a promise is rejected with, or undefined. */
function failure(promise, limit) {
  return within(promise, limit).then(() => undefined, (error) => error)
}
