/** What surrounds the commands: completion in real shells, the pager on a terminal, the manual page. Needs a build. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pagerFor } from '../../src/cli/pager.ts'
import { itNeeds, ROOT } from '../kit/require.ts'

const bin = join(ROOT, 'bin/run.js')
const built = existsSync(join(ROOT, 'dist/commands/completion.js'))
if (!built) console.warn('SKIPPED test/cli/shell.test.ts: no dist/, run npm run build')

let dir: string
const run = (args: string[]): string => execFileSync(process.execPath, [bin, ...args], { encoding: 'utf8' })
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mysqlconn-shell-'))
  if (built) for (const s of ['bash', 'zsh', 'fish']) writeFileSync(join(dir, `c.${s}`), run(['completion', s]))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describe.skipIf(!built)('completion', () => {
  const bash = (...words: string[]): string[] => {
    const script = `source ${join(dir, 'c.bash')}; COMP_WORDS=(mysqlconn ${words.map((w) => `'${w}'`).join(' ')}); COMP_CWORD=${words.length}; _mysqlconn; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', script], { encoding: 'utf8', cwd: dir })
      .split('\n')
      .filter((w) => w !== '')
  }

  itNeeds('bash')('bash: commands, subcommands, flags, values, rules, files', () => {
    expect(bash('an')).toEqual(['analyze'])
    expect(bash('capture', '')).toEqual(expect.arrayContaining(['info', 'slice']))
    expect(bash('sessions', 'sh')).toEqual(['show'])
    expect(bash('analyze', '--bun')).toEqual(['--bundle'])
    expect(bash('capture', 'slice', '--anon')).toEqual(['--anonymize', '--anonymize-key'])
    expect(bash('analyze', 'x.pcap', '--format', 'j')).toEqual(['json', 'junit'])
    expect(bash('check', '--rule', 'tls-e')).toEqual(['tls-error-queue'])
    expect(bash('explain', 'rst-a')).toEqual(['rst-after-query'])
    expect(bash('rules', 'show', 'was-')).toEqual(['was-it-executed'])
    expect(bash('completion', 'z')).toEqual(['zsh'])
    expect(bash('analyze', 'c.f')).toEqual(['c.fish'])
    expect(bash('analyze', '--no-re')).toEqual(['--no-redact'])
  })

  itNeeds('fish')('fish: the same', () => {
    const fish = (line: string): string[] =>
      execFileSync('fish', ['-c', `source ${join(dir, 'c.fish')}; complete -C${JSON.stringify(line)}`], {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], HOME: dir, LC_ALL: 'C.UTF-8' },
      })
        .split('\n')
        .filter((l) => l !== '')
        .map((l) => l.split('\t')[0]!)
    expect(fish('mysqlconn an')).toContain('analyze')
    expect(fish('mysqlconn capture s')).toContain('slice')
    expect(fish('mysqlconn check --update')).toContain('--update-baseline')
    expect(fish('mysqlconn explain rst-a')).toContain('rst-after-query')
  })

  itNeeds('zsh')('zsh: loads, and completes commands', () => {
    const script = `autoload -Uz compinit; compinit -u -d ${join(dir, 'dump')}; source ${join(dir, 'c.zsh')}; print -r -- $_comps[mysqlconn]`
    const env = { PATH: process.env['PATH'], HOME: dir, LC_ALL: 'C.UTF-8' }
    expect(execFileSync('zsh', ['-f', '-c', script], { encoding: 'utf8', env }).trim()).toBe('_mysqlconn')
  })

  it('another shell is refused by name', () => {
    const r = spawnSync(process.execPath, [bin, 'completion', 'tcsh'], { encoding: 'utf8' })
    expect(r.status).toBe(2)
    expect(r.stderr).toContain('bash, zsh, fish')
  })
})

describe('the pager', () => {
  it.each([
    [{}, true, 'less'],
    [{ PAGER: 'more' }, true, 'more'],
    [{ PAGER: 'more', MYSQLCONN_PAGER: 'most' }, true, 'most'],
    [{}, false, null],
    [{ CI: 'true' }, true, null],
    [{ CI: 'false' }, true, 'less'],
    [{ TERM: 'dumb' }, true, null],
    [{ PAGER: '' }, true, null],
    [{ PAGER: 'cat' }, true, null],
  ])('%j, terminal %s: %s', (env, isTTY, pager) => expect(pagerFor(env, isTTY)).toBe(pager))

  const onTerminal = (pager: string): string => {
    const env = { PATH: process.env['PATH'], HOME: dir, LC_ALL: 'C.UTF-8', TERM: 'xterm', PAGER: pager }
    return execFileSync('script', ['-qec', `${process.execPath} ${bin} explain rst-after-query`, '/dev/null'], {
      encoding: 'utf8',
      env,
      input: '',
    })
  }
  const whenBuilt = built ? itNeeds('script') : itNeeds('/no/dist')
  whenBuilt('gets the text on a terminal, and nothing is lost when it is not there', () => {
    const path = join(dir, 'pager')
    writeFileSync(path, '#!/bin/sh\necho PAGED; cat\n')
    chmodSync(path, 0o755)
    expect(onTerminal(path)).toMatch(/^PAGED\r?\n[\s\S]*family cut/)
    expect(onTerminal('/no/such/pager')).toContain('family cut')
    expect(onTerminal('cat')).not.toContain('PAGED')
  })

  it.skipIf(!built)('is not asked in a pipe', () => {
    const env = { PATH: process.env['PATH'], PAGER: 'echo PAGED' }
    const r = spawnSync(process.execPath, [bin, 'explain', 'rst-after-query'], { encoding: 'utf8', env })
    expect(r.stdout).not.toContain('PAGED')
  })
})

describe.skipIf(!built)('the help', () => {
  it('begins with examples, for all and for each command', () => {
    expect(run(['--help'])).toMatch(/^[^\n]+\n\nEXAMPLES\n {2}\$ mysqlconn analyze/)
    expect(run(['capture', 'slice', '--help'])).toMatch(/^[^\n]+\n\nEXAMPLES\n/)
  })
})

describe('the manual page', () => {
  const page = join(ROOT, 'docs/mysqlconn.1')
  itNeeds('mandoc')('is without a fault, and names every command', () => {
    const lint = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', page], { encoding: 'utf8' })
    expect(lint.stdout.replace(/^.*(?:missing date|lower case).*\n/gm, '')).toBe('')
    const text = execFileSync('mandoc', ['-T', 'ascii', page], { encoding: 'utf8' }).replace(/.\x08/g, '')
    for (const name of ['analyze', 'check', 'capture slice', 'rules show', 'completion', 'sessions show'])
      expect(text).toContain(`mysqlconn ${name}`)
  })
  it('is generated with the other pages', () => expect(readFileSync(page, 'utf8')).toContain('.TH MYSQLCONN 1'))
})
