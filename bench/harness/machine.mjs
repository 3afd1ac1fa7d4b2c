import { cpus, release, totalmem } from 'node:os'

/** One line that says what the figures were measured on. */
export function machine() {
  const processors = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${processors[0].model.trim()}, ${processors.length} cores, ${memory} GiB, Linux ${release()}, Node ${process.versions.node}`
}
