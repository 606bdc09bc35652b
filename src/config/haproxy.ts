/**
 * haproxy.cfg: timers, limits and keep-alives of each proxy, with what it inherits from its defaults section (manual: "Proxies"; a
 * duration without a unit is milliseconds).
 */
import { type ConfigFormat, type Note, type Setting, seconds } from './setting.ts'

const SECTION =
  /^(global|defaults|frontend|backend|listen|peers|resolvers|userlist|program|mailers|cache|ring|log-forward|http-errors|fcgi-app|crt-store|traces)\b\s*(\S*)(?:\s+from\s+(\S+))?/
const TIMED =
  /^(timeout\s+[\w-]+|hard-stop-after|clitcpka-idle|clitcpka-intvl|srvtcpka-idle|srvtcpka-intvl|grace)\s+(\S+)/
const KEPT =
  /^(maxconn|fullconn|mode|balance|retries|default_backend|bind|clitcpka-cnt|srvtcpka-cnt|nbthread|tune\.idletimer)\s+(.+)$/
const OPTION =
  /^(no\s+)?option\s+(clitcpka|srvtcpka|tcpka|dontlognull|dontlog-normal|logasap|tcplog|httplog|redispatch|mysql-check|tcp-check)\b(.*)$/
const SERVER = /^(?:server|default-server)\s+(?:(\S+)\s+([^\s:]\S*:\d+|\S+)\s*)?(.*)$/
/** What each kind of proxy takes over of its defaults. */
const FRONT =
  /^(?:timeout (?:client|client-fin|client-hs|http-request|http-keep-alive|tarpit)|maxconn|clitcpka|option clitcpka|option tcpka|option dontlog|option logasap|mode)/
const BACK =
  /^(?:timeout (?:server|server-fin|connect|tunnel|queue|check|tarpit)|fullconn|srvtcpka|option srvtcpka|option tcpka|option redispatch|option mysql-check|option tcp-check|mode|balance|retries)/

type Own = Map<string, { line: number; value: string; seconds: number | null }>

function read(file: string, lines: readonly string[], note: Note): Setting[] {
  const out: Setting[] = []
  const named = new Map<string, Own>()
  let defaults: Own = new Map()
  let section: { kind: string; scope: string; own: Own; from: Own } | null = null
  const close = (): void => {
    if (section === null) return
    const { kind, scope, own, from } = section
    const all: Own = new Map()
    for (const [name, s] of from) {
      const inherits = kind === 'listen' || kind === 'defaults' ? true : (kind === 'frontend' ? FRONT : BACK).test(name)
      if (inherits && kind !== 'global') all.set(name, s)
    }
    for (const [name, s] of own) all.set(name, s)
    for (const [name, s] of all)
      out.push({ file, line: s.line, product: 'HAProxy', scope, name, value: s.value, seconds: s.seconds })
    section = null
  }
  lines.forEach((raw, i) => {
    const text = raw.replace(/(^|\s)#.*$/, '').trim()
    if (text === '') return
    const line = i + 1
    const begins = /^\s/.test(raw) ? null : SECTION.exec(text)
    if (begins !== null) {
      close()
      const [, kind, name, base] = begins
      const own: Own = new Map()
      const from = base === undefined ? (kind === 'defaults' ? new Map() : defaults) : (named.get(base) ?? new Map())
      section = { kind: kind!, scope: name === '' ? kind! : `${kind} ${name}`, own, from }
      if (kind === 'defaults') {
        // What follows is put in while the section is read: proxies below see it whole.
        defaults = new Map(from)
        section.own = defaults
        section.from = new Map()
        if (name !== '') named.set(name!, defaults)
      }
      return
    }
    if (section === null) {
      note(line, /^\.?include\b/.test(text) ? 'include' : 'unreadable')
      return
    }
    const put = (name: string, value: string, s: number | null): void => {
      section!.own.set(name.replace(/\s+/g, ' '), { line, value, seconds: s })
    }
    const timed = TIMED.exec(text)
    if (timed !== null) {
      put(timed[1]!, timed[2]!, seconds(timed[2]!, /idle$|intvl$/.test(timed[1]!) ? 1 : 1e-3))
      return
    }
    const option = OPTION.exec(text)
    if (option !== null) {
      put(`option ${option[2]}`, option[1] === undefined ? `on${option[3]!.trimEnd()}` : 'off', null)
      return
    }
    const kept = KEPT.exec(text)
    if (kept !== null) {
      put(kept[1]!, kept[2]!, null)
      return
    }
    const server = SERVER.exec(text)
    if (server !== null) {
      const at = server[1] === undefined ? 'default-server' : `server ${server[1]}`
      if (server[2] !== undefined) put(at, server[2], null)
      for (const m of server[3]!.matchAll(
        /\b(inter|fastinter|downinter|maxconn|slowstart|on-marked-down|on-marked-up|rise|fall)\s+(\S+)/g,
      ))
        put(`${at} ${m[1]}`, m[2]!, /inter$|slowstart/.test(m[1]!) ? seconds(m[2]!, 1e-3) : null)
    }
  })
  close()
  return out
}

export const haproxyConfig: ConfigFormat = {
  id: 'haproxy',
  title: 'haproxy.cfg',
  score: (lines) =>
    lines.filter(
      (l) =>
        (!/^\s/.test(l) && SECTION.test(l)) ||
        /^\s*(?:timeout\s+\w+\s+\d|server\s+\S+\s+\S+:\d+|bind\s+\S*:\d+|option\s+\w+$)/.test(l),
    ).length,
  read,
}
