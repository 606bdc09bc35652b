/** Runs a command and says what it cost: CPU and peak memory as the kernel counts them (GNU time), wall time by our clock. */
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const GNU_TIME = '/usr/bin/time'
const USAGE = new URL('./usage.mjs', import.meta.url).href

/** First line of `command --version`, or null when it cannot be run. */
export function version(command, ...args) {
  const r = spawnSync(command, args.length > 0 ? args : ['--version'], { encoding: 'utf8' })
  if (r.error !== undefined) return null
  return `${r.stdout}${r.stderr}`.split('\n').find((line) => line.trim() !== '') ?? command
}

/**
 * @param {string[]} command
 * @param {string} stdout file that takes the output
 * @returns {{ cpu: number, wall: number, rss: number | null, code: number, stderr: string }} seconds and bytes
 */
export function measure(command, stdout = '/dev/null') {
  const dir = mkdtempSync(join(tmpdir(), 'bench-'))
  const notes = join(dir, 'usage')
  const out = openSync(stdout, 'w')
  try {
    const [program, ...args] = existsSync(GNU_TIME)
      ? [GNU_TIME, '-f', '%U %S %M', '-o', notes, ...command]
      : withoutGnuTime(command, notes)
    const began = process.hrtime.bigint()
    const r = spawnSync(program, args, {
      stdio: ['ignore', out, 'pipe'],
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      env: { ...process.env, BENCH_USAGE: notes },
    })
    const wall = Number(process.hrtime.bigint() - began) / 1e9
    // GNU time puts a line before the figures when the command failed.
    const [user = 0, sys = 0, kilobytes = 0] = readFileSync(notes, 'utf8')
      .trim()
      .split('\n')
      .at(-1)
      .split(' ')
      .map(Number)
    return {
      cpu: user + sys,
      wall,
      rss: kilobytes > 0 ? kilobytes * 1024 : null,
      code: r.status ?? -1,
      stderr: r.stderr ?? '',
    }
  } finally {
    closeSync(out)
    rmSync(dir, { recursive: true })
  }
}

/** Node programs count for themselves (usage.mjs); for others the shell's `time` knows the CPU, and nobody the memory. */
function withoutGnuTime(command, notes) {
  if (command[0] === process.execPath) return [command[0], '--import', USAGE, ...command.slice(1)]
  return ['bash', '-c', 'f=$1; shift; TIMEFORMAT="%U %S 0"; { time "$@" 2>&3; } 3>&2 2>"$f"', 'time', notes, ...command]
}

/** Middle value. */
export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)]
