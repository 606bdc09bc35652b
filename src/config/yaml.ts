/**
 * As much of YAML as configuration files of applications use: maps and lists by indentation, plain and quoted scalars, comments,
 * several documents. Flow collections, anchors, tags and block scalars are noted and passed over. Total.
 */
import type { Note } from './setting.ts'

export interface YamlPair {
  line: number
  /** Keys from the root, with dots; list items by number: `a.b[0].c`. */
  path: string
  value: string
}

const KEY = /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#:,[\]{}&*!|>'"%@`-][^#:]*?|-?[\w.-]+)\s*:(?:\s+(.*))?$/

export function yamlPairs(lines: readonly string[], note: Note): YamlPair[] {
  const out: YamlPair[] = []
  /** Open maps and lists: how far their items are indented, and the path to them. */
  let open: { indent: number; path: string; items: number }[] = []
  /** Deeper lines than this belong to a block scalar. */
  let block = -1
  lines.forEach((raw, i) => {
    const line = i + 1
    if (raw.trim() === '' || /^\s*#/.test(raw)) return
    if (/^(?:---|\.\.\.)(?:\s|$)/.test(raw)) {
      open = []
      block = -1
      return
    }
    let indent = /^ */.exec(raw)![0].length
    if (block >= 0) {
      if (indent > block) return
      block = -1
    }
    let text = raw.trim()
    if (raw.startsWith('\t')) {
      note(line, 'unreadable')
      return
    }
    // A list may stand as far left as the key that holds it.
    const left = text === '-' || text.startsWith('- ') ? indent + 1 : indent
    while (open.length > 0 && open.at(-1)!.indent > left) open.pop()
    // `- ` opens an item; what follows it is indented as far as it stands.
    while (text === '-' || text.startsWith('- ')) {
      let list = open.at(-1)
      if (list === undefined || list.indent < indent || !list.path.endsWith('[]')) {
        const path = list === undefined ? '' : list.path
        list = { indent, path: `${path}[]`, items: 0 }
        open.push(list)
        if (open.length > 64) {
          note(line, 'unreadable')
          return
        }
      }
      const item = `${list.path.slice(0, -2)}[${list.items++}]`
      const rest = text.slice(1).trimStart()
      indent += text.length - rest.length
      text = rest
      open.push({ indent, path: item, items: 0 })
    }
    if (text === '') return
    const m = KEY.exec(text)
    if (m === null) {
      note(line, 'unreadable')
      return
    }
    const above = open.filter((o) => o.indent <= indent && !o.path.endsWith('[]')).at(-1)
    const key = unquoted(m[1]!)
    const path = above === undefined || above.path === '' ? key : `${above.path}.${key}`
    const value = scalar(m[2] ?? '')
    if (value === null) {
      note(line, 'unreadable')
      if (/^[|>]/.test(m[2]!)) block = indent
      return
    }
    if (value === '') open.push({ indent: indent + 1, path, items: 0 })
    else out.push({ line, path, value })
  })
  return out
}

/** The text of a scalar; null for what is none of ours. */
function scalar(text: string): string | null {
  const t = text.trim()
  if (t === '' || t.startsWith('#')) return ''
  const quoted = /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')\s*(?:#.*)?$/.exec(t)
  if (quoted !== null) return unquoted(quoted[1]!)
  if (/^[[{&*!|>%@`]/.test(t)) return null
  return t.replace(/\s+#.*$/, '')
}

const unquoted = (t: string): string =>
  t.startsWith('"')
    ? t.slice(1, -1).replace(/\\(.)/g, '$1')
    : t.startsWith("'")
      ? t.slice(1, -1).replace(/''/g, "'")
      : t.trim()
