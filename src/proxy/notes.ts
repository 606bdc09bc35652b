/**
 * What only the proxy knows, as comments of frames: `mysqlconn-proxy session=17 leg=back event=close by=server how=rst
 * errno=ECONNRESET`. Words of letters, digits and dashes, one space between them; a value that needs more is percent-encoded.
 */
export const NOTE = 'mysqlconn-proxy'

export function note(facts: Readonly<Record<string, string | number | undefined>>): string {
  let text = NOTE
  for (const [key, value] of Object.entries(facts)) {
    if (value === undefined || value === '') continue
    text += ` ${key}=${encodeURIComponent(String(value))}`
  }
  return text
}
