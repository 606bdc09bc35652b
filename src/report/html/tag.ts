/** The only place where text becomes HTML: html`…` escapes every value that is not HTML already. */
import { escapeControls } from '../style.ts'

export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type Value = Html | string | number | null | undefined | false | readonly Value[]

export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  let out = strings[0]!
  for (let i = 0; i < values.length; i++) out += piece(values[i]) + strings[i + 1]!
  return new Html(out)
}

export const join = (parts: readonly Html[]): Html => new Html(parts.map((p) => p.text).join(''))

/** Our own constant text: style, script. Never anything that was read. */
export const trusted = (text: string): Html => new Html(text)

function piece(value: Value): string {
  if (value === null || value === undefined || value === false) return ''
  if (value instanceof Html) return value.text
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return escapeHtml(value)
  return value.map(piece).join('')
}

/** Safe between tags and in attributes in quotes. Controls and bidirectional overrides become visible. */
export function escapeHtml(text: string): string {
  return escapeControls(text).replace(/[&<>"'`]/g, (c) => ENTITIES[c]!)
}
const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
}

/** JSON inside <script type="application/json">: nothing in it may end the element, begin a comment or reorder a line. */
export const embeddedJson = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[<>&\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/** An id for anchors: letters, digits, dashes. */
export const anchor = (kind: string, id: string): string => `${kind}-${id.replace(/[^A-Za-z0-9]+/g, '-')}`
