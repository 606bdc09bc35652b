/** The ground truth beside each capture of other projects (<file>.truth.json, made with tshark), in MySQL's own words. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CAPTURES } from '../kit/require.ts'
import { TSHARK_COMMANDS } from '../kit/tshark-commands.ts'

export const CORPORA = join(CAPTURES, 'corpora')
const TRUTH = '.truth.json'

interface MysqlTruth {
  commands: Record<string, number>
  /** Bytes of an authentication exchange that tshark shows as commands. */
  commands_suspect: Record<string, number>
  errors: (readonly [number, ...unknown[]] | { code: number; count?: number })[]
}

export interface Truth {
  packets: number
  tcp_streams: number
  tshark_errors: string[]
  mysql?: MysqlTruth
  mysql_decrypted?: MysqlTruth
  embedded_tls_secrets?: boolean
  reset_count: number
  resets: { frame: number; stream: number }[]
}

/** Captures with a truth file, as paths below CORPORA, sorted. */
export const corpora: string[] = existsSync(CORPORA)
  ? readdirSync(CORPORA, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith(TRUTH))
      .map((name) => name.slice(0, -TRUTH.length))
      .sort()
  : []

export function truthOf(name: string): Truth {
  return JSON.parse(readFileSync(join(CORPORA, name + TRUTH), 'utf8')) as Truth
}

/** What tshark saw of MySQL without keys, or with those that the file itself holds. */
export function mysqlTruth(truth: Truth): { commands: Record<string, number>; errors: Record<string, number> } {
  const seen = truth.embedded_tls_secrets ? (truth.mysql_decrypted ?? truth.mysql) : truth.mysql
  const commands: Record<string, number> = {}
  for (const [name, all] of Object.entries(seen?.commands ?? {})) {
    const sure = all - (seen?.commands_suspect[name] ?? 0)
    if (sure > 0) commands[TSHARK_COMMANDS[name] ?? name] = sure
  }
  const errors: Record<string, number> = {}
  for (const e of seen?.errors ?? []) {
    const [code, count] = 'code' in e ? [e.code, e.count ?? 1] : [e[0], Number(e[2] ?? 1)]
    errors[code] = (errors[code] ?? 0) + count
  }
  return { commands, errors }
}
