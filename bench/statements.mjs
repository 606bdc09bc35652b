/**
 * The statement reader on long texts: time for twice the size over time for the size, which must stay near 2.
 *
 *   node bench/statements.mjs [MB]        (64 unless given; needs npm run build)
 */
import { PLAIN } from '../dist/src/state/lexer.js'
import { effectsOf } from '../dist/src/state/statement.js'

const size = Number(process.argv[2] ?? 64) << 20
const KINDS = {
  'one long string': () => "SELECT '" + 'x'.repeat(1000),
  'an open string of escapes': () => "SELECT '" + '\\'.repeat(1000),
  'SET with many assignments': () => 'SET a=1' + ', b=(c(1, 2)), @d := 3'.repeat(40),
  'open comments': () => '/*'.repeat(500),
  'versioned comments': () => '/*!50000 a */ '.repeat(70),
  parentheses: () => 'SET a=' + '('.repeat(1000),
  statements: () => 'USE a;'.repeat(160),
  bytes: () => String.fromCharCode(...Array.from({ length: 1000 }, (_, i) => (i * 7919) & 127)),
}

const time = (buf, n) => {
  const t = process.hrtime.bigint()
  effectsOf(buf, 0, n, PLAIN)
  return Number(process.hrtime.bigint() - t) / 1e6
}
for (const [name, make] of Object.entries(KINDS)) {
  const head = Buffer.from(make())
  const buf = Buffer.alloc(size, head.subarray(Math.min(8, head.length)))
  head.copy(buf)
  time(buf, 1 << 20)
  const half = Math.min(time(buf, size / 2), time(buf, size / 2))
  const whole = Math.min(time(buf, size), time(buf, size))
  console.log(
    `${name.padEnd(28)} ${(size >> 20) / 2} MB ${half.toFixed(0)} ms, ${size >> 20} MB ${whole.toFixed(0)} ms: ratio ${(whole / half).toFixed(2)}`,
  )
}
