import { readU16 } from './bytes.js'
import { attributeEnd, resolve, selectLayout } from './codec.js'
import { NLA_HDRLEN, NLA_TYPE_MASK } from './constants.js'
import type { AnyLayout, Scope, Values } from './layout.js'
import { MalformedAttribute } from './malformed.js'
import type { Definition, Element, Ref } from './schema.js'

/** An attribute found in a message: its path, and what it holds when that is attributes again. */
export interface LocatedAttribute {
  readonly path: string
  readonly inner: AnyLayout | null
}

/** What an attribute holds: attributes, entries that are numbered or keyed by their types, or a value. */
type Content = { readonly layout: AnyLayout } | { readonly entries: Content; readonly numbered: boolean } | null

/**
 * The innermost attribute that the byte at `offset` of a message lies in; null when it lies in none,
 * or when what is there is malformed.
 * @param start where `layout` begins in `bytes`
 */
export function locateAttribute(
  bytes: Buffer,
  layout: AnyLayout,
  start: number,
  offset: number,
): LocatedAttribute | null {
  try {
    return inLayout(bytes, layout, start, bytes.length, offset, null)
  } catch (error) {
    if (error instanceof MalformedAttribute) return null
    throw error
  }
}

function inLayout(
  bytes: Buffer,
  layout: AnyLayout,
  start: number,
  end: number,
  offset: number,
  parent: Scope | null,
): LocatedAttribute | null {
  const seen = new Map<number, number>()
  let at = Math.min(end, start + layout.headerSize)
  while (at < end && at <= offset) {
    const stop = attributeEnd(bytes, at, end)
    const id = readU16(bytes, at + 2) & NLA_TYPE_MASK
    const before = seen.get(id) ?? 0
    seen.set(id, before + 1)
    if (offset < stop) {
      const definition = layout.definitionOf(id)
      // Undeclared ones go by their number, in parentheses: names are never in them.
      const name = layout.nameOf(id) ?? `(${id})`
      const scope: Scope = { values: valuesOf(bytes, layout, start, end, parent), parent }
      const path = definition?.multi === true ? `${name}[${before}]` : name
      return inAttribute(bytes, contentOf(definition, scope), path, at, stop, offset, scope)
    }
    at += (stop - at + 3) & ~3
  }
  return null
}

/** What selectors of sub-messages are looked up in; nothing when it cannot be decoded, for what is wrong may be just that. */
function valuesOf(bytes: Buffer, layout: AnyLayout, start: number, end: number, parent: Scope | null): Values {
  try {
    return layout.readRange(bytes, start, end, 0, parent) as Values
  } catch (error) {
    if (error instanceof MalformedAttribute) return {}
    throw error
  }
}

function inAttribute(
  bytes: Buffer,
  content: Content,
  path: string,
  at: number,
  stop: number,
  offset: number,
  scope: Scope,
): LocatedAttribute {
  const payload = at + NLA_HDRLEN
  if (content === null) return { path, inner: null }
  if ('layout' in content) {
    const found = offset < payload ? null : inLayout(bytes, content.layout, payload, stop, offset, scope)
    return found === null ? { path, inner: content.layout } : { path: `${path}.${found.path}`, inner: found.inner }
  }
  let entry = payload
  for (let index = 0; entry < stop && entry <= offset; index++) {
    const entryStop = attributeEnd(bytes, entry, stop)
    if (offset < entryStop) {
      const name = content.numbered ? `[${index}]` : `.${readU16(bytes, entry + 2) & NLA_TYPE_MASK}`
      return inAttribute(bytes, content.entries, path + name, entry, entryStop, offset, scope)
    }
    entry += (entryStop - entry + 3) & ~3
  }
  return { path, inner: null }
}

function contentOf(definition: Definition | undefined, scope: Scope): Content {
  switch (definition?.type) {
    case 'nested':
      return { layout: resolve(definition.of) }
    case 'subMessage': {
      const { layout } = selectLayout(definition, scope)
      return layout === undefined ? null : { layout }
    }
    case 'array':
      return { entries: entryContent(definition.of), numbered: true }
    case 'typeValue':
      return definition.keys.reduce<Content>((entries) => ({ entries, numbered: false }), entryContent(definition.of))
    default:
      return null
  }
}

function entryContent(of: Ref<AnyLayout> | Element): Content {
  if (typeof of === 'function') return { layout: of() }
  if (!('type' in of)) return { layout: of }
  return of.type === 'nested' ? { layout: resolve(of.of) } : null
}
