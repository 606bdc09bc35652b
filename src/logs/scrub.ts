/**
 * Credentials never leave a log line: passwords in connection strings, settings and statements are masked before an event is
 * kept (manual: "Passwords and Logging").
 */
/** A cheap look for anything that could be one. */
const HINT = /pass|pwd|identified|secret|token|:\/\/[^/\s]*:[^/\s]*@|credential|\w:[^\s@/]*@tcp\(/i

const RULES: readonly [RegExp, string][] = [
  // password=x, "password": "x", pwd: x, --password=x, PASSWORD('x')
  [
    /((?:pass(?:word|wd|phrase|code)?|pwd|secret|token|credentials?)["']?\s*(?:=>|[=:(])\s*)(?:'(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.)*"?|[^\s&;,"'){}]+)/gi,
    '$1***',
  ],
  [
    /(\bidentified\s+(?:with\s+\S+\s+)?(?:by|as|via\s+\S+\s+using)\s+(?:password\s+)?)(?:'(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.)*"?)/gi,
    "$1'***'",
  ],
  [/(:\/\/[^/\s:@]*:)[^/\s@]+@/g, '$1***@'],
  [/(\b[\w.%+-]+:)[^\s@/]+(@(?:tcp|unix)\()/g, '$1***$2'],
  [/(set\s+password(?:\s+for\s+\S+)?\s*(?:=|to)\s*)(?:'(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.)*"?)/gi, "$1'***'"],
]

/** Words of error texts that stand where a value would: they are no secret. */
const HARMLESS = /using password: ?(?:YES|NO)/i

/** The text with what may be a credential masked. */
export function scrub(text: string): string {
  if (!HINT.test(text)) return text
  const kept: string[] = []
  const guarded = text.replace(new RegExp(HARMLESS, 'gi'), (m) => `\u0000${kept.push(m) - 1}\u0000`)
  let out = guarded
  for (const [what, by] of RULES) out = out.replace(what, by)
  return kept.length === 0 ? out : out.replace(/\u0000(\d+)\u0000/g, (m, i) => kept[Number(i)] ?? m)
}
