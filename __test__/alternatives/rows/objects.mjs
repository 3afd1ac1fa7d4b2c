// What a column's objects are for the language and the process around them.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { Worker } from 'node:worker_threads'

import { ABSENT, within } from '../outcome.mjs'

/** A socket of the first kind that the column has, connected to the peer of such a name. */
export async function anySocket({ column, at, own }, prefix = '') {
  const errors = []
  for (const kind of ['stream', 'seqpacket', 'datagram']) {
    try {
      return await within(column[kind](at(`${prefix}${kind}`), own(`any-${prefix}`)))
    } catch (error) {
      errors.push(error)
    }
  }
  throw new AggregateError(errors, errors.map(({ message }) => message).join('; '))
}

const O_CLOEXEC = 0o2000000

/** The descriptors of this process that are open on a file. */
function openOn(path) {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false
    }
  })
}

export const objects = {
  // A hundred come with one byte: what counts is what this process then holds.
  'descriptors that come with a message': async (given) => {
    const { at } = given
    const connection = await anySocket(given, 'passing-')
    await connection.send(Buffer.from('please'))
    await within(connection.next())
    const fds = openOn(at('passed'))
    if (fds.length === 0) return ABSENT
    const inheritable = fds.some((fd) => {
      const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))[1]
      return (Number.parseInt(flags, 8) & O_CLOEXEC) === 0
    })
    const words = [...fds.length < 100 ? [`${fds.length} at most`] : [], ...inheritable ? ['inheritable'] : []]
    return words.join(', ') || 'yes'
  },

  '`for await`, `AbortSignal`, `await using`': async (given) => {
    const { column, at } = given
    const { socket } = await anySocket(given)
    const has = []
    if (typeof socket[Symbol.asyncIterator] === 'function') has.push('`for await`')
    const connecting = Promise.resolve().then(() => column.connectWith(at('stream'), AbortSignal.abort()))
    const aborted = await within(connecting).catch((error) => error)
    if (aborted?.name === 'AbortError') has.push('`AbortSignal`')
    // `await using` takes either.
    const dispose = socket[Symbol.asyncDispose] ?? socket[Symbol.dispose]
    if (typeof dispose === 'function' && (await within(Promise.resolve(dispose.call(socket)), 2_000).then(() => true, () => false))) has.push('`await using`')
    return has.length === 3 ? 'yes' : has.join(', ') || ABSENT
  },

  // A crash ends this process, which the test sees.
  'workers that end with sockets open': async ({ name, folder }) => {
    for (let round = 0; round < 3; round++) {
      const workers = [0, 1].map((index) => new Worker(new URL('../worker.mjs', import.meta.url), { workerData: { name, folder, index: `${round}-${index}` } }))
      const echoes = await Promise.all(workers.map((worker) => within(new Promise((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      }))))
      if (!echoes.every((echo) => echo === 'hello')) return 'no echo'
      await Promise.all(workers.map((worker) => worker.terminate()))
    }
    return 'yes'
  },

  'prebuilt, no install script': ({ name, column }) => {
    if (isBuiltin(name) || column.api === (globalThis.Deno ?? globalThis.Bun)) return 'built in'
    const read = (file) => JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8'))
    const hasScript = name === 'nearwire'
      ? ['preinstall', 'install', 'postinstall'].some((script) => script in read('../../../package.json').scripts)
      : read('../packages/package-lock.json').packages[`node_modules/${name}`].hasInstallScript
    return hasScript ? ABSENT : 'yes'
  },
}

/** Rows for which a column would have to have something by such a name. */
export const byName = {
  'framed messages, codecs': /^framed$|framing|codec|delimiter|lengthPrefix/i,
  'credentials, pidfd, security label': /credential|pidfd|securityLabel|peercred|ucred/i,
  '`sd_notify`': /sd_?notify|^watchdog/i,
  'waiting on many descriptors': /^wait(any|set|many)|^e?poll(er|Fd)?$/i,
  'netlink': /netlink/i,
}
