/**
 * The slow query log of MySQL and MariaDB: comment lines, then the statement. `# Time:` may be missing where it is that of the entry
 * before; with log_slow_extra the error number and the KILL state stand there as well.
 */
import { whatOfCode } from '../driver-codes.ts'
import type { Draft, Entry, EntryReader, LogFormat } from '../format.ts'
import { readStamp, type Stamp } from '../stamp.ts'

const TIME = /^# Time: (.*)$/
const HOST = /^# User@Host: (.*?)\[(.*?)\] @ (\S*) ?\[(.*?)\](?:\s+Id:\s*(\d+))?/m
const START = /^# (?:Time: \d|User@Host: )/
const NUMBER = (name: string, text: string): number | null => {
  const m = new RegExp(String.raw`\b${name}: *([\d.]+)`).exec(text)
  return m === null ? null : Number(m[1])
}

class SlowReader implements EntryReader {
  private last: Stamp | null = null

  read({ text, first }: Entry): Draft | null {
    const time = TIME.exec(first)
    if (time !== null) this.last = readStamp(time[1]!.trim())?.stamp ?? this.last
    const host = HOST.exec(text)
    if (host === null) return null
    const seconds = NUMBER('Query_time', text)
    const errno = NUMBER('Errno', text) ?? 0
    const killed = NUMBER('Killed', text) ?? 0
    const begun = /^SET timestamp=(\d{9,11})/m.exec(text)?.[1]
    const schema =
      /^use `?(\S+?)`?;$/m.exec(text)?.[1] ?? (/# Thread_id: .*?Schema: (\S*) +QC_hit/.exec(text)?.[1] || null)
    const statement = text
      .split('\n')
      .filter((l) => !l.startsWith('#') && !/^(?:SET timestamp=\d+|use \S+);$/.test(l))
      .join('\n')
      .trim()
    return {
      // Only MariaDB tells of its query cache here.
      ...(text.includes(' QC_hit: ') ? { product: 'MariaDB' } : {}),
      what: errno > 0 ? whatOfCode(errno) : 'statement',
      stamp: this.last,
      startStamp:
        begun === undefined
          ? null
          : { seconds: Number(begun), nanos: 0, zone: 0, precision: 1e9, lacks: 'nothing' as const },
      connectionId: host[5] === undefined ? NUMBER('Thread_id', text) : Number(host[5]),
      user: host[2] || null,
      client: host[4] || host[3] || null,
      schema: schema ?? null,
      statement: statement === '' ? null : statement,
      code: errno || null,
      durationMillis: seconds === null ? null : Math.round(seconds * 1e6) / 1000,
      reason: /^administrator command: (\w+)/m.exec(statement.replace(/^# /, ''))?.[1] ?? null,
      fields: { ...(killed > 0 ? { killed } : {}), ...count('Rows_sent', text), ...count('Bytes_sent', text) },
    }
  }
}

function count(name: string, text: string): Record<string, number> {
  const n = NUMBER(name, text)
  return n === null ? {} : { [name]: n }
}

export const mysqlSlow: LogFormat = {
  id: 'mysql-slow',
  title: 'Slow query log of MySQL and MariaDB',
  product: 'MySQL',
  role: 'server',
  examples: [
    '# Time: 2026-11-20T17:52:38.141010Z\n# User@Host: app[app] @  [10.20.0.10]  Id:    42\n# Query_time: 2.000123  Lock_time: 0.000002 Rows_sent: 1  Rows_examined: 1\nSET timestamp=1795197156;\nSELECT SLEEP(2);',
  ],
  starts: (line) => START.test(line),
  continues: (line) => !/^\S*mysqld\S*, Version: /.test(line),
  open: () => new SlowReader(),
}
