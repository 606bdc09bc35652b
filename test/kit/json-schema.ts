/** A validator for the part of JSON Schema 2020-12 that report/schema.ts uses. An unknown keyword is an error, not a pass. */
type Schema = Readonly<Record<string, unknown>>

const KNOWN = new Set([
  ...[
    '$schema',
    '$id',
    '$defs',
    '$ref',
    'title',
    'description',
    'type',
    'properties',
    'required',
    'additionalProperties',
  ],
  ...['items', 'minItems', 'minimum', 'enum', 'const', 'anyOf', 'oneOf'],
])

/** Everything that is wrong, each with its JSON pointer; empty when valid. */
export function schemaErrors(value: unknown, schema: Schema, root: Schema = schema, at = ''): string[] {
  const errors: string[] = Object.keys(schema)
    .filter((k) => !KNOWN.has(k))
    .map((k) => `${at}: keyword ${k} is not checked`)
  const own = (s: unknown, v: unknown = value, where = at): string[] => schemaErrors(v, s as Schema, root, where)
  if (schema['$ref'] !== undefined) {
    const name = String(schema['$ref']).replace('#/$defs/', '')
    errors.push(...own((root['$defs'] as Schema)[name]))
  }
  if (schema['const'] !== undefined && value !== schema['const']) errors.push(`${at}: not ${schema['const']}`)
  if (schema['enum'] !== undefined && !(schema['enum'] as unknown[]).includes(value))
    errors.push(`${at}: ${String(value)} is none of the values`)
  const types = schema['type'] === undefined ? null : [schema['type']].flat()
  if (types !== null && !types.some((t) => isType(value, t as string)))
    return [...errors, `${at}: not ${types.join(' or ')}`]
  if (typeof value === 'number' && typeof schema['minimum'] === 'number' && value < schema['minimum'])
    errors.push(`${at}: below minimum`)
  for (const keyword of ['anyOf', 'oneOf']) {
    const options = schema[keyword] as Schema[] | undefined
    if (options === undefined) continue
    const valid = options.filter((o) => own(o).length === 0).length
    if (keyword === 'oneOf' ? valid !== 1 : valid === 0)
      errors.push(`${at}: matches ${valid} of ${keyword}: ${options.map((o) => own(o)[0]).join(' | ')}`)
  }
  if (Array.isArray(value)) {
    if (typeof schema['minItems'] === 'number' && value.length < schema['minItems']) errors.push(`${at}: too short`)
    if (schema['items'] !== undefined) errors.push(...value.flatMap((v, i) => own(schema['items'], v, `${at}/${i}`)))
  } else if (typeof value === 'object' && value !== null) errors.push(...objectErrors(value as Schema, schema, at, own))
  return errors
}

function objectErrors(
  value: Schema,
  schema: Schema,
  at: string,
  own: (s: unknown, v: unknown, at: string) => string[],
): string[] {
  const errors: string[] = []
  const properties = (schema['properties'] ?? {}) as Schema
  for (const key of (schema['required'] ?? []) as string[])
    if (!Object.hasOwn(value, key)) errors.push(`${at}/${key}: missing`)
  for (const [key, v] of Object.entries(value)) {
    if (Object.hasOwn(properties, key)) errors.push(...own(properties[key], v, `${at}/${key}`))
    else if (schema['additionalProperties'] === false) errors.push(`${at}/${key}: not described`)
    else if (typeof schema['additionalProperties'] === 'object')
      errors.push(...own(schema['additionalProperties'], v, `${at}/${key}`))
  }
  return errors
}

function isType(value: unknown, type: string): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  return typeof value === type
}
