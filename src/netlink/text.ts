import { isUtf8 } from 'node:buffer'

// The kernel takes names as bytes (dev_valid_name() forbids only '/', ':' and white space), so a name need not be UTF-8.
// Bytes that are no part of a UTF-8 sequence become U+DC80..U+DCFF and turn back into themselves on the way out,
// as Python's "surrogateescape" (PEP 383) does: a name that was read can always be sent back.

/**
 * The C string in `bytes` between `start` and `end`: up to the first NUL, or all of it when there is none.
 * Never throws; `stringBytes` gives back the same bytes.
 */
export function readString(bytes: Buffer, start: number, end: number): string {
  let stop = start
  let seen = 0
  for (; stop < end; stop++) {
    const byte = bytes[stop]!
    if (byte === 0) break
    seen |= byte
  }
  if (seen < 0x80) return bytes.toString('latin1', start, stop)
  if (isUtf8(bytes.subarray(start, stop))) return bytes.toString('utf8', start, stop)
  return escapeInvalid(bytes.subarray(start, stop))
}

/** How many bytes of valid UTF-8 start at `at`; 0 when none do. */
function sequenceLength(bytes: Buffer, at: number): number {
  const lead = bytes[at]!
  const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0
  return length > 0 && at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0
}

function escapeInvalid(bytes: Buffer): string {
  let text = ''
  let valid = 0
  let at = 0
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at)
    if (length > 0) {
      at += length
      continue
    }
    text += bytes.toString('utf8', valid, at) + String.fromCharCode(0xdc00 + bytes[at]!)
    valid = ++at
  }
  return text + bytes.toString('utf8', valid, at)
}

const loneSurrogate = /\p{Surrogate}/u

/**
 * The bytes of `text` without a terminator, or a sentence saying why it has none:
 * a C string holds no NUL, and a lone surrogate other than U+DC80..U+DCFF stands for no byte.
 */
export function stringBytes(text: string): Buffer | { refused: string } {
  if (text.includes('\0')) return { refused: 'text without NUL characters' }
  if (!loneSurrogate.test(text)) return Buffer.from(text, 'utf8')
  const parts: Buffer[] = []
  let plain = ''
  for (const character of text) {
    const point = character.codePointAt(0)!
    if (point < 0xd800 || point > 0xdfff) {
      plain += character
      continue
    }
    if (point < 0xdc80 || point > 0xdcff) return { refused: 'text without lone surrogates other than U+DC80 to U+DCFF' }
    parts.push(Buffer.from(plain, 'utf8'), Buffer.from([point - 0xdc00]))
    plain = ''
  }
  parts.push(Buffer.from(plain, 'utf8'))
  return Buffer.concat(parts)
}
