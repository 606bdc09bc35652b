/**
 * Long text on a terminal goes through the user's pager, as git's does: $MYSQLCONN_PAGER, $PAGER, less. Never in a pipe, in CI or on a
 * dumb terminal; `cat` or an empty value turns it off. A pager that is not there is no error.
 */
import { spawn } from 'node:child_process'
import { printLines } from './output.ts'

/** The pager's command line, null when there shall be none. */
export function pagerFor(env: Readonly<Record<string, string | undefined>>, isTTY: boolean): string | null {
  if (!isTTY || (env['CI'] !== undefined && env['CI'] !== '' && env['CI'] !== 'false') || env['TERM'] === 'dumb')
    return null
  const pager = env['MYSQLCONN_PAGER'] ?? env['PAGER'] ?? 'less'
  return pager.trim() === '' || pager.trim() === 'cat' ? null : pager
}

export async function printPaged(lines: Iterable<string>): Promise<void> {
  const pager = pagerFor(process.env, process.stdout.isTTY === true)
  if (pager === null) return printLines(lines)
  // -F: what fits on the screen is just printed; -R: colours; -X: it stays on the screen.
  const env = { LESS: 'FRX', ...process.env }
  const child = spawn(pager, { shell: true, stdio: ['pipe', 'inherit', 'inherit'], env })
  const text = [...lines].map((line) => `${line}\n`)
  // Ctrl-C belongs to the pager while it runs.
  const ignore = (): void => {}
  process.on('SIGINT', ignore)
  child.stdin.on('error', ignore)
  try {
    const code = new Promise<number | null>((done) => {
      child.on('error', () => done(127))
      child.on('close', (c) => done(c))
    })
    for (const line of text) {
      if (!child.stdin.writable) break
      if (!child.stdin.write(line)) await Promise.race([new Promise<void>((go) => child.stdin.once('drain', go)), code])
    }
    child.stdin.end()
    if ((await code) === 127) await printLines(text.map((line) => line.slice(0, -1)))
  } finally {
    process.off('SIGINT', ignore)
  }
}
