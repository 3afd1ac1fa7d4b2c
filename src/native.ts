// Loads the native part, or says in one line why it cannot be.

import { createRequire } from 'node:module'

import type * as Native from '#native'

const supported = 'Linux on x64 or arm64, with glibc or musl'

function load(): typeof Native {
  if (process.platform !== 'linux') {
    throw unsupported(`this is ${process.platform}`)
  }
  try {
    return createRequire(import.meta.url)('#native') as typeof Native
  } catch (cause) {
    throw unsupported(`no binary for ${process.platform} on ${process.arch} could be loaded`, cause)
  }
}

function unsupported(why: string, cause?: unknown): Error {
  const error = new Error(`nearwire runs on ${supported}; ${why}`, cause === undefined ? undefined : { cause })
  return Object.assign(error, { code: 'ERR_UNSUPPORTED_PLATFORM' })
}

export const native = load()
/** What every byte comes by; see `crates/node/src/calls.rs`. */
export const calls = native.calls()

export type { Failure } from '#native'
export type { Native }
