/**
 * Pools of Java in properties and YAML: Spring's keys (`spring.datasource.hikari.max-lifetime`), the pools' own (`c3p0.maxIdleTime`),
 * and the parameters of JDBC URLs. Keys in any of Spring's spellings become the setter's name.
 */
import { type ConfigFormat, masked, type Note, type Setting, seconds } from './setting.ts'
import { yamlPairs } from './yaml.ts'

interface Pool {
  product: string
  /** In the key's path. */
  path: RegExp
  unit(name: string): number | null
}

const POOLS: readonly Pool[] = [
  {
    product: 'HikariCP',
    path: /(?:^|\.)hikari(?:cp)?(?:\.|$)/i,
    unit: (n) =>
      /^(?:maxLifetime|idleTimeout|keepaliveTime|connectionTimeout|validationTimeout|leakDetectionThreshold|initializationFailTimeout)$/.test(
        n,
      )
        ? 1e-3
        : null,
  },
  {
    product: 'Druid',
    path: /(?:^|\.)druid(?:\.|$)/i,
    unit: (n) =>
      /Millis$|^(?:maxWait|connectTimeout|socketTimeout)$/.test(n)
        ? 1e-3
        : /^(?:removeAbandonedTimeout|queryTimeout|validationQueryTimeout|transactionQueryTimeout)$/.test(n)
          ? 1
          : null,
  },
  {
    product: 'DBCP2',
    path: /(?:^|\.)dbcp2?(?:\.|$)/i,
    unit: (n) =>
      /Millis$|^maxWait$/.test(n)
        ? 1e-3
        : /^(?:removeAbandonedTimeout|validationQueryTimeout|defaultQueryTimeout)$/.test(n)
          ? 1
          : null,
  },
  {
    product: 'Tomcat JDBC',
    path: /(?:^|\.)tomcat(?:\.|$)/i,
    unit: (n) =>
      /Millis$|^(?:maxAge|maxWait|validationInterval)$/.test(n)
        ? 1e-3
        : /^(?:removeAbandonedTimeout|suspectTimeout|validationQueryTimeout)$/.test(n)
          ? 1
          : null,
  },
  {
    product: 'c3p0',
    path: /(?:^|\.)c3p0(?:\.|$)/i,
    unit: (n) =>
      n === 'checkoutTimeout'
        ? 1e-3
        : /^(?:maxIdleTime|maxIdleTimeExcessConnections|idleConnectionTestPeriod|idleTestPeriod|maxConnectionAge|unreturnedConnectionTimeout|timeout)$/.test(
              n,
            )
          ? 1
          : null,
  },
]

const URL = /^jdbc:(?:p6spy:)?(mysql|mariadb):(?:\w+:)?\/\/([^/?]*)[^?]*(?:\?(.*))?$/i
const URL_MILLIS = /^(?:socketTimeout|connectTimeout|loginTimeout|queryTimeout|initialTimeout)$/

/** `max-lifetime`, `max_lifetime`, `maxLifetime` → maxLifetime. */
const camel = (key: string): string => key.replace(/[-_]([a-z0-9])/gi, (_, c: string) => c.toUpperCase())

/** The settings of a key and its value: of a pool, or of a JDBC URL. */
function settings(file: string, line: number, path: string, value: string): Setting[] {
  const url = URL.exec(value)
  if (url !== null) {
    const product = url[1]!.toLowerCase() === 'mariadb' ? 'MariaDB Connector/J' : 'Connector/J'
    const scope = url[2]!.replace(/^[^@]*@/, '')
    return (url[3] ?? '')
      .split('&')
      .filter((p) => p.includes('='))
      .map((p) => {
        const name = p.slice(0, p.indexOf('='))
        const v = p.slice(p.indexOf('=') + 1)
        return {
          file,
          line,
          product,
          scope,
          name,
          value: masked(name, v),
          seconds: URL_MILLIS.test(name) ? seconds(v, 1e-3) : null,
        }
      })
  }
  const pool = POOLS.find((p) => p.path.test(path))
  const at = path.lastIndexOf('.')
  if (pool === undefined || at < 0) return []
  const name = camel(path.slice(at + 1))
  const unit = pool.unit(name)
  return [
    {
      file,
      line,
      product: pool.product,
      scope: path.slice(0, at),
      name,
      value: masked(name, value),
      seconds: unit === null ? null : seconds(value, unit),
    },
  ]
}

/** A logical line of a .properties file (java.util.Properties): continuations with a backslash, `=`, `:` or blanks between. */
function properties(file: string, lines: readonly string[], note: Note): Setting[] {
  const out: Setting[] = []
  for (let i = 0; i < lines.length; i++) {
    const line = i + 1
    let text = lines[i]!.trimStart()
    if (text === '' || text.startsWith('#') || text.startsWith('!')) continue
    while (/(?:^|[^\\])(?:\\\\)*\\$/.test(text) && i + 1 < lines.length)
      text = text.slice(0, -1) + lines[++i]!.trimStart()
    const m = /^((?:[^\s=:\\]|\\.)+)\s*[=:\s]\s*(.*)$/.exec(text)
    if (m === null) note(line, 'unreadable')
    else out.push(...settings(file, line, m[1]!.replace(/\\(.)/g, '$1'), m[2]!.trim()))
  }
  return out
}

const POOL_KEY = /(?:^|[.\s])(?:hikari|druid|dbcp2?|c3p0|tomcat)(?:[.:\s]|$)|jdbc:(?:mysql|mariadb):/i

export const poolConfigs: readonly ConfigFormat[] = [
  {
    id: 'properties',
    title: 'properties of Java pools',
    score: (lines) =>
      lines
        .filter((l) => /^\s*[\w.[\]-]+\s*[=:]\S/.test(l) || /^\s*[\w.[\]-]+\s*=\s/.test(l))
        .filter((l) => POOL_KEY.test(l)).length * 2,
    read: properties,
  },
  {
    id: 'yaml',
    title: 'YAML of Java pools',
    score: (lines) =>
      lines.some((l) => POOL_KEY.test(l)) ? lines.filter((l) => /^\s*(?:- )?[\w.-]+:(?:\s|$)/.test(l)).length : 0,
    read: (file, lines, note) => yamlPairs(lines, note).flatMap((p) => settings(file, p.line, p.path, p.value)),
  },
]
