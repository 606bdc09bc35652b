/** What a policy may say (mysqlconn.yml), its defaults, and the JSON Schema by which editors check it. */
import type { Severity } from '../report/model.ts'
import type { JsonSchema } from '../report/schema.ts'

export const POLICY_NAMES: readonly string[] = ['mysqlconn.yml', 'mysqlconn.yaml', '.mysqlconn.yml']

/** `share` is of the sessions in scope: 0.001 for 0.1%. */
export type Amount = { count: number } | { share: number }

export interface Scope {
  clients?: string[]
  servers?: string[]
  users?: string[]
  schemas?: string[]
}

export interface Budget {
  /** The key as written: a rule id, `broken`, `lost`, or a measure: `p99 handshake`. */
  name: string
  limit: Amount | { seconds: number }
  /** The limit as written. */
  text: string
}

export interface Policy {
  /** Name shown in reports, null for the built-in policy. */
  name: string | null
  failOn: Severity | null
  rules: ReadonlyMap<string, Severity | 'off'>
  budgets: readonly Budget[]
  scope: Scope & { since?: string; until?: string; filter?: string }
  exclude: Scope
  require: { sessions: number; readable: Amount; complete: boolean }
  /** Path of the baseline, relative to the policy's folder. */
  baseline: string | null
}

export const DEFAULT_POLICY: Policy = {
  name: null,
  failOn: 'error',
  rules: new Map(),
  budgets: [],
  scope: {},
  exclude: {},
  require: { sessions: 1, readable: { count: 1 }, complete: true },
  baseline: null,
}

/** Measures over sessions that a budget may bound, and what they are. */
export const MEASURES: Readonly<Record<string, string>> = {
  handshake: 'from SYN to the ACK that opens the connection',
  greeting: "from there to MySQL's greeting",
  silence: 'time without payload before the end',
  duration: 'from first to last frame',
}

/** Counts over sessions that a budget may bound besides rules. */
export const COUNTS: Readonly<Record<string, string>> = {
  broken: 'sessions that an error or a warning names',
  lost: 'sessions that lost a request',
}

/** `p99 handshake`: a percentile, max or mean of a measure. */
export const MEASURE_KEY = /^(p\d{1,2}(?:\.\d)?|max|mean) ([a-z]+)$/

const strings = (description: string): JsonSchema => ({ type: 'array', items: { type: 'string' }, description })
const scope = {
  clients: strings('addresses or networks of clients: 10.0.0.5, 10.0.0.0/8, 2001:db8::/32'),
  servers: strings('addresses, networks or address:port of servers'),
  users: strings('MySQL users; * stands for anything'),
  schemas: strings('default schemas; * stands for anything'),
}
const severities = ['error', 'warning', 'info']
const amount = {
  oneOf: [
    { type: 'integer', minimum: 0 },
    { type: 'string', pattern: '^\\d+(\\.\\d+)?\\s?%$', description: 'of the sessions in scope' },
  ],
}

/** For editors: `mysqlconn schema policy`. The reader (read.ts) says the same with line numbers. */
export function policySchema(ruleIds: readonly string[]): JsonSchema {
  const rules = Object.fromEntries(ruleIds.map((id) => [id, { enum: [...severities, 'off'] }]))
  const budgets = Object.fromEntries([...ruleIds, ...Object.keys(COUNTS)].map((id) => [id, amount]))
  const measures = Object.keys(MEASURES).join('|')
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'urn:mysqlconn:policy/1',
    title: 'mysqlconn policy',
    type: 'object',
    required: ['version'],
    additionalProperties: false,
    properties: {
      version: { const: 1 },
      'fail-on': {
        enum: [...severities, 'never'],
        default: 'error',
        description: 'findings of this severity or a graver one break the policy, unless a budget allows them',
      },
      rules: {
        type: 'object',
        description: 'severity of a rule; off: its findings do not count',
        properties: rules,
        additionalProperties: false,
      },
      budgets: {
        type: 'object',
        description: 'how much of something is still right: connections of a rule, or a measure over sessions',
        properties: budgets,
        patternProperties: {
          [`^(p\\d{1,2}(\\.\\d)?|max|mean) (${measures})$`]: {
            type: 'string',
            pattern: '^\\d+(\\.\\d+)?\\s?(us|µs|ms|s|m|min|h)$',
          },
        },
        additionalProperties: false,
      },
      scope: {
        type: 'object',
        description: 'only sessions for which all of this holds',
        additionalProperties: false,
        properties: {
          ...scope,
          since: { type: 'string', description: 'as --since' },
          until: { type: 'string', description: 'as --until' },
          filter: { type: 'string', description: 'as --filter' },
        },
      },
      exclude: {
        type: 'object',
        description: 'no sessions for which any of this holds',
        additionalProperties: false,
        properties: scope,
      },
      require: {
        type: 'object',
        description: 'what must have been seen for the answer to count',
        additionalProperties: false,
        properties: {
          sessions: { type: 'integer', minimum: 0, default: 1, description: 'at least so many sessions in scope' },
          readable: { ...amount, default: 1, description: 'at least so many whose commands could be read' },
          complete: { type: 'boolean', default: true, description: 'nothing lost, cut, damaged or one-sided' },
        },
      },
      baseline: { type: 'string', description: 'path of the baseline, from the folder of the policy' },
    },
  }
}

/** Of the baseline file. */
export const BASELINE_SCHEMA: JsonSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:mysqlconn:baseline/1',
  title: 'mysqlconn baseline: findings that are accepted for a while',
  type: 'object',
  required: ['version', 'entries'],
  additionalProperties: false,
  properties: {
    version: { const: 1 },
    entries: {
      type: 'array',
      items: {
        type: 'object',
        required: ['id', 'reason', 'owner', 'expires'],
        additionalProperties: false,
        properties: {
          id: { type: 'string', description: 'id of the finding, rule:fingerprint' },
          reason: { type: 'string', minLength: 1 },
          owner: { type: 'string', minLength: 1 },
          expires: {
            type: 'string',
            pattern: '^\\d{4}-\\d\\d-\\d\\d$',
            description: 'last day, by the time of the capture',
          },
          title: { type: 'string', description: 'what it was when it was accepted; for people' },
        },
      },
    },
  },
}
