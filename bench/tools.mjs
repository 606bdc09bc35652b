/** The programs compared, each reading one capture file. A missing one is named and left out. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { version } from './measure.mjs'

const OURS = fileURLToPath(new URL('../bin/run.js', import.meta.url))

/** @type {{ name: string, slow?: boolean, ours?: boolean, available: string | null, command: (file: string, tls: boolean) => string[] }[]} */
export const TOOLS = [
  { name: 'cat', available: version('cat'), command: (f) => ['cat', f] },
  { name: 'capinfos', available: version('capinfos'), command: (f) => ['capinfos', f] },
  { name: 'tcptrace', available: version('tcptrace', '-v'), command: (f) => ['tcptrace', '-n', f] },
  {
    name: 'tshark conversations',
    slow: true,
    available: version('tshark'),
    command: (f) => ['tshark', '-n', '-q', '-z', 'conv,tcp', '-r', f],
  },
  {
    name: 'tshark dissection',
    slow: true,
    available: version('tshark'),
    command: (f, tls) => ['tshark', '-n', '-r', f, '-Y', tls ? 'tls' : 'mysql', '-T', 'fields', '-e', 'frame.number'],
  },
  { name: 'mysqlconn text', ours: true, available: OURS, command: (f) => analyze(f, 'text') },
  { name: 'mysqlconn json', ours: true, available: OURS, command: (f) => analyze(f, 'json') },
]

export const DISSECTION = 'tshark dissection'
export const JSON_REPORT = 'mysqlconn json'

export function analyze(file, format) {
  return [process.execPath, OURS, 'analyze', file, '--format', format]
}

export const built = () => existsSync(new URL('../dist/src/index.js', import.meta.url))
