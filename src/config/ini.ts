/** my.cnf, mysqlrouter.conf and maxscale.cnf: sections in brackets, `key = value`, each with its own names and units. */
import { type ConfigFormat, masked, type Note, type Setting, seconds } from './setting.ts'

interface Ini {
  id: string
  title: string
  /** Product by section. */
  product(section: string): string
  /** Seconds that a bare number of this name stands for, null when it is no duration. */
  unit(name: string): number | null
  name(key: string): string
  own: RegExp
}

const MYSQL_SECONDS =
  /^(?:wait_timeout|interactive_timeout|net_read_timeout|net_write_timeout|connect_timeout|lock_wait_timeout|innodb_lock_wait_timeout|slave_net_timeout|replica_net_timeout|long_query_time|idle_transaction_timeout|idle_readonly_transaction_timeout|idle_write_transaction_timeout|max_statement_time|mysqlx_\w+_timeout)$/

const KINDS: readonly Ini[] = [
  {
    id: 'mysqlrouter',
    title: 'mysqlrouter.conf',
    product: () => 'MySQL Router',
    unit: (n) => (/(?:timeout|_delay|ttl|interval)$/.test(n) ? 1 : null),
    name: (k) => k.toLowerCase(),
    own: /^\[(?:routing(?::\S+)?|metadata_cache(?::\S+)?|connection_pool|logger|io|DEFAULT)\]|^\s*(?:bind_port|routing_strategy|destinations|client_ssl_mode|server_ssl_mode|max_connect_errors|connection_sharing)\s*=/,
  },
  {
    id: 'maxscale',
    title: 'maxscale.cnf',
    product: () => 'MaxScale',
    unit: (n) => (/(?:timeout|_time|_interval|_keepalive)$/.test(n) ? 1 : null),
    name: (k) => k.toLowerCase(),
    own: /^\[maxscale\]|^\s*(?:type\s*=\s*(?:service|listener|monitor|server)|router\s*=|module\s*=\s*\w*mon)\b/i,
  },
  {
    id: 'mysql',
    title: 'my.cnf',
    product: (section) =>
      /^mariadb/i.test(section) ? 'MariaDB' : /^(?:client|mysql|mysqldump)$/i.test(section) ? 'MySQL client' : 'MySQL',
    unit: (n) => (n === 'max_execution_time' ? 1e-3 : MYSQL_SECONDS.test(n) ? 1 : null),
    // Dashes and underscores are the same; loose_ and the like may stand before.
    name: (k) =>
      k
        .toLowerCase()
        .replace(/-/g, '_')
        .replace(/^(?:loose|maximum)_/, ''),
    own: /^\[(?:mysqld?|mariadbd?|server|client(?:-server)?|galera|embedded|mysqldump|mysqld_safe|mysqld-[\d.]+|mariadb-[\d.]+)\]|^\s*(?:wait[_-]timeout|interactive[_-]timeout|max[_-]connections|max[_-]allowed[_-]packet|innodb[_-]\w+|bind-address|datadir|log[_-]error)\s*=/,
  },
]

const reader =
  (kind: Ini) =>
  (file: string, lines: readonly string[], note: Note): Setting[] => {
    const out: Setting[] = []
    let section = ''
    lines.forEach((raw, i) => {
      const text = raw.trim()
      const line = i + 1
      if (text === '' || text.startsWith('#') || text.startsWith(';')) return
      if (/^!include(?:dir)?\b/.test(text)) {
        note(line, 'include')
        return
      }
      const begins = /^\[([^\]]+)\]/.exec(text)
      if (begins !== null) {
        section = begins[1]!.trim()
        return
      }
      const pair = /^([A-Za-z_][\w.:-]*)\s*(?:=\s*(.*))?$/.exec(text)
      if (pair === null || section === '') {
        note(line, 'unreadable')
        return
      }
      const name = kind.name(pair[1]!)
      const value = (pair[2] ?? '')
        .replace(/\s+#.*$/, '')
        .trim()
        .replace(/^(["'])(.*)\1$/, '$2')
      const unit = kind.unit(name)
      out.push({
        file,
        line,
        product: kind.product(section),
        scope: section,
        name,
        value: masked(name, value),
        seconds: unit === null ? null : seconds(value, unit),
      })
    })
    return out
  }

export const iniConfigs: readonly ConfigFormat[] = KINDS.map((kind) => ({
  id: kind.id,
  title: kind.title,
  score: (lines) => lines.filter((l) => kind.own.test(l)).length * 2,
  read: reader(kind),
}))
