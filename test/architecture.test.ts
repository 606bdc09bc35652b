/** The import rules of docs/design.md, held by a test: data flows up, imports point down. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')

/** Layer -> layers it may import besides itself. `types` after a layer's name: import type only. */
const ALLOWED: Record<string, string[]> = {
  core: [],
  capture: ['core'],
  packet: ['core', 'capture:types'],
  tcp: ['core', 'packet'],
  tls: ['core', 'tcp:types'],
  mysql: ['core', 'tcp:types', 'tls'],
  logs: ['core'],
  config: ['core'],
  state: ['core', 'mysql'],
  session: ['core', 'tcp', 'tls', 'mysql', 'state', 'report:types'],
  correlate: ['core', 'session:types', 'logs:types', 'detect:types'],
  detect: ['core', 'session:types', 'mysql', 'state', 'logs:types', 'correlate', 'report:types'],
  report: ['core', 'session:types', 'detect', 'mysql', 'tls', 'cli:types'],
  cli: ['core', 'report', 'detect:types'],
  proxy: ['core', 'capture', 'report:types'],
  policy: ['core', 'report', 'detect:types'],
  slice: ['core', 'capture:types', 'packet', 'report:types'],
}
/** node: modules by layer; only the rim touches the outside. */
const OUTSIDE: Record<string, RegExp> = {
  capture: /^node:(fs|fs\/promises|path|stream|zlib|timers|timers\/promises|process|buffer)$/,
  logs: /^node:(fs|fs\/promises|path|zlib|buffer)$/,
  proxy:
    /^node:(fs|fs\/promises|path|net|tls|crypto|dns|dns\/promises|events|timers|timers\/promises|http|os|zlib|process|child_process|buffer|stream)$/,
  policy: /^node:(fs|path|crypto)$/,
  slice: /^node:crypto$/,
  mysql: /^node:zlib$/,
  tls: /^node:crypto$/,
  detect: /^node:crypto$/,
  report: /^node:crypto$/,
  cli: /^node:(fs|fs\/promises|path|process|crypto|util|zlib|child_process)$/,
}
const PACKAGES: Record<string, string[]> = {
  'src/report/style.ts': ['chalk'],
  'src/report/table.ts': ['cli-table3'],
  'src/policy/yaml.ts': ['yaml'],
  'src/policy/baseline.ts': ['yaml'],
}

function files(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) => {
    const p = join(dir, e.name)
    return e.isDirectory() ? files(p) : p.endsWith('.ts') ? [p] : []
  })
}

interface Import {
  from: string
  types: boolean
}

function imports(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
  const out: Import[] = []
  for (const m of text.matchAll(/^\s*(?:import|export)\s+(type\s+)?(?:[^'"]*?\sfrom\s+)?['"]([^'"]+)['"]/gms)) {
    const clause = m[0]
    const named = /\{([^}]*)\}/.exec(clause)?.[1]
    const allTypes =
      named !== undefined &&
      !/^\s*import\s+\w+\s*,/.test(clause) &&
      named.split(',').every((n) => n.trim() === '' || n.trim().startsWith('type '))
    out.push({ from: m[2]!, types: m[1] !== undefined || allTypes })
  }
  for (const m of text.matchAll(/import\(\s*['"]([^'"]+)['"]\s*\)/g)) out.push({ from: m[1]!, types: false })
  return out
}

const layerOf = (file: string): string => {
  const parts = relative(join(root, 'src'), file).split('/')
  return parts.length === 1 ? '.' : parts[0]!
}

describe('architecture', () => {
  const all = files(join(root, 'src'))

  it('layers import only what lies below them', () => {
    const wrong: string[] = []
    for (const file of all) {
      const layer = layerOf(file)
      if (layer === '.') continue
      const allowed = ALLOWED[layer]
      expect(allowed, `layer ${layer} has no row in the import table`).toBeDefined()
      for (const i of imports(file)) {
        if (!i.from.startsWith('.')) continue
        const target = layerOf(resolve(dirname(file), i.from))
        if (target === layer) continue
        const ok =
          allowed!.includes(target) || (i.types && allowed!.includes(`${target}:types`)) || (target === '.' && i.types)
        if (!ok) wrong.push(`${relative(root, file)} -> ${i.from}${i.types ? ' (types)' : ''}`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('only the rim touches files, sockets, the process and packages', () => {
    const wrong: string[] = []
    for (const file of all) {
      const name = relative(root, file)
      const layer = layerOf(file)
      for (const i of imports(file)) {
        if (i.from.startsWith('.')) continue
        if (i.types) continue
        if (i.from.startsWith('node:')) {
          if (layer !== '.' && OUTSIDE[layer]?.test(i.from) !== true) wrong.push(`${name} -> ${i.from}`)
          continue
        }
        const packages =
          PACKAGES[name] ??
          (layer === 'cli'
            ? ['@oclif/core']
            : layer === 'capture' || layer === 'mysql'
              ? ['zstddec', 'pcap-parser', 'zstddec/stream']
              : [])
        if (!packages.includes(i.from)) wrong.push(`${name} -> ${i.from}`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('there are no import cycles among modules that run', () => {
    const graph = new Map<string, string[]>()
    for (const file of all) {
      graph.set(
        file,
        imports(file)
          .filter((i) => i.from.startsWith('.') && !i.types)
          .map((i) => resolve(dirname(file), i.from)),
      )
    }
    const state = new Map<string, 'open' | 'done'>()
    const cycles: string[] = []
    const visit = (file: string, path: string[]): void => {
      if (state.get(file) === 'done') return
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file].map((f) => relative(root, f)).join(' -> '))
        return
      }
      state.set(file, 'open')
      for (const next of graph.get(file) ?? []) visit(next, [...path, file])
      state.set(file, 'done')
    }
    for (const file of graph.keys()) visit(file, [])
    expect(cycles).toEqual([])
  })

  it('commands use the public entry, the report and the command plumbing only', () => {
    const wrong: string[] = []
    for (const file of files(join(root, 'commands'))) {
      for (const i of imports(file)) {
        if (!i.from.startsWith('.')) {
          if (!i.from.startsWith('node:') && i.from !== '@oclif/core')
            wrong.push(`${relative(root, file)} -> ${i.from}`)
          continue
        }
        const target = relative(root, resolve(dirname(file), i.from))
        if (!/^src\/(index|options)\.ts$|^src\/(cli|report|policy|slice)\/|^commands\//.test(target))
          wrong.push(`${relative(root, file)} -> ${target}`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('no source file is longer than 500 lines, tables aside', () => {
    const long = [...all, ...files(join(root, 'commands'))].filter(
      (f) => readFileSync(f, 'utf8').split('\n').length > 500,
    )
    expect(long.map((f) => relative(root, f))).toEqual([])
  })
})
