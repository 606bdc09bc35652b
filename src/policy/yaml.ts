/** YAML with places: every value knows its line, so that a mistake can be pointed at. Besides baseline.ts, which edits, the only importer of the yaml package. */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { MysqlconnError } from '../core/errors.ts'

/** Longer is no policy. */
const LONGEST = 1 << 20

/** A value of a YAML file. Methods throw MysqlconnError E_POLICY that names file and line. */
export class Yaml {
  private readonly file: YamlFile
  private readonly node: Node | null
  /** Where it stands, in words: `budgets.rst-after-query`. */
  readonly where: string

  constructor(file: YamlFile, node: Node | null, where: string) {
    this.file = file
    this.node = node !== null && isAlias(node) ? (node.resolve(file.document) ?? null) : node
    this.where = where
  }

  /** Entries of a mapping; one that is not in `known` is an error. */
  entries(known: readonly string[] | null = null, suggest: (key: string) => string = () => ''): [string, Yaml][] {
    if (this.isEmpty()) return []
    if (!isMap(this.node)) throw this.error('is not a mapping')
    return this.node.items.map((pair) => {
      const key = isScalar(pair.key) ? String(pair.key.value) : ''
      const path = this.where === '' ? key : `${this.where}.${key}`
      const value = new Yaml(this.file, pair.value as Node | null, path)
      if (known !== null && !known.includes(key)) {
        const hint = suggest(key)
        throw this.file.error(pair.key as Node, `unknown key '${key}'${hint === '' ? '' : `: ${hint}`}`)
      }
      return [key, value]
    })
  }

  isEmpty(): boolean {
    return this.node === null || (isScalar(this.node) && this.node.value === null)
  }

  list(): Yaml[] {
    if (this.isEmpty()) return []
    if (isSeq(this.node)) return this.node.items.map((n, i) => new Yaml(this.file, n as Node, `${this.where}[${i}]`))
    throw this.error('is not a list')
  }

  strings(): string[] {
    return this.list().map((y) => y.string())
  }

  /** Text; a number or a date is what was written. */
  string(): string {
    if (!isScalar(this.node) || typeof this.node.value === 'boolean' || this.node.value === null)
      throw this.error('is not text')
    return String(this.node.source ?? this.node.value)
  }

  boolean(): boolean {
    if (isScalar(this.node) && typeof this.node.value === 'boolean') return this.node.value
    throw this.error('is neither true nor false')
  }

  wholeNumber(): number {
    const value = isScalar(this.node) ? this.node.value : undefined
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    throw this.error('is not a whole number')
  }

  oneOf<T extends string>(values: readonly T[]): T {
    // YAML 1.1 writers mean the word by a bare off; 1.2 reads it as text anyway.
    const text = isScalar(this.node) && this.node.value === false ? 'off' : this.string()
    const found = values.find((v) => v === text)
    if (found === undefined) throw this.error(`is '${text}', not one of ${values.join(', ')}`)
    return found
  }

  error(what: string): MysqlconnError {
    return this.file.error(this.node, this.where === '' ? `the file ${what}` : `${this.where} ${what}`)
  }
}

export class YamlFile {
  readonly path: string
  readonly document: Document
  private readonly lines = new LineCounter()

  constructor(path: string, text: string) {
    this.path = path
    if (text.length > LONGEST) throw new MysqlconnError('E_POLICY', `${path}: too large to be one`)
    this.document = parseDocument(text, { lineCounter: this.lines, uniqueKeys: true })
    const [first] = this.document.errors
    if (first !== undefined) {
      const at = this.lines.linePos(first.pos[0])
      throw new MysqlconnError('E_POLICY', `${path}:${at.line}: ${first.message.split(' at line')[0]}`)
    }
  }

  get root(): Yaml {
    return new Yaml(this, this.document.contents as Node | null, '')
  }

  error(node: Node | null, what: string): MysqlconnError {
    const at = node?.range ? this.lines.linePos(node.range[0]).line : 1
    return new MysqlconnError('E_POLICY', `${this.path}:${at}: ${what}`, 'docs/policy.md')
  }
}
