/** A policy file as a Policy. Everything wrong in it is an error with its line: a slip must not make a gate pass. */
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { MysqlconnError } from '../core/errors.ts'
import { durationSeconds, parseFilter } from '../report/filter.ts'
import type { Severity } from '../report/model.ts'
import {
  type Amount,
  type Budget,
  COUNTS,
  DEFAULT_POLICY,
  MEASURE_KEY,
  MEASURES,
  POLICY_NAMES,
  type Policy,
  type Scope,
} from './policy.ts'
import { parseNetwork } from './scope.ts'
import { type Yaml, YamlFile } from './yaml.ts'

const KEYS = ['version', 'fail-on', 'rules', 'budgets', 'scope', 'exclude', 'require', 'baseline']
const SCOPE = ['clients', 'servers', 'users', 'schemas']
const SEVERITIES = ['error', 'warning', 'info'] as const

export interface ReadOptions {
  ruleIds: readonly string[]
  /** Did-you-mean for a key. */
  nearest: (word: string, candidates: readonly string[]) => string[]
}

/** The nearest policy in this folder or above it, null when there is none. */
export function findPolicy(from: string): string | null {
  for (let dir = resolve(from); ; dir = dirname(dir)) {
    for (const name of POLICY_NAMES) if (existsSync(join(dir, name))) return join(dir, name)
    if (dirname(dir) === dir) return null
  }
}

/** The text of a file that the user named or that was found. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (e) {
    throw new MysqlconnError('E_POLICY', `cannot read ${path}: ${(e as Error).message}`, undefined, e)
  }
}

/** Reports name the file without its folder, so that the folder changes no byte. */
export function readPolicy(path: string, options: ReadOptions): Policy {
  return parsePolicy(path, readText(path), options)
}

export function parsePolicy(path: string, text: string, options: ReadOptions): Policy {
  const root = new YamlFile(path, text).root
  const policy: Policy = { ...DEFAULT_POLICY, name: basename(path) }
  const near = (known: readonly string[]) => (key: string) => {
    const [best] = options.nearest(key, known)
    return best === undefined ? `known are ${known.slice(0, 12).join(', ')}` : `did you mean ${best}?`
  }
  let versioned = false
  for (const [key, value] of root.entries(KEYS, near(KEYS))) {
    if (key === 'version') {
      if (value.wholeNumber() !== 1) throw value.error('is not 1, the only version that this program reads')
      versioned = true
    } else if (key === 'fail-on') {
      const level = value.oneOf([...SEVERITIES, 'never'])
      policy.failOn = level === 'never' ? null : level
    } else if (key === 'rules') {
      policy.rules = new Map(
        value
          .entries(options.ruleIds, near(options.ruleIds))
          .map(([id, v]): [string, Severity | 'off'] => [id, v.oneOf([...SEVERITIES, 'off'])]),
      )
    } else if (key === 'budgets') policy.budgets = budgets(value, options)
    else if (key === 'scope') policy.scope = wideScope(value, near)
    else if (key === 'exclude') policy.exclude = scope(value.entries(SCOPE, near(SCOPE)))
    else if (key === 'require') policy.require = requirements(value, near)
    else policy.baseline = value.string()
  }
  if (!versioned) throw root.error('has no version: write version: 1')
  for (const b of policy.budgets)
    if (policy.rules.get(b.name) === 'off')
      throw root.error(`has a budget for ${b.name}, which it turns off: it could not fail`)
  return policy
}

type Near = (known: readonly string[]) => (key: string) => string

function budgets(value: Yaml, options: ReadOptions): Budget[] {
  const known = [...options.ruleIds, ...Object.keys(COUNTS)]
  return value.entries().map(([name, v]) => {
    const measure = MEASURE_KEY.exec(name)
    if (measure !== null && Object.hasOwn(MEASURES, measure[2]!)) {
      const seconds = durationSeconds(v.string().replace(/\s/g, ''))
      if (seconds === null || !/[a-zµ]$/.test(v.string())) throw v.error('is no duration: write it as 50ms or 2 s')
      return { name, limit: { seconds }, text: v.string() }
    }
    if (known.includes(name)) return { name, limit: amount(v), text: v.string() }
    const like = `known are rules, ${Object.keys(COUNTS).join(', ')}, and p99 (or max, mean) of ${Object.keys(MEASURES).join(', ')}`
    const [best] = options.nearest(name, known)
    throw v.error(`is no budget: ${best === undefined ? like : `did you mean ${best}?`}`)
  })
}

function amount(v: Yaml): Amount {
  const text = v.string()
  const share = /^(\d+(?:\.\d+)?)\s?%$/.exec(text)
  if (share !== null) {
    if (Number(share[1]) > 100) throw v.error('is more than 100%')
    return { share: Number(share[1]) / 100 }
  }
  if (/^\d{1,9}$/.test(text)) return { count: Number(text) }
  throw v.error(`is '${text}', neither a count nor a percentage`)
}

function scope(entries: readonly [string, Yaml][]): Scope {
  const out: Scope = {}
  for (const [key, v] of entries) {
    const list = v.strings()
    // An empty list would let everything through where it was meant to hold something back.
    if (list.length === 0) throw v.error('is empty: leave it out')
    if (key === 'clients' || key === 'servers') {
      for (const [i, text] of list.entries())
        if (parseNetwork(text) === null) throw v.list()[i]!.error(`is no address or network: '${text}'`)
    }
    out[key as keyof Scope] = list
  }
  return out
}

function wideScope(value: Yaml, near: Near): Policy['scope'] {
  const keys = [...SCOPE, 'since', 'until', 'filter']
  const entries = value.entries(keys, near(keys))
  const out: Policy['scope'] = scope(entries.filter(([key]) => SCOPE.includes(key)))
  for (const [key, v] of entries) {
    if (key === 'since') out.since = v.string()
    else if (key === 'until') out.until = v.string()
    else if (key === 'filter') {
      try {
        parseFilter(v.string())
      } catch (e) {
        throw v.error(`cannot be read: ${(e as Error).message}`)
      }
      out.filter = v.string()
    }
  }
  return out
}

function requirements(value: Yaml, near: Near): Policy['require'] {
  const keys = ['sessions', 'readable', 'complete']
  const out = { ...DEFAULT_POLICY.require }
  for (const [key, v] of value.entries(keys, near(keys))) {
    if (key === 'sessions') out.sessions = v.wholeNumber()
    else if (key === 'readable') out.readable = amount(v)
    else out.complete = v.boolean()
  }
  return out
}
