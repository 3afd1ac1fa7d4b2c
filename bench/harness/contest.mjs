// One row: every contestant once a round, so that whatever else the machine
// does meanwhile falls on all of them alike.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { machine } from './machine.mjs'
import { makeNamespace } from './namespace.mjs'
import { commandOf } from './programs.mjs'

const LIMIT = 120_000

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** A program pinned to a core: it says `ready`, and one of a pair says `{"value":...}`. */
class Program {
  #stderr = ''
  constructor(command, { core, enter = [] }) {
    const pinned = cpus().length > core ? ['taskset', '-c', `${core}`] : []
    const [file, ...args] = [...pinned, ...enter, ...command]
    this.process = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.process.stderr.on('data', (data) => (this.#stderr += data))
    this.closed = once(this.process, 'close')
    this.failed = this.closed.then(([code, signal]) => {
      throw new Error(this.#reason() ?? `ended with ${signal ?? code}`)
    })
    const lines = createInterface({ input: this.process.stdout })
    this.ready = new Promise((resolve) => lines.on('line', (line) => line === 'ready' && resolve()))
    this.value = new Promise((resolve) =>
      lines.on('line', (line) => line.startsWith('{') && resolve(JSON.parse(line).value)),
    )
    this.failed.catch(() => {})
  }
  #reason() {
    const lines = this.#stderr.split('\n').map((line) => line.trim()).filter(Boolean)
    return lines.find((line) => /\w*Error\b.*:/.test(line)) ?? lines.at(-1)
  }
  async stop() {
    this.process.kill('SIGKILL')
    await this.closed.catch(() => {})
  }
}

async function measure(row, contestant, amount, shared) {
  const folder = await mkdtemp(join(tmpdir(), 'nearwire-bench-'))
  const namespace = shared ?? (row.namespace ? await makeNamespace() : undefined)
  const programs = []
  const start = async (text, core) => {
    const command = await commandOf(text, contestant.needs)
    const program = new Program([...command, join(folder, 'socket'), `${amount}`], { core, enter: namespace?.enter })
    programs.push(program)
    return program
  }
  let timer
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no result within ${LIMIT / 1000} s`)), LIMIT)
  })
  try {
    if (contestant.server) {
      const server = await start(contestant.server, 0)
      await Promise.race([server.ready, server.failed, limit])
    }
    if (contestant.client) await start(contestant.client, row.cores === 2 ? 1 : 0)
    const value = Promise.race(programs.map((program) => program.value))
    // A program may end, as a sender does that has sent all, before the other has its figure;
    // it has failed when it ends in any other way than with success.
    const failures = programs.map((program) =>
      program.failed.catch(async (error) => {
        if (program.process.exitCode !== 0) throw error
        return new Promise(() => {})
      }),
    )
    return await Promise.race([value, limit, ...failures])
  } finally {
    clearTimeout(timer)
    await Promise.all(programs.map((program) => program.stop()))
    if (!shared) await namespace?.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Measures a row and compares it with its targets. */
export async function runRow(row, { rounds, quick }) {
  const contestants = Object.entries({ nearwire: row.ours, ...row.variants, ...row.peers })
  const amount = quick ? row.quick : row.amount
  const values = Object.fromEntries(contestants.map(([name]) => [name, []]))
  /** Why a contestant has no figure, or one from fewer rounds than the others. */
  const failures = {}
  let shared
  if (row.namespace && row.setup) {
    shared = await makeNamespace()
    await shared.run([...(await commandOf(row.setup)), '-', `${amount}`])
  }
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [name, contestant] of contestants) {
        const hopeless = name in failures && values[name].length === 0
        if (hopeless || round >= (contestant.rounds ?? Infinity)) continue
        try {
          values[name].push(await measure(row, contestant, contestant.amount ?? amount, shared))
        } catch (error) {
          failures[name] = error.message
        }
      }
    }
  } finally {
    await shared?.close()
  }
  const medianOf = (name) => (values[name].length > 0 ? median(values[name]) : null)
  const pick = (group = {}) => Object.fromEntries(Object.keys(group).map((name) => [name, medianOf(name)]))
  const result = {
    row: row.row,
    title: row.title,
    unit: row.unit,
    higherIsBetter: row.higherIsBetter,
    ours: medianOf('nearwire'),
    peers: pick(row.peers),
    ...(row.variants && { variants: pick(row.variants) }),
    targets: [],
    failures,
    rounds,
    machine: machine(),
    date: new Date().toISOString().slice(0, 10),
  }
  result.targets = row.targets.map((target) => compare(result, target))
  return result
}

function compare(result, { peer, variant, atLeast, atMost }) {
  const ours = variant ? result.variants[variant] : result.ours
  const theirs = result.peers[peer]
  const ratio = ours === null || theirs === null ? null : ours / theirs
  const limit = atLeast ?? atMost
  const met = ratio === null ? null : atLeast === undefined ? ratio <= limit : ratio >= limit
  const missedBy = met === false ? Math.abs(ratio / limit - 1) : 0
  return { peer, ...(variant && { variant }), ...(atLeast === undefined ? { atMost } : { atLeast }), ratio, met, missedBy }
}
