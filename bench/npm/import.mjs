// As ../programs/import.mjs, from where the peers are installed.
import { result, role } from '../programs/program.mjs'

const start = performance.now()
await import(role)
result(performance.now() - start)
