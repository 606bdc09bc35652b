/**
 * proxysql.cnf, written in libconfig's grammar: `name = value;`, groups in braces, lists in parentheses, arrays in brackets, comments
 * of three kinds. Total: what does not fit is noted and skipped.
 */
import { type ConfigFormat, masked, type Note, type Setting, seconds } from './setting.ts'

const TOKEN =
  /\/\*[\s\S]*?(?:\*\/|$)|(?:\/\/|#)[^\n]*|@include\s+"[^"\n]*"|"(?:[^"\\]|\\[\s\S])*"?|[{}()[\]=:;,]|[^\s{}()[\]=:;,"#]+|\n/g

/** Variables in milliseconds; those whose name ends in _sec or _time of keep-alive are seconds. */
const MILLIS =
  /(?:_msec|_ms)$|^(?:wait_timeout|max_transaction_idle_time|max_transaction_time|connect_timeout_client|connect_timeout_server|connect_timeout_server_max|ping_timeout_server|default_query_timeout|monitor_\w+_(?:interval|timeout)|default_query_delay|query_processor_time)$/
const SECONDS = /_sec$|^tcp_keepalive_time$/

function read(file: string, lines: readonly string[], note: Note): Setting[] {
  const out: Setting[] = []
  const scopes: { name: string; items: number }[] = []
  let line = 1
  let name: string | null = null
  let assigned = false
  const scope = (): string => scopes.map((s) => s.name).join('.') || 'global'
  const put = (value: string): void => {
    if (name === null) return
    const by = MILLIS.test(name) ? 1e-3 : SECONDS.test(name) ? 1 : null
    out.push({
      file,
      line,
      product: 'ProxySQL',
      scope: scope(),
      name,
      value: masked(name, value),
      seconds: by === null ? null : seconds(value, by),
    })
    name = null
    assigned = false
  }
  for (const [token] of lines.join('\n').matchAll(TOKEN)) {
    const at = line
    for (const c of token) if (c === '\n') line++
    if (token === '\n' || token.startsWith('/*') || token.startsWith('//') || token.startsWith('#')) continue
    if (token.startsWith('@include')) {
      note(at, 'include')
    } else if (token === '{' || token === '(' || token === '[') {
      const above = scopes.at(-1)
      const own = name ?? (above === undefined ? '' : `${above.items++}`)
      if (scopes.length > 64) {
        note(at, 'unreadable')
        return out
      }
      scopes.push({ name: own, items: 0 })
      name = null
      assigned = false
    } else if (token === '}' || token === ')' || token === ']') {
      if (scopes.pop() === undefined) note(at, 'unreadable')
      name = null
      assigned = false
    } else if (token === '=' || token === ':') {
      if (name === null) note(at, 'unreadable')
      assigned = name !== null
    } else if (token === ';' || token === ',') {
      name = null
      assigned = false
    } else if (assigned) {
      put(token.replace(/^"|"$/g, ''))
    } else {
      name = token.replace(/^"|"$/g, '')
    }
  }
  if (scopes.length > 0) note(line, 'unreadable')
  return out
}

export const proxysqlConfig: ConfigFormat = {
  id: 'proxysql',
  title: 'proxysql.cnf',
  score: (lines) =>
    lines.filter((l) =>
      /^\s*(?:mysql_variables|admin_variables|mysql_servers|mysql_users|mysql_query_rules|datadir)\s*[=:]/.test(l),
    ).length *
      4 +
    lines.filter((l) => /^\s*\w+\s*=\s*(?:"[^"]*"|\d+|true|false)\s*;?\s*$/.test(l)).length / 2,
  read,
}
