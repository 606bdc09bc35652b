/**
 * What the source projects themselves expect of their MySQL captures (the .expected folder beside each): statements, their order and
 * their success. Zeek's mysql.log and Percona Toolkit's events know some captures better than tshark does.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { initZstd } from '../../src/mysql/zstd.ts'
import { needs } from '../kit/require.ts'
import { read } from '../mysql/read-capture.ts'
import { CORPORA } from './truth.ts'

beforeAll(() => initZstd())

/** One line of Zeek's mysql.log: command, argument, success (T, F, or - when no answer is awaited). */
type ZeekRow = [command: string, argument: string, success: string]

const ZEEK: Record<string, string> = {
  COM_QUERY: 'query',
  COM_INIT_DB: 'init_db',
  COM_FIELD_LIST: 'field_list',
  COM_PING: 'ping',
  COM_QUIT: 'quit',
  COM_STATISTICS: 'statistics',
  COM_CHANGE_USER: 'change_user',
}
/** Zeek leaves their answer unjudged. */
const UNJUDGED = new Set(['quit', 'statistics'])

/** Facts of one connection, as the recorder of test/mysql writes them, in Zeek's words. */
function zeekRows(facts: readonly string[]): ZeekRow[] {
  const rows: ZeekRow[] = []
  const judge = (success: string): void => {
    const last = rows.at(-1)
    if (last !== undefined && last[2] === '?') last[2] = UNJUDGED.has(last[0]) ? '-' : success
  }
  for (const fact of facts) {
    const login = /^login (.*?)@/.exec(fact)
    const again = rows.at(-1)?.[0] === 'change_user' && rows.at(-1)?.[2] === '?'
    const command = /^(COM_\w+)(?: (.*))? \[\d+\]/s.exec(fact)
    if (login) {
      // COM_CHANGE_USER is a command and a login in one.
      if (!again) rows.push(['login', login[1]!, '?'])
    } else if (command) {
      const name = ZEEK[command[1]!]!
      // The recorder has no text of COM_FIELD_LIST, and of COM_CHANGE_USER all its fields.
      const argument = name === 'field_list' ? '' : (command[2] ?? '(empty)').split('\0')[0]!
      rows.push([name, argument, UNJUDGED.has(name) ? '-' : '?'])
    } else if (fact.startsWith('error ')) judge('F')
    else if (fact === 'authenticated' || fact.startsWith('end ')) judge('T')
  }
  return rows
}

function zeekLog(folder: string): ZeekRow[] {
  const name = readdirSync(folder).find((f) => f.endsWith('.mysql.log'))!
  const lines = readFileSync(join(folder, name), 'utf8').split('\n')
  // Zeek wrote no row: TLS.
  const columns =
    lines
      .find((l) => l.startsWith('#fields'))
      ?.split('\t')
      .slice(1) ?? []
  const at = (row: string[], column: string): string => row[columns.indexOf(column)]!
  return lines
    .filter((l) => l !== '' && !l.startsWith('#'))
    .map((l) => l.split('\t'))
    .map((row) => [at(row, 'cmd'), at(row, 'cmd') === 'field_list' ? '' : at(row, 'arg'), at(row, 'success')])
}

const zeek = existsSync(join(CORPORA, 'mysql'))
  ? readdirSync(join(CORPORA, 'mysql')).filter(
      (f) => f.endsWith('.expected') && readdirSync(join(CORPORA, 'mysql', f)).some((g) => g.endsWith('.mysql.log')),
    )
  : []

needs(CORPORA)('Zeek’s mysql.log', () => {
  it.each(zeek)('%s', async (expected) => {
    const folder = join(CORPORA, 'mysql', expected)
    const { stories } = await read(folder.slice(0, -'.expected'.length))
    expect(stories.flatMap(({ heard }) => zeekRows(heard.facts))).toEqual(zeekLog(folder))
  })

  it('several captures are compared', () => expect(zeek.length).toBeGreaterThan(6))
})

interface PerconaEvent {
  cmd: string
  arg: string
  Error_no?: string
}

/** Where Percona's parser and we differ, and why ours is right. */
const PERCONA_DIFFERS: Record<string, string> = {
  'percona-tcpdump032.pcap':
    'hand-made text: sequence numbers leave a hole of 2,885 bytes between UPDATE and DDDD; Percona glues whatever comes next',
  'percona-tcpdump035.pcap':
    'frames 15 to 28 are frames 1 to 14 once more, an hour later with the same sequence numbers: to TCP, and to tshark, a repetition',
}

const percona = existsSync(join(CORPORA, 'percona-text'))
  ? readdirSync(join(CORPORA, 'percona-text'))
      .filter((f) => existsSync(join(CORPORA, 'percona-text', f, 'MySQLProtocolParser.expected.json')))
      .map((f) => f.slice(0, -'.expected'.length))
  : []

/** Statements and error numbers, in order of their answers. A null result: Percona was not asked (another port). */
function perconaStatements(name: string): string[] | null {
  const path = join(CORPORA, 'percona-text', `${name}.expected`, 'MySQLProtocolParser.expected.json')
  const [run] = JSON.parse(readFileSync(path, 'utf8')) as { result: PerconaEvent[] | null }[]
  if (run!.result === null) return null
  return run!.result
    .filter((e) => e.cmd === 'Query' && !/^(EXECUTE|DEALLOCATE|RESET)/.test(e.arg))
    .map((e) => e.arg.replace(/^PREPARE /, '') + (e.Error_no === undefined ? '' : ` -> ${e.Error_no}`))
}

needs(CORPORA)('Percona Toolkit’s events', () => {
  it.each(percona.filter((f) => perconaStatements(f) !== null))('%s', async (name) => {
    const { stories } = await read(join(CORPORA, 'percona-text', name))
    const ours: string[] = []
    for (const { heard } of stories) {
      for (const fact of heard.facts) {
        const statement = /^COM_(?:QUERY|STMT_PREPARE) (.*) \[\d+\]/s.exec(fact)
        const error = /^error reply (\d+)/.exec(fact)
        if (statement) ours.push(statement[1]!)
        else if (error && ours.length > 0) ours[ours.length - 1] += ` -> ${error[1]}`
      }
    }
    if (PERCONA_DIFFERS[name] !== undefined) expect(ours, PERCONA_DIFFERS[name]).not.toEqual(perconaStatements(name))
    else expect(ours).toEqual(perconaStatements(name))
  })
})
