// The README's feature table says what its cells' probes show, ours and the others', and nothing else.
import test from 'ava'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { UnixListener } from 'nearwire'

import { openPeers } from './alternatives/peers.mjs'
import { kinds } from './alternatives/rows/kinds.mjs'
import { names } from './alternatives/rows/names.mjs'
import { byName, objects } from './alternatives/rows/objects.mjs'
import { bun, deno, missingAlternative, missingRuntime } from './helpers/installs.mjs'
import { directory, root } from './helpers/sockets.mjs'

const alternatives = join(import.meta.dirname, 'alternatives')

const node = [process.execPath]
/** What others have under Node is said of Node 20: Node 24, for one, refuses paths that it cuts. */
const notNode20 = process.versions.node.startsWith('20.') ? undefined : `the table speaks of Node 20, this is ${process.version}`
const needs = (name) => () => notNode20 ?? missingAlternative(name)
/** The table's columns and how their probes are run. */
const COLUMNS = {
  'nearwire': { file: 'nearwire', command: node },
  '`net`': { file: 'net', command: node, needs: () => notNode20 },
  'node-unix-socket': { file: 'node-unix-socket', command: node, needs: needs('node-unix-socket') },
  'unix-dgram': { file: 'unix-dgram', command: node, needs: needs('unix-dgram') },
  'usocket': { file: 'usocket', command: node, needs: needs('usocket') },
  'Deno': { file: 'deno', command: [deno, 'run', '--allow-all'], flag: '--unstable-net', needs: () => missingRuntime(deno) },
  'Bun': { file: 'bun', command: [bun, 'run'], needs: () => missingRuntime(bun) },
}

const ROWS = [...Object.keys({ ...kinds, ...names, ...objects }), ...Object.keys(byName)]

/** How long a probe may take: longer than all that it waits for itself. */
const LIMIT = 60_000

const strace = spawnSync('strace', ['-V']).status === 0

const table = readTable(readFileSync(join(root, 'README.md'), 'utf8'))

/** The feature table: row by column, what a cell says, and where it links to. */
function readTable(text) {
  const lines = text.slice(text.indexOf('## What it has')).split('\n')
  const begin = lines.findIndex((line) => line.startsWith('| '))
  const cells = lines.slice(begin, lines.indexOf('', begin)).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()))
  const [[, ...columns], , ...rows] = cells
  return new Map(rows.map(([row, ...said]) => [row, new Map(columns.map((column, index) => [column, said[index]]))]))
}

/** What the names that a column gives its users show of a row. */
function named(surface, pattern) {
  const found = surface.filter((name) => pattern.test(name))
  return found.length > 0 ? { shows: 'yes', because: `it has ${found}` } : { shows: '–', because: `none of its ${surface.length} names` }
}

/** Runs the probe of one cell: what it showed, and why if it knows. */
async function probe({ file, command, flag }, row, folder, peers, flags = []) {
  mkdirSync(folder)
  const own = { folder }
  const adopted = row === 'activation' ? await UnixListener.listen(join(folder, 'adopted')) : undefined
  const trace = join(folder, 'trace')
  const watched = row.includes('mmsg') ? ['strace', '-f', '-qq', '-e', 'trace=sendmmsg,recvmmsg', '-o', trace] : []
  const [program, ...args] = [...watched, ...command, ...flags, join(alternatives, 'probe.mjs'), file, folder]
  // Where anything lands that a column makes of arguments that it does not know.
  const child = spawn(program, args, { cwd: folder, stdio: ['pipe', 'pipe', 'pipe', adopted?.fd ?? 'ignore'] })
  child.stdin.on('error', () => {})
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text) => { complaint += text })
  const tell = (message) => child.stdin.write(`${JSON.stringify(message)}\n`)
  const ended = new Promise((resolve) => { child.once('close', (code, signal) => resolve({ code, signal })) })
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT)
  tell(row)
  let outcome
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line)
    if ('question' in said) tell(await peers.answer(said.question, own))
    else outcome = said
  }
  clearTimeout(timer)
  const { code, signal } = await ended
  await Promise.all([adopted?.close(), own.slow?.close(), own.live?.close()])
  if (outcome?.shows === 'traced') {
    const calls = readFileSync(trace, 'utf8')
    return { shows: ['sendmmsg', 'recvmmsg'].every((call) => calls.includes(call)) ? 'yes' : '–', because: calls.slice(0, 500) }
  }
  if (outcome !== undefined) {
    // What is there only with a flag is that, whatever else it is.
    if (outcome.shows !== '–' || flag === undefined || flags.length > 0 || !row.includes('datagram')) return outcome
    const flagged = await probe({ file, command }, row, `${folder}-flagged`, peers, [flag])
    return flagged.shows === 'yes' ? { ...flagged, shows: 'unstable' } : flagged
  }
  return { shows: signal === 'SIGKILL' ? 'hangs' : 'crashes', because: `${signal ?? `code ${code}`} ${complaint.slice(0, 500)}` }
}

test('the table has a probe for each row, and a column for each that is probed', (t) => {
  t.deepEqual([...table.keys()].sort(), [...ROWS].sort())
  for (const cells of table.values()) t.deepEqual([...cells.keys()], Object.keys(COLUMNS))
})

for (const [column, how] of Object.entries(COLUMNS)) {
  test(`${column}: each cell says what its probe shows`, async (t) => {
    t.timeout(600_000)
    const missing = await how.needs?.()
    if (missing !== undefined) {
      t.log(`SKIPPED: ${column}: ${missing}`)
      t.pass()
      return
    }
    const folder = directory(t)
    const peers = await openPeers(folder)
    t.teardown(() => peers.close())
    const differences = []
    let folders = 0
    const { surface } = await probe(how, 'every name', join(folder, `${folders++}`), peers)
    for (const row of ROWS) {
      if (row.includes('mmsg') && !strace) {
        t.log(`SKIPPED: ${row}: no strace here`)
        continue
      }
      const { shows, because } = row in byName ? named(surface, byName[row]) : await probe(how, row, join(folder, `${folders++}`), peers)
      // Ours links to the test of the whole claim, of which the probe is the part that all columns share.
      const said = table.get(row)?.get(column)?.replace(/^\[(.*)\]\((.*)\)$/, '$1')
      if (said !== shows) differences.push(`row ${row}: said ${said}, shown ${shows}${because ? ` (${because})` : ''}`)
    }
    t.deepEqual(differences, [])
  })
}
