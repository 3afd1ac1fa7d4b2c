// Milliseconds that importing a package takes in a fresh process.
import { result, role } from './program.mjs'

const start = performance.now()
await import(role)
result(performance.now() - start)
